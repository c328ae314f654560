# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: managed_files
short_description: Write many small files, also for many people, in one task
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Brings a list of files to the wanted content, owner and mode, each whole or not at all, all of them in one task,
    so that a play takes as many tasks for fifty people as for one.
  - A file below a home directory is handled by a process that has become that person.
    A symbolic link the person placed there is followed with the person's own rights, never with those of root,
    and only to a file that is theirs, in a directory that is theirs.
  - What is wrong in a person's home is said in RV(people_skipped) and in a warning, and keeps nobody else from theirs.
    Files of more than 1 MiB are among that, and what is no file, and a home that does not answer within 30 seconds.
  - An absolute path is written by root and then belongs to O(files[].owner).
    The directory it is in has to belong to root and be writable by nobody else.
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is. Either C(~/...), below the owner's home, or an absolute path.
        type: str
        required: true
      owner:
        description: The account it belongs to, with that account's primary group.
        type: str
        default: root
      mode:
        description: Its permissions, as an octal number in quotes.
        type: str
        default: '0600'
      content:
        description: The text it holds.
        type: str
        default: ''
      show:
        description: >-
          Show what changes in the file with C(--diff); passwords in URLs are replaced.
          Without it, the file is named, and nothing of what is in it shown.
        type: bool
        default: false
      merge:
        description:
          - The form of a file that may hold other settings, too. What is in it stays, O(files[].content) is put into it
            between two marks, lines that set the same become comments, and V(absent) takes both back, to the byte.
          - Of a netrc file, entries for the same machine are dropped for good, since they hold passwords.
            What O(files[].content) holds is for V(absent) the place whose passwords go, also where nothing marks them.
          - What the file's own readers give the whole file up over (a word of another program in a netrc file, a byte
            order mark, a comment in another encoding than UTF-8) is made a comment, too, and RV(mended) says so.
          - The file is written whole where this is left out.
        type: str
        choices: [ini, toml, netrc]
      keep_passwords:
        description:
          - Where a variable in O(files[].content) has a URL with a user name and no password, and the same one in the
            file has one for the same user name, the password in it stays.
          - For files in which people keep a password of their own.
        type: bool
        default: false
      state:
        description: >-
          V(present) writes the file, V(absent) deletes it and leaves the directories.
          With O(files[].merge), a file in which something else remains is not deleted.
        type: str
        choices: [present, absent]
        default: present
attributes:
  check_mode:
    description: Reports what would change, also for accounts that do not exist yet.
    support: full
  diff_mode:
    description: Names the files that change; what is in them where O(files[].show) says so.
    support: full
"""

EXAMPLES = r"""
- name: Everybody's credentials for the index
  wheelhouse.onboarding.managed_files:
    files:
      - owner: ada
        path: ~/.netrc
        merge: netrc
        content: "{{ 'packages.acme.example' | wheelhouse.onboarding.netrc_entry('ada', vault_ada_index) }}"
      - owner: bob
        path: ~/.netrc
        merge: netrc
        state: absent
"""

RETURN = r"""
paths:
  description: The files that were written or deleted, with the home spelled out.
  type: list
  elements: str
  returned: always
  sample: [/home/ada/.netrc]
mended:
  description: What was made a comment because the readers of the file give the whole file up over it, in sentences.
  type: list
  elements: str
  returned: always
  sample: ["/home/ada/.netrc has the word port in line 3, which pip and uv do not know ..."]
people_skipped:
  description: Whose files could not be brought to the wanted state, and why. Others of their files may have been.
  type: list
  elements: dict
  returned: always
  sample: [{name: ada, reason: "/home/ada/.netrc: it is a FIFO and not a file; move it away"}]
"""

import os
import pwd
import re
import stat
from typing import Literal, TypedDict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.atomic_write import decode, encode, read, replace
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import (
    PersonError,
    Skipped,
    account,
    as_people,
    look_into,
    printable,
    reason,
    told,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.managed_block import CannotMerge
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.merging import mended, merged, without
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.redaction import redact_credentials

# [(number of the file, what it held before, and after)], and a clause for each failure
Outcome = tuple[list[tuple[int, str, str]], list[str]]


class Wanted(TypedDict):
    """A file, as the module is told it."""

    path: str
    owner: str
    mode: str
    content: str
    show: bool
    merge: Literal["ini", "toml", "netrc"] | None
    keep_passwords: bool
    state: Literal["present", "absent"]


class Change(TypedDict, total=False):
    """A file that changed: what `--diff` shows of it, and the sentences of RV(mended)."""

    path: str
    before: str
    after: str
    before_header: str
    after_header: str
    mended: list[str]


def settle(path: str, wanted: Wanted, owner: pwd.struct_passwd, check_mode: bool) -> tuple[bytes, bytes] | None:
    """Bring one file to the wanted state with the rights of this process.

    What it held before and after, or None where nothing changes.
    """
    if wanted["state"] == "present":
        return write(path, wanted, owner, check_mode)
    if wanted["merge"]:
        return take_out(path, wanted, wanted["merge"], check_mode)
    if not os.path.lexists(path):
        return None
    if not check_mode:
        os.unlink(path)
    return b"", b""


def write(path: str, wanted: Wanted, owner: pwd.struct_passwd, check_mode: bool) -> tuple[bytes, bytes] | None:
    """`settle` for a file that is to hold the content, alone or among what others wrote."""
    found, content, mode = read(path), wanted["content"].encode(), int(wanted["mode"], 8)
    path = os.path.realpath(path)
    if wanted["merge"]:
        content = encode(merged(decode(found or b""), wanted["content"], wanted["merge"]))
    elif wanted["keep_passwords"]:
        content = encode(with_passwords(wanted["content"], decode(found or b"")))
    if found == content:
        status = os.stat(path)
        if (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (mode, owner.pw_uid, owner.pw_gid):
            return None
    if not check_mode:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        replace(path, content, mode, owner.pw_uid, owner.pw_gid)
    return found or b"", content


def with_passwords(content: str, found: str) -> str:
    """`content` with the passwords that `found` has in the URLs of its variables, where user names agree.

    `found` is somebody else's: what is not percent-encoded is no password.
    """
    has = re.compile(r"^(\w+=https?://[\w.~%-]+):([\w.~%-]+)@", re.ASCII | re.MULTILINE)
    passwords = {
        (account.partition("=")[0], account.rpartition("/")[2]): password for account, password in has.findall(found)
    }

    def completed(match: re.Match[str]) -> str:
        variable, start, username = match.groups()
        password = passwords.get((variable, username))
        return match[0] if password is None else f"{variable}={start}{username}:{password}@"

    return re.sub(r"(?m)^(\w+)=(https?://)([^\s:@/]+)@", completed, content)


def take_out(path: str, wanted: Wanted, form: str, check_mode: bool) -> tuple[bytes, bytes] | None:
    """`settle` for a file that is to hold only what others wrote, and to be gone where that is nothing."""
    target = os.path.realpath(path)
    found = read(target)
    if found is None:
        return None
    # a colleague's file, to which a link leads, holds the colleague's own passwords for the same place
    is_theirs = os.stat(target).st_uid == os.geteuid()
    remaining = encode(without(decode(found), wanted["content"] if is_theirs else "", form))
    if found == remaining:
        return None
    if not check_mode:
        if remaining or os.path.islink(path):  # a link stays, and what it leads to must not keep a password
            status = os.stat(target)
            replace(target, remaining, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        else:
            os.unlink(target)
    return found, remaining


def difference(path: str, wanted: Wanted, before: str, after: str) -> Change:
    """What `--diff` shows of a change, with the path. Nothing of what a file holds unless that is wanted."""
    if not wanted["show"]:
        return {"path": path, "before": "", "after": f"(the content of {path} is not shown)\n", "after_header": path}
    before, after = redact_credentials(before), redact_credentials(after)
    return {"path": path, "before": before, "after": after, "before_header": path, "after_header": path}


def change(path: str, wanted: Wanted, before: str, after: str) -> Change:
    """`difference`, and the sentences of RV(mended)."""
    sentences: list[str] = []
    if wanted["merge"] and wanted["state"] == "present":
        sentences = [f"{path} {sentence}" for sentence in mended(before, wanted["merge"])]
    return {**difference(path, wanted, before, after), "mended": sentences}


def settle_each(paths: list[tuple[str, Wanted]], owner: pwd.struct_passwd, check_mode: bool) -> Outcome:
    """`settle` for [(path, wanted)]."""
    changed: list[tuple[int, str, str]] = []
    faults: list[str] = []
    for number, (path, wanted) in enumerate(paths):
        try:
            contents = settle(path, wanted, owner, check_mode)
            if contents:
                changed.append((number, decode(contents[0]), decode(contents[1])))
        except CannotMerge as exc:
            faults.append(f"{path} {exc}".rstrip("."))
        except OSError as exc:
            faults.append(reason(exc))
    return changed, faults


def settle_below(paths: list[tuple[str, Wanted]], owner: pwd.struct_passwd, check_mode: bool) -> Outcome:
    """`settle_each` in a person's home, by that person's process."""
    try:
        look_into(owner.pw_dir)
    except PersonError:
        if all(wanted["state"] == "absent" for _path, wanted in paths) and not os.path.lexists(owner.pw_dir):
            return [], []
        raise
    return settle_each(paths, owner, check_mode)


def settle_as(
    people: list[tuple[pwd.struct_passwd, list[Wanted]]], check_mode: bool
) -> tuple[list[Change], list[Skipped]]:
    """`settle_below` for [(owner, files below the home)]: the changes as in `change`, and who was skipped."""
    changes: list[Change] = []
    skipped: list[Skipped] = []
    jobs = []
    for owner, files in people:
        paths = [(os.path.join(owner.pw_dir, wanted["path"][2:]), wanted) for wanted in files]
        jobs.append((owner, paths))
    work = [(owner, lambda paths=paths, owner=owner: settle_below(paths, owner, check_mode)) for owner, paths in jobs]
    for (owner, paths), outcome in zip(jobs, as_people(work, understand)):
        faults = [str(outcome)] if isinstance(outcome, PersonError) else outcome[1]
        skipped += [{"name": owner.pw_name, "reason": fault} for fault in faults]
        if isinstance(outcome, PersonError):
            continue
        for number, before, after in outcome[0]:
            if number < len(paths):
                changes.append(change(*paths[number], before, after))
    return changes, skipped


def understand(answer: Outcome) -> Outcome:
    """What `settle_each` returned, as it comes from a process of somebody else's."""
    changed, faults = answer
    for number, before, after in changed:
        if not (isinstance(number, int) and number >= 0 and isinstance(before, str) and isinstance(after, str)):
            raise ValueError(number)
    return changed, [printable(fault) for fault in faults]


def refuse_directory(path: str, wanted: Wanted, check_mode: bool) -> str | None:
    """Why root does not write to an absolute path, a sentence, or None: nobody else may change its directory."""
    directory = os.path.dirname(path)
    if os.path.isdir(directory):
        status = os.stat(directory)
        if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"{directory} has to belong to root and be writable by nobody else, to hold {path}."
    elif not check_mode and wanted["state"] == "present":
        return f"The directory {directory} does not exist; create it before {path}."
    return None


def settle_all(files: list[Wanted], check_mode: bool) -> tuple[list[Change], list[Skipped], list[str]]:
    """Bring all files to the wanted state: the changes, who was skipped, and a sentence for each other fault.

    One person's files are handled by one process, and what is wrong with them keeps nobody else from theirs.
    """
    changed: list[Change] = []
    skipped: list[Skipped] = []
    faults: list[str] = []
    below_homes: dict[str, tuple[pwd.struct_passwd, list[Wanted]]] = {}
    for wanted in files:
        path, name = wanted["path"], wanted["owner"]
        owner = account(name)
        if owner is None and wanted["state"] == "absent" and os.path.isabs(path):
            owner = account("root")
        if owner is not None and owner.pw_uid == 0 and path.startswith("~/"):
            path = wanted["path"] = os.path.join(owner.pw_dir, path[2:])
        if not (path.startswith("~/") or os.path.isabs(path)):
            faults.append(f"files[].path is {path}; write ~/... or an absolute path.")
        elif owner is None and wanted["state"] == "present":
            if check_mode:
                changed.append(difference(path, wanted, "", wanted["content"]))
            else:
                faults.append(f"There is no account {name} to own {path}; create it first.")
        elif owner is not None and path.startswith("~/"):
            below_homes.setdefault(name, (owner, []))[1].append(wanted)
        elif owner is not None:
            fault = refuse_directory(path, wanted, check_mode)
            if fault:
                faults.append(fault)
                continue
            settled, wrong = settle_each([(path, wanted)], owner, check_mode)
            changed += [change(path, wanted, before, after) for _number, before, after in settled]
            if owner.pw_uid == 0:
                faults += [f"{fault}." for fault in wrong]
            else:  # the directory is root's, but what is in the file is theirs
                skipped += [{"name": name, "reason": fault} for fault in wrong]
    changes, others = settle_as(list(below_homes.values()), check_mode)
    return changed + changes, skipped + others, faults


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "str", "required": True},
                    "owner": {"type": "str", "default": "root"},
                    "mode": {"type": "str", "default": "0600"},
                    "content": {"type": "str", "default": "", "no_log": True},
                    "show": {"type": "bool", "default": False},
                    "merge": {"type": "str", "choices": ["ini", "toml", "netrc"]},
                    "keep_passwords": {"type": "bool", "default": False, "no_log": False},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                },
            },
        },
        supports_check_mode=True,
    )
    module.no_log_values -= {wanted["content"] for wanted in module.params["files"] if wanted["show"]}
    changes, skipped, faults = settle_all(module.params["files"], module.check_mode)
    paths = [change.pop("path") for change in changes]
    sentences = [sentence for change in changes for sentence in change.pop("mended", [])]
    for sentence in sentences:
        module.warn(sentence)
    for sentence in told(skipped):
        module.warn(sentence)
    answer = {"changed": bool(paths), "paths": paths, "mended": sentences, "people_skipped": skipped}
    if faults:
        module.fail_json(msg=" ".join(faults), **answer)
    module.exit_json(diff=changes, **answer)


if __name__ == "__main__":
    main()

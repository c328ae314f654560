# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: managed_files
short_description: Manage many small files, directories and links in one task
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Brings a list of files to the wanted content, owner and mode, each whole or not at all, all of them in one task,
    so that a play takes as many tasks for fifty people as for one.
  - Directories are made before the files, and links after them. What is V(absent) goes in the opposite order.
  - A file below a home directory is handled by a process that has become that person.
    A symbolic link the person placed there is followed with the person's own rights, never with those of root,
    and only to a file that is theirs, in a directory that is theirs.
  - What is wrong in a person's home is said in RV(people_skipped) and in a warning, and keeps nobody else from theirs.
    Files of more than 1 MiB are among that, and what is no file, and a home that does not answer within 30 seconds.
  - An absolute path is written by root and then belongs to O(files[].owner).
    The directory it is in has to belong to root and be writable by nobody else. The same holds for directories and
    links. A link in the place of a file or a directory is followed if root owns it, and refused otherwise.
options:
  files:
    description: The files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it is. Either C(~/...), below the owner's home, or an absolute path.
        type: str
        required: true
      owner:
        description: The account it belongs to; for an absolute path also as a number.
        type: str
        default: root
      group:
        description:
          - The group it belongs to, as a name or a number; for absolute paths only.
          - The owner's primary group where this is left out.
        type: str
      mode:
        description: Its permissions, as an octal number in quotes.
        type: str
        default: '0600'
      content:
        description: The text it holds.
        type: str
        default: ''
      copy_of:
        description:
          - Another file on the host, which holds the text in place of O(files[].content). Where there is no such file,
            this one is removed.
          - It has to belong to root, in a directory that root alone may write to. For absolute paths.
        type: path
      show:
        description: >-
          Show what changes in the file with C(--diff); passwords in URLs are replaced.
          Without it, the file is named, and nothing of what is in it shown.
        type: bool
        default: false
      validate:
        description: >-
          A command that checks the new file before it is in place; C(%s) in it stands for that file, and what it says
          is in the error. For absolute paths.
        type: str
      merge:
        description:
          - The form of a file that may hold other settings, too. What is in it stays, O(files[].content) is put into it
            between two marks, lines that set the same become comments, and V(absent) takes both back, to the byte.
          - Of a netrc file, entries for the same machine are dropped for good, since they hold passwords.
            What O(files[].content) holds is for V(absent) the place whose passwords go, also where nothing marks them.
          - What the file's own readers give the whole file up over (a word of another program in a netrc file, a byte
            order mark, a comment in another encoding than UTF-8) is made a comment, too, and RV(mended) says so.
          - Of a file that shells or logins read, V(shell) puts the content at the beginning, before anything that may
            end the file early, and changes no other line.
          - The file is written whole where this is left out.
        type: str
        choices: [ini, toml, netrc, shell]
      only_if:
        description:
          - V(exists) writes the file only where there is one already, and V(missing) only where there is none.
          - With V(missing), O(files[].state=absent) deletes the file only if it holds exactly O(files[].content).
        type: str
        choices: [exists, missing]
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
  directories:
    description: Directories. Nothing is written where one of them cannot be brought to the wanted state.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description:
          - An absolute path. Missing directories above it are made, too, for root and with mode 0755.
          - It may lie in a directory that belongs to O(directories[].owner); then a process of that account makes it.
        type: str
        required: true
      owner:
        description: >-
          The account it belongs to, as a name or a number. A directory that belongs to anybody else but root is
          refused, since what is in it was put there by somebody else.
        type: str
        default: root
      group:
        description: The group it belongs to, as a name or a number; by default the owner's primary group.
        type: str
      mode:
        description: Its permissions, as an octal number in quotes.
        type: str
        default: '0755'
      state:
        description: V(absent) removes it after the files and links, if it is empty; it never removes what is in it.
        type: str
        choices: [present, absent]
        default: present
  links:
    description: Symbolic links that belong to root, each replaced in one step.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: An absolute path. Only a link is replaced or removed.
        type: str
        required: true
      target:
        description: Where it leads. With V(absent), a link that leads elsewhere stays; without a target, any link goes.
        type: str
      state:
        description: Whether there is such a link.
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
- name: Write the credentials for the index
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

- name: Install the program
  wheelhouse.onboarding.managed_files:
    directories:
      - path: /opt/acme
    files:
      - path: /opt/acme/report
        content: "{{ lookup('ansible.builtin.file', 'report') }}"
        mode: '0755'
    links:
      - path: /usr/local/bin/acme-report
        target: /opt/acme/report
"""

RETURN = r"""
paths:
  description: The files, directories and links that changed, with the home spelled out.
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
import stat
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import account_record, system_paths
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.atomic_write import decode, read
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import (
    PersonError,
    Skipped,
    account,
    as_person,
    told,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.managed_content import (
    Change,
    Wanted,
    WantedDirectory,
    WantedLink,
    change,
    condensed,
    difference,
    settle_as,
    settle_each,
    settle_paths,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.system_paths import Refused


def settle_all(
    files: list[Wanted], unmended: set[str], check_mode: bool
) -> tuple[list[Change], list[Skipped], list[str]]:
    """Bring all files to the wanted state: the changes, who was skipped, and a sentence for each other fault.

    One person's files are handled by one process, and what is wrong with them keeps nobody else from theirs.
    What is in the directories of `unmended`, a real run would have made or mended by now.
    """
    changed: list[Change] = []
    skipped: list[Skipped] = []
    faults: list[str] = []
    below_homes: dict[str, tuple[pwd.struct_passwd, list[Wanted]]] = {}
    for wanted in files:
        path, name = wanted["path"], wanted["owner"]
        owner = account(name)
        if owner is None and wanted["state"] == "absent":
            # the directory may have deleted the account before the person was offboarded here
            owner = account_record.account(name)
        if owner is not None and owner.pw_uid == 0 and path.startswith("~/"):
            path = wanted["path"] = os.path.join(owner.pw_dir, path[2:])
        if path.startswith("~/"):
            if wanted["group"] or wanted["validate"] or wanted["copy_of"]:
                names = "files[].group, files[].validate and files[].copy_of"
                faults.append(f"{names} are for absolute paths; leave them out for {path}.")
            elif owner is not None:
                below_homes.setdefault(name, (owner, []))[1].append(wanted)
            elif wanted["state"] == "present" and check_mode:
                changed.append(difference(path, wanted, "", wanted["content"]))
            elif wanted["state"] == "present":
                faults.append(f"There is no account {name} to own {path}; create it first.")
            continue
        try:
            wanted = with_copy(wanted)
            owner = owner_of(wanted, "files", check_mode)
            if owner is None:
                changed.append(difference(path, wanted, "", wanted["content"]))
                continue
            must_exist = wanted["state"] == "present" and wanted["only_if"] != "exists" and not check_mode
            system_paths.refuse_place(path, unmended, must_exist)
        except Refused as exc:
            faults.append(str(exc))
            continue
        settled, wrong = settle_each([(path, wanted)], owner, check_mode)
        changed += [change(path, wanted, before, after) for _number, before, after in settled]
        if owner.pw_uid == 0:
            faults += [f"{fault}." for fault in wrong]
        else:  # the directory is root's, but what is in the file is theirs
            skipped += [{"name": name, "reason": fault} for fault in wrong]
    changes, others = settle_as(list(below_homes.values()), check_mode)
    return changed + changes, skipped + others, faults


def with_copy(wanted: Wanted) -> Wanted:
    """A file with the content of the one that it is a copy of; without that, it is to be absent. Raises Refused.

    What Ansible shows of the task's arguments does not get the content.
    """
    source = wanted["copy_of"]
    if source is None or wanted["state"] == "absent":
        return wanted
    if not os.path.isabs(source):
        raise Refused(f"files[].copy_of of {wanted['path']} is {source}; write an absolute path.")
    if not os.path.lexists(source):
        return {**wanted, "state": "absent"}
    system_paths.refuse_place(source, set(), True)
    try:
        status = os.lstat(source)
        if status.st_uid != 0 or not stat.S_ISREG(status.st_mode):
            raise Refused(f"{source} has to be a file that belongs to root, to be copied to {wanted['path']}.")
        return {**wanted, "content": decode(read(source) or b"")}
    except OSError as exc:
        raise Refused(f"{source}: {exc.strerror}.") from None


def owner_of(wanted: Wanted | WantedDirectory, option: str, check_mode: bool) -> pwd.struct_passwd | None:
    """The owner, with the wanted group, of an absolute path. None for one that a run would have made by now.

    Raises Refused.
    """
    path, name, group = wanted["path"], wanted["owner"], wanted["group"]
    if not os.path.isabs(path):
        raise Refused(f"{option}[].path is {path}; write {'~/... or ' if option == 'files' else ''}an absolute path.")
    owner = account(name) or system_paths.numeric_account(name)
    if wanted["state"] == "absent":
        return owner or account("root")
    gid = system_paths.group_number(group) if group is not None and owner else None
    if owner is not None and (gid is not None or group is None):
        return owner if gid is None else pwd.struct_passwd((*owner[:3], gid, *owner[4:7]))
    if check_mode:
        return None
    if owner is None:
        raise Refused(f"There is no account {name} to own {path}; create it first.")
    raise Refused(f"There is no group {group} for {path}; create it first.")


def settle_directory(wanted: WantedDirectory, removed: set[str], check_mode: bool) -> system_paths.Change | None:
    """Bring one directory to the wanted state: what changed, or None. Raises Refused, OSError and PersonError."""
    path = wanted["path"]
    owner = owner_of(wanted, "directories", check_mode)
    if owner is None:
        return "", f"directory of {wanted['owner']}\n"

    def work() -> system_paths.Change | None:
        try:
            if wanted["state"] == "absent":
                return system_paths.remove_directory(path, removed, check_mode)
            return system_paths.make_directory(path, owner.pw_uid, owner.pw_gid, int(wanted["mode"], 8), check_mode)
        except Refused as exc:
            raise PersonError(str(exc).rstrip(".")) from None

    if owner.pw_uid == 0 or not system_paths.belongs_to(os.path.dirname(os.path.normpath(path)), owner.pw_uid):
        return work()
    return as_person(owner, work, system_paths.understand)


def settle_link(wanted: WantedLink, check_mode: bool) -> system_paths.Change | None:
    """Bring one link to the wanted state: what changed, or None. Raises Refused and OSError."""
    path, target = wanted["path"], wanted["target"]
    if not os.path.isabs(path):
        raise Refused(f"links[].path is {path}; write an absolute path.")
    if wanted["state"] == "absent":
        return system_paths.remove_link(path, target, check_mode)
    if not target:
        raise Refused(f"links[].target of {path} is missing; write where the link leads.")
    return system_paths.make_link(path, target, check_mode)


def settle_everything(
    directories: list[WantedDirectory], files: list[Wanted], links: list[WantedLink], check_mode: bool
) -> tuple[list[Change], list[Skipped], list[str]]:
    """Directories, files and links, in the order in which each finds what it needs."""
    made, faults = settle_paths(
        [one for one in directories if one["state"] == "present"],
        lambda one: settle_directory(one, set(), check_mode),
    )
    if faults:
        return made, [], faults
    unmended = {change["path"] for change in made} if check_mode else set()
    changes, skipped, faults = settle_all(files, unmended, check_mode)
    linked, wrong = settle_paths(links, lambda one: settle_link(one, check_mode))
    faults += wrong
    removed = {one["path"] for one in [*changes, *linked] if not one["after"]}
    unmade = sorted((one for one in directories if one["state"] == "absent"), key=lambda one: -one["path"].count("/"))

    def remove(one: WantedDirectory) -> system_paths.Change | None:
        contents = settle_directory(one, removed, check_mode)
        if contents:
            removed.add(os.path.normpath(one["path"]))
        return contents

    gone, wrong = settle_paths(unmade, remove)
    return made + changes + linked + gone, skipped, faults + wrong


def main() -> None:
    owned: dict[str, Any] = {
        "path": {"type": "str", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str"},
    }
    state = {"type": "str", "choices": ["present", "absent"], "default": "present"}
    options: dict[str, dict[str, Any]] = {
        "files": {
            **owned,
            "mode": {"type": "str", "default": "0600"},
            "content": {"type": "str", "default": "", "no_log": True},
            "copy_of": {"type": "path"},
            "show": {"type": "bool", "default": False},
            "merge": {"type": "str", "choices": ["ini", "toml", "netrc", "shell"]},
            "only_if": {"type": "str", "choices": ["exists", "missing"]},
            "validate": {"type": "str"},
            "keep_passwords": {"type": "bool", "default": False, "no_log": False},
            "state": state,
        },
        "directories": {**owned, "mode": {"type": "str", "default": "0755"}, "state": state},
        "links": {"path": owned["path"], "target": {"type": "str"}, "state": state},
    }
    module = AnsibleModule(
        argument_spec={
            name: {"type": "list", "elements": "dict", "default": [], "options": suboptions}
            for name, suboptions in options.items()
        },
        supports_check_mode=True,
    )
    module.no_log_values -= {wanted["content"] for wanted in module.params["files"] if wanted["show"]}
    directories, files, links = (module.params[option] for option in ("directories", "files", "links"))
    changes, skipped, faults = settle_everything(directories, files, links, module.check_mode)
    paths = [change.pop("path") for change in changes]
    sentences = [sentence for change in changes for sentence in change.pop("mended", [])]
    for sentence in sentences:
        module.warn(sentence)
    for sentence in told(skipped):
        module.warn(sentence)
    answer = {"changed": bool(paths), "paths": paths, "mended": sentences, "people_skipped": skipped}
    if faults:
        module.fail_json(msg=" ".join(faults), **answer)
    module.exit_json(diff=condensed(changes), **answer)


if __name__ == "__main__":
    main()

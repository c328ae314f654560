# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The files of the module managed_files: one with the rights of this process, and those of people with theirs."""

from __future__ import annotations

import errno
import os
import pwd
import re
import shlex
import stat
import subprocess
from collections.abc import Callable
from typing import Any, Literal, TypedDict

from ansible_collections.wheelhouse.onboarding.plugins.module_utils import system_paths
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.atomic_write import decode, encode, read, replace
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import (
    PersonError,
    Skipped,
    as_people,
    look_into,
    printable,
    reason,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.managed_block import CannotMerge
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.merging import mended, merged, without
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.redaction import redact_credentials
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.system_paths import Refused

VALIDATION_SECONDS = 60
# [(number of the file, what it held before, and after)], and a clause for each failure
Outcome = tuple[list[tuple[int, str, str]], list[str]]


class Wanted(TypedDict):
    """An entry of the module's option `files`."""

    path: str
    owner: str
    group: str | None
    mode: str
    content: str
    copy_of: str | None
    show: bool
    merge: Literal["ini", "toml", "netrc", "shell"] | None
    only_if: Literal["exists", "missing"] | None
    validate: str | None
    keep_passwords: bool
    state: Literal["present", "absent"]


class WantedDirectory(TypedDict):
    """An entry of the module's option `directories`."""

    path: str
    owner: str
    group: str | None
    mode: str
    state: Literal["present", "absent"]


class WantedLink(TypedDict):
    """An entry of the module's option `links`."""

    path: str
    target: str | None
    state: Literal["present", "absent"]


class Change(TypedDict, total=False):
    """A file that changed: what `--diff` shows of it, and the sentences of RV(mended)."""

    path: str
    before: str
    after: str
    before_header: str
    after_header: str
    mended: list[str]
    hidden: bool


def settle(path: str, wanted: Wanted, owner: pwd.struct_passwd, check_mode: bool) -> tuple[bytes, bytes] | None:
    """Bring one file to the wanted state with the rights of this process.

    What it held before and after, or None where nothing changes.
    """
    if wanted["only_if"] and is_left_alone(path, wanted):
        return None
    if wanted["state"] == "present":
        return write(path, wanted, owner, check_mode)
    if wanted["merge"]:
        return take_out(path, wanted, wanted["merge"], check_mode)
    if not os.path.lexists(path):
        return None
    if not check_mode:
        os.unlink(path)
    return b"", b""


def is_left_alone(path: str, wanted: Wanted) -> bool:
    """Whether a file is not to be touched because there is one already, or because there is none."""
    found = read(path)
    if wanted["only_if"] == "exists":
        return found is None and wanted["state"] == "present"
    if wanted["state"] == "present":
        return found is not None
    return found != encode(wanted["content"])


def write(path: str, wanted: Wanted, owner: pwd.struct_passwd, check_mode: bool) -> tuple[bytes, bytes] | None:
    """`settle` for a file that is to hold the content, alone or among what others wrote."""
    found, content, mode = read(path), encode(wanted["content"]), int(wanted["mode"], 8)
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
        command = wanted["validate"]
        validate = (lambda partial: run_validation(command, partial, path)) if command else None
        replace(path, content, mode, owner.pw_uid, owner.pw_gid, validate)
    return found or b"", content


def run_validation(command: str, partial: str, path: str) -> None:
    """Raise OSError where a command rejects a new file; `%s` in it stands for that file."""
    words = [word.replace("%s", partial) for word in shlex.split(command)]
    try:
        done = subprocess.run(  # there is no AnsibleModule here; pylint: disable=ansible-bad-function
            words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=VALIDATION_SECONDS
        )
        said = decode(done.stderr or done.stdout).replace(partial, path)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise OSError(errno.EINVAL, f"it cannot be checked with {words[0]} ({type(exc).__name__})", path) from None
    if done.returncode:
        raise OSError(errno.EINVAL, f"{words[0]} rejects its new content: {printable(said.strip())}", path)


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
        if not look_into(owner.pw_dir, check_mode):
            made = [
                one for one in enumerate(paths) if one[1][1]["state"] == "present" and one[1][1]["only_if"] != "exists"
            ]
            return [(number, "", wanted["content"]) for number, (_path, wanted) in made], []
    except PersonError:
        if all(wanted["state"] == "absent" for _path, wanted in paths) and not os.path.lexists(owner.pw_dir):
            return [], []
        raise
    return settle_each(paths, owner, check_mode)


def understand(answer: Outcome) -> Outcome:
    """What `settle_each` returned, as it comes from a process of somebody else's."""
    changed, faults = answer
    for number, before, after in changed:
        if not (isinstance(number, int) and number >= 0 and isinstance(before, str) and isinstance(after, str)):
            raise ValueError(number)
    return changed, [printable(fault) for fault in faults]


def difference(path: str, wanted: Wanted, before: str, after: str) -> Change:
    """What `--diff` shows of a change, with the path. Nothing of what a file holds unless that is wanted."""
    if not wanted["show"]:
        words = f"(the content of {path} is not shown)\n"
        if wanted["state"] == "absent" and not after:
            return {"path": path, "before": words, "after": "", "before_header": path, "hidden": True}
        return {"path": path, "before": "", "after": words, "after_header": path, "hidden": True}
    before, after = redact_credentials(before), redact_credentials(after)
    return {"path": path, "before": before, "after": after, "before_header": path, "after_header": path}


def condensed(changes: list[Change]) -> list[Change]:
    """What `--diff` shows of changes: files whose content is not shown have one entry together, a line for each."""
    shown = [one for one in changes if not one.get("hidden")]
    hidden = [one for one in changes if one.pop("hidden", False)]
    if len(hidden) > 1:
        before = "".join(one["before"] for one in hidden)
        hidden = [{"before": before, "after": "".join(one["after"] for one in hidden)}]
    return shown + hidden


def change(path: str, wanted: Wanted, before: str, after: str) -> Change:
    """`difference`, and the sentences of RV(mended)."""
    sentences: list[str] = []
    if wanted["merge"] and wanted["state"] == "present":
        sentences = [f"{path} {sentence}" for sentence in mended(before, wanted["merge"])]
    return {**difference(path, wanted, before, after), "mended": sentences}


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


def settle_paths(
    wanted: list[Any], work: Callable[[Any], system_paths.Change | None]
) -> tuple[list[Change], list[str]]:
    """`work` for each directory or link: the changes, and a sentence for each fault."""
    changes: list[Change] = []
    faults: list[str] = []
    for one in wanted:
        try:
            contents = work(one)
        except (Refused, PersonError) as exc:
            faults.append(f"{str(exc).rstrip('.')}.")
        except OSError as exc:
            faults.append(f"{one['path']}: {exc.strerror}.")
        else:
            if contents:
                path = os.path.normpath(one["path"])
                before, after = contents
                changes.append(
                    {"path": path, "before": before, "after": after, "before_header": path, "after_header": path}
                )
    return changes, faults

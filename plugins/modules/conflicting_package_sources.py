# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: conflicting_package_sources
short_description: Find settings by which packages would not come from the company's index, or not be published there
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Looks for other indexes, channels, directories of packages, trusted hosts and proxies, for what keeps the index from
    being asked, and for other places to publish to, in the settings of pip, uv, Poetry, PDM, hatch, pixi, twine and
    conda, in what pipx keeps of the packages it installed, and for the variables and options that mean the same in what
    shells and logins read. The list is in C(plugins/module_utils/package_sources.py).
  - Each is a warning with the file and the line, and never with the value, which may hold a password.
  - Everybody's files are read, and written, by a process that has become that person, and so are those of somebody's
    installation below C(/opt).
  - Whose home cannot be looked at is named in RV(people_skipped) and in a warning.
options:
  index_url:
    description: The index's address without a path. A setting that names it and nothing else is in order.
    type: str
    required: true
  channels:
    description: Names and addresses of conda channels that are in order beside those on the index.
    type: list
    elements: str
    default: []
  people:
    description: The accounts whose homes are looked at, besides the files for the whole machine and those of root.
    type: list
    elements: str
    default: []
  remove:
    description: >-
      Make comments of the lines. What is part of a longer command, or kept by pipx, is left for a person to change.
    type: bool
    default: false
attributes:
  check_mode:
    description: Reports what would be removed.
    support: full
  diff_mode:
    description: The lines may hold passwords.
    support: none
"""

EXAMPLES = r"""
- name: Nobody installs from elsewhere
  wheelhouse.onboarding.conflicting_package_sources:
    index_url: https://packages.acme.example
    people: [ada, leo]
    remove: true
"""

RETURN = r"""
settings:
  description: What was found.
  type: list
  elements: dict
  returned: always
  sample:
    - path: /home/ada/.config/pip/pip.conf
      line: 3
      setting: extra-index-url
      does: extra-index-url has packages come from elsewhere than https://packages.acme.example
      removed: true
people_skipped:
  description: Whose files could not be looked at, and why.
  type: list
  elements: dict
  returned: always
  sample: [{name: ada, reason: "/home/ada/.bashrc: it is a FIFO and not a file; move it away"}]
"""

import contextlib
import functools
import glob
import os
import pwd
import re
import stat
from collections.abc import Mapping, Sequence
from typing import TypedDict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.atomic_write import decode, encode, read, replace
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.conflicting_settings import (
    conflicting_package_sources,
    removed,
    sentence,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import (
    PersonError,
    Skipped,
    Work,
    account,
    as_people,
    look_into,
    printable,
    reason,
    told,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.package_sources import (
    HOME_FILES,
    INSTALLATION_FILES,
    MACHINE_FILES,
)

MOST = 200  # findings in one person's files that anybody reads

OPT = "/opt"  # where each installation may be somebody else's

Patterns = Mapping[str, Sequence[str]]  # {form: patterns of paths in a directory}


class Found(TypedDict):
    """A setting that is found."""

    path: str
    line: int
    setting: str
    does: str
    removable: bool


Outcome = tuple[list[Found], list[str]]  # with a clause for each file that could not be dealt with


def look(directory: str, patterns: Patterns, index_url: str, channels: list[str], remove: bool) -> Outcome:
    """What is found in files that this process may read, and what is wrong.

    remove      make comments of what can be removed
    """
    found: list[Found] = []
    faults: list[str] = []
    for form, path in files(directory, patterns):
        try:
            text = decode(read(path) or b"")
        except OSError as exc:
            # a directory, or a link to what is not theirs to read, is no settings to any program of theirs
            if not isinstance(exc, IsADirectoryError) and not (
                isinstance(exc, PermissionError) and os.path.islink(path)
            ):
                faults.append(reason(exc))
            continue
        strays = conflicting_package_sources(text, form, index_url, channels)
        if remove and any(stray.removable for stray in strays):
            try:
                take_out(path, removed(text, strays, form))
            except OSError as exc:
                faults.append(reason(exc))
                continue
        found += [
            {
                "path": path,
                "line": stray.first + 1,
                "setting": stray.setting,
                "does": sentence(stray.setting, stray.effect, index_url),
                "removable": stray.removable,
            }
            for stray in strays
        ]
    return found, faults


def files(directory: str, patterns: Patterns) -> list[tuple[str, str]]:
    """[(form, path)] of what is there of the patterns."""
    directory = directory.rstrip("/")
    inner = [entry for entry in os.scandir(directory or "/") if not entry.is_file(follow_symlinks=False)]
    mounted = mounts()
    real = os.path.realpath(directory or "/")
    # a file system of the person's own, mounted there, is none of ours, and may hang
    starts = [glob.escape(entry.path) for entry in inner if os.path.join(real, entry.name) not in mounted]
    found: list[tuple[str, str]] = []
    for form, some in patterns.items():
        for pattern in some:
            first, _slash, rest = pattern.partition("/")
            of = [f"{start}/{rest}" for start in starts] if first == "*" else [f"{glob.escape(directory)}/{pattern}"]
            found += [(form, path) for one in of for path in glob.glob(one)]
    return sorted(found)


def mounts() -> set[str]:
    """Where something is mounted, known without looking there."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
            points = [line.split()[4] for line in stream]
    except OSError:
        return set()
    return {re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point) for point in points}


def take_out(path: str, text: str) -> None:
    """Let a file hold `text`; a link stays one."""
    target = os.path.realpath(path)
    status = os.stat(target)
    replace(target, encode(text), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def look_below(home: str, index_url: str, channels: list[str], remove: bool, check_mode: bool) -> Outcome:
    """`look` in a person's home, by that person's process."""
    if not look_into(home, check_mode):
        return [], []
    return look(home, HOME_FILES, index_url, channels, remove)


def installations() -> list[tuple[pwd.struct_passwd | None, str]]:
    """[(owner, directory)] of what is below /opt. None for what is root's, but others may write in."""
    found: list[tuple[pwd.struct_passwd | None, str]] = []
    for entry in sorted(os.scandir(OPT), key=lambda entry: entry.name) if os.path.isdir(OPT) else []:
        if entry.is_dir(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            shared = status.st_uid == 0 and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            with contextlib.suppress(KeyError):
                found.append((None if shared else pwd.getpwuid(status.st_uid), entry.path))
    return found


def only_told(place: str, index_url: str, channels: list[str]) -> Outcome:
    """`look` in an installation, with nothing that can be removed."""
    found, faults = look(place, INSTALLATION_FILES, index_url, channels, remove=False)
    return [{**one, "removable": False} for one in found], faults


def understand(answer: Outcome) -> Outcome:
    """What `look` returned, as it comes from a process of somebody else's."""
    found, faults = answer
    return [
        {
            "path": printable(one["path"]),
            "line": int(one["line"]),
            "setting": printable(one["setting"], 100),
            "does": printable(one["does"], 300),
            "removable": one["removable"] is True,
        }
        for one in found[:MOST]
    ], [printable(fault) for fault in faults[:MOST]]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "index_url": {"type": "str", "required": True},
            "channels": {"type": "list", "elements": "str", "default": []},
            "people": {"type": "list", "elements": "str", "default": []},
            "remove": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    index_url, remove = module.params["index_url"], module.params["remove"]
    channels = module.params["channels"]
    write = remove and not module.check_mode
    found, faults = look("/", MACHINE_FILES, index_url, channels, write)
    jobs: list[tuple[pwd.struct_passwd, Work]] = [
        (owner, functools.partial(look_below, owner.pw_dir, index_url, channels, write, module.check_mode))
        for owner in filter(None, map(account, module.params["people"]))
    ]
    for owner, place in installations():
        if owner is not None and owner.pw_uid == 0:
            also, wrong = look(place, INSTALLATION_FILES, index_url, channels, write)
            found, faults = found + also, faults + wrong
        elif owner is not None:
            jobs.append((owner, functools.partial(look, place, INSTALLATION_FILES, index_url, channels, write)))
        else:  # by somebody who can do nothing there but read
            jobs.append((pwd.getpwnam("nobody"), functools.partial(only_told, place, index_url, channels)))
    skipped: list[Skipped] = []
    root = account("root")
    if root is not None and os.path.isdir(root.pw_dir):  # what `sudo pip` reads
        also, wrong = look(root.pw_dir, HOME_FILES, index_url, channels, write)
        found += also
        skipped += [{"name": root.pw_name, "reason": fault} for fault in wrong]
    for (owner, _work), outcome in zip(jobs, as_people(jobs, understand)):
        also, wrong = ([], [str(outcome)]) if isinstance(outcome, PersonError) else outcome
        found += also
        skipped += [{"name": owner.pw_name, "reason": fault} for fault in wrong]
    for clause in told(skipped):
        module.warn(clause)
    if faults:
        module.fail_json(msg=" ".join(f"{fault}." for fault in faults), people_skipped=skipped)
    settings = []
    for one in found:
        is_removed = one["removable"] and remove
        done = "it is a comment now" if is_removed else "take it out, unless it is meant"
        module.warn("{path}, line {line}: {does}; {done}.".format(**one, done=done))
        told_of = {key: value for key, value in one.items() if key != "removable"}
        settings.append({**told_of, "removed": is_removed})
    module.exit_json(changed=any(one["removed"] for one in settings), settings=settings, people_skipped=skipped)


if __name__ == "__main__":
    main()

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Accounts as a host knows them, wherever they come from; and what keeps one of the directory from being served.

Each name is looked up by itself: sssd and winbind do not list their accounts.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import (
    PersonError,
    account,
    as_people,
    as_person,
    printable,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.names_in_use import LOGIN_NAME, short_name
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.system_paths import Refused, make_directory

PASSWD, SWITCH, SKELETON = "/etc/passwd", "/etc/nsswitch.conf", "/etc/skel"
SOURCES = ("local", "directory")
MODE = 0o700  # of a new home, as the role makes those of local accounts
SECONDS = 20  # for which a name service may think about one name
_OF_THE_HOST = ("files", "compat", "systemd", "altfiles")
# of the system and of this collection: root makes homes that do not exist yet, and hands them over
_NO_HOMES = re.compile(
    r"/((bin|boot|dev|etc|lib\w*|nonexistent|proc|root|run|sbin|sys|usr|(opt|srv)/wheelhouse)(/.*)?"
    r"|var(/(?!home/[^/]).*)?)?",
    re.DOTALL,
)
_SETTING = "accounts_source is 'directory'"
_SHORT = "sssd: use_fully_qualified_names = false and case_sensitive = false; winbind: winbind use default domain = yes"

LookUp = Callable[[str], Optional[pwd.struct_passwd]]


@dataclass
class Found:
    """What a host knows of people: their accounts, what is wrong with them, and what is said of their homes."""

    accounts: dict[str, pwd.struct_passwd] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)  # sentences; with one of these, nothing is done
    homeless: list[str] = field(default_factory=list)  # names of those whose home does not exist yet
    unseen: list[str] = field(default_factory=list)  # sentences about homes that could not be looked at


def local_names(path: str | None = None) -> set[str]:
    """The accounts of this host itself."""
    lines = Path(path or PASSWD).read_text(encoding="utf-8", errors="replace").splitlines()
    return {line.partition(":")[0] for line in lines if not line.startswith(("#", "+", "-"))}


def directory_services(path: str | None = None) -> list[str]:
    """The name services from which accounts come beside the host's own files, such as `sss` and `winbind`."""
    try:
        text = Path(path or SWITCH).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:  # macOS
        return []
    lines = [line.partition("#")[0] for line in text.splitlines()]
    words = [line.partition(":")[2] for line in lines if line.strip().startswith("passwd:")]
    services = re.sub(r"\[[^\]]*\]", " ", " ".join(words)).split()
    return [service for service in services if service not in _OF_THE_HOST]


def is_in(service: str, name: str) -> bool:
    """Whether one name service knows a name."""
    command = [shutil.which("getent") or "/usr/bin/getent", "--service", f"passwd:{service}", "passwd", name]
    try:
        done = subprocess.run(  # there is no AnsibleModule here; pylint: disable=ansible-bad-function
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def look_up(names: Iterable[str], find: LookUp = account) -> dict[str, pwd.struct_passwd]:
    """The accounts of those names that the host knows, by the name that was asked for."""
    found = ((name, find(name)) for name in names)
    return {name: entry for name, entry in found if entry is not None}


def of_directory(names: Iterable[str], find: LookUp = account) -> Found:
    """The accounts of people whose accounts come from the directory, and all that is wrong with them."""
    found = Found()
    local, services = local_names(), directory_services()
    for name in dict.fromkeys(names):
        entry = find(name)
        fault = _name_fault(name) or _source_fault(name, name in local, services) or _entry_fault(name, entry)
        if fault:
            found.faults.append(fault)
        elif entry is not None:
            found.accounts[name] = entry
    found.faults += _shared_homes(found.accounts)
    _look_at_homes(found)
    return found


def _name_fault(name: str) -> str | None:
    if LOGIN_NAME.fullmatch(name):
        return None
    short = short_name(name)
    advice = f"write {short!r}" if short else "write lower-case letters, digits, '-' and '_'"
    return f"accounts_people has {printable(name)!r}: {advice}, and have the host use short names ({_SHORT})."


def _source_fault(name: str, is_local: bool, services: list[str]) -> str | None:
    if not is_local:
        return None
    where = [service for service in services if is_in(service, name)]
    what = f"is in /etc/passwd and in the directory ({', '.join(where)})" if where else "is in /etc/passwd"
    remedy = (
        f"take the account of this host away (`userdel {name}`, which leaves the home, then `chown -R` the home)"
        if where
        else f"add {name} to the directory and take the account of this host away (`userdel {name}`)"
    )
    return f"{name} {what}, and {_SETTING}: {remedy}, or write accounts_source: local for this host."


def _entry_fault(name: str, entry: pwd.struct_passwd | None) -> str | None:
    if entry is None:
        return (
            f"{name} has no account, and {_SETTING}: `getent passwd {name}` has to find one. Add {name} to the"
            f" directory, mend the host's sssd or winbind ({_SHORT}), or write state: absent in the entry of {name}."
        )
    if entry.pw_name != name:
        return (
            f"`getent passwd {name}` answers for {printable(entry.pw_name)!r}, and {_SETTING}:"
            f" have the host use short names in lower case ({_SHORT})."
        )
    if entry.pw_uid == 0:
        return f"The directory gives {name} the uid 0, which is root's: give {name} another one there."
    try:
        holder = pwd.getpwuid(entry.pw_uid).pw_name
    except KeyError:
        holder = name
    if holder != name:
        return (
            f"The directory gives {name} the uid {entry.pw_uid}, which is also that of {printable(holder)}:"
            " give one of them another."
        )
    if not _can_be_a_home(entry.pw_dir):
        return (
            f"The directory gives {name} the home {printable(entry.pw_dir)!r}, which is none or belongs to the system:"
            " write another one there (unixHomeDirectory), or on the host (sssd: fallback_homedir = /home/%u; winbind:"
            " template homedir = /home/%U)."
        )
    return None


def _can_be_a_home(path: str) -> bool:
    """Whether a person's home can be there. Who writes entries of the directory is not root of the hosts."""
    if not path.startswith("/") or ".." in path.split("/"):
        return False
    # two slashes at the beginning would stay
    return not _NO_HOMES.fullmatch("/" + os.path.normpath(path).lstrip("/"))


def _shared_homes(accounts: Mapping[str, pwd.struct_passwd]) -> list[str]:
    first: dict[str, str] = {}
    faults = []
    for name, entry in accounts.items():
        other = first.setdefault(os.path.normpath(entry.pw_dir), name)
        if other != name:
            faults.append(
                f"The directory gives {other} and {name} the same home, {entry.pw_dir}: give each one of their own."
            )
    return faults


def _look_at_homes(found: Found) -> None:
    """As the person: root may not be let into it, and a file server that is away holds up that person alone."""
    people = [(entry, _looker(entry.pw_dir)) for entry in found.accounts.values()]
    for (entry, _work), seen in zip(people, as_people(people, _understand)):
        name, home = entry.pw_name, entry.pw_dir
        if isinstance(seen, PersonError):
            found.unseen.append(f"{name}: the home {home} cannot be looked at: {seen}.")
        elif seen is None:
            found.homeless.append(name)
        elif seen != entry.pw_uid:
            found.faults.append(
                f"The home {home} belongs to the uid {seen}, and the directory gives {name} the uid {entry.pw_uid}:"
                f" hand it over (`chown -R {entry.pw_uid}:{entry.pw_gid} {home}`), or move it away."
            )


def _looker(home: str) -> Callable[[], int | None]:
    def look() -> int | None:
        try:
            status = Path(home).stat()
        except FileNotFoundError:
            return None
        if not stat.S_ISDIR(status.st_mode):
            raise PersonError("it is not a directory")
        return status.st_uid

    return look


def _understand(seen: object) -> int | None:
    if seen is None or (isinstance(seen, int) and not isinstance(seen, bool)):
        return seen
    raise ValueError(seen)


def make_home(owner: pwd.struct_passwd, skeleton: str | None = None) -> None:
    """Make a home, as a first login does with pam_mkhomedir or oddjob. Raises PersonError.

    Root makes an empty directory, in one that root alone can write to, and hands it over. What is in /etc/skel, the
    person's own process copies.
    """
    try:
        make_directory(owner.pw_dir, owner.pw_uid, owner.pw_gid, MODE, False)
    except Refused as exc:
        raise PersonError(str(exc).rstrip(".")) from None
    except OSError as exc:
        raise PersonError(f"{owner.pw_dir}: {exc.strerror}") from None
    source = skeleton or SKELETON
    as_person(owner, lambda: _copy(source, owner.pw_dir))


def _copy(source: str, home: str) -> None:
    """This process has become the person: what it makes is theirs, and for them alone."""
    if Path(source).is_dir():
        shutil.copytree(source, home, symlinks=True, dirs_exist_ok=True, copy_function=shutil.copyfile)
        Path(home).chmod(MODE)

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What the role jupyter_host works out about people: their SSH keys, their homes, and errors in the settings."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypedDict

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person, users_for_host
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.value_checks import CHECKS

KEYS = "/etc/ssh/authorized_keys.d"
HEADER = "# Managed by Ansible (wheelhouse.onboarding.jupyter_host); keys of your own go into ~/.ssh/authorized_keys."
# what a key may be used for: the tunnel and a shell
RESTRICTIONS = "restrict,pty,port-forwarding "
_AWAITED = "# The home is to come from "
"""In the file of keys of somebody whose home another host still has; tasks/migrate_home.yml knows these words, too."""
# type and key alone are taken over, without options
_KEY = re.compile(r"(?:ssh|sk|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]{40,}={0,2}")

HostVars = Mapping[str, Mapping[str, object]]


class KeyFile(TypedDict, total=False):
    """A file as the module managed_files takes it."""

    path: str
    mode: str
    content: str
    show: bool
    state: str


class Move(TypedDict):
    """A person whose home has to come here, the host it is on, and why it does not come, or nothing."""

    name: str
    host: str
    fault: str


def _mapping(value: object) -> Mapping[str, str]:
    return value if isinstance(value, Mapping) else {}


def _words(value: object) -> list[str]:
    return [str(word) for word in value] if isinstance(value, (list, tuple)) else []


def who_works_on(
    workstations: Iterable[str], people: Sequence[Person], hostvars: HostVars
) -> dict[str, frozenset[str]]:
    """{workstation: login names of those who work there, as the inventory says}: `accounts_people`, or `people`."""
    found = {}
    for workstation in workstations:
        given = hostvars[workstation].get("accounts_people") if workstation in hostvars else None
        entries = given if isinstance(given, (list, tuple)) else users_for_host(people, workstation)
        found[workstation] = frozenset(str(entry.get("name")) for entry in entries if isinstance(entry, Mapping))
    return found


def authorized_keys(
    people: Sequence[str],
    given: Mapping[str, str],
    unrestricted: Sequence[str],
    existing: Iterable[str],
    hostvars: HostVars,
    workstations: Mapping[str, Collection[str]],
    elsewhere: Sequence[str] = (),
) -> list[KeyFile]:
    """A file of keys for each of `people`, and the removal of those of others that the role wrote.

    given         public keys that IT hands out, by login name
    unrestricted  login names of those whose keys are not restricted
    existing      the lines of all files, each with the path and a colon before it
    hostvars      has the keys that workstations brought, as facts of theirs
    workstations  who works on each: keys of other people are not taken from it
    elsewhere     the other Jupyter hosts: the home of somebody who is new here may be on one that takes no part

    A key from a workstation bears the workstation's name: one that takes no part in this run, or could not look at the
    person's key, keeps the key that it brought earlier.
    """
    found: dict[str, list[str]] = {}
    for line in existing:
        path, _colon, text = line.partition(":")
        found.setdefault(path, []).append(text)
    files: list[KeyFile] = []
    for name in sorted(people):
        path = f"{KEYS}/{name}"
        options = "" if name in unrestricted else RESTRICTIONS
        lines = [HEADER]
        before = found.get(path, [])
        for host in elsewhere:
            # a host that takes no part may have it
            has_it = name in _words(hostvars[host].get("wheelhouse_removed_users", [name]))
            if has_it and (HEADER not in before or f"{_AWAITED}{host}" in before):
                lines.append(f"{_AWAITED}{host}")
        if given.get(name):
            lines.append(options + given[name].strip())
        for workstation in sorted(host for host, names in workstations.items() if name in names):
            facts, mark = hostvars[workstation], f"from-{workstation}"
            if "wheelhouse_ssh_public_keys" in facts and name not in _words(facts.get("wheelhouse_ssh_keys_unknown")):
                brought = _mapping(facts["wheelhouse_ssh_public_keys"]).get(name, "")
            else:
                brought = next((text for text in before if text.endswith(f" {mark}")), "")
            key = _KEY.search(brought)
            if key:
                lines.append(f"{options}{key[0]} {mark}")
        files.append({"path": path, "mode": "0644", "show": True, "content": "\n".join(lines) + "\n"})
    ours = [path for path, lines in found.items() if HEADER in lines]
    return files + [{"path": path, "state": "absent"} for path in sorted(ours) if path.rpartition("/")[2] not in people]


def homes_to_move(
    people: Sequence[str],
    hostvars: HostVars,
    jupyter_hosts: Iterable[str],
    here: str,
    existing: Iterable[str] = (),
    confirmed: str = "",
) -> list[Move]:
    """Those of `people` who have an account on another Jupyter host, and no reason to have one there any more.

    existing    the lines of all files of keys before this run, each with the path and a colon before it
    confirmed   login names, with commas between

    Who has an account there is what that host says, whose root would put files into people's homes here. So a home
    comes to those alone who are new on this host, whose home has not arrived since they were, or whom IT names.
    """
    lines = set(existing)
    agreed = {name.strip() for name in confirmed.split(",")}
    moves: list[Move] = []
    for host in jupyter_hosts:
        if host == here:
            continue
        for name in sorted({*_words(hostvars[host].get("wheelhouse_removed_users"))} & {*people}):
            path = f"{KEYS}/{name}"
            is_new = f"{path}:{HEADER}" not in lines or f"{path}:{_AWAITED}{host}" in lines
            fault = (
                f"{host} has an account of {name}, who has had a JupyterLab here before this run, so nothing is "
                f"fetched from there. If {name} has worked there, have the home come with "
                f"-e jupyter_host_homes_to_move={name}; if not, find out who made the account."
            )
            moves.append({"name": name, "host": host, "fault": "" if is_new or name in agreed else fault})
    return moves


def jupyter_settings_faults(
    people: Iterable[str], keys: Mapping[str, str], passwd: Mapping[str, Sequence[str]] | None, homes: str
) -> list[str]:
    """What is wrong with the people of a Jupyter host; `passwd` is what getent says of accounts, where it was asked."""
    faults = []
    for name in people:
        # names go into the names of units and the configuration of sshd
        advice = CHECKS["login_name"](name)
        if advice:
            faults.append(f"jupyter_host_people has {name!r}; {advice}, at most 32 characters.")
        elif passwd is not None and name not in passwd:
            faults.append(
                f"{name} of jupyter_host_people has no account here; run the role accounts first, or create one."
            )
        elif passwd is not None and passwd[name][4] != f"{homes}/{name}":
            faults.append(
                f"The home {passwd[name][4]} is not {homes}/{name}; "
                "set jupyter_host_homes to the directory that homes are in."
            )
    for name, key in keys.items():
        # a key is type, base64 and perhaps a comment: a line break or leading options would admit more than one key
        advice = CHECKS["public_key"](key)
        if advice:
            faults.append(f"jupyter_host_ssh_public_keys of {name} is no public key; {advice}.")
    return faults

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Which machines people have tokens of the index on, and what people log in with there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import jupyter_host_of, people_today

NAME = "package_client_token_name"
PLACEHOLDER = "whl_" + "a" * 47
"""In check mode, in the place of a token that is not made yet."""


class Login(TypedDict, total=False):
    """What a person's tools log in with at the index: a password or a token, or neither, and the reason."""

    name: str
    index_password: str
    index_token: str
    reason: str


def has_token(person: Mapping[str, object], directory: bool, store_passwords: bool) -> bool:
    """Whether a person's tools log in with tokens.

    directory           whether people without a password here have accounts of the company's directory
    store_passwords     whether those with a password here have it in their files
    """
    return directory if person.get("index_password") is None else not store_passwords


def index_machines(
    people: Iterable[Mapping[str, object]],
    groups: Mapping[str, Sequence[str]],
    hostvars: Mapping[str, Mapping[str, object]],
    directory: bool = False,
    store_passwords: bool = False,
) -> dict[str, list[str]]:
    """{login name: machines} of everyone who is to have tokens.

    A machine has the inventory name of a host, or what the host's variable `package_client_token_name` says.
    """
    jupyter_hosts = list(groups.get("jupyter_hosts", []))
    managed = {*groups.get("workstations", []), *jupyter_hosts} - {*groups.get("windows", [])}
    names: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for person in people_today(people):  # type: ignore[arg-type]
        if person.get("state", "present") != "present" or not has_token(person, directory, store_passwords):
            continue
        hosts = [*(person.get("workstations") or []), jupyter_host_of(person, jupyter_hosts)]
        mine = [host for host in hosts if host in managed]
        for host in mine:
            if host not in names:
                names[host] = str(hostvars[host].get(NAME) or host) if host in hostvars else host
        if mine:
            found[person["name"]] = sorted({names[host] for host in mine if host})
    return found


def index_logins(
    people: Iterable[Mapping[str, object]],
    tokens: Mapping[str, Mapping[str, str]],
    machine: str,
    directory: bool = False,
    store_passwords: bool = False,
    check_mode: bool = False,
) -> list[Login]:
    """What people log in with on one machine, of the `tokens` that the index has given out."""
    found: list[Login] = []
    for person in people:
        login: Login = {"name": str(person["name"])}
        if not has_token(person, directory, store_passwords):
            if person.get("index_password") is not None:
                login["index_password"] = str(person["index_password"])
        elif token := tokens.get(login["name"], {}).get(machine) or (PLACEHOLDER if check_mode else ""):
            login["index_token"] = token
        else:
            login["reason"] = "the index has no account of theirs yet: run this again with the index host"
        found.append(login)
    return found

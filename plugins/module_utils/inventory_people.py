# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Faults of `wheelhouse_people`, the part of an inventory that changes most."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import account_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.htpasswd import check_index_password
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_accounts import (
    header_name_faults,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.names_in_use import (
    LOGIN_NAME,
    short_name,
    why_reserved,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import last_day
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.read_rights import reads_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.settings import PASSWORD_MIN_LENGTH, PERSON
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.value_checks import is_whole_key
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, shown

KEYS = tuple(setting.name for setting in PERSON)
LAPTOPS = ("windows", "linux", "macos")
_PATTERN = re.compile(r"[a-z0-9*?\[\]!-]+")
_PUBLIC_KEY = re.compile(
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)"
    r" AAAA[A-Za-z0-9+/]+={0,2}( [^\x00-\x1f\x7f]*)?"
)


def people_faults(
    people: object,
    workstations: list[str],
    jupyter_hosts: list[str],
    has_proxy: bool,
    min_length: int = PASSWORD_MIN_LENGTH,
    machines: object = None,
) -> Iterator[str]:
    """Yield a sentence per fault.

    people              what stands in `wheelhouse_people`
    workstations        names of the hosts in the group workstations
    jupyter_hosts       names of the hosts in the group jupyter_hosts
    has_proxy           whether `wheelhouse_proxy` is set
    min_length          how many characters a password of the index needs
    machines            the machines' account at the index, which no person can have
    """
    # Without this list nobody works here any more, and a run would offboard the whole company.
    if people is None or people in ([], "", {}):
        what = "is not set" if people is None else "is empty"
        yield f"wheelhouse_people {what}: write one '- name:' per person, with state: absent for those who leave."
        return
    if not isinstance(people, list):
        yield f"wheelhouse_people is {kind(people)}, not a list: write one '- name:' per person."
        return
    first_with: dict[str, str] = {}
    for number, person in enumerate(people):
        where = place_of(person, number)
        # A line that lost its "name:" may as well be a password: it is not shown.
        if not isinstance(person, dict):
            yield f"{where} is {kind(person)}, not a mapping: write '- name: ada' and the rest below it."
            continue
        yield from _key_faults(person, where)
        yield from _name_faults(person.get("name"), f"wheelhouse_people[{number}]", first_with, machines)
        yield from _state_faults(person.get("state", "present"), where)
        yield from _until_faults(person, where)
        if person.get("state") == "absent":
            continue
        yield from _workstations_faults(person.get("workstations"), where, workstations)
        yield from _laptops_faults(person.get("laptops"), where)
        yield from _jupyter_faults(person.get("jupyter"), where, bool(jupyter_hosts))
        yield from _jupyter_host_faults(person, where, jupyter_hosts)
        yield from _publishes_faults(person, where)
        yield from _reads_faults(person, where)
        yield from index_password_faults(person.get("index_password"), f"{where}.index_password", min_length)
        yield from _proxy_account_faults(person, where, has_proxy)
        yield from _ssh_public_key_faults(person.get("ssh_public_key"), where)
    yield from _placement_faults(people, jupyter_hosts)


def _placement_faults(people: list[object], jupyter_hosts: list[str]) -> Iterator[str]:
    """Among several Jupyter hosts, nobody is on the first of the list: they moved when another one was put there."""
    unplaced = [
        str(person.get("name"))
        for person in people
        if isinstance(person, dict)
        and person.get("state") != "absent"
        and person.get("jupyter") is True
        and person.get("jupyter_host") is None
    ]
    if len(jupyter_hosts) > 1 and unplaced:
        few = ", ".join(unplaced[:5]) + (" and others" if len(unplaced) > 5 else "")
        yield (
            f"There are {len(jupyter_hosts)} Jupyter hosts, and wheelhouse_people does not say who of {few} is where: "
            f"write jupyter_host, such as {jupyter_hosts[0]}, for each, so that no home moves by itself."
        )


def _key_faults(person: Mapping[object, object], where: str) -> Iterator[str]:
    for key in person:
        if key in KEYS:
            continue
        close = get_close_matches(key, KEYS, n=1) if isinstance(key, str) else []
        advice = f"did you mean '{close[0]}'?" if close else f"write one of {', '.join(KEYS)}."
        yield f"{where} has the key {shown(key)}, which is not known: {advice}"


def place_of(person: object, number: int) -> str:
    """How a fault speaks of an entry: by the person's name, which is easier to find than a number."""
    name = person.get("name") if isinstance(person, dict) else None
    named = isinstance(name, str) and LOGIN_NAME.fullmatch(name)
    return f"wheelhouse_people[{name if named else number}]"


def _name_faults(name: object, where: str, first_with: dict[str, str], machines: object) -> Iterator[str]:
    """`first_with` remembers which entry had a name first, {name: path of the entry}."""
    where += ".name"
    if name is None:
        yield f"{where} is missing: write the person's login name, for example 'ada'."
    elif isinstance(name, str) and ("@" in name or "\\" in name) and (short := short_name(name)):
        yield (
            f"{where} is {shown(name)}, a name with the directory's domain: write the short name, {shown(short)}, by"
            " which hosts and the index have to know the person."
        )
    elif not isinstance(name, str) or not LOGIN_NAME.fullmatch(name):
        yield (
            f"{where} is {shown(name)}, which can't be a login name: write lower-case letters, digits, '-' and '_', "
            "beginning with a letter, at most 32 in all."
        )
    elif reason := why_reserved(name):
        yield f"{where} is {shown(name)}, {reason}: write another login name."
    elif name == machines:
        yield (
            f"{where} is {shown(name)}, which wheelhouse_index_username is, too: "
            "write another login name, or give the machines another account."
        )
    elif name in first_with:
        yield f"{where} is {shown(name)}, which {first_with[name]} has already: make one entry of the two."
    else:
        first_with[name] = where


def _state_faults(state: object, where: str) -> Iterator[str]:
    if state not in ("present", "absent"):
        yield f"{where}.state is {shown(state)}: write present or absent."


def _until_faults(person: Mapping[str, object], where: str) -> Iterator[str]:
    try:
        last_day({"until": person.get("until")})
    except ValueError:
        until = person.get("until")
        seen = kind(until) if isinstance(until, (list, Mapping)) else shown(str(until))
        yield f"{where}.until is {seen}: write the person's last day, for example 2026-12-31."


def _workstations_faults(names: object, where: str, workstations: list[str]) -> Iterator[str]:
    where += ".workstations"
    if names is None:
        return
    if not isinstance(names, list):
        yield f"{where} is {kind(names)}, not a list: write the names of the person's machines, for example [ws-ada]."
        return
    for name in names:
        if not isinstance(name, str):
            yield f"{where} has {kind(name)} in it: write names of hosts in the group workstations."
        elif name not in workstations:
            close = get_close_matches(name, workstations, n=1)
            question = f" (did you mean {shown(close[0])}?)" if close else ""
            yield (
                f"{where} names {shown(name)}, which is not in the group workstations{question}: "
                "add the host to that group, or correct the name."
            )


def _laptops_faults(systems: object, where: str) -> Iterator[str]:
    where += ".laptops"
    if systems is None:
        return
    if not isinstance(systems, list):
        yield f"{where} is {kind(systems)}, not a list: write the systems of the person's own machines, like [windows]."
        return
    for system in systems:
        if system not in LAPTOPS:
            yield f"{where} has {shown(system)} in it: write {', '.join(LAPTOPS)}, or what of these there is."


def _jupyter_faults(jupyter: object, where: str, has_jupyter_hosts: bool) -> Iterator[str]:
    where += ".jupyter"
    if jupyter is None:
        return
    if not isinstance(jupyter, bool):
        yield f"{where} is {shown(jupyter)}: write true or false, without quotes."
    elif jupyter and not has_jupyter_hosts:
        yield f"{where} is true, but there is no host in the group jupyter_hosts: add one, or write false."


def _jupyter_host_faults(person: Mapping[str, object], where: str, jupyter_hosts: list[str]) -> Iterator[str]:
    name = person.get("jupyter_host")
    where_host = where + ".jupyter_host"
    if name is None:
        return
    if name not in jupyter_hosts:
        close = get_close_matches(name, jupyter_hosts, n=1) if isinstance(name, str) else []
        question = f" (did you mean {shown(close[0])}?)" if close else ""
        yield (
            f"{where_host} is {shown(name)}, which is not in the group jupyter_hosts{question}: "
            "add the host to that group, or correct the name."
        )
    elif not person.get("jupyter"):
        yield f"{where_host} is given without {where}.jupyter: write jupyter: true, or take it out."


def _publishes_faults(person: Mapping[str, object], where: str) -> Iterator[str]:
    patterns = person.get("publishes")
    where_publishes = where + ".publishes"
    if patterns is None:
        return
    if not isinstance(patterns, list):
        yield f"{where_publishes} is {kind(patterns)}, not a list: write patterns of names, like ['acme-*']."
        return
    for pattern in patterns:
        yield from _pattern_faults(pattern, where_publishes)
    if patterns and person.get("index_password") is None:
        yield f"{where_publishes} is given without {where}.index_password: give the person a password to publish with."


def _reads_faults(person: Mapping[str, object], where: str) -> Iterator[str]:
    yield from reads_faults(person.get("reads"), f"{where}.reads")
    if person.get("reads") and person.get("index_password") is None:
        yield f"{where}.reads is given without {where}.index_password: give the person a password to read with."


def _pattern_faults(pattern: object, where: str) -> Iterator[str]:
    if not isinstance(pattern, str):
        yield f"{where} has {kind(pattern)} in it: write patterns of project names, for example 'acme-*'."
        return
    if _PATTERN.fullmatch(pattern):
        return
    # Rights are checked against normalised names (PEP 503), which such a pattern would never match.
    normalised = re.sub(r"[-_.]+", "-", pattern).lower()
    if _PATTERN.fullmatch(normalised):
        yield f"{where} has {shown(pattern)}, but rights go by normalised names: write {shown(normalised)}."
    else:
        yield f"{where} has {shown(pattern)}: write lower-case letters, digits and '-', and *, ? or [] for a pattern."


def index_password_faults(password: object, where: str, min_length: int) -> Iterator[str]:
    """Yield what is wrong with a password of the index; None is no password."""
    if password is None:
        return
    try:
        checked = check_index_password(password, where)
    except ValueError as exc:
        yield str(exc)
        return
    if checked != checked.strip(" "):
        yield f"{where} begins or ends with a space, which tools drop when they read it from a file: write it without."
    if len(checked) < min_length:
        yield (
            f"{where} has fewer than {min_length} characters: "
            "choose a longer one (wheelhouse_password_min_length says how many it needs)."
        )


def _proxy_account_faults(person: Mapping[str, object], where: str, has_proxy: bool) -> Iterator[str]:
    username, password = person.get("proxy_username"), person.get("proxy_password")
    if username in (None, "") and password in (None, ""):
        return
    # without a password, the person types it where they work
    typed = "" if password is None and username else password
    faults = list(account_faults(username, typed, f"{where}.proxy_username", f"{where}.proxy_password"))
    yield from faults or header_name_faults(username, f"{where}.proxy_username")
    if not has_proxy:
        yield f"{where}.proxy_username is of no use without wheelhouse_proxy: set wheelhouse_proxy, or take it out."


def _ssh_public_key_faults(key: object, where: str) -> Iterator[str]:
    where += ".ssh_public_key"
    if key is None:
        return
    if not isinstance(key, str):
        yield f"{where} is {kind(key)}, not a string: write the line of the person's .pub file."
    elif "PRIVATE KEY" in key.upper() or key.startswith("PuTTY-User-Key-File"):
        yield f"{where} holds a private key: make a new one, and write the line of its .pub file."
    elif not _PUBLIC_KEY.fullmatch(key):
        yield f"{where} is not an OpenSSH public key: write the one line of the .pub file, 'ssh-ed25519 AAAA...'."
    elif not is_whole_key(key):
        yield f"{where} is a damaged or shortened public key: copy the line of the .pub file again."

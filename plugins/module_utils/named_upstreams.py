# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Indexes that some projects come from, and these from nowhere else: what is wrong with `pypi_index_upstreams`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.name_patterns import PATTERN, normalised, overlap
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import shown

# Settings whose names are never asked upstream, whatever the index.
_NEVER_ASKED = ("pypi_index_reserved", "pypi_index_restricted", "pypi_index_denied")


def upstream_faults(given: Mapping[str, object]) -> Iterator[str]:
    """Yield a sentence per fault, beyond what each value has to look like by itself.

    given   variables of the roles, as an inventory sets them
    """
    entries = given.get("pypi_index_upstreams")
    seen: list[tuple[str, str]] = []
    logins: dict[str, tuple[object, object]] = {}
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        if not isinstance(entry, Mapping):
            continue
        where = f"pypi_index_upstreams[{number}]"
        yield from _login_faults(entry, where, logins)
        projects = entry.get("projects")
        if projects == []:
            yield f"{where}.projects is empty: write the names of the projects that come from there, such as torch."
        mine: list[tuple[str, str]] = []
        for pattern in projects if isinstance(projects, list) else []:
            if not isinstance(pattern, str):
                continue
            if not PATTERN.fullmatch(pattern):
                yield _form_fault(pattern, f"{where}.projects")
                continue
            for other, place in seen:
                if overlap(pattern, other):
                    yield (
                        f"{where}.projects has {shown(pattern)}, and {place} has {shown(other)}: a project could come "
                        "from both, and each comes from one index alone. Make the patterns narrower."
                    )
            yield from _never_asked_faults(pattern, given, f"{where}.projects")
            mine.append((pattern, f"{where}.projects"))
        seen += mine


def _form_fault(pattern: str, where: str) -> str:
    if PATTERN.fullmatch(normalised(pattern)):
        return f"{where} has {shown(pattern)}, but names are compared normalised: write {shown(normalised(pattern))}."
    return f"{where} has {shown(pattern)}: write lower-case letters, digits and '-', and * for a pattern."


def _login_faults(entry: Mapping[str, object], where: str, logins: dict[str, tuple[object, object]]) -> Iterator[str]:
    """`logins` remembers the account at each server, {origin: (name, password)}."""
    url, login = entry.get("url"), (entry.get("username") or None, entry.get("password") or None)
    if bool(login[0]) != bool(login[1]):
        given, missing = ("username", "password") if login[0] else ("password", "username")
        yield f"{where}.{given} is given without {where}.{missing}: write both, or neither."
    if not isinstance(url, str):
        return
    try:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}".lower()
    except ValueError:
        return
    if login[1] and parts.scheme != "https":
        yield f"{where}.url is {shown(url)}, and the password would be sent unencrypted: write https://."
    if logins.setdefault(origin, login) != login:
        yield (
            f"{where} has another account than an entry before it of the same server ({shown(origin)}): write the same "
            "account in both."
        )


def _never_asked_faults(pattern: str, given: Mapping[str, object], where: str) -> Iterator[str]:
    for setting in _NEVER_ASKED:
        patterns = given.get(setting)
        for one in patterns if isinstance(patterns, list) else []:
            if isinstance(one, str) and fnmatchcase(pattern, normalised(one)):
                yield (
                    f"{where} has {shown(pattern)}, which is never asked upstream ({setting} has {shown(one)}): "
                    "take one of the two out."
                )
                return

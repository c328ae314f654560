# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Who may read which restricted projects: what is wrong with the settings, and the file that the index goes by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.name_patterns import PATTERN, normalised, overlap
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, shown


def reads_faults(patterns: object, where: str) -> Iterator[str]:
    """A sentence per fault of a list of patterns, `reads` of somebody or `pypi_index_restricted`."""
    if patterns is None:
        return
    if not isinstance(patterns, list):
        yield f"{where} is {kind(patterns)}, not a list: write patterns of names, like ['acme-secret-*']."
        return
    for pattern in patterns:
        if not isinstance(pattern, str):
            yield f"{where} has {kind(pattern)} in it: write patterns of project names, for example 'acme-secret-*'."
        elif PATTERN.fullmatch(normalised(pattern)) and not PATTERN.fullmatch(pattern):
            yield (
                f"{where} has {shown(pattern)}, but rights go by normalised names: write {shown(normalised(pattern))}."
            )
        elif not PATTERN.fullmatch(pattern):
            yield f"{where} has {shown(pattern)}: write lower-case letters, digits and '-', and * for a pattern."


def read_right_faults(given: Mapping[str, object]) -> Iterator[str]:
    """A sentence per right to read what everybody may read: of two names that have to agree, one is misspelt.

    given   variables of an index host, as the inventory sets them
    """
    restricted = given.get("pypi_index_restricted", [])
    if not isinstance(restricted, list):
        return  # is no list, or cannot be worked out, which is said elsewhere
    yield from reads_faults(restricted, "pypi_index_restricted")
    names = _patterns(restricted)
    for where, patterns in _rights(given):
        for pattern in patterns:
            if not any(overlap(pattern, one) for one in names):
                known = f"has {', '.join(map(shown, names))} alone" if names else "is empty"
                yield (
                    f"{where} has {shown(pattern)}, and pypi_index_restricted {known}, so that everybody may read it: "
                    "write it there, or correct the one or the other."
                )


def _rights(given: Mapping[str, object]) -> Iterator[tuple[str, list[str]]]:
    name = "pypi_index_people" if "pypi_index_people" in given else "wheelhouse_people"
    people = given.get(name)
    for person in people if isinstance(people, list) else []:
        if isinstance(person, Mapping) and person.get("state", "present") == "present":
            yield f"wheelhouse_people[{person.get('name')}].reads", _patterns(person.get("reads"))
    ldap = given.get("pypi_index_ldap", given.get("wheelhouse_ldap"))
    groups = ldap.get("groups") if isinstance(ldap, Mapping) else None
    for number, group in enumerate(groups if isinstance(groups, list) else []):
        if isinstance(group, Mapping):
            yield f"wheelhouse_ldap.groups[{number}].reads", _patterns(group.get("reads"))


def _patterns(value: object) -> list[str]:
    """Those of a list that have the form of one."""
    some = value if isinstance(value, list) else []
    return [pattern for pattern in some if isinstance(pattern, str) and PATTERN.fullmatch(pattern)]


def read_rights(restricted: list[str], people: Iterable[Mapping[str, object]]) -> str:
    """The file of the index; empty where nothing is restricted.

    restricted  patterns, without faults
    people      list of dicts, shaped like `wheelhouse_people`
    """
    if not restricted:
        return ""
    lines = [f"restricted {pattern}" for pattern in sorted(set(restricted))]
    for person in people:
        patterns = _patterns(person.get("reads"))
        is_there = person.get("state", "present") == "present" and person.get("index_password") is not None
        if patterns and is_there:
            lines.append(f"reads {person['name']} {' '.join(patterns)}")
    return "".join(f"{line}\n" for line in lines)

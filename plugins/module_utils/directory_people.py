# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""People of the company's directory as entries of a file, which somebody reviews before a playbook acts on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.names_in_use import LOGIN_NAME, why_reserved

Entry = dict[str, object]


@dataclass
class Comparison:
    """The entries that the file is to have, and what is different in them."""

    entries: list[Entry]
    joins: list[str] = field(default_factory=list)
    leaves: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Sentences."""


def compare(
    entries: Sequence[Entry],
    members: Mapping[str, Collection[str]],
    groups: Iterable[Mapping[str, object]],
    others: Collection[str] = (),
) -> Comparison:
    """Bring entries to what the directory says. Who is in no group any more becomes absent, and keeps the entry.

    entries     what the file has now; keys that somebody added stay
    members     {login name: names of groups}
    groups      the groups, shaped like those of wheelhouse_ldap
    others      people with entries elsewhere in the inventory, which count more
    """
    with_jupyter = [group for group in groups if "jupyter" in group]
    known = {str(entry.get("name")): entry for entry in entries}
    result = Comparison([])
    for name in sorted({*known, *members}):
        if name in others:
            result.left_out.append(f"{name} has an entry of their own in wheelhouse_people, which counts.")
        elif not LOGIN_NAME.fullmatch(name):
            result.left_out.append(f"{name!r} is no login name on the hosts: lower-case letters, digits, - and _.")
        elif reason := why_reserved(name):
            result.left_out.append(f"{name!r} can be nobody's name on the hosts: it is {reason}.")
        elif name not in members:
            if known[name].get("state") != "absent":
                result.leaves.append(name)
            result.entries.append({**known[name], "state": "absent"})
        else:
            entry = dict(known.get(name, {"name": name}))
            if entry.pop("state", "present" if name in known else "absent") == "absent":
                result.joins.append(name)
            if with_jupyter:
                names = [group["name"] for group in with_jupyter if group["jupyter"]]
                entry["jupyter"] = any(group in members[name] for group in names)
            result.entries.append(entry)
    return result


def faults(result: Comparison, members: Mapping[str, object], confirmed: Collection[str], most: int) -> list[str]:
    """Why the file is not written: sentences."""
    if not members:
        return ["The directory has nobody in any of the groups, which is hardly so. Nothing was changed."]
    open_questions = [name for name in result.leaves if name not in confirmed]
    if len(result.leaves) <= most or not open_questions:
        return []
    return [
        f"{len(result.leaves)} people are in none of the groups any more, more than wheelhouse_offboard_max ({most}):"
        f" {', '.join(result.leaves)}.",
        f"If they all leave, go on with -e wheelhouse_offboard={','.join(result.leaves)}; if not, correct the groups in"
        " the directory. Nothing was changed.",
    ]

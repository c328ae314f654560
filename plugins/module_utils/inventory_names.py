# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Names of variables that nothing reads: a slip in one of them would silently do without what it was to set."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import TypedDict

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.settings import BY_NAME, FACTS, OPTIONS, Option
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import shown

_FACT = re.compile(r"C\(([a-z][a-z0-9_]*)\)")
_OURS = "wheelhouse_"
# How like one of ours a name without any of our prefixes has to be, to be taken for a slip.
_ALIKE = 0.9


class Entry(TypedDict, total=False):
    """What argument_specs say of one entry point of a role."""

    options: dict[str, Option] | None


class Spec(TypedDict):
    """A role's argument_specs.yml, and the text of that file."""

    argument_specs: dict[str, Entry]
    text: str


def role_options(specs: Mapping[str, Spec]) -> dict[str, Option]:
    """{variable: option} of all roles and entry points; `specs` is {role: content of its argument_specs.yml}."""
    return {
        name: option if entry_point == "main" else {**option, "on_command_line": True}
        for spec in specs.values()
        for entry_point, entry in spec["argument_specs"].items()
        for name, option in (entry.get("options") or {}).items()
    }


def role_of(name: str, roles: Iterable[str]) -> str | None:
    """The role whose prefix a variable has."""
    return next((role for role in sorted(roles, key=len, reverse=True) if name.startswith(f"{role}_")), None)


def facts_of(texts: Iterable[str]) -> frozenset[str]:
    """Facts that the roles set for each other: their argument_specs name each as C(name)."""
    return frozenset(name for text in texts for name in _FACT.findall(text)) | FACTS


def name_faults(
    set_on: Mapping[str, str], roles: Collection[str], options: Iterable[str], facts: frozenset[str]
) -> list[str]:
    """A sentence for each variable that nothing reads, though its name says that something should.

    set_on      {name of a variable: a host that has it}
    roles       names of the roles
    options     the variables of the roles
    facts       what roles and playbooks set for each other
    """
    settings = {*BY_NAME, *(option.name for option in OPTIONS), *options}
    known = settings | facts
    faults = []
    for name in sorted(set_on):
        if not isinstance(name, str) or name in known or name.startswith(("ansible_", "__")):
            continue
        folded = re.sub(r"[^a-z0-9]+", "_", name.lower())
        role = role_of(folded, roles)
        ours = role is not None or folded.startswith(_OURS) or folded in settings
        near = get_close_matches(folded, sorted(settings), n=1, cutoff=0.6 if ours else _ALIKE)
        if not ours and not near:
            continue
        near = near or get_close_matches(folded, sorted(settings), n=1, cutoff=0)
        of = f"no variable of the role {role}" if role else "no setting of this collection"
        faults.append(
            f"{name if name.isidentifier() else shown(name)} (of {set_on[name]}) is {of}, and nothing reads it: "
            f"did you mean {near[0]}? Correct the name, or take it out."
        )
    return faults

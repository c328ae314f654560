# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Whom a run would offboard, and whether IT has confirmed it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person, people_today


class OffboardingPlan(TypedDict):
    """Sentences: what a run would do, and why it does not."""

    said: list[str]
    faults: list[str]


def offboarding_plan(
    found: Mapping[str, Iterable[str]],
    people: Iterable[Person] | None,
    confirmed: str | Iterable[object] | None = "",
    most: int = 3,
) -> OffboardingPlan:
    """What a run would do to people's accounts: {"said": [...], "faults": [...]}, sentences for each.

    found       {place: [names of accounts that were made there from the list of people, and would go]};
                a place is a host, or the index
    people      list of dicts, shaped like `wheelhouse_people`
    confirmed   names that IT agrees to, as a list or with commas between
    most        how many people may go in one run without that

    Somebody whose entry is missing goes only where they are confirmed: a list that is cut short or misspelt offboards
    nobody.
    """
    places: dict[str, list[str]] = {}
    for place, names in found.items():
        for name in names:
            places.setdefault(name, []).append(place)
    entries = {person.get("name"): person for person in people or []}
    agreed = _names(confirmed)
    said = {
        name: f"{name}: {_reason(entries.get(name))}; goes from {', '.join(places[name])}." for name in sorted(places)
    }
    open_questions = [name for name in said if name not in agreed]
    missing = [name for name in open_questions if name not in entries]
    too_many = len(said) > most and open_questions
    if not (missing or too_many):
        return {"said": list(said.values()), "faults": []}
    why = (
        f"This run would offboard {len(said)} people, more than wheelhouse_offboard_max ({most}):"
        if too_many
        else "This run would offboard people who have no entry in wheelhouse_people:"
    )
    remedy = (
        f"If they all leave, go on with -e wheelhouse_offboard={','.join(said)}; if not, mend wheelhouse_people"
        " (write `state: absent` in the entry of each person who leaves, and keep the entry). Nothing was changed."
    )
    return {"said": list(said.values()), "faults": [why, *said.values(), remedy]}


def _names(confirmed: str | Iterable[object] | None) -> set[str]:
    """The names in a list, or in a string with commas between."""
    if isinstance(confirmed, str):
        confirmed = confirmed.split(",")
    return {str(name).strip() for name in confirmed or []}


def _reason(person: Person | None) -> str:
    if person is None:
        return "no entry in wheelhouse_people"
    if person.get("state", "present") == "absent":
        return "state: absent"
    if people_today([person])[0].get("state") == "absent":
        return f"the last day was {person['until']}"
    return "works there no more (workstations and jupyter of the entry)"

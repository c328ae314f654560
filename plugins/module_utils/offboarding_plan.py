# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Whom a run would offboard, and whether IT has confirmed it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.names_in_use import LOGIN_NAME, can_be_a_person
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
    members: Mapping[str, Iterable[str]] | None = None,
) -> OffboardingPlan:
    """What a run would do to people's accounts: {"said": [...], "faults": [...]}, sentences for each.

    found       {place: [names of accounts that were made there from the list of people, and would go]};
                a place is a host, or the index
    people      list of dicts, shaped like `wheelhouse_people`
    confirmed   names that IT agrees to, as a list or with commas between
    most        how many people may go in one run without that
    members     {host: [names of all accounts that the host says were made there]}; those of nobody are told, and
                stop no run: root of one host could stop the runs of all others with them

    Somebody whose entry is missing goes only where they are confirmed: a list that is cut short or misspelt offboards
    nobody.
    """
    places: dict[str, list[str]] = {}
    for place, names in found.items():
        for name in names:
            places.setdefault(name, []).append(place)
    odd = [_strangers(host, names) for host, names in (members or {}).items()]
    told = [sentence for sentence in odd if sentence]
    entries = {person.get("name"): person for person in people or []}
    agreed = _names(confirmed)
    said = {
        name: f"{name}: {_reason(entries.get(name))}; goes from {', '.join(places[name])}." for name in sorted(places)
    }
    open_questions = [name for name in said if name not in agreed]
    missing = [name for name in open_questions if name not in entries]
    too_many = len(said) > most and open_questions
    if not (missing or too_many):
        return {"said": [*said.values(), *told], "faults": []}
    why = (
        f"This run would offboard {len(said)} people, more than wheelhouse_offboard_max ({most}):"
        if too_many
        else "This run would offboard people who have no entry in wheelhouse_people:"
    )
    # what a host or the index answers becomes no part of a command unless it is a name
    names = [name for name in said if LOGIN_NAME.fullmatch(name)]
    remedy = (
        f"If they all leave, go on with -e wheelhouse_offboard={','.join(names)}; if not, mend wheelhouse_people"
        " (write `state: absent` in the entry of each person who leaves, and keep the entry). Nothing was changed."
    )
    return {"said": [*said.values(), *told], "faults": [why, *said.values(), remedy, *told]}


def _strangers(host: str, names: Iterable[str]) -> str:
    """A sentence about accounts of a host that can be nobody's, or nothing."""
    found = sorted({str(name) for name in names if not can_be_a_person(str(name))})
    if not found:
        return ""
    listed = ", ".join(ascii(name[:32]) for name in found[:5]) + (" and others" if len(found) > 5 else "")
    return (
        f"{host} has {listed} in its group wheelhouse-people, and no person can be called that: nothing is done about"
        f" it. Find out who put it there, and take it out on {host}."
    )


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

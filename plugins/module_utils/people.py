# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Which of `wheelhouse_people` have an account where."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Person(TypedDict, total=False):
    """What is read here of an entry of `wheelhouse_people`; settings.py says what each key means."""

    name: str
    state: str
    workstations: list[str]
    jupyter: bool
    jupyter_host: str
    ssh_public_key: str
    until: str | datetime.date


def last_day(person: Mapping[str, object]) -> datetime.date | None:
    """The last day on which the person has access, which YAML reads as a date; None for no end. Raises ValueError."""
    until = person.get("until")
    if until is None:
        return None
    if not _DAY.fullmatch(str(until)):
        raise ValueError("until is no day")
    return datetime.date.fromisoformat(str(until))


def today() -> datetime.date:
    """The day by UTC, so that a controller and its hosts agree on it, wherever they are."""
    return datetime.datetime.now(datetime.timezone.utc).date()


def people_today(people: Iterable[Person], day: datetime.date | None = None) -> list[Person]:
    """The same people, absent where the last day is over, and with each `until` as a text. Raises ValueError.

    people  list of dicts, shaped like `wheelhouse_people`
    day     by default today
    """
    day = day or today()
    return [_on(person, day) for person in people]


def _on(person: Person, day: datetime.date) -> Person:
    try:
        last = last_day(person)
    except ValueError:
        raise ValueError(
            f"until of {person.get('name')} is {str(person.get('until'))!r}: write a day, such as 2026-12-31."
        ) from None
    if last is None:
        return person
    dated: Person = {**person, "until": last.isoformat()}
    if day > last:
        dated["state"] = "absent"
    return dated


def users_for_host(people: Iterable[Person], host: str, jupyter_hosts: Sequence[str] = ()) -> list[Person]:
    """The people who have an account on `host`, as they stand in `people`, in the same order.

    people          list of dicts, shaped like `wheelhouse_people`
    host            inventory name of a workstation or a Jupyter host
    jupyter_hosts   inventory names of the Jupyter hosts

    Someone is on a workstation that their `workstations` names. Someone whose `jupyter` is true is on one Jupyter host:
    the one that their `jupyter_host` names, else the first. Nobody is anywhere once their `state` is absent, or the day
    in their `until` is over.
    """
    return [
        person
        for person in people_today(people)
        if person.get("state", "present") == "present"
        and (host in person.get("workstations", []) or host == jupyter_host_of(person, jupyter_hosts))
    ]


def jupyter_host_of(person: Person, jupyter_hosts: Sequence[str]) -> str | None:
    """Where the person's JupyterLab is, or None."""
    if not person.get("jupyter", False) or not jupyter_hosts:
        return None
    return person.get("jupyter_host") or jupyter_hosts[0]

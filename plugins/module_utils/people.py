# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Which of `wheelhouse_people` have an account where."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypedDict


class Person(TypedDict, total=False):
    """What is read here of an entry of `wheelhouse_people`; settings.py says what each key means."""

    name: str
    state: str
    workstations: list[str]
    jupyter: bool
    jupyter_host: str
    ssh_public_key: str


def users_for_host(people: Iterable[Person], host: str, jupyter_hosts: Sequence[str] = ()) -> list[Person]:
    """The people who have an account on `host`, as they stand in `people`, in the same order.

    people          list of dicts, shaped like `wheelhouse_people`
    host            inventory name of a workstation or a Jupyter host
    jupyter_hosts   inventory names of the Jupyter hosts

    Someone is on a workstation that their `workstations` names. Someone whose `jupyter` is true is on one Jupyter host:
    the one that their `jupyter_host` names, else the first. Nobody is anywhere once their `state` is absent.
    """
    return [
        person
        for person in people
        if person.get("state", "present") == "present"
        and (host in person.get("workstations", []) or host == jupyter_host_of(person, jupyter_hosts))
    ]


def jupyter_host_of(person: Person, jupyter_hosts: Sequence[str]) -> str | None:
    """Where the person's JupyterLab is, or None."""
    if not person.get("jupyter", False) or not jupyter_hosts:
        return None
    return person.get("jupyter_host") or jupyter_hosts[0]

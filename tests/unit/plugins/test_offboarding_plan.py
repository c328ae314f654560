# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Nobody is offboarded by a slip: who may go without a word, and who has to be named."""

from __future__ import annotations

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.names_in_use import can_be_a_person
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.offboarding_plan import offboarding_plan
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person

PEOPLE: list[Person] = [
    {"name": "ada", "workstations": ["ws-2"]},
    *(Person(name=name, state="absent") for name in ("bob", "carl", "dora", "eve")),
]


@pytest.mark.parametrize(
    ("found", "confirmed", "goes_on"),
    [
        ({}, "", True),
        ({"ws-1": ["bob", "carl", "dora"], "the index": ["bob"]}, "", True),
        ({"ws-1": ["bob", "carl"], "ws-2": ["dora", "eve"]}, "", False),
        ({"ws-1": ["bob", "carl"], "ws-2": ["dora", "eve"]}, "bob,carl,dora", False),
        ({"ws-1": ["bob", "carl"], "ws-2": ["dora", "eve"]}, "eve, bob,carl ,dora", True),
        ({"ws-1": ["bob", "carl"], "ws-2": ["dora", "eve"]}, ["bob", "carl", "dora", "eve"], True),
        ({"ws-1": ["kim"]}, "", False),
        ({"the index": ["kim"]}, "", False),
        ({"ws-1": ["kim"]}, "bob", False),
        ({"ws-1": ["kim", "bob"]}, "kim", True),
        # one whose entry names the host no more counts like the others
        ({"ws-1": ["ada"]}, "", True),
        ({"ws-1": ["ada", "bob", "carl", "dora"]}, "", False),
    ],
)
def test_a_run_goes_on_only_with_what_was_said(found, confirmed, goes_on):
    assert (offboarding_plan(found, PEOPLE, confirmed)["faults"] == []) is goes_on


@pytest.mark.parametrize("people", [None, [], [{}]])
def test_without_a_list_nobody_goes(people):
    assert offboarding_plan({"ws-1": ["ada"]}, people)["faults"]


def test_each_is_listed_with_the_places_and_the_reason():
    found = {"ws-1": ["ada", "bob"], "the index": ["bob", "kim"]}
    assert offboarding_plan(found, PEOPLE) == {
        "said": [
            "ada: works there no more (workstations and jupyter of the entry); goes from ws-1.",
            "bob: state: absent; goes from ws-1, the index.",
            "kim: no entry in wheelhouse_people; goes from the index.",
        ],
        "faults": [
            "This run would offboard people who have no entry in wheelhouse_people:",
            "ada: works there no more (workstations and jupyter of the entry); goes from ws-1.",
            "bob: state: absent; goes from ws-1, the index.",
            "kim: no entry in wheelhouse_people; goes from the index.",
            "If they all leave, go on with -e wheelhouse_offboard=ada,bob,kim; if not, mend wheelhouse_people "
            "(write `state: absent` in the entry of each person who leaves, and keep the entry). Nothing was changed.",
        ],
    }


def test_what_is_no_persons_account_stops_no_run_and_is_in_no_command():
    """Root of one host puts anything into the group; the runs of all others go on."""
    members = {"ws-1": ["bob"], "ws-2": ["games", "$(reboot)", "x; y", "\x1b[2J", *(f"A{n}" for n in range(9))]}
    plan = offboarding_plan({"ws-1": ["bob"]}, PEOPLE, members=members)
    assert plan["faults"] == []
    bob, told = plan["said"]
    assert bob.startswith("bob: ") and told.startswith("ws-2 has ") and "\x1b" not in told and " and others " in told
    # the index can have such a login, which has to be looked at
    faults = offboarding_plan({"the index": ["kim", "$(reboot)"]}, PEOPLE, members=members)["faults"]
    [command] = [fault for fault in faults if "-e wheelhouse_offboard=" in fault]
    assert "-e wheelhouse_offboard=kim;" in command and "reboot" not in command


def test_an_account_of_the_system_is_nobodys():
    people = ["ada", "px", "timer", "a-b_9"]
    assert [
        name
        for name in [*people, "games", "root", "systemd-x", "_apt", "Ada", "a.b", "", "a\n"]
        if can_be_a_person(name)
    ] == people

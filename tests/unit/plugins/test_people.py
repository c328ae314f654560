"""Who has an account where."""

from datetime import date

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_people import people_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.offboarding_plan import offboarding_plan
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person, people_today, users_for_host

HOSTS = ["jup-1", "jup-2"]
PEOPLE: list[Person] = [
    {"name": "ada", "workstations": ["ws-ada"], "jupyter": True},
    {"name": "bob", "jupyter": True, "jupyter_host": "jup-2"},
    {"name": "eve", "state": "absent", "workstations": ["ws-ada"], "jupyter": True},
    {"name": "grace", "jupyter": False, "workstations": ["ws-ada", "ws-grace"]},
]


@pytest.mark.parametrize(
    ("host", "hosts", "names"),
    [
        ("ws-ada", HOSTS, ["ada", "grace"]),
        ("jup-1", HOSTS, ["ada"]),
        ("jup-2", HOSTS, ["bob"]),
        # a further host takes nobody with it
        ("jup-3", [*HOSTS, "jup-3"], []),
        ("jup-1", [], []),
    ],
)
def test_everybody_is_on_one_jupyter_host(host, hosts, names):
    assert [person["name"] for person in users_for_host(PEOPLE, host, hosts)] == names


@pytest.mark.parametrize(
    ("until", "day", "state"),
    [
        ("2026-12-31", date(2026, 12, 31), "present"),
        ("2026-12-31", date(2027, 1, 1), "absent"),
        # as YAML reads it without quotes
        (date(2026, 12, 31), date(2027, 1, 1), "absent"),
        (None, date(2999, 1, 1), "present"),
    ],
)
def test_access_ends_with_the_last_day(until, day, state):
    (person,) = people_today([{"name": "ada", "until": until}], day)
    assert person.get("state", "present") == state
    assert person.get("until") == (until and "2026-12-31")


def test_whose_last_day_is_over_is_on_no_host():
    people: list[Person] = [
        {"name": "ada", "workstations": ["ws"], "until": "2020-01-01"},
        {"name": "bob", "workstations": ["ws"]},
    ]
    assert [person["name"] for person in users_for_host(people, "ws")] == ["bob"]


@pytest.mark.parametrize("until", ["soon", "2026-13-01", "31.12.2026", "2026-12-31 12:00:00", 20261231, ["2026-12-31"]])
def test_what_is_no_day_is_refused(until):
    with pytest.raises(ValueError, match=r"until of ada is .*: write a day, such as 2026-12-31"):
        people_today([{"name": "ada", "until": until}])


def test_an_offboarding_says_that_the_last_day_is_over():
    plan = offboarding_plan({"ws": ["ada"]}, [{"name": "ada", "workstations": ["ws"], "until": date(2020, 1, 1)}])
    assert plan["said"] == ["ada: the last day was 2020-01-01; goes from ws."]


@pytest.mark.parametrize(
    ("until", "seen"), [("soon", "'soon'"), (date(2026, 12, 31), None), ("2026-12-31", None), ([], "a list")]
)
def test_a_wrong_last_day_is_a_fault_of_the_inventory(until, seen):
    faults = list(people_faults([{"name": "ada", "until": until}], [], [], has_proxy=False))
    wanted = f"wheelhouse_people[ada].until is {seen}: write the person's last day, for example 2026-12-31."
    assert faults == ([wanted] if seen else [])

"""Who has an account where."""

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person, users_for_host

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

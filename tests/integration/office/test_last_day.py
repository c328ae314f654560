"""A person with a last day: from the next day on no host and no index accepts them, without a run of Ansible."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from company import INVENTORY, Run, eventually, site, vault
from kernels import run_cells

pytestmark = pytest.mark.long

NAME = "lou"
TODAY = datetime.now(UTC).date()
YESTERDAY, TOMORROW = TODAY - timedelta(1), TODAY + timedelta(1)
LISTED = "/etc/wheelhouse/last-days.json"
HTPASSWD = "/srv/wheelhouse/config/htpasswd"


def people(*more: dict, arguments: tuple[str, ...] = ()) -> Run:
    """Run people.yml for the demo's people and some more."""
    company = yaml.safe_load((INVENTORY / "group_vars/all/company.yml").read_text(encoding="utf-8"))
    everybody = {"acme_people": [*company["acme_people"], *more]}
    return site("--extra-vars", json.dumps(everybody), *arguments, playbook="people")


def lou(**settings: object) -> dict:
    return {
        "name": NAME,
        "workstations": ["wheelhouse-workstation"],
        "jupyter": True,
        "index_password": vault()["leo_index"][::-1],
        **settings,
    }


ASK = """
import base64, http.client, sys

index = http.client.HTTPSConnection("packages.acme.example")
login = base64.b64encode(sys.argv[1].encode()).decode()
index.request("GET", "/simple/", headers={"Authorization": f"Basic {login}"})
print(index.getresponse().status)
"""


def status(index, password: str) -> str:
    """What the gateway answers to a login."""
    return index.check_output("python3 -c %s %s", ASK, f"{NAME}:{password}")


@pytest.fixture(scope="module")
def employed() -> Iterator[None]:
    """Their last day is today."""
    people(lou(until=str(TODAY)))
    yield
    people(arguments=("--extra-vars", f"wheelhouse_offboard={NAME}"))


def test_on_the_last_day_everything_works(employed, office, index, jupyter, workstation) -> None:
    for host in (jupyter, workstation):
        host.check_output("systemctl start wheelhouse-last-days.service")
        assert host.run(f"su - {NAME} -c true").rc == 0
        assert host.service("wheelhouse-last-days.timer").is_running
        assert host.file(LISTED).mode == 0o600
    assert run_cells(office, NAME, "print(6 * 7)") == "42\n"
    assert status(index, lou()["index_password"]) == "200"


def test_the_day_after_nothing_does(employed, office, index, jupyter, workstation) -> None:
    """The lists are those of a day later, in place of a clock that is put forward."""
    for host in (jupyter, workstation):
        host.check_output("su %s -s /bin/sh -c 'cd /; nohup sleep 3600 >/dev/null 2>&1 &'", NAME)
        host.check_output("sed -i s/%s/%s/ %s", str(TODAY), str(YESTERDAY), LISTED)
        host.check_output("systemctl start wheelhouse-last-days.service")
        assert host.run(f"su - {NAME} -c true").rc != 0
        assert host.run(f"ps -u {NAME} --no-headers").stdout == ""
        left = json.loads(host.check_output("cat /var/lib/wheelhouse/runs/last-days.json"))
        assert (left["outcome"], left["facts"]) == ("ok", {"locked": 1}), left
        assert host.run("su - ada -c true").rc == 0
    assert jupyter.run(f"systemctl is-active jupyterlab@{NAME}.service").stdout.strip() != "active"
    index.check_output("sed -i s/%s/%s/ %s", str(TODAY), str(YESTERDAY), f"{HTPASSWD}.until")
    # the login is remembered from the test before
    eventually(lambda: status(index, lou()["index_password"]) == "401", "the index refuses the account", 15)


def test_with_a_later_day_they_are_back(employed, office, index, jupyter, workstation) -> None:
    people(lou(until=str(TOMORROW)))
    for host in (jupyter, workstation):
        host.check_output("systemctl start wheelhouse-last-days.service")
        assert host.run(f"su - {NAME} -c true").rc == 0
    assert run_cells(office, NAME, "print(6 * 7)") == "42\n"
    assert status(index, lou()["index_password"]) == "200"


def test_a_run_after_the_day_offboards_them(employed, index, jupyter, workstation) -> None:
    gone = people(lou(until=str(YESTERDAY)))
    assert f"{NAME}: the last day was {YESTERDAY}" in gone.output
    for host in (jupyter, workstation):
        assert host.user(NAME).groups == [NAME, "wheelhouse-former"] or "wheelhouse-former" in host.user(NAME).groups
        assert not host.file(LISTED).exists
    assert index.run("grep %s %s", f"^{NAME}:", HTPASSWD).rc != 0
    assert people(lou(until=str(YESTERDAY))).changed == 0

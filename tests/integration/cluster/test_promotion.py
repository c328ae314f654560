"""The host that takes changes is lost: its standby takes over, and it is a standby when it is back."""

from __future__ import annotations

import json
import time

import pytest
from company import ROOT, eventually, play
from hosts import DATABASES, GATEWAYS, Project, files_of, kill, on, power_on, works

INVENTORY = ROOT / "inventories" / "demo-cluster"
UNIT = "systemctl is-active 'postgresql@*-wheelhouse.service'"


def role_of(host: str) -> str:
    return str(json.loads(on(host, "wheelhouse-database state"))["here"])


@pytest.fixture
def primary() -> str:
    return next(host for host in DATABASES if role_of(host) == "primary")


def test_a_standby_takes_over(office, primary):
    project, other = Project("acme-promoted"), next(host for host in DATABASES if host != primary)
    before = project.build(f"1.{time.time_ns()}")
    office.publish_as("ada", f"uv publish {before}")
    kill(primary)
    said = play("wheelhouse.onboarding.promote_database", inventory=INVENTORY, check=False).output
    assert f"{other} takes over." in said
    assert role_of(other) == "primary"
    after = project.build(f"1.{time.time_ns()}")
    eventually(lambda: office.run_as("ada", office.publishing("ada") + f"uv publish {after}").rc == 0, "ada publishes")
    # it stays off, since there would be two truths
    power_on(primary)
    eventually(
        lambda: "inactive" in on(primary, UNIT, check=False) or "failed" in on(primary, UNIT, check=False), "off"
    )
    assert role_of(primary) == "former"
    play("wheelhouse.onboarding.site", "--tags", "index", inventory=INVENTORY)
    assert (role_of(primary), role_of(other)) == ("standby", "primary")
    for address in GATEWAYS.values():
        assert {path.rpartition("/")[2] for path in (before, after)} <= files_of(address, project.name)
    assert works(primary)

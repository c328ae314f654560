"""One command back to a single host, and one to several gateways again, with everything that was published."""

from __future__ import annotations

import time

from company import ROOT, eventually, play
from hosts import GATEWAYS, Project, files_of, on, status_of

INVENTORY = ROOT / "inventories" / "demo-cluster"
FIRST, SECOND = GATEWAYS.values()


def test_back_and_over_again(office):
    project = Project("acme-moved")
    wheel = project.build(f"1.{time.time_ns()}")
    name = wheel.rpartition("/")[2]
    office.publish_as("ada", f"uv publish {wheel}")

    play("wheelhouse.onboarding.migrate_store", "-e", "migrate_store_back=true", inventory=INVENTORY)
    host = next(iter(GATEWAYS))
    assert on(host, "ls /srv/wheelhouse/config/database.json /srv/wheelhouse/config/store.json", check=False) == ""
    eventually(lambda: status_of(FIRST, "/health") == 200, "the single host is well")
    assert name in files_of(FIRST, project.name)
    # a run that would begin an empty index beside it is refused
    refused = play("wheelhouse.onboarding.site", "--tags", "index", inventory=INVENTORY, check=False)
    assert refused.rc and "Move it with migrate_store.yml" in " ".join(refused.output.split())

    play("wheelhouse.onboarding.migrate_store", inventory=INVENTORY)
    for address in (FIRST, SECOND):
        assert name in files_of(address, project.name)
    again = project.build(f"1.{time.time_ns()}")
    office.publish_as("ada", f"uv publish {again}")
    assert again.rpartition("/")[2] in files_of(SECOND, project.name)

"""Retention by the settings of the role: the newest nightly builds stay, and what is removed is in the journal."""

from __future__ import annotations

import json

import pytest
from gateway import Gateway
from index.samples import Wheel
from testinfra.host import Host

PROJECT = "acme_nightly"


@pytest.mark.long
def test_old_nightly_builds_go(index: Host, gateway: Gateway, settings, version: str) -> None:
    versions = [f"{version}.dev{number}" for number in range(1, 5)]
    for one in (version, *versions):
        wheel = Wheel(PROJECT, one, {f"{PROJECT}.py": b""})
        assert gateway.upload(wheel.filename, wheel.build()).status == 200
    settings.apply(pypi_index_retention=[{"projects": "acme-nightly", "versions": f"{version}.dev*", "keep": 2}])
    asked = index.check_output("docker exec wheelhouse-index wheelhouse housekeeping --dry-run")
    assert f"release acme-nightly {versions[0]}: " in asked
    index.check_output("systemctl start wheelhouse-housekeeping.service")
    page = index.check_output("cat /srv/wheelhouse/shelf/simple/acme-nightly/index.json")
    listed = {file["filename"].split("-")[1] for file in json.loads(page)["files"]}
    assert {version, *versions[2:]} <= listed and not listed & {*versions[:2]}
    journal = index.check_output("docker exec wheelhouse-index wheelhouse journal --json").splitlines()
    removed = [json.loads(line) for line in journal if '"remove"' in line]
    assert {one["version"] for one in removed if one["who"] == "housekeeping"} >= {*versions[:2]}
    left = json.loads(index.check_output("cat /var/lib/wheelhouse/runs/housekeeping.json"))
    assert (left["outcome"], left["facts"]["removed"]) == ("ok", 2), left

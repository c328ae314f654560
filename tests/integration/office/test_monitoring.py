"""Metrics of the office, as a Prometheus on each host would get them, and status.yml."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from company import ROLES, Office, eventually, host_of, site
from testinfra.host import Host

MANAGED = [role for role in ROLES if role != "proxy"]
FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())"


def metrics(host: Host) -> dict[str, float]:
    """What the exporter passes on, after the collector has run once more."""
    host.check_output("systemctl start wheelhouse-collect.service")
    text = host.check_output("env no_proxy=127.0.0.1 python3 -c %s http://127.0.0.1:9100/metrics", FETCH)
    lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith(("wheelhouse_", "node_textfile")))
    return {name: float(value) for name, _, value in lines}


@pytest.mark.parametrize("role", MANAGED)
def test_every_part_of_the_collector_works(role: str) -> None:
    found = metrics(host_of(role))
    parts = {name: value for name, value in found.items() if name.startswith("wheelhouse_collector_success")}
    assert len(parts) >= 5 and set(parts.values()) == {1}, parts
    assert found["node_textfile_scrape_error"] == 0
    assert found["wheelhouse_index_reachable"] == found["wheelhouse_index_healthy"] == 1
    assert [value for name, value in found.items() if name.startswith("wheelhouse_proxy_up")] == [1]
    assert time.time() - found["wheelhouse_site_run_timestamp_seconds"] < 7 * 86400
    stalled = [name for name, value in found.items() if name.startswith("wheelhouse_timer_next") and value == 0]
    assert stalled == []


def test_what_it_finds_can_be_printed(index: Host) -> None:
    assert "\nwheelhouse_projects " in index.check_output("/opt/wheelhouse/monitoring/wheelhouse-collect --print")


@pytest.mark.parametrize("role", MANAGED)
def test_no_port_is_open_to_others(role: str) -> None:
    listening = host_of(role).check_output("grep -hi ':%s ' /proc/net/tcp /proc/net/tcp6 || true", f"{9100:04X}")
    places = [line.split()[1] for line in listening.splitlines() if line.split()[3] == "0A"]
    assert places == [f"0100007F:{9100:04X}"]


def test_the_collector_is_shut_in() -> None:
    """It is root, and cannot write anywhere but where it has to, nor see a home."""
    host = host_of("index")
    run = "systemd-run --quiet --wait --pipe --collect "
    shown = host.check_output("systemctl cat wheelhouse-collect.service")
    sandbox = re.findall(r"^((?:Protect|Private|Restrict|Read|Capability|NoNew)\w+=.*)$", shown, re.MULTILINE)
    options = " ".join(f"--property='{line}'" for line in sandbox)
    tried = host.run(f"{run} {options} sh -c 'ls /home /root; touch /etc/x; touch /var/lib/wheelhouse/monitoring/x'")
    assert "Read-only file system" in tried.stderr and tried.rc == 0, tried.stderr
    host.run("rm /var/lib/wheelhouse/monitoring/x")


WRONG = """
import base64, sys, urllib.request as u
u.urlopen(u.Request(sys.argv[1], headers={"Authorization": "Basic " + base64.b64encode(b"eve:wrong").decode()}))
"""


def test_requests_and_wrong_passwords_are_counted(office: Office, index: Host, workstation: Host) -> None:
    before = metrics(index)
    assert workstation.run("python3 -c %s %s", WRONG, f"{office.index_url}/simple/").rc != 0
    key = 'wheelhouse_requests_total{kind="page",status="401"}'

    def is_counted() -> bool:  # nginx writes its log once a second
        after = metrics(index)
        return after.get(key, 0) > before.get(key, 0) and (
            after["wheelhouse_logins_refused_total"] > before["wheelhouse_logins_refused_total"]
        )

    eventually(is_counted, "a wrong password is counted")


def test_status_is_one_screen_and_changes_nothing() -> None:
    said = site(playbook="status")
    assert said.changed == 0
    for role in MANAGED:
        assert re.search(rf"wheelhouse-{role}\s+[0-9]+\.[0-9]+\.[0-9]+, site.yml ", said.output), said.output
    assert "People (" in said.output and "ada" in said.output


def test_status_as_json(tmp_path: Path) -> None:
    file = tmp_path / "status.json"
    assert site("-e", f"status_file={file}", "--check", playbook="status").changed == 0
    assert {"hosts", "people", "expiring", "version"} <= json.loads(file.read_text()).keys()
    assert file.stat().st_mode & 0o777 == 0o600

"""status.yml: what a host knows, and one screen about all of them."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.host_status import host_status
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.status_report import status_report

NOW = datetime(2026, 3, 7, 12, tzinfo=UTC)
IMAGE, OTHER = "a" * 64, "b" * 64
BACKUP: dict[str, object] = {"job": "backup", "started": "2026-03-07T01:00:00Z", "ended": "2026-03-07T01:10:00Z"}
BACKUP |= {"outcome": "ok", "last_ok": "2026-03-07T01:10:00Z", "problems": [], "facts": {}}
SITE = {**BACKUP, "job": "site", "facts": {"version": "0.2.0"}, "ended": "2026-03-05T11:00:00Z"}
PEOPLE = [
    {"name": "ada", "index_password": "S3ntinel-of-ada"},
    {"name": "leo", "until": "2026-03-20"},
    {"name": "bob", "state": "absent", "until": "2026-03-08"},
]


def answer(**status: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "runs": {"site": SITE, "backup": BACKUP},
        "failed_units": [],
        "certificates": {"/etc/nginx/wheelhouse/index.pem": "2027-01-01"},
        "image": IMAGE,
        "last_uploads": {},
        "last_logins": {},
    }
    return {"changed": False, "status": known | status}


def report(hosts: dict[str, Any], people: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return status_report(hosts, people or [], "0.2.0", IMAGE, NOW)


def test_a_healthy_office() -> None:
    assert report({"index": answer()})["lines"] == [
        "Version 0.2.0 on this machine.",
        "index  0.2.0, site.yml 2 d ago",
        "       ok backup, 10 h ago",
        "Nothing expires within 30 days.",
    ]


@pytest.mark.parametrize(
    ("status", "behind"),
    [
        ({"runs": {}}, "site.yml has not run to its end here"),
        ({"runs": {"site": {**SITE, "facts": {"version": "0.1.0"}}}}, "set up by version 0.1.0"),
        ({"image": OTHER}, "the index's image is of another version"),
    ],
)
def test_what_is_behind(status: dict[str, Any], behind: str) -> None:
    found = report({"index": answer(**status)})
    assert found["hosts"]["index"]["behind"] == [behind]
    assert any(line.endswith(f"behind: {behind}") for line in found["lines"])


def test_an_image_of_elsewhere_is_not_behind() -> None:
    assert report({"index": answer(image="")})["hosts"]["index"]["behind"] == []


def test_a_host_that_is_off() -> None:
    assert "ws  not reached" in report({"ws": {"unreachable": True, "msg": "x"}})["lines"]


def test_jobs_that_went_wrong_say_why() -> None:
    run = {**BACKUP, "outcome": "failed", "problems": ["the disk is full"], "last_ok": "2026-03-01T01:10:00Z"}
    lines = report({"index": answer(runs={"site": SITE, "backup": run}, failed_units=["nginx.service"])})["lines"]
    assert lines[2:5] == [
        "       FAILED nginx.service",
        "       FAILED backup, 10 h ago, last ok 6 d ago",
        "         the disk is full",
    ]


def test_a_job_that_never_was_right() -> None:
    run = {**BACKUP, "outcome": "problems", "last_ok": None}
    assert "       PROBLEMS backup, 10 h ago, last ok never" in report({"index": answer(runs={"backup": run})})["lines"]


def test_people_with_their_last_use() -> None:
    uploads, logins = (
        {"ada": "2026-03-06T10:00:00.123456Z"},
        {"ada": "2026-03-07", "leo": "2025-12-24", "eve": "2026-01-01"},
    )
    lines = report({"index": answer(last_uploads=uploads, last_logins=logins), "ws": answer()}, PEOPLE)["lines"]
    assert lines[lines.index("People (3), with last use of the index:") + 1 :][:3] == [
        "  ada  2026-03-07, published 1 d ago",
        "  leo  2025-12-24, until 2026-03-20",
        "  bob  never, until 2026-03-08, offboarded",
    ]


def test_what_expires_comes_soonest_first_and_without_what_is_over_anyway() -> None:
    certificates = {"a.pem": "2026-03-06", "b.crt": "2026-04-06", "c.crt": "2026-04-07", "odd": "x"}
    found = report({"index": answer(certificates=certificates)}, PEOPLE)
    assert [one["what"] for one in found["expiring"]] == ["a.pem on index", "account of leo", "b.crt on index"]
    assert "Expired 1 day ago (2026-03-06): a.pem on index" in found["lines"]


def test_no_password_is_in_it() -> None:
    assert "S3ntinel" not in json.dumps(report({"index": answer()}, PEOPLE))


# --- the host


def test_what_a_host_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "backup.json").write_text(json.dumps(BACKUP))
    (tmp_path / "runs" / "broken.json").write_text("{")
    (tmp_path / "runs" / "odd.json").write_text('{"outcome": 5, "ended": "x"}')
    os.mkfifo(tmp_path / "runs" / "fifo.json")
    (tmp_path / "requests.json").write_text('{"people": {"ada": "2026-03-07"}}')
    key, pem = str(tmp_path / "key"), str(tmp_path / "index.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*command, "-subj", "/CN=x", "-keyout", key, "-out", pem], check=True, capture_output=True)
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    status = '{"event_number": 7, "last_uploads": {"ada": "2026-03-06T10:00:00Z"}}'
    docker.write_text(f"#!/bin/sh\ncase $1 in exec) echo '{status}';; inspect) echo {IMAGE};; esac\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    found = host_status(str(tmp_path / "runs"), str(tmp_path / "requests.json"), (pem, f"{tmp_path}/none/*.crt"))
    assert found["runs"] == {"backup": BACKUP}
    assert (found["last_uploads"], found["last_logins"]) == ({"ada": "2026-03-06T10:00:00Z"}, {"ada": "2026-03-07"})
    assert found["image"] == IMAGE and list(found["certificates"]) == [pem]
    assert 28 <= (datetime.fromisoformat(found["certificates"][pem]) - datetime.now()).days <= 31


def test_a_host_without_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = host_status(str(tmp_path / "runs"), str(tmp_path / "requests.json"), (f"{tmp_path}/*.pem",))
    assert found["failed_units"] == [] and not any(found.values())


def test_enrolled_hosts() -> None:
    newest, before = 1772884800, 1772798400  # 2026-03-07 12:00, 2026-03-06 12:00

    def beat(number: int, seen: str, **more: Any) -> dict[str, Any]:
        return {
            "number": number,
            "version": "0.2.0",
            "outcome": "ok",
            "problems": [],
            "seen": seen,
            "shared": None,
        } | more

    beats = {
        "ws-a": beat(newest, "2026-03-07T11:30:00Z"),
        "ws-b": beat(before, "2026-03-03T11:00:00Z", outcome="failed", problems=["The task 'x' failed."]),
        "ws-c": beat(newest, "2026-03-07T11:00:00Z", shared="2026-03-07T10:00:00Z"),
        "ws-gone": beat(newest + 1, "2026-03-07T11:00:00Z"),
    }
    older = {"ws-a": beat(before, "2026-03-07T11:29:00Z")}
    hosts = {"index-1": answer(heartbeats=older), "index-2": answer(heartbeats=beats), "index-3": answer()}
    found = status_report(hosts, [], "0.2.0", IMAGE, NOW, ["ws-d", "ws-c", "ws-b", "ws-a"])
    start = found["lines"].index("Enrolled hosts (4), with their last report:")
    assert found["lines"][start + 1 : start + 7] == [
        "  ws-a  0.2.0, release of 2026-03-07 12:00, 30 min ago",
        "  ws-b  0.2.0, release of 2026-03-06 12:00, 4 d ago"
        "; behind: release of 2026-03-07 12:00 not taken, not heard from",
        "        FAILED The task 'x' failed.",
        "  ws-c  0.2.0, release of 2026-03-07 12:00, 1 h ago",
        "        SHARED KEY: another machine has a copy of its disk; run enroll.yml for that one",
        "  ws-d  never",
    ]
    assert found["enrolled"]["ws-c"]["shared"] and not found["enrolled"]["ws-a"]["shared"]
    assert not any("Enrolled" in line for line in report(hosts)["lines"])

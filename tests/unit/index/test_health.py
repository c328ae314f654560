"""`/health`, which load balancers and the container engine ask, and `wheelhouse metrics`."""

import json
import shutil
import sqlite3
import subprocess
import time
from collections import namedtuple
from pathlib import Path

import pytest
from sqlalchemy import insert
from wheelhouse import cli
from wheelhouse.index import health, tables
from wheelhouse.index.events import QUARANTINE, REFUSE, Event, now
from wheelhouse.index.health import Health
from wheelhouse.index.transaction import Index

from .samples import Client, Wheel

Usage = namedtuple("Usage", "total used free")
Values = dict[str, float]


@pytest.fixture(autouse=True)
def looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT", 0.0)


def make_dirty(index: Index, seconds: float) -> None:
    with index.database.change("x") as connection:
        connection.execute(insert(tables.dirty), [{"place": "x", "mark": time.time_ns() - int(seconds * 1e9)}])


def upload(client: Client, wheel: Wheel) -> int:
    return client.upload(wheel.filename, wheel.build()).status


def full(_: object) -> Usage:
    return Usage(2**40, 2**40, 2**20)


def test_a_healthy_index_says_nothing_else(client: Client) -> None:
    answer = client.send("GET", "/health")
    assert (answer.status, json.loads(answer.text)) == (200, {"status": "ok"})


def test_a_full_disk(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", full)
    answer = client.send("GET", "/health")
    assert (answer.status, answer.text) == (503, "The disk is full.\n")


@pytest.mark.parametrize(("age", "status"), [(health.MAX_DIRTY - 60, 200), (health.MAX_DIRTY + 60, 503)])
def test_pages_that_nothing_renders(client: Client, index: Index, age: float, status: int) -> None:
    make_dirty(index, age)
    assert client.send("GET", "/health").status == status


def test_a_database_that_is_gone(client: Client, index: Index) -> None:
    if not index.database.file:
        pytest.skip("only SQLite is a file")
    index.database.close()
    with sqlite3.connect(index.database.file) as connection:
        connection.execute("DROP TABLE dirty")
    assert client.send("GET", "/health").status == 503


def test_a_database_that_nobody_may_write_to(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that its owner may not change; root may, so the connection is told."""
    if not index.database.file:
        pytest.skip("only SQLite is a file")
    assert health.is_writable(index.database)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda name, **more: connect(name.replace("mode=rw", "mode=ro"), **more))
    assert not health.is_writable(index.database)
    assert Health(index).fault() == "The database cannot be written to."


def test_a_long_change_of_somebody_else_is_no_fault_and_is_not_waited_for(index: Index) -> None:
    with index.database.change("acme-tools"):
        start = time.monotonic()
        assert Health(index).fault() is None
        assert time.monotonic() - start < 5


def test_asking_leaves_the_index_usable(client: Client, index: Index) -> None:
    """The connection that asks whether it may write is closed; that must not end the locks of others on the file."""
    with index.database.change("acme-tools"):
        assert client.send("GET", "/health").status == 200
        if file := index.database.file:
            other = sqlite3.connect(file, timeout=0, isolation_level=None)
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            other.close()
    assert upload(client, Wheel()) == 200


def test_it_is_looked_at_once_for_many_who_ask(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEPT", 3600.0)
    state = Health(index)
    assert state.fault() is None
    monkeypatch.setattr(shutil, "disk_usage", full)
    assert state.fault() is None
    monkeypatch.setattr(health, "KEPT", 0.0)
    assert state.fault() == "The disk is full."


def metrics(capsys: pytest.CaptureFixture[str]) -> Values:
    capsys.readouterr()
    assert cli.main(["metrics"]) == 0
    printed = capsys.readouterr().out
    if promtool := shutil.which("promtool"):
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=printed, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in printed.splitlines())
        if name[0] != "#"
    }


def test_metrics_of_an_empty_index(environment: None, index: Index, capsys: pytest.CaptureFixture[str]) -> None:
    found = metrics(capsys)
    assert (
        found["wheelhouse_projects"]
        == found['wheelhouse_files{kind="python"}']
        == found["wheelhouse_events_total"]
        == 0
    )
    assert found["wheelhouse_disk_free_bytes"] > 0 and not any(name.startswith("wheelhouse_intake") for name in found)


def test_metrics_after_some_work(client: Client, index: Index, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = Wheel()
    assert upload(client, wheel) == 200
    assert upload(client, Wheel(members={"acme_tools/x.py": b""})) == 409
    assert upload(client, Wheel("other_tools")) == 403
    assert upload(client, Wheel(record=lambda _: [])) == 400
    index.note(Event(QUARANTINE, "intake", now(), file="x", sha256="0" * 64, reason="odd"))
    (root / "quarantine" / "20260101T000000Z-x").write_bytes(b"12345")
    (root / "quarantine" / "20260101T000000Z-x.reason.json").write_bytes(b"{}")
    make_dirty(index, 120)
    (root / "reports").mkdir(exist_ok=True)
    last = {"started": "2026-03-07T09:30:00Z", "ended": "", "outcome": "failed", "problems": ["one", "two"]}
    (root / "reports" / "last-run.json").write_text(json.dumps(last))
    found = metrics(capsys)
    expected = {
        "wheelhouse_projects": 1,
        'wheelhouse_files{kind="python"}': 1,
        'wheelhouse_files_bytes{kind="python"}': len(wheel.build()),
        'wheelhouse_files_missing{kind="python"}': 0,
        'wheelhouse_files_published_total{by="people"}': 1,
        'wheelhouse_files_published_total{by="intake"}': 0,
        'wheelhouse_uploads_refused_total{reason="conflict"}': 1,
        'wheelhouse_uploads_refused_total{reason="permission"}': 1,
        'wheelhouse_uploads_refused_total{reason="file"}': 1,
        "wheelhouse_quarantined_total": 1,
        "wheelhouse_quarantine_files": 1,
        "wheelhouse_quarantine_bytes": 5,
        "wheelhouse_dirty_pages": 1,
        "wheelhouse_intake_started_timestamp_seconds": 1772875800,
        "wheelhouse_intake_problems": 2,
        "wheelhouse_intake_failed": 1,
        "wheelhouse_events_total": 5,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert 100 < found["wheelhouse_dirty_oldest_seconds"] < 1000


def test_a_report_that_makes_no_sense_costs_nothing_else(
    environment: None, index: Index, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "reports").mkdir(exist_ok=True)
    (root / "reports" / "last-run.json").write_text('{"started": 5}')
    assert "wheelhouse_projects" in metrics(capsys)


def test_who_published_last_is_in_the_status(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert upload(client, Wheel()) == 200
    assert upload(client, Wheel("other_tools")) == 403
    capsys.readouterr()
    assert cli.main(["status"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["last_uploads"]) == ["ada"] and found["last_uploads"]["ada"].startswith(now()[:8])
    assert found["event_number"] == 2


def test_a_refusal_of_many_counts_as_one_kind(
    environment: None, index: Index, capsys: pytest.CaptureFixture[str]
) -> None:
    index.note(Event(REFUSE, "ada", now(), reason="40 more uploads were refused within that hour."))
    assert metrics(capsys)['wheelhouse_uploads_refused_total{reason="too many"}'] == 1

"""`/health` of the gateway, for load balancers, and what the program counts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from company import eventually
from gateway import Gateway
from testinfra.host import Host


def status(gateway: Gateway) -> int:
    return gateway.ask("/health", login=None).status


def test_a_load_balancer_is_told_that_all_is_well(gateway: Gateway) -> None:
    answer = gateway.ask("/health", login=None)
    assert (answer.status, answer.json) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/health/", "/health/x", "/metrics", "/status"])
def test_nothing_else_is_told_without_a_login(gateway: Gateway, path: str) -> None:
    assert gateway.ask(path, login=None).status in (401, 404)
    assert "wheelhouse_" not in gateway.ask(path).text


def test_nothing_can_be_sent_to_it(gateway: Gateway) -> None:
    assert gateway.ask("/health", "POST", login=None, body=b"x").status in (401, 405)


@pytest.fixture
def no_program(index: Host, gateway: Gateway) -> Iterator[None]:
    index.check_output("docker stop --time 20 wheelhouse-index")
    yield
    index.check_output("docker start wheelhouse-index")
    eventually(lambda: status(gateway) == 200, "the index is well again", 180)


def test_without_the_program_it_is_503_soon(gateway: Gateway, no_program: None) -> None:
    start = time.monotonic()
    answer = gateway.ask("/health", login=None)
    assert (answer.status, answer.json) == (503, {"status": "unavailable"})
    assert time.monotonic() - start < 30


def test_why_it_is_503_is_said_on_the_host_alone(index: Host, gateway: Gateway) -> None:
    """A page that waits for long: the database is changed by the program's own user, and changed back."""
    change = (
        'docker exec wheelhouse-index python3 -c \'import sqlite3, sys; c = sqlite3.connect("/shelf/state/index.sqlite",'
        ' timeout=60); c.execute(sys.argv[1]); c.commit()\' "{}"'
    )
    waits = change.format("INSERT OR IGNORE INTO dirty (place, mark) VALUES ('zz-health', 1)")
    index.check_output("systemctl stop wheelhouse-incoming.timer wheelhouse-incoming.service")
    try:
        # again and again, because a program that has just started renders whatever waits
        eventually(lambda: index.check_output(waits) == "" and status(gateway) == 503, "the index is not well", 180)
        assert gateway.ask("/health", login=None).json == {"status": "unavailable"}
        said = index.run("docker exec wheelhouse-index wheelhouse health")
        assert said.rc == 1 and "wait to be rendered" in said.stdout
    finally:
        index.check_output(change.format("DELETE FROM dirty WHERE place = 'zz-health'"))
        index.check_output("systemctl start wheelhouse-incoming.timer")
    eventually(lambda: status(gateway) == 200, "the index is well again", 180)


def test_what_the_program_counts(index: Host, file: str) -> None:
    text = index.check_output("docker exec wheelhouse-index wheelhouse metrics")
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(numbers["wheelhouse_projects"]) >= 1
    assert float(numbers['wheelhouse_files_published_total{by="people"}']) >= 1
    found = json.loads(index.check_output("docker exec wheelhouse-index wheelhouse status"))
    assert "ada" in found["last_uploads"]


def test_the_log_is_rotated(index: Host) -> None:
    """nginx's own rule, by a program that a minimal Debian has not."""
    assert index.file("/etc/logrotate.d/nginx").exists
    assert index.service("logrotate.timer").is_running
    checked = index.run("logrotate --debug /etc/logrotate.d/nginx")
    assert checked.rc == 0 and "error:" not in checked.stderr, checked.stderr

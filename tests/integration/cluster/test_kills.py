"""Each host is killed in turn while people install and publish: no install fails, and no acknowledged upload is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hosts import BALANCERS, DATABASES, GATEWAYS, STORE, Project, fetched, files_of, kill, links_of, start, works

pytestmark = pytest.mark.proof
AWAY = 20
"""Seconds that a host stays without power: longer than a client waits for an answer."""


@dataclass
class Work:
    """What two people did meanwhile."""

    installs: int = 0
    failures: list[str] = field(default_factory=list)
    """What installs that failed said."""
    published: set[str] = field(default_factory=set)
    """Files whose upload was acknowledged."""
    refused: int = 0
    """Uploads that failed and were tried again."""


@contextmanager
def at_work(office) -> Iterator[Work]:
    """leo installs what both gateways have had in their hands, and ada publishes, until the block ends."""
    work, end = Work(), threading.Event()
    kept, stream = Project("acme-kept"), Project("acme-stream")
    wheel = kept.build(f"1.{time.time_ns()}")
    office.publish_as("ada", f"uv publish {wheel}")
    number = wheel.split("-")[-4]
    for address in GATEWAYS.values():
        assert fetched(address, links_of(address, kept.name)[wheel.rpartition("/")[2]]).status == 200
    office.succeed_as("leo", "rm -rf kills && uv venv -q kills")

    def install() -> None:
        while not end.is_set():
            done = office.run_as("leo", f"uv pip install -q --no-cache --reinstall -p kills acme-kept=={number}")
            work.installs += 1
            if done.rc:
                work.failures.append(str(done.stderr))

    def publish() -> None:
        while not end.is_set():
            made = stream.build(f"1.{time.time_ns()}")
            while not end.is_set():
                if office.run_as("ada", office.publishing("ada") + f"uv publish {made}").rc == 0:
                    work.published.add(made.rpartition("/")[2])
                    break
                work.refused += 1
                time.sleep(1)

    threads = [threading.Thread(target=one) for one in (install, publish)]
    for thread in threads:
        thread.start()
    try:
        yield work
    finally:
        end.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("host", [*GATEWAYS, *BALANCERS, *reversed(DATABASES), STORE])
def test_a_host_is_killed(office, host):
    assert works(host)
    with at_work(office) as work:
        time.sleep(5)
        kill(host)
        time.sleep(AWAY)
        start(host)
        before = len(work.published)
        until = time.monotonic() + 120
        while len(work.published) < before + 2 and time.monotonic() < until:
            time.sleep(1)
    assert work.installs > 3 and work.failures == []
    assert len(work.published) > before, (
        f"nothing was published after {host} came back; {work.refused} uploads were refused"
    )
    for address in GATEWAYS.values():
        assert work.published <= files_of(address, "acme-stream"), "an acknowledged upload is lost"

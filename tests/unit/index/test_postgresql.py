"""The same program on PostgreSQL, also with an object store and a second gateway: its tests, run once more there."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from . import postgresql, seaweed, second_gateway
from .seaweed import Seaweed

HERE = Path(__file__).parent
# What differs most there: locks and tables.
QUICK = {"test_exclusion.py", "test_migrations.py"}
# These have a server of their own, in each run.
ON_ONE = {
    "test_postgresql.py",
    "test_gateways.py",
    "test_turns.py",
    "test_database_away.py",
    "test_moving.py",
    "test_history.py",
}
WITH_A_STORE = {"test_s3.py", "test_probe.py", "test_local_copies.py", "test_fetcher.py", "test_fetching.py"} | {
    "test_store_upkeep.py"
}


def files(others: Iterable[str], quick: Iterable[str]) -> list[Any]:
    """All but those that have servers of their own; what is not quick is for `make test-long`."""
    return [
        pytest.param(file, marks=() if file in quick else pytest.mark.long)
        for file in sorted(path.name for path in HERE.glob("test_*.py"))
        if file not in others
    ]


@pytest.mark.parametrize("file", files(ON_ONE, QUICK))
def test_it_does_there_what_it_does_here(socket: str, file: str) -> None:
    succeeds(file, {postgresql.SERVER: socket})


@pytest.mark.parametrize("file", files(ON_ONE | WITH_A_STORE, set()))
def test_it_does_so_with_a_store_and_a_second_gateway(socket: str, seaweed_server: Seaweed, file: str) -> None:
    succeeds(file, {postgresql.SERVER: socket, seaweed.SERVER: seaweed_server.endpoint, second_gateway.WANTED: "1"})


def succeeds(file: str, environment: dict[str, str]) -> None:
    """A run of the tests of a file, in which nothing fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long", str(HERE / file)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 5), done.stdout[-5000:]  # 5: all of its tests are long

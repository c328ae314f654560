"""The same program on PostgreSQL: the tests of what it is to do, run once more with databases of a server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import postgresql

HERE = Path(__file__).parent
LONG = [
    "test_catalogue.py",
    "test_channels.py",
    "test_file_names.py",
    "test_journal.py",
    "test_refusals.py",
    "test_search.py",
    "test_takeover.py",
    "test_together.py",
    "test_trusted_publishing.py",
    "test_upkeep.py",
    "test_uploads.py",
]
# What differs most there: locks and tables.
FILES = [
    "test_exclusion.py",
    "test_migrations.py",
    *(pytest.param(file, marks=pytest.mark.long) for file in LONG),
]


@pytest.fixture(scope="module")
def socket() -> Iterator[str]:
    if os.environ.get(postgresql.SERVER):
        pytest.skip("these are the tests that run on it")
    try:
        with postgresql.server() as socket:
            yield socket
    except postgresql.Unavailable:
        pytest.skip("no Docker engine runs here")


@pytest.mark.parametrize("file", FILES)
def test_it_does_there_what_it_does_here(socket: str, file: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long", str(HERE / file)]
    done = subprocess.run(
        command, env={**os.environ, postgresql.SERVER: socket}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]

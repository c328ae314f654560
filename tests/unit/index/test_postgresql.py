"""The same program on PostgreSQL: the tests of what it is to do, run once more with databases of a server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from . import postgresql

HERE = Path(__file__).parent
# What the program does in another way there: locks, numbers of events, tables, search. It takes uploads in all of them.
QUICK = {"test_exclusion.py", "test_journal.py", "test_migrations.py", "test_search.py"}
# These have a server of their own, in each run.
ON_ONE = {"test_postgresql.py", "test_gateways.py", "test_turns.py", "test_database_away.py", "test_moving.py"}
FILES = [
    pytest.param(file, marks=() if file in QUICK else pytest.mark.long)
    for file in sorted(path.name for path in HERE.glob("test_*.py"))
    if file not in ON_ONE
]


@pytest.mark.parametrize("file", FILES)
def test_it_does_there_what_it_does_here(socket: str, file: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long", str(HERE / file)]
    done = subprocess.run(
        command, env={**os.environ, postgresql.SERVER: socket}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]

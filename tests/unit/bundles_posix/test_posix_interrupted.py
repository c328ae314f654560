"""A run that is killed leaves whole files, and the next one goes on from there."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from .company import Company, Laptop
from .test_posix_files import AWKWARD

KILL = """#!/bin/sh
echo >> "{count}"
[ "$(wc -l < "{count}")" != {number} ] || kill -KILL $PPID
exec {mv} "$@"
"""


def kill_at(laptop: Laptop, company: Company, number: int) -> int:
    """Kill install.sh when it is about to call mv for the n-th time, which makes each change; how often it did."""
    count = laptop.home.parent / "count"
    shim = laptop.bin / "mv"
    shim.write_text(KILL.format(count=count, number=number, mv=shutil.which("mv")))
    shim.chmod(0o755)
    done = laptop.run(answers=company.answers)
    shim.unlink()
    calls = len(count.read_text())
    count.unlink()
    # 1 where it was a part of a pipe that was killed
    assert done.returncode in ((-signal.SIGKILL, 1) if calls == number else (0,))
    return calls


def with_files(laptop: Laptop) -> dict:
    for path, content in AWKWARD.items():
        laptop.write(path, content, 0o600)
    return laptop.holds()


def check(laptop: Laptop, company: Company, number: int, finished: dict) -> None:
    before = laptop.holds()
    assert kill_at(laptop, company, number) == number
    for path, found in laptop.holds().items():
        if not path.startswith(".config/wheelhouse") and not path.endswith(".wheelhouse-new"):
            assert found in (before.get(path), finished.get(path)), path
    done = laptop.run(answers=company.answers)
    assert done.returncode == 0, done.stderr.decode()
    assert laptop.holds() == finished
    laptop.uninstall()
    assert laptop.holds() == before


@pytest.fixture
def finished(laptop: Laptop, company: Company) -> tuple[int, dict]:
    """What a person with awkward files has after a run that nobody disturbed, and how many changes that took."""
    before = with_files(laptop)
    changes = kill_at(laptop, company, -1)
    held = laptop.holds()
    laptop.uninstall()
    assert laptop.holds() == before
    return changes, held


def test_killed_and_repaired(laptop: Laptop, company: Company, finished: tuple[int, dict]) -> None:
    changes, held = finished
    for number in (changes - 20, changes - 4):
        check(laptop, company, number, held)


@pytest.mark.long
def test_killed_anywhere_and_repaired(laptop: Laptop, company: Company, finished: tuple[int, dict]) -> None:
    changes, held = finished
    for number in range(1, changes + 1):
        check(laptop, company, number, held)


def test_a_killed_run_is_taken_back_whole(laptop: Laptop, company: Company) -> None:
    before = with_files(laptop)
    kill_at(laptop, company, 55)
    assert laptop.holds() != before
    laptop.uninstall()
    assert laptop.holds() == before


def test_the_terminal_and_the_disk_are_tidy_after_ctrl_c(laptop: Laptop) -> None:
    """At the first question nothing was made that stays."""
    # as at a terminal: where the tests run in the background the signal is ignored, which a shell cannot change
    command: list[str | Path] = ["env", "--default-signal=INT", "dash", laptop.bundle / "install.sh"]
    child = subprocess.Popen(
        command, env=laptop.environ, stdin=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert child.stdin and child.stderr and child.stderr.read(4) == b"Your"
    reads_the_answer = Path(f"/proc/{child.pid}/syscall")  # a signal before that would wait for the answer
    while not reads_the_answer.read_text().startswith("0 0x0 "):
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 130
    child.stdin.close()
    assert laptop.holds() == {}

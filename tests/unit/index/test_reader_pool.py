"""Archives that are read behind each other by a few readers: each by its own limits, and none pays for another one."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from wheelhouse import processors
from wheelhouse.formats import confined, confined_reader, reader_pool
from wheelhouse.formats.confined import Refused
from wheelhouse.formats.reader_pool import ReaderPool

from .test_confined import RUDE, alive, holding


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "archive"
    path.write_text("contents")
    return path


@pytest.fixture(autouse=True)
def helper(monkeypatch: pytest.MonkeyPatch) -> Iterator[confined._Helper]:
    helper = confined._Helper(RUDE)
    monkeypatch.setattr(confined, "_helper", helper)
    yield helper
    with contextlib.suppress(OSError):
        helper.lost(helper.way())


@pytest.fixture
def one_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a time, so that what is read behind each other is read by the same one."""
    monkeypatch.setattr(processors, "available", lambda: 1)


def read(task: str, path: Path, run: Any) -> Any:
    return run(task, path, f"{task}.whl")


def outcome(future: Future[Any]) -> Any:
    """What was found, or the sentence with which it was refused."""
    try:
        return future.result(600)
    except Refused as refused:
        return str(refused)


def outcomes(archive: Path, *tasks: str) -> list[Any]:
    with ReaderPool() as pool:
        return [outcome(one) for one in [pool.start(read, task, archive) for task in tasks]]


def test_few_readers_read_many_archives(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "available", lambda: 3)
    found = outcomes(archive, *["pid"] * 100)
    assert 1 <= len(set(found)) <= 3


def test_one_archive_needs_one_reader(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    make = reader_pool._Reader
    monkeypatch.setattr(reader_pool, "_Reader", lambda: started.append(None) or make())
    assert outcomes(archive, "well") == [{"content": "contents", "filename": "well.whl", "given": {}}]
    assert len(started) == 1


WELL = {"content": "contents", "filename": "well.whl", "given": {}}


@pytest.mark.parametrize(
    ("task", "limits", "says"),
    [
        ("refuse", {}, "refuse.whl is no good."),
        ("hog", {}, "hog.whl needs more memory to be read than the 256 MiB"),
        ("spin", {"SECONDS": 1.0}, "spin.whl needs more time to be read than the 1 seconds"),
        ("sleep", {"SECONDS": 1.0, "PATIENCE": 1}, "sleep.whl needs more time to be read than the 1 seconds"),
        ("killed", {"_PAUSES": (0.0,)}, "killed.whl needs more memory to be read"),
        ("crash", {}, "crash.whl cannot be read: the program that looks at it failed"),
        ("fail", {}, "fail.whl cannot be read: the program that looks at it failed"),
        ("leave", {}, "leave.whl cannot be read: the program that looks at it failed"),
        ("chatter", {"MEMORY": 2**30}, "chatter.whl cannot be read: the program that looks at it failed"),
    ],
)
def test_one_that_does_not_end_well_costs_only_itself(
    task: str, limits: dict[str, object], says: str, archive: Path, one_reader: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(confined, name, value)
    *before, bad, after = outcomes(archive, "well", "well", task, "well")
    assert bad.startswith(says)
    assert (before, after) == ([WELL, WELL], WELL)


def test_a_reader_that_is_killed_costs_nothing(archive: Path, tmp_path: Path, one_reader: None) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    killing = tmp_path / "killing"
    killing.write_text(str(marker))
    with ReaderPool() as pool:
        tasks = [("well", archive), ("killed_once", killing), ("well", archive)]
        found = [outcome(one) for one in [pool.start(read, *task) for task in tasks]]
    assert found == [WELL, "read", WELL] and not marker.exists()


def test_each_archive_has_all_of_the_memory(archive: Path, one_reader: None) -> None:
    found = outcomes(archive, *["take"] * 5)
    assert len(set(found)) == 1, "one reader"


def test_a_reader_that_keeps_memory_is_replaced(archive: Path, one_reader: None) -> None:
    found = outcomes(archive, *["keep"] * 4)
    assert all(isinstance(one, int) for one in found), found
    assert len(set(found)) == 4


def test_each_archive_has_all_of_the_time(archive: Path, one_reader: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "SECONDS", 2.0)
    monkeypatch.setattr(confined, "PATIENCE", 100)  # of processor time, on a machine however busy
    found = outcomes(archive, *["work"] * 5)
    assert len(set(found)) == 1, "one reader, which took more than 2 seconds for all of them"


@pytest.mark.parametrize("before", ["well", "work"])
def test_no_archive_has_more_than_its_limits(
    archive: Path, one_reader: None, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confined, "SECONDS", 2.0)
    monkeypatch.setattr(confined, "PATIENCE", 100)  # of processor time, on a machine however busy
    for seconds, memory in outcomes(archive, "limits", before, before, "limits")[::3]:
        assert seconds <= 2 + 2, "what was taken before, in whole seconds"
        assert memory <= confined.MEMORY


def test_a_reader_reads_so_many_and_no_more(archive: Path, one_reader: None) -> None:
    found = outcomes(archive, *["pid"] * (confined_reader.MANY + 1))
    assert found.count(found[0]) == confined_reader.MANY and len(set(found)) == 2


def test_whoever_is_refused_is_so_for_what_it_is(archive: Path, one_reader: None) -> None:
    found = outcomes(archive, *["poison"] * 3)
    assert all(isinstance(one, int) for one in found) and len(set(found)) == 3


def test_a_large_archive_has_a_reader_of_its_own(
    archive: Path, one_reader: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_pool, "LARGEST", 3)
    assert len(set(outcomes(archive, "pid", "pid"))) == 2


def test_the_helper_is_replaced(archive: Path, helper: confined._Helper) -> None:
    assert outcomes(archive, "well") == [WELL]
    assert helper._process
    os.kill(helper._process.pid, signal.SIGKILL)
    assert outcomes(archive, "well", "well") == [WELL, WELL]


def test_who_stops_waits_for_nobody(archive: Path) -> None:
    begun = time.monotonic()
    with contextlib.suppress(KeyboardInterrupt), ReaderPool() as pool:
        started = [pool.start(read, "sleep", archive) for _ in range(20)]
        until_open(archive)
        raise KeyboardInterrupt
    assert time.monotonic() - begun < 40
    assert not any(one.done() and not one.cancelled() and one.exception() is None for one in started)
    until_nobody_holds(archive)


def until_open(archive: Path) -> None:
    until = time.monotonic() + 30
    own = f"/proc/{os.getpid()}/"
    while time.monotonic() < until and not [one for one in holding(archive) if not one.startswith(own)]:
        time.sleep(0.05)


def until_nobody_holds(archive: Path) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and holding(archive):
        time.sleep(0.1)
    assert not holding(archive)


def test_no_process_is_left(archive: Path) -> None:
    """Whoever asked is killed while an archive is read."""
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from wheelhouse.formats import confined\n"
        "from wheelhouse.formats.reader_pool import ReaderPool\n"
        f"confined._helper = confined._Helper({RUDE!r})\n"
        "def read(task, path, run):\n"
        "    run(task, path, 'a')\n"
        "pool = ReaderPool()\n"
        f"pool.start(read, 'sleep', Path({str(archive)!r}))\n"
        "while not confined._helper._process:\n"
        "    time.sleep(0.05)\n"
        "print(confined._helper._process.pid, flush=True)\n"
        "sys.stdin.read()\n"
        "os._exit(0)\n"
    )
    found = {**os.environ, "PYTHONPATH": str(Path(confined.__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=found, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdin
        helper = int(process.stdout.readline())
        until = time.monotonic() + 60
        while time.monotonic() < until and len(holding(archive)) < 2:
            time.sleep(0.1)
        process.stdin.close()
        process.wait(60)
    until_nobody_holds(archive)
    until = time.monotonic() + 20
    while time.monotonic() < until and alive(helper):
        time.sleep(0.1)
    assert not alive(helper)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "1000 100000\n"}, 1),
        ({"cpu.max": "6400000 100000\n"}, 8),
        ({"cpu.max": "rubbish"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
    ],
)
def test_processors_of_a_container(
    files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    assert processors.available(tmp_path) == expected

"""Whatever happens to the process that reads an archive, the one that asked has an answer, and the next one is read."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from wheelhouse.formats import confined
from wheelhouse.formats.confined import Refused

RUDE = f"import sys; sys.path.append({str(Path(__file__).parent)!r}); import rude_readers; rude_readers.serve"


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


def reads(archive: Path) -> bool:
    said = confined.run("well", archive, "a.whl", some="thing")
    return bool(said == {"content": "contents", "filename": "a.whl", "given": {"some": "thing"}})


@pytest.mark.parametrize(
    ("task", "limits", "says", "logged"),
    [
        ("refuse", {}, "a.whl is no good.", ""),
        ("hog", {}, "a.whl needs more memory to be read than the 256 MiB that an archive is given", ""),
        ("spin", {"SECONDS": 1.0}, "a.whl needs more time to be read than the 1 seconds", ""),
        ("sleep", {"SECONDS": 1.0, "PATIENCE": 1}, "a.whl needs more time to be read than the 1 seconds", ""),
        ("killed", {"_PAUSES": (0.0,)}, "a.whl needs more memory to be read", ""),
        ("crash", {}, "a.whl cannot be read: the program that looks at it failed", f"status {int(signal.SIGSEGV)}"),
        ("fail", {}, "a.whl cannot be read: the program that looks at it failed", "ZeroDivisionError"),
        ("leave", {}, "a.whl cannot be read: the program that looks at it failed", "nothing said"),
        ("chatter", {"MEMORY": 2**30}, "a.whl cannot be read: the program that looks at it failed", "nothing said"),
    ],
)
def test_a_reader_that_does_not_end_well(
    task: str,
    limits: dict[str, object],
    says: str,
    logged: str,
    archive: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(confined, name, value)
    begun = time.monotonic()
    with caplog.at_level(logging.ERROR), pytest.raises(Refused) as refused:
        confined.run(task, archive, "a.whl")
    assert str(refused.value).startswith(says)
    assert str(refused.value).endswith(".")
    assert logged in caplog.text and bool(logged) == bool(caplog.text)
    assert time.monotonic() - begun < 30
    assert reads(archive)


def test_one_that_the_kernel_ended_is_tried_again(archive: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    archive.write_text(str(marker))
    assert confined.run("killed_once", archive, "a.whl") == "read"
    assert not marker.exists()


def test_a_reader_writes_nothing(archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("some")
    archive.write_text(str(target))
    with pytest.raises(OSError, match="too large"):
        confined.run("write", archive, "a.whl")
    assert target.read_text() == "some"


def test_the_helper_is_replaced(archive: Path, helper: confined._Helper) -> None:
    assert reads(archive)
    assert helper._process
    os.kill(helper._process.pid, signal.SIGKILL)
    assert reads(archive)


def test_many_at_once(archive: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(lambda _: reads(archive), range(64)))


def refused_at_last(archive: Path) -> None:
    with contextlib.suppress(Refused):
        confined.run("sleep", archive, "slow.whl")


def test_a_slow_one_holds_nobody_up(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "SECONDS", 2.0)
    monkeypatch.setattr(confined, "PATIENCE", 2)
    slow = threading.Thread(target=refused_at_last, args=(archive,))
    slow.start()
    assert reads(archive)
    assert slow.is_alive()
    slow.join()


def test_no_process_is_left(archive: Path) -> None:
    """Neither the helper, once whoever asked is gone, nor the reader that is at it."""
    code = (
        "import os, sys, threading, time\n"
        "from pathlib import Path\n"
        "from wheelhouse.formats import confined\n"
        f"confined._helper = confined._Helper({RUDE!r})\n"
        "confined.SECONDS, confined.PATIENCE = 1.0, 2\n"
        f"threading.Thread(target=confined.run, args=('sleep', Path({str(archive)!r}), 'a'), daemon=True).start()\n"
        "time.sleep(1)\n"
        "print(confined._helper._process.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    found = {**os.environ, "PYTHONPATH": str(Path(confined.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], env=found, capture_output=True, text=True, timeout=60, check=True
    )
    helper = int(done.stdout)
    until = time.monotonic() + 20
    while time.monotonic() < until and (alive(helper) or holding(archive)):
        time.sleep(0.1)
    assert not alive(helper)
    assert not holding(archive)


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def holding(path: Path) -> list[str]:
    """The processes that have it open."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it is gone by now
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if descriptor.readlink() == path:
                        found.append(str(descriptor))
    return found


def test_the_helper_knows_no_settings(archive: Path, monkeypatch: pytest.MonkeyPatch, helper: confined._Helper) -> None:
    monkeypatch.setenv("WHEELHOUSE_SECRET", "s3cret")
    assert reads(archive)
    assert helper._process
    assert b"s3cret" not in Path(f"/proc/{helper._process.pid}/environ").read_bytes()

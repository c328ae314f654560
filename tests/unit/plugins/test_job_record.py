"""The record that an unattended job leaves of its last run."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import job_record

STARTED = "2026-01-02T03:04:05Z"


def write(runs: Path, outcome: str = "ok", problems: tuple[str, ...] = ()) -> dict[str, object]:
    job_record.write(str(runs), "backup", STARTED, outcome, problems, {"files": 3})
    return read(runs)


def read(runs: Path) -> dict[str, object]:
    return dict(json.loads((runs / "backup.json").read_text(encoding="utf-8")))


def test_a_record_has_what_monitoring_reads(tmp_path: Path) -> None:
    before = job_record.now()
    record = write(tmp_path / "var" / "runs", "problems", ("A file is missing.",))
    ended = record.pop("ended")
    assert isinstance(ended, str) and before <= ended <= job_record.now()
    assert record == {
        "job": "backup",
        "started": STARTED,
        "outcome": "problems",
        "last_ok": None,
        "problems": ["A file is missing."],
        "facts": {"files": 3},
    }


def test_everyone_may_read_it(tmp_path: Path) -> None:
    """Whatever the umask of the job; nothing else is left in the directory."""
    old = os.umask(0o077)
    try:
        write(tmp_path)
    finally:
        os.umask(old)
    assert (tmp_path / "backup.json").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["backup.json"]


def test_the_last_good_run_is_when_one_ended_well(tmp_path: Path) -> None:
    good = write(tmp_path)
    assert good["last_ok"] == good["ended"] != STARTED
    while job_record.now() == good["ended"]:
        time.sleep(0.05)
    assert write(tmp_path, "failed")["last_ok"] == good["ended"]
    assert write(tmp_path, "problems")["last_ok"] == good["ended"]
    better = write(tmp_path)
    assert better["last_ok"] == better["ended"] != good["ended"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"last_ok": 5}', "\0", "[" * 100_000])
def test_a_record_that_cannot_be_read_is_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "backup.json").write_text(content, encoding="utf-8")
    assert write(tmp_path, "failed")["last_ok"] is None


def test_the_earlier_record_stays_when_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = write(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, "failed")
    assert read(tmp_path) == good
    assert [path.name for path in tmp_path.iterdir()] == ["backup.json"]

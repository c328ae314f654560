"""The program that locks accounts after their last day, laid out as the role `accounts` does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NOBODY = "wh-no-such-person"
UID = 2_000_000_311
TODAY = datetime.now(UTC).date()


@pytest.fixture(name="program")
def _program(tmp_path: Path) -> Path:
    for name in ("job_record", "account_record", "leaving_people", "leaving_files", "leaving_processes"):
        text = (ROOT / f"plugins/module_utils/{name}.py").read_text(encoding="utf-8")
        text = text.replace("from ansible_collections.wheelhouse.onboarding.plugins.module_utils import", "import")
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    return Path(shutil.copy(ROOT / "roles/accounts/files/lock-ended-accounts", tmp_path))


def run(program: Path, last_days: dict[str, str]) -> tuple[int, dict]:
    listed = program.parent / "last-days.json"
    listed.write_text(json.dumps(last_days), encoding="utf-8")
    runs = program.parent / "runs"
    done = subprocess.run(
        [sys.executable, "-I", str(program), str(listed), "--runs", str(runs)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads((runs / "last-days.json").read_text(encoding="utf-8"))


def test_the_outcome_is_left_for_monitoring(program: Path) -> None:
    code, outcome = run(program, {NOBODY: "2020-01-01"})
    assert code == 0
    assert (outcome["job"], outcome["outcome"], outcome["problems"]) == ("last-days", "ok", [])
    assert outcome["last_ok"] == outcome["ended"]
    assert outcome["facts"] == {"locked": 0}
    assert (program.parent / "runs/last-days.json").stat().st_mode & 0o777 == 0o644


def test_accounts_that_the_role_did_not_make_are_left_alone(program: Path) -> None:
    """Also where somebody in the inventory has the name of one."""
    code, outcome = run(program, {"daemon": "2020-01-01"})
    assert (code, outcome["facts"]["locked"]) == (0, 0)
    assert "daemon:x:" in Path("/etc/passwd").read_text(encoding="utf-8")


@pytest.mark.skipif(os.geteuid() != 0, reason="ending what runs as somebody else takes root")
def test_an_account_of_the_directory_loses_what_it_had_here(program: Path) -> None:
    """Once, though nothing locks it; what runs as it later ends at the next look."""
    record = program.parent / "directory-accounts.json"
    module = program.parent / "account_record.py"
    known = module.read_text(encoding="utf-8")
    module.write_text(known.replace("/var/lib/wheelhouse/directory-accounts.json", str(record)), encoding="utf-8")
    entry = {"uid": UID, "gid": UID, "home": "/nonexistent", "locked": False}
    record.write_text(json.dumps({NOBODY: entry}), encoding="utf-8")
    for locked in (1, 0, 1):
        session = f"import os,time; os.setgroups([]); os.setresuid(*[{UID}]*3); print(flush=True); time.sleep(300)"
        process = None
        if locked:
            process = subprocess.Popen([sys.executable, "-c", session], stdout=subprocess.PIPE)
            assert process.stdout and process.stdout.readline()
        code, outcome = run(program, {NOBODY: "2020-01-01"})
        assert (code, outcome["outcome"], outcome["facts"]["locked"]) == (0, "ok", locked), outcome
        assert process is None or process.wait(20) < 0
        assert json.loads(record.read_text(encoding="utf-8"))[NOBODY]["locked"] is True


@pytest.mark.parametrize(
    ("day", "is_over"), [(TODAY, False), (TODAY + timedelta(1), False), (TODAY - timedelta(1), True), ("soon", True)]
)
def test_a_day_is_over_when_the_next_one_begins(program: Path, day: object, is_over: bool) -> None:
    found: dict = {"__name__": "lock_ended_accounts", "__file__": str(program)}
    before = list(sys.path)
    try:
        exec(compile(program.read_text(encoding="utf-8"), str(program), "exec"), found)
    finally:
        sys.path[:] = before
        for name in ("job_record", "account_record", "leaving_people", "leaving_files", "leaving_processes"):
            sys.modules.pop(name, None)
    assert found["ended"]({"ada": str(day)}, TODAY) == (["ada"] if is_over else [])

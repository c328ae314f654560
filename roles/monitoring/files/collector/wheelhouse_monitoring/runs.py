"""What unattended jobs say of themselves: a file for each below /var/lib/wheelhouse/runs, and when Ansible was here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wheelhouse_monitoring import small_files
from wheelhouse_monitoring.textfile import Family

OUTCOMES = {"ok": 0, "problems": 1, "failed": 2}
MOST_BYTES, MOST_FILES = 256 * 1024, 50
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,60}")


def collect(directory: Path) -> list[Family]:
    """How each job went, and when."""
    outcome = Family("wheelhouse_job_outcome", "Last outcome of a job: 0 = ok, 1 = problems, 2 = failed.")
    ended = Family("wheelhouse_job_ended_timestamp_seconds", "When the job last ended.")
    last_ok = Family("wheelhouse_job_last_ok_timestamp_seconds", "When it last ended without a problem; 0 = never.")
    problems = Family("wheelhouse_job_problems", "Problems that its last run reported.")
    facts = Family("wheelhouse_job_fact", "Numbers that its last run reported.")
    unreadable = Family("wheelhouse_job_files_unreadable", "Files about jobs that make no sense.").add(0)
    site = Family("wheelhouse_site_run_timestamp_seconds", "When site.yml last ended on this host.")
    info = Family("wheelhouse_info", "Version of the collection that set this host up.")
    for path in sorted(directory.glob("*.json"))[:MOST_FILES]:
        try:
            run = _read(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            unreadable.samples = [({}, unreadable.samples[0][1] + 1)]
            continue
        name = path.stem
        if name == "site":
            site.add(_instant(run["ended"]))
            info.add(1, version=str(run["facts"].get("version", "unknown")))
            continue
        outcome.add(OUTCOMES[run["outcome"]], task=name)
        ended.add(_instant(run["ended"]), task=name)
        last_ok.add(_instant(run["last_ok"]) if run["last_ok"] else 0, task=name)
        problems.add(len(run["problems"]), task=name)
        for fact, value in _numbers(run["facts"]):
            facts.add(value, task=name, fact=fact)
    return [outcome, ended, last_ok, problems, facts, unreadable, site, info]


def _read(path: Path) -> dict[str, Any]:
    """Raises OSError, ValueError, KeyError, TypeError, AttributeError."""
    run: dict[str, Any] = json.loads(small_files.read(path, MOST_BYTES))
    if not _NAME.fullmatch(path.stem) or run["outcome"] not in OUTCOMES or not isinstance(run["problems"], list):
        raise ValueError(path.name)
    _instant(run["ended"]), run["last_ok"] and _instant(run["last_ok"]), run["facts"].items()
    return run


def _instant(text: str) -> float:
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _numbers(facts: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in sorted(facts.items())[:MOST_FILES]:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield name, float(value)

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The record that an unattended job leaves of its last run: for monitoring, for status.yml and for administrators.

Each role whose program runs by itself installs this file beside it, so that no role depends on another one's files. It
imports nothing of this collection, and runs under the Python of the host.
"""

from __future__ import annotations

import datetime
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

RUNS = "/var/lib/wheelhouse/runs"


def now() -> str:
    """The present, as a record has it."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def write(
    runs: str, job: str, started: str, outcome: str, problems: Sequence[str], facts: Mapping[str, object]
) -> None:
    """Replace the record of a job that ends now, in one step; raises OSError.

    runs        the directory of records
    outcome     "ok", "problems" if all but some of the work was done, or "failed"
    problems    sentences: why it failed, or what was not done
    facts       numbers and strings that are shown and measured

    `last_ok` in a record is when the last run ended whose outcome was "ok"; None if there was none.
    """
    path = Path(runs, f"{job}.json")
    ended = now()
    record = {
        "job": job,
        "started": started,
        "ended": ended,
        "outcome": outcome,
        "last_ok": ended if outcome == "ok" else _last_ok(path),
        "problems": list(problems),
        "facts": dict(facts),
    }
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=runs, prefix=f".{job}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(record, stream, indent=1)
            stream.write("\n")
            stream.flush()
            os.fchmod(stream.fileno(), 0o644)
            os.fsync(stream.fileno())
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def _last_ok(path: Path) -> str | None:
    """What the record of the run before has; None if there is none, or it cannot be read."""
    try:
        known = json.loads(path.read_text(encoding="utf-8")).get("last_ok")
    except (OSError, ValueError, RecursionError, AttributeError):
        return None
    return known if isinstance(known, str) else None

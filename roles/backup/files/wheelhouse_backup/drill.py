"""The drill: is what was saved a whole index? It is restored into an empty place, proven there, and taken away."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

from . import restored
from .failure import Failure
from .index import TAG
from .job import Job
from .restic import Restic
from .settings import Index, Settings


def run(settings: Settings, index: Index, restic: Restic, job: Job) -> None:
    """Prove the newest snapshot; raises `Failure`."""
    found = restic.snapshots(TAG)
    if not found:
        raise Failure("There is no backup of the index yet.")
    newest = found[-1]
    at = datetime.fromisoformat(newest.time.replace("Z", "+00:00"))
    job.facts |= {
        "snapshot": newest.id[:8],
        "age_hours": round((datetime.now(UTC) - at).total_seconds() / 3600, 1),
    }
    place = index.directory / "drill"
    shutil.rmtree(place, ignore_errors=True)  # of one that was killed
    try:
        done = restored.fetch(settings, index, restic, job, newest, place)
        restored.prove(index, done, job, "drill")
        certificates = done.path("certificates")
        if index.certificates and not (certificates and (certificates / "index.key").is_file()):
            job.problem("The key of the certificate that was created on this host is not in the backup.")
        job.facts |= {"files": done.known["files"], "events": done.known["events"], "bytes": done.known["bytes"]}
    finally:
        shutil.rmtree(place, ignore_errors=True)

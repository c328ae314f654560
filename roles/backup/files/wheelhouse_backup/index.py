"""Saving the index: a copy of its database, its bytes, the intake's lists, and the certificate that was made here.

The bytes of several gateways are in their store, and are not saved here.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import job_record

from . import container
from .failure import Failure, size
from .job import Job
from .restic import Restic, Snapshot
from .settings import Index, Settings

TAG = "index"
TRIES = 5
"""How often it is begun again because somebody removed files in between."""
COPY = "database"
MANIFEST = "manifest.json"
# All of it follows from the database and the bytes, or is on its way at this moment.
_PROJECTION = ("packages", "simple", "conda", "locks", "incoming", "drop", "state")


def stage(settings: Settings) -> Path:
    """Where the copy of the database is for restic to read."""
    return settings.state / "copy"


def excluded(index: Index) -> list[Path]:
    """What is below the directories that are saved, and is not: pages, and the proxy's password."""
    return [*(index.shelf / name for name in _PROJECTION), index.intake / "proxy.env"]


def save(settings: Settings, index: Index, restic: Restic, job: Job) -> None:
    """Take a snapshot of the index; raises `Failure`."""
    if not index.shelf.is_dir():
        raise Failure(f"{index.shelf} is not there: run site.yml, or restore.yml if the index was lost.")
    before = restic.snapshots(TAG)
    for attempt in range(1, TRIES + 1):
        known = _copy(settings, index, job)
        shelf = None if index.is_gateway else index.shelf
        paths = [path for path in (stage(settings), shelf, index.intake, index.certificates) if path and path.exists()]
        tags = [TAG, f"events:{known['events']}", f"files:{known['files']}"]
        job.say(f"saving {size(known['bytes'])} of {known['files']} files, as of {known['made'][:19]}Z")
        summary = restic.save(job, paths, excluded(index), tags)
        done = container.program(index, index.shelf, "backup", "--check", "/backup", copy=stage(settings) / COPY)
        if not done.returncode:
            break
        job.say(f"Files were removed meanwhile; try {attempt} is begun again: {container.last_words(done)}")
        restic.run("forget", summary["snapshot_id"])
    else:
        raise Failure(f"In each of {TRIES} tries files were removed meanwhile: {container.last_words(done)}")
    job.facts |= {
        "events": known["events"],
        "files": known["files"],
        "bytes": known["bytes"],
        "added_bytes": summary.get("data_added", 0),
        "snapshot": str(summary.get("snapshot_id", ""))[:8],
    }
    if known["lost"]:
        job.problem(f"The bytes of {len(known['lost'])} published files are gone: `wheelhouse reindex` names them.")
    fuller = fullest(before)
    if fuller and fuller.number("events") > known["events"]:
        job.problem(
            f"The index has {known['events']} events, fewer than were saved before ({fuller.shown}): was it lost?"
            f" Nothing older is removed. To have it back: restore.yml -e from={fuller.id[:8]}"
        )
    else:
        forget(settings, restic, TAG, "host")


def fullest(snapshots: list[Snapshot]) -> Snapshot | None:
    """That with most events; of those with as many, the newest."""
    return max(snapshots, key=lambda one: (one.number("events"), one.time), default=None)


def forget(settings: Settings, restic: Restic, tag: str, group: str) -> None:
    """Remove snapshots that are older than the settings keep; their bytes go with the next check."""
    keep = [part for kind, number in settings.keep.items() if number for part in (f"--keep-{kind}", str(number))]
    if keep:
        restic.run("forget", "--tag", tag, "--host", settings.host, "--group-by", group, "--keep-last", "2", *keep)


def _copy(settings: Settings, index: Index, job: Job) -> dict[str, Any]:
    """Have the copy of the database staged; returns what it says of itself."""
    place = stage(settings)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    (place / COPY).mkdir(mode=0o700)
    os.chown(place / COPY, index.account, index.account)
    done = container.program(index, index.shelf, "backup", "/backup", copy=place / COPY)
    try:
        known = json.loads((place / COPY / "backup.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Failure(f"The database cannot be copied: {container.last_words(done)}") from None
    job.say(done.stdout.strip())
    manifest = {
        "format": 1,
        "made": job_record.now(),
        "host": settings.host,
        "copy": str(place / COPY),
        "shelf": None if index.is_gateway else str(index.shelf),
        "intake": str(index.intake),
        "certificates": str(index.certificates) if index.certificates else None,
    }
    (place / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return dict(known)

"""A snapshot of the index that is written to an empty place, and proven there."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import container
from .failure import Failure, size
from .index import COPY, MANIFEST, stage
from .job import Job
from .restic import Restic, Snapshot
from .settings import Index, Settings

_MORE = 1.1
"""How much more room is needed than the bytes take: pages, the database."""


@dataclass(frozen=True)
class Restored:
    """What is in the place."""

    place: Path
    manifest: dict[str, Any]
    known: dict[str, Any]
    """What the copy of the database says of itself."""

    def path(self, name: str) -> Path | None:
        """Where the shelf, the intake's files or the certificates are; None if the snapshot has none."""
        at = self.manifest[name]
        found = self.place / at.lstrip("/") if at else None
        return found if found and found.is_dir() else None

    @property
    def shelf(self) -> Path:
        """The bytes, and what else is on a shelf."""
        found = self.path("shelf")
        if not found:
            raise Failure("The snapshot has no published files in it.")
        return found

    @property
    def copy(self) -> Path:
        """The directory with the copy of the database."""
        return self.place / str(self.manifest["copy"]).lstrip("/")


def fetch(settings: Settings, index: Index, restic: Restic, job: Job, snapshot: Snapshot, place: Path) -> Restored:
    """Write a snapshot below `place`, which is made; raises `Failure`, also if there is no room."""
    try:
        known = json.loads(restic.read(snapshot.id, stage(settings) / COPY / "backup.json"))
        manifest = json.loads(restic.read(snapshot.id, stage(settings) / MANIFEST))
    except ValueError as error:
        raise Failure(f"What the snapshot {snapshot.id[:8]} says of itself cannot be read: {error}.") from error
    needed, disk = (known["bytes"] * _MORE if manifest["shelf"] else 0) + 64e6, os.statvfs(place.parent)
    room = disk.f_bavail * disk.f_frsize
    if room < needed:
        raise Failure(f"The snapshot needs {size(needed)} on the disk of {place.parent}, and there are {size(room)}.")
    place.mkdir(mode=0o700)
    job.say(f"restoring {size(needed)} to {place}")
    restic.restore(job, snapshot.id, place)
    restored = Restored(place, manifest, known)
    if manifest["shelf"]:
        give(restored.shelf, index.account)
    give(restored.copy, index.account)
    return restored


def prove(index: Index, restored: Restored, job: Job, by: str, *, whole: bool = True) -> None:
    """Compare all events and files with what was saved, and make all pages.

    Afterwards the restored shelf is one that the program can be started on. Raises `Failure` with what is wrong; unless
    it has to be `whole`, that is a problem of the job.
    """
    shelf = restored.shelf if restored.manifest["shelf"] else index.shelf

    def compare(*arguments: str, copy: Path | None = None, needed: bool = True) -> None:
        done = container.program(index, shelf, *arguments, copy=copy)
        if done.returncode and needed and whole:
            raise Failure(f"{arguments[0]}: {container.last_words(done)}")
        if done.returncode:
            job.problem(f"{arguments[0]}: {container.last_words(done)}")
        elif done.stdout.strip():
            job.say(done.stdout.strip())

    job.say("comparing events, and looking for the bytes of each file")
    compare("backup", "--check", "/backup", copy=restored.copy)
    if not restored.manifest["shelf"]:
        return  # of several gateways: the bytes are in their store, where they were looked for
    state = shelf / "state"
    if state.exists():
        shutil.rmtree(state)
    state.mkdir(mode=0o750)
    shutil.copyfile(restored.copy / "index.sqlite", state / "index.sqlite")
    (state / "index.sqlite").chmod(0o640)
    shelf.chmod(0o755)
    give(state, index.account)
    job.say("making the pages")
    compare("reindex", "--from-start", "--by", by, needed=False)  # it names what was gone before, too
    job.say("comparing every file with its SHA-256")
    compare("verify", "--from-start", "--by", by)


def give(directory: Path, account: int) -> None:
    """Have all that is in a directory belong to an account. Root alone gets at the directory."""
    for place, directories, files in os.walk(directory):
        for name in (".", *directories, *files):
            path = os.path.join(place, name)
            status = os.lstat(path)
            if (status.st_uid, status.st_gid) != (account, account):
                os.lchown(path, account, account)

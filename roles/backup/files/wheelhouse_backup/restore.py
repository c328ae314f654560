"""Restoring the index on this host, whether it has one or not. Nothing that is on the host is deleted."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import container, restored
from .failure import Failure, printable
from .index import TAG, fullest
from .job import Job
from .restic import Restic, Snapshot
from .settings import Index, Settings

_TOLD = 50
"""How many changes are named that the backup has not."""
_CHANGES = ("publish", "yank", "unyank", "remove")


def choose(restic: Restic, wanted: str) -> Snapshot:
    """The snapshot that `wanted` names: `latest`, the beginning of its id, or a day. Raises `Failure`."""
    found = restic.snapshots(TAG)
    if not found:
        raise Failure(f"There is no backup of an index in {restic.shown}.")
    newest, fuller = found[-1], fullest(found)
    if wanted == "latest":
        if fuller and fuller.number("events") > newest.number("events"):
            raise Failure(
                f"The newest backup ({newest.shown}) has fewer events than {fuller.shown}: it may be that of an index"
                f" that was lost. Write the one that is meant, such as from={fuller.id[:8]}."
            )
        return newest
    matching = [one for one in found if one.id.startswith(wanted)] if re.fullmatch("[0-9a-f]{6,64}", wanted) else []
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", wanted):
        matching = [one for one in found if one.time.startswith(wanted)][-1:]
    if len(matching) != 1:
        last = "\n".join(f"  {one.shown}" for one in found[-10:])
        raise Failure(
            f"from is {wanted!r}, which names no backup: write latest, the id of one, or a day such as"
            f" {newest.time[:10]}. The last ones in {restic.shown} are:\n{last}"
        )
    return matching[0]


def run(
    settings: Settings, index: Index, restic: Restic, job: Job, snapshot: Snapshot, *, damaged: bool = False
) -> None:
    """Restore it, also if it is `damaged`; raises `Failure`, and then the index is as it was."""
    if index.is_gateway:
        raise Failure(
            "The index of this host is in a database that it has in common with other gateways, and is not restored in"
            " place: docs/backup.md says how the copy in the backup gets there."
        )
    job.say(f"Restoring the backup {snapshot.shown}.")
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    place = index.directory / f"restored-{stamp}"
    for old in index.directory.glob("restored-*"):
        shutil.rmtree(old)  # of a run that was killed; nobody has used it
    try:
        done = restored.fetch(settings, index, restic, job, snapshot, place)
        _prove(index, done, job, snapshot, damaged=damaged)
        kept: list[Path] = []
        with container.stopped(index):
            later = _later(index, done, job)
            kept += _swap(done.shelf, index.shelf, stamp)
            if kept and later:
                _write(kept[0] / "later-events.jsonl", later)
        kept += _certificates(done, index, stamp)
        _intake(done, index, job)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    container.wait_until_it_answers(index)
    container.reload_gateway()
    job.facts |= {"snapshot": snapshot.id[:8], "files": done.known["files"], "events": done.known["events"]}
    job.facts["later_changes"] = len(later)
    job.say(
        f"Restored: {done.known['events']} events and {done.known['files']} files, as of {done.known['made'][:19]}Z."
    )
    for path in kept:
        job.say(f"What was there before is in {path}; remove it when nobody needs it any more.")
    _tell_later(later, kept, job)


def _prove(index: Index, done: restored.Restored, job: Job, snapshot: Snapshot, *, damaged: bool) -> None:
    try:
        restored.prove(index, done, job, f"restore of {snapshot.id[:8]}", whole=not damaged)
    except Failure as failure:
        raise Failure(
            f"The backup {snapshot.id[:8]} is not whole, and nothing on this host has changed: {failure} Restore"
            " another one, or what there is of this one with -e damaged=accepted."
        ) from failure


def _swap(new: Path, current: Path, stamp: str) -> list[Path]:
    """Put the new one in the place of the current one, which is kept beside it under another name."""
    kept = current.with_name(f"{current.name}.before-{stamp}")
    if not current.exists():
        new.rename(current)
        return []
    current.rename(kept)
    try:
        new.rename(current)
    except OSError:
        kept.rename(current)
        raise
    return [kept]


def _later(index: Index, done: restored.Restored, job: Job) -> list[dict[str, Any]]:
    """Changes that this host's index knows and the backup does not: they were acknowledged, and are lost with it."""
    if not (index.shelf / "state" / "index.sqlite").is_file():
        job.say("There was no index on this host, so nothing is known of what was published after the backup.")
        return []
    told = container.program(index, index.shelf, "journal", "--json")
    if told.returncode:
        job.problem(
            "The index that was on this host cannot be read, so nothing is known of what was published after the"
            f" backup: {container.last_words(told)}"
        )
        return []
    events = [json.loads(line) for line in told.stdout.splitlines()]
    if not events:
        return []
    count = done.known["events"]
    is_older = len(events) < count or (count and events[count - 1].get("time") != done.known["last_time"])
    if is_older:
        job.say(f"The index that was on this host has another history, of {len(events)} events.")
        return [event for event in events if event["event"] in _CHANGES]
    return [event for event in events[count:] if event["event"] in _CHANGES]


def _tell_later(later: Sequence[dict[str, Any]], kept: Sequence[Path], job: Job) -> None:
    if not later:
        return
    uploads = sum(event["event"] == "publish" for event in later)
    job.problem(
        f"This host's index had {uploads} files and {len(later) - uploads} other changes that the backup has not;"
        f" clients may have them. They are in {kept[0] / 'later-events.jsonl'}; the files are below {kept[0]}."
    )
    for event in later[:_TOLD]:
        what = event.get("file") or event.get("project") or ""
        job.say(printable(f"  {event['time'][:19]}Z  {event['who']}  {event['event']}  {what}"))
    if len(later) > _TOLD:
        job.say(f"  and {len(later) - _TOLD} more")


def _write(path: Path, events: Sequence[dict[str, Any]]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(event) + "\n" for event in events)


def _certificates(done: restored.Restored, index: Index, stamp: str) -> list[Path]:
    """Have the certificate and the key that clients trust; one that is given comes from the inventory."""
    saved = done.path("certificates")
    if not saved or not index.certificates:
        return []
    kept = []
    index.certificates.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name, mode in (("index.key", 0o600), ("index.pem", 0o644)):
        new, current = saved / name, index.certificates / name
        if not new.is_file() or (current.is_file() and current.read_bytes() == new.read_bytes()):
            continue
        if current.exists():
            before = current.with_name(f"{name}.before-{stamp}")
            current.rename(before)
            kept.append(before)
        beside = current.with_name(f".{name}.new")
        shutil.copyfile(new, beside)
        os.chown(beside, 0, 0)
        beside.chmod(mode)
        beside.rename(current)
    return kept


def _intake(done: restored.Restored, index: Index, job: Job) -> None:
    """Have what is missing of the intake's files: advisories. What is there is newer, or from the inventory."""
    saved = done.path("intake")
    if not saved:
        return
    index.intake.mkdir(mode=0o750, exist_ok=True)
    for entry in sorted(saved.iterdir()):
        target = index.intake / entry.name
        if not os.path.lexists(target):
            entry.rename(target)
            job.say(f"Restored {target}.")

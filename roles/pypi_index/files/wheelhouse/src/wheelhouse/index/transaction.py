"""The one path of every change: bytes placed and synced, one transaction, what is served rendered, the answer.

Nothing else writes rows or the served tree. A kill between any two steps is mended by the next `render_dirty` and
`sweep`: what was killed before its transaction never happened, and may be sent again, built anew or not; what was
killed behind it is published, by whoever sent it.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from sqlalchemy import Connection

from wheelhouse.errors import Conflict, NotFound
from wheelhouse.formats.distribution import FileName
from wheelhouse.formats.validation import Checked
from wheelhouse.index import conflicts, project_status, provenance, queries
from wheelhouse.index.changes import Together
from wheelhouse.index.conda_changes import CondaChanges, IncomingPackage
from wheelhouse.index.events import DATE, PUBLISH, REMOVE, STATUS, UNYANK, YANK, Event, now, written
from wheelhouse.index.gateways import mark_dirty
from wheelhouse.index.intake_changes import IntakeChanges
from wheelhouse.index.projection import ROOT, note_missing
from wheelhouse.index.provenance import Provenance
from wheelhouse.index.queries import PublishedFile
from wheelhouse.index.version_keys import version_key

__all__ = ["ROOT", "Incoming", "IncomingPackage", "Index", "Together"]


@dataclass(frozen=True)
class Incoming:
    """A file that was received and found to be as it should."""

    path: Path
    """In `Staging.incoming`, or in a quarantine on the same disk: synced, and written to by nobody else."""
    checked: Checked
    uploaded: datetime | None = None
    """When it was, upstream; one that is naive is in UTC. None for what is published here first."""
    provenance: Provenance | None = None
    """What came with it."""

    @property
    def name(self) -> FileName:
        """What its name says."""
        return self.checked.distribution.name

    @property
    def filename(self) -> str:
        """The name it is published under."""
        return self.name.filename


class Index(CondaChanges, IntakeChanges):
    """What is published, on one shelf. Safe for many threads and processes. See `opening.open_index`.

    A project's name is normalised by whoever calls, unless it says otherwise.
    """

    def publish(
        self,
        files: Sequence[Incoming],
        who: str,
        origin: str,
        *,
        allow_second_sdist: bool = False,
        note: str | None = None,
        job: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Publish files of one project, all on its page at once; the same bytes again are fine, and heal what is lost.

        `note` is what the audit says beside that, such as the token that was used; `job` is the CI job that sent them.
        Returns the names of those that were not published before. When this returns they are on the disk and listed.
        Raises `Conflict`, and then nothing has changed; `Busy`, OSError.
        """
        if not files:
            return []
        (project,) = {one.name.project for one in files}
        with self._storing(*stored(files)) as keep:
            with self.database.change(project) as connection:
                by = By(who, origin, note, job)
                done = self._publish(connection, files, by, allow_second_sdist=allow_second_sdist)
                for conflict in done.refused.values():
                    raise conflict
                keep()
            self.render(*done.dirty, fresh=done.dirty[project])
        return list(done.new)

    def publish_together(self, files: Sequence[Incoming], who: str, origin: str) -> Together:
        """Publish those files, of whatever projects, that nothing speaks against; the others are only told of.

        None of them need be synced before. When this returns they are on the disk, and what is `dirty` is to be
        rendered: see `rendering_together`. A version may have a second source distribution. Raises `Busy`, OSError.
        """
        projects = sorted({one.name.project for one in files})
        with self._storing(*stored(files), together=True) as keep:
            with self.database.change(*projects) as connection:
                done = self._publish(connection, files, By(who, origin), allow_second_sdist=True)
                keep()
            refused, metadata = stored([files[number] for number in done.refused])
            self.sweep_these({*refused, *dict(metadata)})
        return done

    def _publish(
        self,
        connection: Connection,
        files: Sequence[Incoming],
        by: "By",
        *,
        allow_second_sdist: bool,
    ) -> Together:
        """Have rows that name those files that nothing speaks against, all of whose bytes are in the store."""
        known = conflicts.releases(connection, [one.name for one in files])
        closed = project_status.closed(connection, [one.name.project for one in files])
        new: list[Incoming] = []
        lost: dict[str, dict[str, bool]] = {}
        refused: dict[int, Conflict] = {}
        # Also what is known already is fresh: a kill may have come between rows and pages.
        dirty: dict[str, set[str]] = {}
        for number, one in enumerate(files):
            try:
                conflicts.reject(known, one.checked, allow_second_sdist=allow_second_sdist)
            except Conflict as conflict:
                refused[number] = conflict
                continue
            same = conflicts.published(known, one.name)
            if same is None and one.name.project in closed:
                refused[number] = closed[one.name.project]
                continue
            dirty.setdefault(one.name.project, set()).add(one.filename)
            if same is None:
                new.append(one)
                conflicts.publish(known, one.checked)
            elif same.is_missing:
                lost.setdefault(one.name.project, {})[one.filename] = False
        places = self._write_down(connection, [_published(one, by) for one in new])
        for project, names in lost.items():
            places |= note_missing(connection, project, names)
        for number, one in enumerate(files):
            if one.provenance and number not in refused:
                places |= provenance.keep(connection, one.name, one.provenance)
        return Together([one.filename for one in new], refused, {**dict.fromkeys(places, ()), **dirty})

    def yank(self, project: str, version: str, reason: str, who: str) -> list[str]:
        """Mark a release as one that installers pass over unless it is asked for by its exact version.

        The project may be spelled in any way. Returns the names of its files; raises `NotFound`.
        """
        return self._change_release(YANK, project, version, reason, who)

    def unyank(self, project: str, version: str, who: str) -> list[str]:
        """Take a yank back. Returns the names of the release's files; raises `NotFound`."""
        return self._change_release(UNYANK, project, version, None, who)

    def remove(self, project: str, version: str, reason: str, who: str) -> list[str]:
        """Take a release off for good. Returns the names of its files; raises `NotFound`."""
        return self._change_release(REMOVE, project, version, reason, who)

    def set_status(self, project: str, status: str, reason: str | None, who: str) -> None:
        """Have a project be archived, deprecated or active; it may be spelled in any way. Raises `NotFound`."""
        project = canonicalize_name(project)
        with self.database.change(project) as connection:
            if not queries.is_published(connection, project):
                raise NotFound(f"{project} is not on the shelf.")
            project_status.put(connection, project, status, reason)
            told = f"{status}: {reason}" if reason else status
            self._write_down(connection, [Event(STATUS, who, now(), project=project, reason=told)])
            mark_dirty(connection, [project])
        self.render(project)

    def mark(self, project: str, names: Iterable[str], reason: str | None, who: str) -> list[str]:
        """Yank some files of a project for a reason, or take that back with None. Returns those that are published."""
        return self._change(UNYANK if reason is None else YANK, project, _of(names), reason, who)

    def take_off(self, project: str, names: Iterable[str], reason: str, who: str) -> list[str]:
        """Remove some files, whatever release they are of: their contents are not what was published."""
        return self._change(REMOVE, project, _of(names), reason, who)

    def date(self, project: str, times: Mapping[str, datetime], who: str) -> list[str]:
        """Make up for it that files from outside were published without the time of their upload there."""
        with self.database.change(project) as connection:
            found = queries.files(connection, project, names=times)
            events = [
                Event(DATE, who, now(), project=project, file=name, uploaded=written(times[name])) for name in found
            ]
            dirty = self._write_down(connection, events)
        self.render(*dirty, fresh=found)
        return list(found)

    def note_missing(self, project: str, missing: Mapping[str, bool]) -> None:
        """Note which published files have lost their bytes (True), or have them again: only these are listed."""
        with self.database.change(project) as connection:
            dirty = note_missing(connection, project, missing)
        self.render(*dirty)

    def _change_release(self, what: str, project: str, version: str, reason: str | None, who: str) -> list[str]:
        project = canonicalize_name(project)
        try:
            wanted = Version(version)
        except InvalidVersion as error:
            raise NotFound(f"{version!r} is not a version.") from error

        def of_release(connection: Connection) -> dict[str, PublishedFile]:
            found = queries.files(connection, project, version_key=version_key(wanted))
            if not found:
                raise NotFound(f"{project} {wanted} is not on the shelf.")
            return found

        return self._change(what, project, lambda connection, _: of_release(connection), reason, who)

    def _change(
        self,
        what: str,
        project: str,
        wanted: Callable[[Connection, str], Mapping[str, PublishedFile]],
        reason: str | None,
        who: str,
    ) -> list[str]:
        """One event for each of the files that are `wanted`. Returns their names."""
        with self.database.change(project) as connection:
            found = wanted(connection, project)
            events = [_about(what, file, reason, who) for file in found.values()]
            dirty = self._write_down(connection, events)
            removed = {file.sha256 for file in found.values()} if what == REMOVE else set()
            removed |= {file.metadata_sha256 for file in found.values() if removed and file.metadata_sha256}
            note = self.staging.note_loose(removed) if removed else None
        self.render(*dirty)
        if note:
            self._sweep_noted(note, removed)
        return list(found)


def _of(names: Iterable[str]) -> Callable[[Connection, str], Mapping[str, PublishedFile]]:
    return lambda connection, project: queries.files(connection, project, names=names)


def stored(files: Iterable[Incoming]) -> tuple[dict[str, Path], list[tuple[str, bytes]]]:
    """What is stored of files, by its SHA-256 (hex): the files themselves, and metadata."""
    contents = [(hashlib.sha256(content).hexdigest(), content) for one in files if (content := _metadata(one))]
    return {_sha256(one): one.path for one in files}, contents


def _sha256(one: Incoming) -> str:
    return one.checked.distribution.hashes["sha256"]


def _metadata(one: Incoming) -> bytes | None:
    """The core metadata that are served beside the file; only a wheel has some."""
    return one.checked.distribution.metadata if one.checked.distribution.name.kind == "wheel" else None


@dataclass(frozen=True)
class By:
    """What the audit says of whoever publishes."""

    who: str
    origin: str
    note: str | None = None
    job: Mapping[str, str] | None = None


def _published(one: Incoming, by: By) -> Event:
    checked = one.checked
    name = checked.distribution.name
    metadata = _metadata(one)
    return Event(
        event=PUBLISH,
        who=by.who,
        time=now(),
        origin=by.origin,
        project=name.project,
        version=str(name.version),
        name=checked.name if checked.name != name.project else None,
        summary=checked.summary,
        file=name.filename,
        size=checked.distribution.size,
        sha256=_sha256(one),
        metadata_sha256=hashlib.sha256(metadata).hexdigest() if metadata is not None else None,
        requires_python=checked.requires_python,
        findings=checked.warnings or None,
        uploaded=written(one.uploaded) if one.uploaded else None,
        reason=by.note,
        job=by.job,
    )


def _about(what: str, file: PublishedFile, reason: str | None, who: str) -> Event:
    return Event(
        event=what,
        who=who,
        time=now(),
        project=file.project,
        version=file.version,
        file=file.file,
        sha256=file.sha256,
        reason=reason,
    )

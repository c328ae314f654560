"""The whole shelf: `reindex` makes pages and journal agree with the files, `verify` says whether they do.

Copying a file into `drop/` is a way to publish it. `reindex` finds it there and puts it through the checks an upload
goes through; what does not pass is moved to the quarantine. What was copied into `packages/` itself is treated alike.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC
from pathlib import Path

from simple_repository.model import File

from wheelhouse.formats import distribution, reading
from wheelhouse.formats.distribution import MAX_NAME, BadDistribution
from wheelhouse.formats.validation import Claims, Origin
from wheelhouse.index import simple_pages, transaction
from wheelhouse.index.dropbox import (
    COPIED_IN,
    Report,
    Unfit,
    dropped,
    is_being_written,
    is_file,
    received,
    remove_unfit,
    shown,
    tidy_away,
)
from wheelhouse.index.events import MAX_REASON, QUARANTINE, REMOVE, VERIFY, Event, Journal, Tail, now, printable
from wheelhouse.index.file_names import Names
from wheelhouse.index.refusals import Refusals
from wheelhouse.index.simple_pages import Files
from wheelhouse.index.transaction import Conflict
from wheelhouse.store.local import Shelf


class Upkeep:
    """Runs over one shelf on behalf of `who`. Others may use the shelf meanwhile."""

    def __init__(self, shelf: Shelf, journal: Journal, who: str, max_file_size: int | None = None) -> None:
        """`max_file_size` is the most bytes of a file that is copied in."""
        self._shelf = shelf
        self._journal = journal
        self._max_file_size = max_file_size
        self._ledger = _Ledger(journal)
        self._names = Names(journal)
        self._who = who
        self.report = Report()

    def projects(self) -> list[str]:
        """Names of all projects in the journal or among the pages, sorted."""
        return sorted({*self._ledger.projects(), *self._shelf.projects()})

    def arrivals(self) -> dict[str, list[Path]]:
        """Files that were never published, by the project their names say, wherever in `drop/` or `packages/` they lie.

        Those whose names say nothing go to the quarantine. A project without any is there for what a kill left of an
        upload to it.
        """
        return self._arrivals(
            [self._shelf.packages, *self._shelf.directories(self._shelf.packages)], self._ledger.files
        )

    def arrivals_since(self, last: float) -> dict[str, list[Path]]:
        """The same in `drop/`, and in the directories of `packages/` that changed after `last` (seconds since 1970).

        Asks the pages of these projects, not the journal, so that looking often costs little on a large shelf.
        """
        return self._arrivals(
            [
                directory
                for directory in [self._shelf.packages, *self._shelf.directories(self._shelf.packages)]
                # file systems round their times
                if directory.stat().st_mtime >= last - 1
            ],
            lambda project: simple_pages.load(self._shelf, project) or {},
        )

    def _arrivals(self, directories: list[Path], published: Callable[[str], Files]) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in dropped(self._shelf, self._shelf.drop):
            if _is_for_a_channel(path.relative_to(self._shelf.drop)):
                continue
            if path.name.endswith(".metadata"):  # of a shelf that was copied as a whole; they are made anew
                with self.report.noting_errors(path):
                    remove_unfit(self._shelf, path)
                continue
            self._sort(path, found)
        for directory in directories:
            known = published(directory.name) if directory != self._shelf.packages else {}
            for name in _files(directory):
                if name not in known:
                    self._sort(directory / name, found)
            if directory != self._shelf.packages and self._shelf.has_staged(directory.name):
                found.setdefault(directory.name, [])
        return found

    def _sort(self, path: Path, found: dict[str, list[Path]]) -> None:
        """Put a file to those of its project, or away."""
        with self.report.noting_errors(path):
            try:
                if not is_file(self._shelf, path):
                    with received(self._shelf, path):
                        pass  # says why not
                found.setdefault(distribution.parse_filename(path.name).project, []).append(path)
            except (BadDistribution, Unfit) as error:
                self._journal.append([self._quarantine(path, None, str(error))])

    def reindex(self, project: str, arrivals: Iterable[Path]) -> None:
        """Take in the project's new files, look after its published ones, and rewrite its pages where they differ."""
        with self._shelf.locked(project):
            files = self._ledger.files(project)
            self._shelf.settle_staged(project, {name: file.hashes["sha256"] for name, file in files.items()})
            missing: set[str] = set()
            events: list[Event] = []
            for name, file in sorted(files.items()):
                path = self._shelf.package(project, name)
                with self.report.noting_errors(path):
                    if not os.path.lexists(path):
                        missing.add(name)
                        self.report.problems.append(
                            f"{name} of {project} was published and is not on the shelf any more."
                        )
                    else:
                        events += self._look_after(path, project, file)
            for event in events:
                simple_pages.apply(files, event)
            for path in arrivals:
                with self.report.noting_errors(path):
                    for event in self._take_in(path, project, files):
                        simple_pages.apply(files, event)
                        events.append(event)
            missing = {name for name in missing if not self._shelf.package(project, name).exists()}
            self._shelf.sync(project)
            self._journal.append(events)
            present = {name: file for name, file in files.items() if name not in missing}
            self.report.pages_written += simple_pages.write(self._shelf, project, present, durable=False)

    def finish(self) -> None:
        """Rewrite the list of projects where it differs; what this run wrote is on the disk when this returns."""
        self._shelf.sweep()
        Refusals(self._shelf, self._journal).sum_up()
        self.report.pages_written += simple_pages.write_root(self._shelf, durable=False)
        os.sync()

    def verify(self, project: str) -> None:
        """Compare the project's files and page with the journal's record of them."""
        if self._disagreements(project):
            with self._shelf.locked(project):  # once more, with nobody in the middle of a change
                self.report.problems += self._disagreements(project)

    def note_verified(self, projects: int) -> None:
        """Write the outcome of a run of `verify` to the journal."""
        reason = f"{projects} projects, {len(self.report.problems)} problems"
        self._journal.append([Event(VERIFY, self._who, now(), reason=reason)])

    def _take_in(self, path: Path, project: str, files: Files) -> list[Event]:
        """Put a file that was copied in where it belongs, or in the quarantine."""
        target = self._shelf.package(project, path.name)
        in_place = target == path
        if in_place and path.name in files:  # its upload was in the middle when the file was found
            return []
        try:
            with received(self._shelf, path, self._max_file_size) as copy:
                try:
                    checked = reading.check(copy.path, path.name, Claims(), Origin.COPIED_IN)
                except BadDistribution:
                    if is_being_written(self._shelf, path, copy.before):
                        self.report.problems.append(
                            f"{path.name} is still being written; the next run looks at it again."
                        )
                        return []
                    raise
                transaction.reject_conflict(self._shelf, self._names, checked, files, ignore=path)
                if path.name in files:  # the same bytes are published already, or were and went missing
                    if not target.exists():
                        metadata, at = transaction.metadata_beside(checked), _timestamp(files[path.name])
                        self._shelf.place(copy.path, project, path.name, metadata, at, durable=False)
                    tidy_away(self._shelf, path, copy.before)
                    return []
                event = transaction.place(self._shelf, copy.path, checked, self._who, COPIED_IN, durable=False)
        except (BadDistribution, Conflict, Unfit) as error:
            return [self._quarantine(path, project, str(error))]
        if not in_place:
            tidy_away(self._shelf, path, copy.before)
        self.report.published.append(path.name)
        return [event]

    def _look_after(self, path: Path, project: str, file: File) -> list[Event]:
        """See that a published file is still the one that was published, with its metadata, and readable."""
        at = _timestamp(file)
        if not self._shelf.is_settled(path, file.size, at):
            if not is_file(self._shelf, path) or transaction.sha256(path) != file.hashes["sha256"]:
                reason = "It is not the file that was published under this name: the index promised other contents."
                return [self._quarantine(path, project, reason), self._gone(project, file)]
            self._shelf.settle(path, at)
        if file.dist_info_metadata and not self._shelf.has_metadata(path):
            self._shelf.place_metadata(project, path.name, reading.metadata(path, path.name), at)
        return []

    def _quarantine(self, path: Path, project: str | None, reason: str) -> Event:
        event = Event(
            QUARANTINE,
            self._who,
            now(),
            COPIED_IN,
            project=project,
            file=printable(path.name, MAX_NAME),
            reason=printable(reason, MAX_REASON),
        )
        if not is_file(self._shelf, path):
            remove_unfit(self._shelf, path)
            self.report.problems.append(f"{shown(path)} was removed: {event.reason}")
            return event
        event = replace(event, sha256=transaction.sha256(path))
        kept = self._shelf.set_aside(
            path,
            {
                "found": str(path.relative_to(self._shelf.root)),
                "reason": event.reason or "",
                "sha256": event.sha256 or "",
                "time": event.time,
            },
        )
        self.report.problems.append(f"{shown(path)} was moved to the quarantine as {shown(kept)}: {event.reason}")
        return event

    def _gone(self, project: str, file: File) -> Event:
        reason = "its contents were replaced"
        return Event(REMOVE, self._who, now(), project=project, file=file.filename, reason=reason)

    def _disagreements(self, project: str) -> list[str]:
        files = self._ledger.files(project)
        directory = self._shelf.packages / project
        found: list[str] = []
        for name, file in sorted(files.items()):
            path = directory / name
            try:
                if path.stat().st_size != file.size or transaction.sha256(path) != file.hashes["sha256"]:
                    found.append(f"{name} of {project} is not what was published.")
                elif file.dist_info_metadata:
                    described = path.with_name(f"{name}.metadata")
                    if transaction.sha256(described) != file.dist_info_metadata["sha256"]:
                        found.append(f"{name}.metadata of {project} is not what was published.")
            except OSError as error:
                found.append(f"{name} of {project} cannot be read: {error.strerror}.")
        for name in _files(directory):
            if name not in files:
                found.append(f"{name} of {project} is on the shelf and was never published: run reindex.")
        if (simple_pages.load(self._shelf, project) or {}) != files:
            found.append(f"The page of {project} does not list what was published: run reindex.")
        return found


class _Ledger:
    """What the journal adds up to for every project, kept up to date while others append to it."""

    def __init__(self, journal: Journal) -> None:
        self._tail = Tail(journal)
        self._projects: dict[str, Files] = {}

    def projects(self) -> Iterable[str]:
        """Names of the projects that have files, or had some."""
        self._catch_up()
        return self._projects.keys()

    def files(self, project: str) -> Files:
        """The project's files by the journal of now; the caller may change the dict."""
        self._catch_up()
        return dict(self._projects.get(project, {}))

    def _catch_up(self) -> None:
        for event in self._tail.new():
            if event.project:
                simple_pages.apply(self._projects.setdefault(event.project, {}), event)


def _files(directory: Path) -> list[str]:
    """Names of the distributions in a directory, or of what may be meant to be some.

    Hidden files are those of copying programs.
    """
    try:
        entries = list(os.scandir(directory))
    except FileNotFoundError:
        return []
    return sorted(
        entry.name
        for entry in entries
        if not entry.name.startswith(".")
        and not entry.name.endswith(".metadata")
        and not entry.is_dir(follow_symlinks=False)
    )


def _is_for_a_channel(path: Path) -> bool:
    """Whether a file in the drop directory is meant for a conda channel."""
    return len(path.parts) > 1 and path.parts[0] == "conda" and not path.name.endswith((".whl", ".tar.gz", ".zip"))


def _timestamp(file: File) -> float:
    return file.upload_time.replace(tzinfo=UTC).timestamp() if file.upload_time else 0.0

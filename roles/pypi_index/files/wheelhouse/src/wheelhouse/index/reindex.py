"""`reindex`: have what is published, the bytes in the store and what is served agree, and take in what was copied in.

The rows say what is published. Bytes that are gone or changed in one of the two places where they are come back from
the other; what is nowhere any more is listed no more, and told.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePosixPath

from wheelhouse.errors import NotFound
from wheelhouse.formats import reading
from wheelhouse.formats.distribution import BadDistribution
from wheelhouse.index import queries, repair
from wheelhouse.index.dropbox import BATCH, Belonging, Drop, ProjectFiles
from wheelhouse.index.queries import PublishedFile
from wheelhouse.index.repair import Bytes
from wheelhouse.index.transaction import ROOT
from wheelhouse.store import foreign
from wheelhouse.store.base import blob
from wheelhouse.store.foreign import Foreign

REPLACED = "It is not the file that was published under this name: the index promised other contents."


class Reindex:
    """Looks after the Python projects of one shelf. Others may use it meanwhile."""

    def __init__(self, drop: Drop) -> None:
        self._index = drop.index
        self._drop = drop
        self._files = ProjectFiles(drop)
        self._report = drop.report
        self._strangers: list[Foreign] = []
        """Files that lie in directories of projects, and that nobody knows."""
        self._is_displaced = False
        """Whether something was in the way of a published file, and is in the drop directory now."""

    def projects(self) -> list[str]:
        """All that have published files, and all directories where such are served, sorted."""
        with self._index.database.read() as connection:
            known = queries.projects(connection)
        served = (where.name for where in foreign.directories(self._index.site.root, _PACKAGES) if where != _PACKAGES)
        return sorted({*known, *served})

    def take_in(self, only: Collection[str] = ()) -> set[str]:
        """Take in what lies in the drop directory, or directly in `packages/`; with `only`, what is of these projects.

        Returns the projects to which something belongs.
        """
        return ProjectFiles(self._drop, only).take_in(self._found())

    def take_in_new(self, since: float) -> set[str]:
        """The same, and look after the directories of `packages/` in which names changed after `since`.

        `since` is in seconds since 1970. It costs little on a large shelf where nothing happened.
        """
        touched = self._files.take_in(self._files.dropped())
        directories = list(foreign.directories(self._index.site.root, _PACKAGES, since))
        if _PACKAGES in directories:
            touched |= self._files.take_in(foreign.below(self._index.site.root, _PACKAGES, depth=0))
        for _ in self.along((directory.name for directory in directories if directory != _PACKAGES), touched=touched):
            pass
        return touched

    def along(self, projects: Iterable[str], *, deep: bool = False, touched: set[str] | None = None) -> Iterator[str]:
        """Look after projects, and take in what lies in their directories; yields each once all that is done.

        Files of several projects are taken in together. Their projects go into `touched`.
        """
        waiting: list[str] = []
        for project in projects:
            self.look_after(project, deep=deep)
            waiting.append(project)
            if not self._strangers or len(self._strangers) >= TOGETHER:
                self._take_in_strangers(touched)
                yield from waiting
                waiting.clear()
        self._take_in_strangers(touched)
        yield from waiting

    def _take_in_strangers(self, touched: set[str] | None) -> None:
        found: list[Iterable[Foreign]] = []
        if self._is_displaced:
            found.append(self._files.dropped())
        if self._strangers:
            found.append(self._strangers)
        self._strangers, self._is_displaced = [], False
        for files in found:
            groups = self._files.take_in(files)
            if touched is not None:
                touched |= groups

    def look_after(self, project: str, *, deep: bool = False) -> None:
        """See that the project's files are there and are served, and render its pages.

        Files that look as they were left are only read if `deep`. The name may be that of any directory. What lies
        there and nobody knows is noted, for `along`.
        """
        directory = _PACKAGES / project
        files = self._published(directory)
        missing: dict[str, bool] = {}
        is_unplaced = is_displaced = False
        for name, file in sorted(files.items()):
            with self._report.noting_errors(name):
                found = self._file(file, deep)
                is_unplaced |= found in (Bytes.UNPLACED, Bytes.TOUCHED)
                is_displaced |= found in (Bytes.UNPLACED, Bytes.TOUCHED, Bytes.GONE)
                if (found is Bytes.GONE) != file.missing and found is not Bytes.REPLACED:
                    missing[name] = found is Bytes.GONE
        if missing:
            self._index.note_missing(project, missing)
        if files:
            self._report.pages_written += self._index.render(project, check=is_unplaced, durable=False)
        self._is_displaced |= is_displaced
        there = foreign.names(self._index.site.root, directory)
        if not {*there} <= files.keys() | {f"{name}.metadata" for name in files}:
            self._strangers += self._unknown(directory, there)

    def finish(self) -> None:
        """Render the list of projects, and count what was refused; all that this run did is then on the disk."""
        self._report.pages_written += self._index.render(ROOT, durable=False)
        self._index.sum_up_refusals()
        self._drop.tidy()
        self._index.sync()

    def _file(self, file: PublishedFile, deep: bool) -> Bytes:
        """Look after one file; raises OSError."""
        path = f"{_PACKAGES}/{file.project}/{file.file}"
        at = file.offered_at.timestamp()
        deep |= file.missing  # it may be there again
        found = repair.look_after(self._index, path, file.sha256, file.size, at, deep=deep)
        shown = f"{file.file} of {file.project}"
        if found is Bytes.REPLACED:
            served = Foreign(self._index.site.root, PurePosixPath(path))
            self._drop.set_aside(served, REPLACED, Belonging(project=file.project))
            repair.discard(self._index, file.sha256)
            if not file.missing:
                reason = "its contents were replaced"
                self._index.take_off(file.project, [file.file], reason, self._drop.who)
                return found
            found = Bytes.GONE
        if found is Bytes.GONE:
            self._report.problem(f"{shown} was published and is not on the shelf any more.")
            return found
        if found is Bytes.UNPLACED:
            self._report.put_back(shown)
        if file.metadata_sha256:
            described = f"{path}.metadata"
            beside = repair.look_after(self._index, described, file.metadata_sha256, None, None, deep=deep)
            if beside in (Bytes.GONE, Bytes.REPLACED) and not repair.make_again(
                self._index, file.metadata_sha256, lambda: self._metadata(file)
            ):
                self._report.problem(f"{file.file}.metadata of {file.project} cannot be made again.")
                return found
            if beside is not Bytes.FINE:
                return Bytes.TOUCHED
        return found

    def _metadata(self, file: PublishedFile) -> bytes:
        """The core metadata in a wheel, b"" if they cannot be read; raises OSError."""
        with contextlib.suppress(BadDistribution, NotFound):
            key = blob(file.sha256)
            if path := self._index.store.path(key):
                return reading.metadata(path, file.file)
            with self._index.store.open(key) as stream, self._index.staging.receive(stream) as copy:
                return reading.metadata(copy, file.file)
        return b""

    def _found(self) -> Iterator[Foreign]:
        yield from self._files.dropped()
        yield from foreign.below(self._index.site.root, _PACKAGES, depth=0)

    def _unknown(self, directory: PurePosixPath, names: Iterable[str]) -> Iterator[Foreign]:
        """Those of the `names` in a directory under which nothing is published there.

        They have to be from before this is called: whatever is served was published before.
        """
        files = self._published(directory)
        for name in names:
            if name not in files and not name.endswith(".metadata"):
                yield Foreign(self._index.site.root, directory / name)

    def _published(self, directory: PurePosixPath) -> dict[str, PublishedFile]:
        """The files that are published in a directory, once nobody is in the middle of serving others there."""
        return repair.settled(
            self._index, [directory.name], lambda connection: queries.files(connection, directory.name)
        )


TOGETHER = 4 * BATCH
"""Files that are taken in together, of however many projects."""
_PACKAGES = PurePosixPath("packages")

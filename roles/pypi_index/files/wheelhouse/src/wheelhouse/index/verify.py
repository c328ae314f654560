"""`verify`: compare every published file with the hashes it was published with, and the pages with the rows.

Changes nothing. Files are read by a few threads at a time, project after project, and what waits to be read is bounded,
so that a large index costs time and no memory.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

from wheelhouse import processors
from wheelhouse.index import queries, repair
from wheelhouse.index.dropbox import Report
from wheelhouse.index.transaction import Index
from wheelhouse.store import foreign
from wheelhouse.store.base import blob
from wheelhouse.store.foreign import Foreign, Unfit

READERS = min(4, processors.available())
"""Files that are read at a time: hashing leaves Python's lock alone, and disks like company."""
AHEAD = 64 * READERS
"""Files that wait to be read, besides those of the place whose turn it is."""
TRIES = 50
"""How often a place is looked at again that somebody is changing, a tenth of a second after the last time."""


@dataclass(frozen=True)
class Served:
    """A file that is to be compared."""

    path: str
    """Where it is served."""
    sha256: str
    shown: str
    """What it is called, for people."""


class Reader:
    """Reads files in a few threads."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._threads = ThreadPoolExecutor(READERS, "verify")

    def start(self, files: Iterable[Served]) -> "Started":
        """Have files read; the results are what is wrong with each, as a sentence."""
        return [self._threads.submit(self._compare, file) for file in files]

    def stop(self) -> None:
        """Read no more."""
        self._threads.shutdown(cancel_futures=True)

    def _compare(self, file: Served) -> str | None:
        try:
            served = Foreign(self._index.site.root, PurePosixPath(file.path))
            is_partial = self._index.site.is_partial
            if not (is_partial and not served.is_there()) and served.sha256() != file.sha256:
                return f"{file.shown} is not what was published."
            if not is_partial and self._index.site.is_placed(file.path, blob(file.sha256)):
                return None  # one and the same
            if not repair.is_whole(self._index, file.sha256):
                return f"{file.shown} is served, and is not in the store as it was published."
        except OSError as error:
            return f"{file.shown} cannot be read: {error.strerror}."
        except Unfit as error:
            return f"{file.shown} is not what was published: {error}"
        return None


Started = list[Future[str | None]]
"""Files that are being read."""


def in_order(
    places: Iterable[str], start: Callable[[str], Started], end: Callable[[str, Started], None]
) -> Iterator[str]:
    """Have the files of places read, some places ahead of the one that is ended; yields those that are."""
    waiting: deque[tuple[str, Started]] = deque()
    for place in places:
        waiting.append((place, start(place)))
        while len(waiting) > 1 and sum(len(started) for _, started in waiting) - len(waiting[0][1]) > AHEAD:
            end(*waiting[0])
            yield waiting.popleft()[0]
    while waiting:
        end(*waiting[0])
        yield waiting.popleft()[0]


class Verify(ABC):
    """Compares what is published and served of some places. Others may use the shelf meanwhile."""

    def __init__(self, index: Index, reader: Reader, report: Report) -> None:
        self.index = index
        self._reader = reader
        self._report = report

    @abstractmethod
    def places(self) -> list[str]:
        """All places, sorted."""

    @abstractmethod
    def files(self, place: str) -> Iterable[Served]:
        """The files that are published there."""

    @abstractmethod
    def others(self, place: str) -> list[str]:
        """What is wrong there besides: sentences."""

    def start(self, place: str) -> Started:
        """Have the files of a place read."""
        return self._reader.start(self.files(place))

    def end(self, place: str, started: Started) -> None:
        """Wait for that, look at the rest, and tell what is wrong."""
        if any(one.result() for one in started) or self.others(place):
            for sentence in self._confirmed(place):
                self._report.problem(sentence)

    def _confirmed(self, place: str) -> list[str]:
        """The same once more, with nobody in the middle of a change to the place."""
        for _ in range(TRIES):
            with self.index.site.rendering(place):
                with self.index.database.read() as connection:
                    is_behind = bool(repair.dirty(connection, [place]))
                if not is_behind:
                    return [*filter(None, (one.result() for one in self.start(place))), *self.others(place)]
            time.sleep(0.1)
        return [f"What is served of {place} is older than what was published: run reindex."]


class VerifyProjects(Verify):
    """The Python projects."""

    def places(self) -> list[str]:
        """Those that have published files."""
        with self.index.database.read() as connection:
            return queries.projects(connection)

    def files(self, place: str) -> Iterator[Served]:
        """The files of a project, and the metadata beside them."""
        with self.index.database.read() as connection:
            files = queries.files(connection, place)
        for name, file in sorted(files.items()):
            path = f"packages/{place}/{name}"
            yield Served(path, file.sha256, f"{name} of {place}")
            if file.metadata_sha256:
                yield Served(f"{path}.metadata", file.metadata_sha256, f"{name}.metadata of {place}")

    def others(self, place: str) -> list[str]:
        """What lies there and nobody knows, and pages that are not what they should be."""
        names = foreign.names(self.index.site.root, PurePosixPath("packages", place))
        with self.index.database.read() as connection:
            files = queries.files(connection, place)
        found = [
            f"{foreign.shown(name)} of {place} is on the shelf and was never published: run reindex."
            for name in names
            if name not in files and not name.endswith(".metadata")
        ]
        if self.index.stale(place):
            found.append(f"The page of {place} does not list what was published: run reindex.")
        return found

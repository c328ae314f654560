"""Taking files in that were copied onto this host, into `drop/` or, by habit, into what is served.

Each is received as a copy of our own and checked as an upload is. What passes is published by `Index` and goes from
where it was; what does not is moved to the quarantine with the reason beside it, and what is no file at all is removed.
"""

import contextlib
import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar

from wheelhouse.errors import Conflict, Full
from wheelhouse.formats import distribution, reading
from wheelhouse.formats.conda_package import BadPackage
from wheelhouse.formats.distribution import MAX_NAME, BadDistribution
from wheelhouse.formats.reader_pool import ReaderPool
from wheelhouse.formats.reading import Run
from wheelhouse.formats.validation import Claims, Origin
from wheelhouse.index.events import MAX_REASON, QUARANTINE, Event, now, printable
from wheelhouse.index.transaction import ROOT, Incoming, Index, Together
from wheelhouse.progress import tell
from wheelhouse.store import foreign
from wheelhouse.store.foreign import Foreign, Seen, Unfit
from wheelhouse.store.staging import FOUND

COPIED_IN = "copied in"
"""`Event.origin` of a file that was found."""
NOT_TAKEN = (BadDistribution, BadPackage, Conflict, Unfit)
"""What speaks against a file; the text is one sentence for whoever copied it."""
BATCH = 256
"""Files that are published together."""
BATCH_BYTES = 2**28
"""Bytes of such files. There are at most twice as many copies at a time: the next ones are read meanwhile."""
UNRENDERED = 4 * BATCH
"""Files that are published before pages list them, where there are more to come."""

T = TypeVar("T")


class Report:
    """What a run found and did. A problem is told as soon as it is found: somebody has to look at each."""

    def __init__(self, tell: Callable[[str], None] = tell) -> None:
        self._tell = tell
        self.published = 0
        """Files."""
        self.restored = 0
        """Files that were gone or changed where they are served, and were put back there from the store."""
        self.pages_written = 0
        self.problems = 0

    def problem(self, sentence: str) -> None:
        """Tell what is wrong."""
        self.problems += 1
        self._tell(sentence)

    def put_back(self, what: str) -> None:
        """Tell of a file that was restored."""
        self.restored += 1
        self._tell(f"{what} was restored.")

    @contextlib.contextmanager
    def noting_errors(self, shown: str) -> Iterator[None]:
        """Turn an error of the file system into a problem of a file, so that the run goes on with the next one."""
        try:
            yield
        except FileNotFoundError:
            pass  # taken away while we looked
        except (OSError, Full) as error:
            reason, advice = str(error), "give it and its directory to the user this runs as"
            if isinstance(error, OSError):
                reason = error.strerror or reason
            if isinstance(error, Full) or error.errno in (errno.ENOSPC, errno.EDQUOT):
                reason, advice = os.strerror(errno.ENOSPC), "make room on the index host's disk"
            self.problem(f"{shown} cannot be looked after ({reason}): {advice}.")


@dataclass(frozen=True)
class Belonging:
    """What a file is of, as far as that is known."""

    project: str | None = None
    channel: str | None = None
    """With the subdir."""


@dataclass(frozen=True)
class Copy:
    """A file that was copied in, as it was when it was looked at."""

    path: Path
    """Our own copy, in `Staging.incoming`."""
    before: Seen
    """Of the file itself."""


class Drop:
    """The directory that files are copied into, and what may become of one."""

    def __init__(self, index: Index, who: str, report: Report, max_file_size: int | None = None) -> None:
        """`max_file_size` is the most bytes of a file that is taken."""
        self.index = index
        self.who = who
        self.report = report
        self._max_file_size = max_file_size

    def dropped(self, *below: str) -> Iterator[Foreign]:
        """Everything but directories in a part of the drop directory."""
        staging = self.index.staging
        top = PurePosixPath(staging.drop.relative_to(staging.root), *below)
        return foreign.below(staging.root, top)

    @contextlib.contextmanager
    def received(self, file: Foreign) -> Iterator[Copy]:
        """A copy of the file that nobody else writes to, not synced; raises `Unfit` and OSError."""
        with file.opened(self._max_file_size) as (stream, before):
            if before.size > self.index.staging.room():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with self.index.staging.receive(stream, durable=False) as path:
                yield Copy(path, before)

    def is_being_written(self, file: Foreign, before: Seen) -> bool:
        """Whether what looks broken is half of a file that is being copied, and say so."""
        if not file.is_being_written(before):
            return False
        self.report.problem(f"{file.shown} is still being written; the next run looks at it again.")
        return True

    def set_aside(
        self,
        file: Foreign,
        reason: str,
        of: Belonging | None = None,
    ) -> None:
        """Move a file to the quarantine, or remove what is no file, and write down why; raises OSError."""
        event = Event(
            QUARANTINE,
            self.who,
            now(),
            COPIED_IN,
            project=of.project if of else None,
            channel=of.channel if of else None,
            file=printable(file.name, MAX_NAME),
            sha256=file.sha256() if file.is_file() else None,
            reason=printable(reason, MAX_REASON),
        )
        # Before the file moves: after a kill it is written down twice, and not never.
        self.index.note(event)
        if event.sha256 is None:
            file.remove()
            self.report.problem(f"{file.shown} was removed: {event.reason}")
        else:
            told = {
                "found": os.fsencode(str(file.where)).decode(errors="replace"),
                "reason": event.reason or "",
                "sha256": event.sha256,
                "time": event.time,
            }
            kept = self.index.staging.set_aside(file.path, told)
            self.report.problem(
                f"{file.shown} was moved to the quarantine as {foreign.shown(kept.name)}: {event.reason}"
            )

    def tidy(self) -> None:
        """Remove the directories that `Staging.to_drop` made, where nothing is left in them."""
        for above in (self.index.staging.drop, *(self.index.staging.drop / "conda").glob("[a-z]*")):
            for directory in sorted(above.glob(f"{FOUND}*/**"), reverse=True):
                with contextlib.suppress(OSError):
                    directory.rmdir()


@dataclass(frozen=True)
class _Received(Generic[T]):
    """A file that is being checked."""

    file: Foreign
    before: Seen
    checked: Future[T]


@dataclass(frozen=True)
class _Waiting(Generic[T]):
    """A file that passed its checks, to be published with others."""

    file: Foreign
    before: Seen
    incoming: T


class _Batch(Generic[T]):
    """Files that were received together, as copies that are there until it is closed."""

    def __init__(self) -> None:
        self.copies = contextlib.ExitStack()
        self.received: list[_Received[T]] = []
        self.size = 0
        """Bytes."""

    @property
    def is_full(self) -> bool:
        """Whether no more files go in."""
        return len(self.received) >= BATCH or self.size >= BATCH_BYTES


class TakeIn(ABC, Generic[T]):
    """Takes files in, many at a time: while some are published, others are read. `T` is what `Index` is given."""

    def __init__(self, drop: Drop) -> None:
        self.drop = drop
        self._dirty: dict[str, set[str]] = {}
        """Places that are to be rendered -> names of files that are fresh there."""

    @abstractmethod
    def admit(self, file: Foreign) -> bool:
        """Whether a file is to be looked at, by its name alone; raises `NOT_TAKEN`."""

    @abstractmethod
    def check(self, file: Foreign, copy: Path, run: Run) -> T:
        """What is to be published; raises `NOT_TAKEN` and OSError. Many are called at the same time."""

    @abstractmethod
    def publish(self, files: Sequence[T]) -> Together:
        """Publish files, as `Index.publish_together` does."""

    @abstractmethod
    def group(self, incoming: T) -> str:
        """What a file belongs to: its project or channel."""

    @abstractmethod
    def served_at(self, incoming: T) -> PurePosixPath:
        """Where a file is served once it is published."""

    @abstractmethod
    def belonging(self, file: Foreign) -> Belonging:
        """What a file is said to be of in the journal when it is not taken."""

    def take_in(self, files: Iterable[Foreign]) -> set[str]:
        """Put files where they belong, or in the quarantine. Returns the groups of those that passed their checks."""
        touched: set[str] = set()
        remaining = iter(files)
        with ReaderPool() as readers, contextlib.ExitStack() as batches:
            waiting = self._receive(remaining, readers, batches)
            while waiting.received:
                following = self._receive(remaining, readers, batches)
                checked = [one for received in waiting.received if (one := self._checked(received))]
                latest = self._publish(checked)
                waiting.copies.close()
                touched |= {self.group(one.incoming) for one in checked}
                if sum(map(len, self._dirty.values())) >= UNRENDERED:
                    # those that are touched again and again are rendered once, at the end
                    self._render(self._dirty.keys() - latest | {ROOT})
                waiting = following
        self._render(set(self._dirty))
        return touched

    def _receive(self, files: Iterator[Foreign], readers: ReaderPool, batches: contextlib.ExitStack) -> _Batch[T]:
        """Have some of the files read; there are none in the batch if none are left."""
        batch: _Batch[T] = _Batch()
        batches.enter_context(batch.copies)
        for file in files:
            with self.drop.report.noting_errors(file.shown):
                try:
                    if self._is_admitted(file):
                        copy = batch.copies.enter_context(self.drop.received(file))
                        checked = readers.start(self.check, file, copy.path)
                        batch.received.append(_Received(file, copy.before, checked))
                        batch.size += copy.before.size
                except NOT_TAKEN as error:
                    self.drop.set_aside(file, str(error), self.belonging(file))
            if batch.is_full:
                break
        return batch

    def _is_admitted(self, file: Foreign) -> bool:
        """Whether a file is to be looked at; it may still be no file at all. Raises `NOT_TAKEN` and OSError."""
        try:
            if self.admit(file):
                return True
        except NOT_TAKEN:
            if file.is_file():
                raise
        if not file.is_file():
            with self.drop.received(file):
                pass  # says why not
        return False

    def _checked(self, received: _Received[T]) -> _Waiting[T] | None:
        """A file that is as it should be; None if there is nothing to do."""
        file, before = received.file, received.before
        with self.drop.report.noting_errors(file.shown):
            try:
                return _Waiting(file, before, received.checked.result())
            except NOT_TAKEN as error:
                if not self.drop.is_being_written(file, before):
                    self.drop.set_aside(file, str(error), self.belonging(file))
        return None

    def _publish(self, waiting: Sequence[_Waiting[T]]) -> set[str]:
        """All at once, or one by one where that fails. Returns the places that are to be rendered."""
        places: set[str] = set()
        try:
            places |= self._put(waiting)
        except (OSError, Full):
            for one in waiting:
                with self.drop.report.noting_errors(one.file.shown):
                    places |= self._put([one])
        return places

    def _put(self, together: Sequence[_Waiting[T]]) -> set[str]:
        """Returns the places that are to be rendered; raises OSError, `Full`, and then nothing was published."""
        if not together:
            return set()
        done = self.publish([one.incoming for one in together])
        self.drop.report.published += len(done.new)
        for place, fresh in done.dirty.items():
            self._dirty.setdefault(place, set()).update(fresh)
        for number, one in enumerate(together):
            with self.drop.report.noting_errors(one.file.shown):
                if number in done.refused:
                    self.drop.set_aside(one.file, str(done.refused[number]), self.belonging(one.file))
                elif one.file.where != self.served_at(one.incoming):  # there, rendering puts the bytes in its place
                    one.file.tidy_away(one.before)
        return set(done.dirty)

    def _render(self, places: Set[str]) -> None:
        """Render what waits for it. Before the end of that, a kill leaves the places dirty."""
        with self.drop.index.rendering_together() as render:
            # In this order the list of all projects comes first: whatever has a page is in it.
            for place in sorted(places & self._dirty.keys()):
                with self.drop.report.noting_errors(place or "the list of projects"):
                    render(place, self._dirty.pop(place))


class ProjectFiles(TakeIn[Incoming]):
    """What was copied in for Python projects."""

    def __init__(self, drop: Drop, only: Collection[str] = ()) -> None:
        """With `only`, what is not of these projects stays where it is."""
        super().__init__(drop)
        self._only = only

    def dropped(self) -> Iterator[Foreign]:
        """Those in the drop directory."""
        for file in self.drop.dropped():
            if is_for_a_channel(file):
                continue
            if file.name.endswith(".metadata"):  # of a shelf that was copied as a whole; they are made anew
                with self.drop.report.noting_errors(file.shown):
                    file.remove()
                continue
            yield file

    def admit(self, file: Foreign) -> bool:
        """Whether it is one of the projects; raises `BadDistribution`."""
        project = distribution.parse_filename(file.name).project
        return not self._only or project in self._only

    def check(self, file: Foreign, copy: Path, run: Run) -> Incoming:
        """As an upload is; raises `BadDistribution`, OSError."""
        return Incoming(copy, reading.check(copy, file.name, Claims(), Origin.COPIED_IN, run))

    def publish(self, files: Sequence[Incoming]) -> Together:
        """Publish files of projects."""
        return self.drop.index.publish_together(files, self.drop.who, COPIED_IN)

    def group(self, incoming: Incoming) -> str:
        """Its project."""
        return incoming.name.project

    def served_at(self, incoming: Incoming) -> PurePosixPath:
        """In its project's directory."""
        return PurePosixPath("packages", incoming.name.project, incoming.filename)

    def belonging(self, file: Foreign) -> Belonging:
        """The project that its name says."""
        with contextlib.suppress(BadDistribution):
            return Belonging(project=distribution.parse_filename(file.name).project)
        return Belonging()


def is_for_a_channel(file: Foreign) -> bool:
    """Whether a file in the drop directory is meant for a conda channel."""
    _, *parts = file.where.parts
    return len(parts) > 1 and parts[0] == "conda" and not file.name.endswith((".whl", ".tar.gz", ".zip"))

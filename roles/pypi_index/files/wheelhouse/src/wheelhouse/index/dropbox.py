"""Taking files in that were copied onto this host, into `drop/` or, by habit, into what is served.

Each is received as a copy of our own and checked as an upload is. What passes is published by `Index` and goes from
where it was; what does not is moved to the quarantine with the reason beside it, and what is no file at all is removed.
"""

import contextlib
import errno
import os
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar

from wheelhouse.errors import Conflict, Full
from wheelhouse.formats import distribution, reading
from wheelhouse.formats.conda_package import BadPackage
from wheelhouse.formats.distribution import MAX_NAME, BadDistribution
from wheelhouse.formats.validation import Claims, Origin
from wheelhouse.index.events import MAX_REASON, QUARANTINE, Event, now, printable
from wheelhouse.index.transaction import Incoming, Index
from wheelhouse.progress import tell
from wheelhouse.store import foreign
from wheelhouse.store.foreign import Foreign, Seen, Unfit
from wheelhouse.store.staging import FOUND

COPIED_IN = "copied in"
"""`Event.origin` of a file that was found."""
NOT_TAKEN = (BadDistribution, BadPackage, Conflict, Unfit)
"""What speaks against a file; the text is one sentence for whoever copied it."""
BATCH = 64
"""Files that are received before they are published together."""
BATCH_BYTES = 2**28
"""Bytes of such files."""

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
        """A copy of the file that nobody else writes to; raises `Unfit` and OSError."""
        with file.opened(self._max_file_size) as (stream, before):
            if before.size > self.index.staging.room():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with self.index.staging.receive(stream) as path:
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
class _Waiting(Generic[T]):
    """A file that passed its checks, to be published with others."""

    file: Foreign
    before: Seen
    group: str
    incoming: T


class TakeIn(ABC, Generic[T]):
    """Takes files in, some at a time. What is published together has the same group; `T` is what `Index` is given."""

    def __init__(self, drop: Drop) -> None:
        self.drop = drop

    @abstractmethod
    def admit(self, file: Foreign) -> bool:
        """Whether a file is to be looked at, by its name alone; raises `NOT_TAKEN`."""

    @abstractmethod
    def check(self, file: Foreign, copy: Path) -> tuple[str, T]:
        """Its group, and what is to be published; raises `NOT_TAKEN` and OSError."""

    @abstractmethod
    def publish(self, group: str, files: Sequence[T]) -> list[str]:
        """Publish files of one group, as `Index` does; raises what it raises."""

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
        while True:
            with contextlib.ExitStack() as copies:
                waiting: list[_Waiting[T]] = []
                size = 0
                for file in remaining:
                    with self.drop.report.noting_errors(file.shown):
                        if one := self._checked(file, copies):
                            waiting.append(one)
                            size += one.before.size
                    if len(waiting) >= BATCH or size >= BATCH_BYTES:
                        break
                if not waiting:
                    return touched
                self._publish(waiting)
                touched |= {one.group for one in waiting}

    def _checked(self, file: Foreign, copies: contextlib.ExitStack) -> _Waiting[T] | None:
        """A file that is as it should be, with a copy that is there until `copies` end; None if there is nothing to do.

        Raises OSError.
        """
        try:
            if not file.is_file():
                with self.drop.received(file):
                    pass  # says why not
            if not self.admit(file):
                return None
            copy = copies.enter_context(self.drop.received(file))
            try:
                group, incoming = self.check(file, copy.path)
            except (BadDistribution, BadPackage):
                if self.drop.is_being_written(file, copy.before):
                    return None
                raise
        except NOT_TAKEN as error:
            self.drop.set_aside(file, str(error), self.belonging(file))
            return None
        return _Waiting(file, copy.before, group, incoming)

    def _publish(self, waiting: Sequence[_Waiting[T]]) -> None:
        """All of a group at once, or one by one where one of them is not taken."""
        groups: dict[str, list[_Waiting[T]]] = defaultdict(list)
        for one in waiting:
            groups[one.group].append(one)
        published: list[_Waiting[T]] = []
        for files in groups.values():
            if len({one.file.name for one in files}) == len(files):
                with contextlib.suppress(*NOT_TAKEN, OSError, Full):
                    self._put(files)
                    published += files
                    continue
            for one in files:
                with self.drop.report.noting_errors(one.file.shown):
                    try:
                        self._put([one])
                        published.append(one)
                    except NOT_TAKEN as error:
                        self.drop.set_aside(one.file, str(error), self.belonging(one.file))
        # What lies where it is served is the published file by now, with the synced bytes, and would be taken in again.
        elsewhere = [one for one in published if one.file.where != self.served_at(one.incoming)]
        if elsewhere:
            self.drop.index.sync()
        for one in elsewhere:
            with self.drop.report.noting_errors(one.file.shown):
                one.file.tidy_away(one.before)

    def _put(self, together: Sequence[_Waiting[T]]) -> None:
        """Raises `NOT_TAKEN`, OSError, `Full`."""
        new = self.publish(together[0].group, [one.incoming for one in together])
        self.drop.report.published += len(new)


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

    def check(self, file: Foreign, copy: Path) -> tuple[str, Incoming]:
        """As an upload is; raises `BadDistribution`, OSError."""
        checked = reading.check(copy, file.name, Claims(), Origin.COPIED_IN)
        return checked.distribution.name.project, Incoming(copy, checked)

    def publish(self, group: str, files: Sequence[Incoming]) -> list[str]:
        """Publish files of the project `group`."""
        return self.drop.index.publish(files, self.drop.who, COPIED_IN, allow_second_sdist=True, durable=False)

    def served_at(self, incoming: Incoming) -> PurePosixPath:
        """In its project's directory."""
        return PurePosixPath("packages", incoming.checked.distribution.name.project, incoming.filename)

    def belonging(self, file: Foreign) -> Belonging:
        """The project that its name says."""
        with contextlib.suppress(BadDistribution):
            return Belonging(project=distribution.parse_filename(file.name).project)
        return Belonging()


def is_for_a_channel(file: Foreign) -> bool:
    """Whether a file in the drop directory is meant for a conda channel."""
    _, *parts = file.where.parts
    return len(parts) > 1 and parts[0] == "conda" and not file.name.endswith((".whl", ".tar.gz", ".zip"))

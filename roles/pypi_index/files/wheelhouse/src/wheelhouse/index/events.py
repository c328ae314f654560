"""What happened to the shelf: one JSON object per line, only ever appended to.

The journal is the record of who published what with which hashes, and the index pages are what its events add up to.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PUBLISH, YANK, UNYANK, REMOVE, DATE = "publish", "yank", "unyank", "remove", "date"
REFUSE, QUARANTINE, VERIFY = "refuse", "quarantine", "verify"
MAX_REASON = 1000
"""Characters of a sentence on somebody else's file."""
ROLLBACK, ROLL_FORWARD = "rollback", "roll forward"


@dataclass(frozen=True)
class Event:
    """One line. Fields that do not apply are None and are left out of the file."""

    event: str
    who: str
    time: str
    """UTC, ISO 8601 with microseconds and a Z."""
    origin: str | None = None
    """The client's address, or how the file arrived where there is none."""
    project: str | None = None
    channel: str | None = None
    """Channel and subdir of a conda package, which has no `project`."""
    version: str | None = None
    name: str | None = None
    """The project's name as its author spells it, where that is not `project`."""
    summary: str | None = None
    """What the project is, by its metadata: one line of at most `rules.MAX_SUMMARY` characters."""
    file: str | None = None
    size: int | None = None
    """Bytes."""
    sha256: str | None = None
    metadata_sha256: str | None = None
    """Of the core metadata served beside the file; wheels only."""
    requires_python: str | None = None
    reason: str | None = None
    findings: tuple[str, ...] | None = None
    """What the checks remarked on and let pass."""
    uploaded: str | None = None
    """When a file from outside was uploaded there, like `time`; for what was published here first, that is `time`."""

    @property
    def at(self) -> datetime:
        """The time, aware."""
        return _instant(self.time)

    @property
    def offered_at(self) -> datetime:
        """When the world could first have the file: what its page says."""
        return _instant(self.uploaded or self.time)


def now() -> str:
    """The present, as `Event.time` wants it."""
    return written(datetime.now(UTC))


def written(at: datetime) -> str:
    """An instant as `Event.time` wants it; one that is naive is in UTC."""
    aware = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return aware.isoformat(timespec="microseconds").replace("+00:00", "Z")


def printable(text: str, most: int) -> str:
    """Somebody else's words on one line of at most `most` characters, with nothing in it that moves a cursor."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


class Journal:
    """The file `journal.jsonl`. Safe for many processes at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, events: Iterable[Event]) -> None:
        """Write the events behind each other; they are on the disk when this returns."""
        lines = "".join(_line(event) for event in events).encode()
        if not lines:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if not size:
                os.fchmod(descriptor, 0o640)  # whatever the umask
            elif os.pread(descriptor, 1, size - 1) != b"\n":
                lines = b"\n" + lines  # a writer was killed in the middle of its line
            while lines:
                lines = lines[os.write(descriptor, lines) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def status(self) -> tuple[int, int]:
        """Inode and size in bytes; zeros before the first event."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return 0, 0
        return status.st_ino, status.st_size

    def read(self, start: int = 0) -> Iterator[tuple[Event, int]]:
        """The events from byte `start` on, each with the offset behind it.

        A line that was cut off by a kill was never acknowledged to anybody, and is skipped.
        """
        try:
            stream = self._path.open("rb")
        except FileNotFoundError:
            return
        with stream:
            stream.seek(start)
            offset = start
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                if event := _event(line):
                    yield event, offset


class Tail:
    """A journal's events, each handed out once, while others append more."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._offset = 0
        self._inode = 0

    def is_cut(self) -> bool:
        """Whether the journal is not the one that was read: an older one, which somebody put back."""
        inode, size = self._journal.status()
        return size < self._offset or (self._offset > 0 and inode != self._inode)

    def new(self) -> Iterator[Event]:
        """The events since those that were handed out before."""
        if not self._offset:
            self._inode = self._journal.status()[0]
        for event, offset in self._journal.read(self._offset):
            self._offset = offset
            yield event


def _line(event: Event) -> str:
    known = {key: value for key, value in asdict(event).items() if value is not None}
    return json.dumps(known, ensure_ascii=True) + "\n"


_FIELDS = {field.name for field in fields(Event)}
_TEXTS = _FIELDS - {"size", "findings"}


def _event(line: bytes) -> Event | None:
    """None for a line that is no event: cut off, or written by hand and not right. It costs nothing but itself."""
    try:
        raw: Any = json.loads(line)
        known = {key: value for key, value in raw.items() if key in _FIELDS and value is not None}
        is_sound = all(isinstance(value, str) for key, value in known.items() if key in _TEXTS)
        if not is_sound or not isinstance(known.get("size", 0), int):
            return None
        event = Event(**{**known, **({"findings": tuple(known["findings"])} if "findings" in known else {})})
        _instant(event.time), _instant(event.uploaded or event.time)
        return event
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError):
        return None


def _instant(text: str) -> datetime:
    """Raises ValueError and OverflowError."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)

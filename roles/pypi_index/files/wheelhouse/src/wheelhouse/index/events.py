"""What happened: each event is a row of the audit, which is only ever appended to.

What the events add up to is in the other tables, see `projection`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal_column, select

from wheelhouse.index import tables
from wheelhouse.index.database import insert_numbered

PUBLISH, YANK, UNYANK, REMOVE, DATE = "publish", "yank", "unyank", "remove", "date"
STATUS = "status"
REFUSE, QUARANTINE, VERIFY = "refuse", "quarantine", "verify"
MAX_REASON = 1000
"""Characters of a sentence on somebody else's file."""
ROLLBACK, ROLL_FORWARD = "rollback", "roll forward"
IMPORT = "import"
TOKEN, TOKEN_END = "create token", "revoke token"
_OLDEST_UNDER_WAY: ColumnElement[int] = literal_column(
    "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"
)


@dataclass(frozen=True)
class Event:
    """One of them. Fields that do not apply are None."""

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
    """What the project is, by its metadata: one line of at most `validation.MAX_SUMMARY` characters."""
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
    job: Mapping[str, str] | None = field(default=None, hash=False)
    """Of a CI system, that did it without a password: its issuer, repository, commit and so on."""

    @property
    def at(self) -> datetime:
        """The time, aware."""
        return instant(self.time)

    @property
    def offered_at(self) -> datetime:
        """When the world could first have the file: what its page says."""
        return instant(self.uploaded or self.time)


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


def append(connection: Connection, events: Iterable[Event]) -> list[int]:
    """Write events down behind each other; returns their numbers."""
    rows = [row(event) for event in events]
    if not rows:
        return []
    return insert_numbered(connection, tables.events, rows)


def row(event: Event) -> dict[str, Any]:
    """An event as `tables.events` has it, but for its number."""
    known = {key: _storable(value) if isinstance(value, str) else value for key, value in event.__dict__.items()}
    lists = {"findings": event.findings, "job": event.job}
    return {**known, **{name: None if value is None else json.dumps(value) for name, value in lists.items()}}


def _storable(text: str) -> str:
    """A text without what no database keeps, escaped: NUL, and bytes that are no text."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def since(connection: Connection, number: int = 0, most: int = 1000) -> list[tuple[int, Event]]:
    """The events behind the one of this number, each with its own, in the order in which they happened.

    None of them is followed by one with a smaller number: where several write at once, the latest are told of later.
    """
    columns = [tables.events.c[field.name] for field in fields(Event)]
    wanted = select(tables.events.c.id, *columns).where(tables.events.c.id > number)
    if connection.dialect.name == "postgresql":
        wanted = wanted.where(tables.events.c.tx.is_(None) | (tables.events.c.tx < _OLDEST_UNDER_WAY))
    rows = connection.execute(wanted.order_by(tables.events.c.id).limit(most))
    return [(row.id, _of_row(row._mapping)) for row in rows]


def last(connection: Connection) -> int:
    """The number of the latest event; 0 before the first."""
    return connection.execute(select(func.max(tables.events.c.id))).scalar() or 0


def line(event: Event, number: int | None = None) -> str:
    """The event as one line of JSON, without fields that do not apply; with its number where that is given."""
    known: dict[str, Any] = {} if number is None else {"number": number}
    known |= {key: value for key, value in asdict(event).items() if value is not None}
    return json.dumps(known, ensure_ascii=True) + "\n"


def lines(stream: Iterable[bytes]) -> Iterator[Event]:
    """The events in the lines of an old journal. One that is cut off or makes no sense costs nothing but itself."""
    for one in stream:
        if one.endswith(b"\n") and (event := _event(one)):
            yield event


def _of_row(row: Any) -> Event:
    known = {field.name: row[field.name] for field in fields(Event)}
    if known["findings"] is not None:
        known["findings"] = tuple(json.loads(known["findings"]))
    if known["job"] is not None:
        known["job"] = json.loads(known["job"])
    return Event(**known)


_FIELDS = {field.name for field in fields(Event)} - {"job"}
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
        instant(event.time), instant(event.uploaded or event.time)
        return event
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError):
        return None


def instant(text: str) -> datetime:
    """A time as events have it, aware and in UTC. Raises ValueError and OverflowError."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)

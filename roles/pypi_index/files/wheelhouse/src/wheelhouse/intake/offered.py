"""What people are offered of each line of the list, and what of that moved last: one row, which reports show."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from wheelhouse.index import queries
from wheelhouse.index.transaction import Index
from wheelhouse.intake import lock
from wheelhouse.intake.last_report import DATA
from wheelhouse.intake.lock import Lock, Move, Versions
from wheelhouse.intake.result import Result

_KEY = "intake offered"


class Moves(msgspec.Struct):
    """What moved when something did last."""

    on: str | None = None
    """The day, 2026-03-07."""
    moves: list[Move] = []


class Offered(msgspec.Struct):
    """All of it."""

    lines: dict[str, Versions] = {}
    """Line -> project -> versions. Of a line that is held back it is what was offered before."""
    moved: Moves = msgspec.field(default_factory=Moves)


def note(index: Index, results: Mapping[str, Result]) -> Offered:
    """Work out what is offered now, after a run, and write it down; `results` has the one that each line is in."""
    before = _read(index)
    closures = {
        line: closure
        for line, result in results.items()
        if (closure := result.lock.closures.get(line)) and not result.is_held(closure)
    }
    held = results.keys() - closures.keys()
    # What is held back has not moved: nobody is offered it.
    moves = lock.moves({line: one for line, one in before.lines.items() if line not in held}, Lock(closures))
    offered = {
        line: lock.versions(closures[line]) if line in closures else before.lines.get(line, {}) for line in results
    }
    after = Offered(offered, Moves(f"{datetime.now(UTC):%Y-%m-%d}", moves) if moves else before.moved)
    if after != before:
        index.remember(_KEY, msgspec.json.encode(after).decode())
    return after


def _read(index: Index) -> Offered:
    with index.database.read() as connection:
        text = queries.remembered(connection, _KEY)
    return _of_report(index) if text is None else msgspec.json.decode(text, type=Offered)


class _Line(msgspec.Struct):
    line: str
    status: str
    versions: Versions
    offered: Versions | None = None


class _Report(msgspec.Struct):
    lines: list[_Line]
    moved: Moves


def _of_report(index: Index) -> Offered:
    """The same by a report that was written when it was the only place for it."""
    try:
        report = msgspec.json.decode((index.site.reports / DATA).read_bytes(), type=_Report)
    except (FileNotFoundError, msgspec.DecodeError):
        return Offered()
    lines = {
        one.line: one.offered if one.offered is not None else one.versions if one.status == "on the shelf" else {}
        for one in report.lines
    }
    return Offered(lines, report.moved)

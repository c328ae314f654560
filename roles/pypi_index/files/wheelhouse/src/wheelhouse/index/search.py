"""What is published, for people: projects with their summaries, releases, publishers and dates, and finding them.

Everything is asked of the database. What a project's name or summary holds is found by groups of three characters
(FTS5, or pg_trgm); words that are shorter are looked for in all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    column,
    func,
    literal,
    not_,
    select,
    table,
    text,
    true,
)

from wheelhouse.index import tables
from wheelhouse.index.database import Database
from wheelhouse.index.events import instant
from wheelhouse.index.projection import folded
from wheelhouse.index.readers import Reader

MANY = 30
"""Names that begin alike by chance."""
MAX_QUERY = 200
"""Characters of a search that are looked at."""
FEW = 2000
"""Results that are put in order here; of more, only what is shown is looked for, in the order in which it is shown."""
_TRIGRAM = 3
_LOOKED_AT = 2000
"""Files that are looked at to find the latest releases."""


@dataclass(frozen=True)
class Entry:
    """A line in a list of projects or of releases."""

    name: str
    title: str
    summary: str | None
    version: str
    who: str
    at: datetime
    """UTC."""
    installable: bool
    """False if every release is yanked, or if this one is."""


@dataclass(frozen=True)
class Found:
    """Some of the results of a search, best first."""

    total: int
    entries: tuple[Entry, ...]


class Catalogue:
    """What somebody can ask: of the projects that they may read. Safe for many threads."""

    def __init__(self, database: Database, reader: Reader) -> None:
        self._database = database
        self._reader = reader

    def counts(self) -> tuple[int, int]:
        """Numbers of projects and of files."""
        files = tables.projects.c.files
        with self._database.read() as connection:
            projects, total = connection.execute(
                select(func.count(), func.sum(files)).where(files > 0, self._reader.condition(_name))
            ).one()
        return projects, total or 0

    def latest(self, count: int) -> list[Entry]:
        """The releases that got files last, newest first; at most `count`."""
        files = tables.files
        columns = (files.c[key] for key in ("project", "version", "title", "summary", "who", "at", "yanked"))
        may_read = self._reader.condition(files.c.project)
        wanted = select(*columns).where(files.c.removed.is_(None), may_read).order_by(files.c.event.desc())
        wanted = wanted.limit(_LOOKED_AT)
        found: dict[tuple[str, str], Entry] = {}
        with self._database.read() as connection:
            for row in connection.execute(wanted.execution_options(yield_per=count)):
                entry = Entry(
                    row.project,
                    row.title or row.project,
                    row.summary,
                    row.version,
                    row.who,
                    instant(row.at),
                    row.yanked is None,
                )
                found.setdefault((row.project, row.version), entry)
                if len(found) == count:
                    break
        return list(found.values())

    def search(self, query: str, start: int, count: int) -> Found:
        """The projects whose name or summary hold every word of `query`, from the `start`th on, at most `count`.

        An exact name comes first, then names that begin like the query, names that hold it, and summaries. A query
        without words finds every project.
        """
        words = terms(query)
        with self._database.read() as connection:
            if (few := _few(connection, words, self._reader)) is not None:
                return Found(len(few), tuple(_entry(row) for row in few[start : start + count]))
            total = _total(connection, words, self._reader)
            rows = _best(connection, words, start, count, self._reader) if total > start else []
        return Found(total, tuple(_entry(row) for row in rows))

    def near(self, name: str, count: int) -> list[Entry]:
        """Projects whose names begin like `name`, for somebody who mistyped one; at most `count`."""
        with self._database.read() as connection:
            for length in range(len(name) - 1, len(name) // 2, -1):
                found = _has_files & _begins(name[:length]) & self._reader.condition(_name)
                wanted = select(*_COLUMNS).where(found).order_by(_name).limit(MANY + 1)
                rows = connection.execute(wanted).all()
                if len(rows) > MANY:  # it is the company's prefix, and tells nothing
                    return []
                if rows:
                    return [_entry(row) for row in rows[:count]]
        return []


def terms(query: str) -> list[str]:
    """The words that a query asks for, as they are compared."""
    words = (word.strip("-") for word in folded(query[:MAX_QUERY].replace("\0", " ")).split())
    return [word for word in words if word]


_projects = tables.projects
_name = _projects.c.name
_has_files = _projects.c.files > 0
_COLUMNS = [_projects.c[key] for key in ("name", "title", "summary", "version", "who", "at", "installable")]


def _few(connection: Connection, words: Sequence[str], reader: Reader) -> list[Row[Any]] | None:
    """All projects that have all words, best first; None if they may be more than a few."""
    long = [word for word in words if len(word) >= _TRIGRAM]
    if not long:
        return None
    if connection.dialect.name == "sqlite":
        phrases = " AND ".join('"' + word.replace('"', '""') + '"' for word in long)
        numbers: Select[Any] = select(_index.c.rowid).where(text("projects_search MATCH :phrases"))
        numbers = numbers.params(phrases=phrases)
    else:
        numbers = select(_projects.c.id).where(*(_projects.c.text.contains(word, autoescape=True) for word in long))
    # In no order: it ends as soon as it is known that there are many.
    found = connection.execute(numbers.limit(FEW + 1)).scalars().all()
    if len(found) > FEW:
        return None
    wanted: Select[Any] = select(*_COLUMNS, _projects.c.text).where(
        _projects.c.id.in_(found), _has_files, reader.condition(_name)
    )
    rows: list[Row[Any]] = [row for row in connection.execute(wanted) if all(word in row.text for word in words)]
    return sorted(rows, key=lambda row: (_rank(row.name, words), row.name))


def _rank(name: str, words: Sequence[str]) -> int:
    joined = "-".join(words)
    if name.startswith(joined):
        return 0 if name == joined else 1
    return 2 if all(word in name for word in words) else 3


def _total(connection: Connection, words: Sequence[str], reader: Reader) -> int:
    counted = select(func.count()).select_from(_projects).where(reader.condition(_name))
    if not words:
        return connection.execute(counted.where(_has_files)).scalar() or 0
    # Those without files have no text. The index of texts is read from its beginning to its end.
    return (
        connection.execute(counted.where(*(_contains(connection, _projects.c.text, one) for one in words))).scalar()
        or 0
    )


def _best(connection: Connection, words: Sequence[str], start: int, count: int, reader: Reader) -> list[Row[Any]]:
    """The best of the projects that have all words, in order.

    Each kind of them is asked for only when those before did not fill the list: a short word may be in every name.
    """
    joined = "-".join(words)
    begins = _begins(joined) if joined else literal(True)
    in_name = and_(true(), *(_contains(connection, _name, word) for word in words))
    in_text = and_(true(), *(_contains(connection, _projects.c.text, word) for word in words))
    kinds: list[ColumnElement[bool]] = [_name == joined, begins & (_name != joined)]
    if words:
        kinds += [not_(begins) & in_name, not_(begins) & not_(in_name) & in_text]
    found: list[Row[Any]] = []
    for condition in kinds:
        wanted = select(*_COLUMNS).where(_has_files, condition, reader.condition(_name)).order_by(_name)
        rows = connection.execute(wanted.offset(start).limit(count - len(found))).all()
        found += rows
        if len(found) == count:
            break
        if start and not rows:  # all of this kind come before
            start -= (
                connection.execute(select(func.count()).select_from(wanted.order_by(None).subquery())).scalar() or 0
            )
        else:
            start = 0
    return found


_index = table("projects_search", column("rowid"))


def _contains(connection: Connection, where: ColumnElement[str], word: str) -> ColumnElement[bool]:
    if connection.dialect.name == "sqlite":
        return func.instr(where, word) > 0
    return where.contains(word, autoescape=True)


def _begins(prefix: str) -> ColumnElement[bool]:
    """Names that begin so, as a range of the index of names; names hold nothing above `z`."""
    return (_name >= prefix) & (_name < f"{prefix}{{")


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        row.name, row.title or row.name, row.summary, row.version, row.who, instant(row.at), bool(row.installable)
    )

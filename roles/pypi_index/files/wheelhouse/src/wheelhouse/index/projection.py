"""What events add up to: the one place where an event becomes rows, of changes that are made and of an old journal.

An event that makes no sense, which somebody wrote into an old journal by hand, changes nothing.
"""

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Case, ColumnElement, Connection, bindparam, case, func, insert, select, update

from wheelhouse.formats.distribution import BadDistribution, parse_filename
from wheelhouse.index import tables
from wheelhouse.index.database import insert_missing, upsert
from wheelhouse.index.events import DATE, PUBLISH, QUARANTINE, REMOVE, UNYANK, YANK, Event, written
from wheelhouse.index.version_keys import version_key

INTAKE = "intake"
"""`Event.origin` of what came by the list of public packages."""
ROOT = ""
"""The place of the list of all projects."""
_AT_ONCE = 500
"""Rows or names in one statement."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FOLDED = re.compile(r"[-_.]+")

Numbered = tuple[int, Event]
"""An event with its number."""
Row = dict[str, Any]
Item = TypeVar("Item")


@dataclass(frozen=True)
class About:
    """What a row of `conda_packages` has beside what its event says."""

    record: Mapping[str, Any] | None
    upstream: bool = False
    inside: tuple[tuple[str, str], ...] = ()
    scripts: tuple[str, ...] | None = None
    withheld: str | None = None


def apply(
    connection: Connection, numbered: Sequence[Numbered], packages: Mapping[tuple[str, str], About] | None = None
) -> set[str]:
    """Change the rows as the events say, in their order; returns the places that look another way now.

    `packages` says of (channel and subdir, file) what an event does not.
    """
    by_project: dict[str, list[Numbered]] = {}
    by_channel: dict[str, list[Numbered]] = {}
    for number, event in numbered:
        if event.event == QUARANTINE:
            _note_quarantined(connection, event)
        elif event.project and event.file:
            by_project.setdefault(event.project, []).append((number, event))
        elif event.channel and event.file and event.channel.count("/") == 1:
            by_channel.setdefault(event.channel, []).append((number, event))
    places: set[str] = set()
    for some in batches(by_project.items()):
        places |= _apply_to_projects(connection, dict(some))
    for place, events in by_channel.items():
        if _apply_to_channel(connection, place, events, packages or {}):
            places.add(place)
    return places


def settle(connection: Connection, projects: Iterable[str]) -> set[str]:
    """Work out what follows from the files of some projects; returns `ROOT` if the list of all is another one now."""
    changed: set[str] = set()
    for some in batches(projects):
        changed |= _settle(connection, list(some))
    return changed


def mark_dirty(connection: Connection, places: Iterable[str]) -> None:
    """Note that what is served of these places may not be what their rows say."""
    mark = time.time_ns()
    upsert(connection, tables.dirty, [{"place": place, "mark": mark} for place in sorted(places)])


def folded(text: str) -> str:
    """As texts are searched: without case, and without the difference between `-`, `_` and `.`, like names."""
    return _FOLDED.sub("-", text.casefold())


def _apply_to_projects(connection: Connection, events: Mapping[str, Sequence[Numbered]]) -> set[str]:
    insert_missing(connection, tables.projects, [{"name": name} for name in events])
    names = {(project, event.file) for project, some in events.items() for _, event in some}
    rows = {(row["project"], row["file"]): row for row in _files(connection, names)}
    touched: dict[tuple[str, str], Row] = {}
    for project, some in events.items():
        for number, event in some:
            key = project, event.file or ""
            row = _published(number, event) if event.event == PUBLISH else _changed(rows.get(key), event)
            if row:
                rows[key] = touched[key] = row
    for rows_ in batches(touched.values()):
        upsert(connection, tables.files, rows_)
    projects = {project for project, _ in touched}
    return projects | settle(connection, sorted(projects))


def _files(connection: Connection, names: Iterable[tuple[str, str | None]]) -> Iterator[Row]:
    by_project: dict[str, list[str]] = {}
    for project, name in names:
        by_project.setdefault(project, []).append(name or "")
    table = tables.files
    for project, some in by_project.items():
        for batch in batches(some):
            wanted = select(table).where(table.c.project == project, table.c.file.in_(batch))
            yield from (dict(row) for row in connection.execute(wanted).mappings())


def _published(number: int, event: Event) -> Row | None:
    """The row of a file that an event published; None if that makes no sense."""
    if not _SHA256.fullmatch(event.sha256 or ""):
        return None
    try:
        name = parse_filename(event.file or "")
    except BadDistribution:
        return None
    if name.project != event.project:
        return None
    return {
        "project": name.project,
        "file": name.filename,
        "version": str(name.version),
        "version_key": version_key(name.version),
        "is_prerelease": name.version.is_prerelease,
        "size": event.size or 0,
        "sha256": event.sha256,
        "metadata_sha256": event.metadata_sha256,
        "requires_python": event.requires_python,
        "title": event.name,
        "summary": event.summary,
        "who": event.who,
        "origin": event.origin,
        "at": written(event.at),
        "uploaded": written(event.offered_at) if event.uploaded else None,
        "findings": json.dumps(event.findings) if event.findings else None,
        "yanked": None,
        "removed": None,
        "missing": False,
        "event": number,
    }


def _changed(row: Row | None, event: Event) -> Row | None:
    """The row of a published file after another event; None if it stays as it is."""
    if row is None or row["removed"] is not None:
        return None
    if event.event == YANK:
        return {**row, "yanked": event.reason or ""}
    if event.event == UNYANK:
        return {**row, "yanked": None}
    if event.event == DATE:
        return {**row, "uploaded": written(event.offered_at)}
    if event.event == REMOVE:
        return {**row, "removed": event.reason or ""}
    return None


def _settle(connection: Connection, names: list[str]) -> set[str]:
    table, projects = tables.files, tables.projects
    mine = table.c.project.in_(names) & table.c.removed.is_(None)
    listed, own = func.sum(_one(~table.c.missing)), func.sum(_one(func.coalesce(table.c.origin, "") != INTAKE))
    counts = {
        row.project: (row.files, row.listed, row.own)
        for row in connection.execute(
            select(table.c.project, func.count().label("files"), listed.label("listed"), own.label("own"))
            .where(mine)
            .group_by(table.c.project)
        )
    }
    # The one that rather speaks for its project comes first.
    order = (
        table.c.yanked.is_not(None),
        table.c.is_prerelease,
        table.c.version_key.desc(),
        table.c.summary.is_(None),
        table.c.event,
    )
    place = func.row_number().over(partition_by=table.c.project, order_by=order).label("place")
    columns = [table.c[name] for name in ("project", "version", "is_prerelease", "yanked", "title", "summary")]
    ranked = select(*columns, table.c.who, table.c.at, place).where(mine).subquery()
    best = {row.project: row for row in connection.execute(select(ranked).where(ranked.c.place == 1))}
    before = dict(
        connection.execute(select(projects.c.name, projects.c.listed).where(projects.c.name.in_(names))).tuples().all()
    )
    rows = []
    for name in names:
        row = best.get(name)
        count = counts.get(name, (0, 0, 0))
        rows.append(
            {
                "name_": name,
                **dict(zip(("files", "listed", "own"), count, strict=True)),
                "title": row.title if row else None,
                "summary": row.summary if row else None,
                "version": row.version if row else None,
                "is_prerelease": bool(row and row.is_prerelease),
                "installable": bool(row and row.yanked is None),
                "who": row.who if row else None,
                "at": row.at if row else None,
                "text": f"{name}\n{folded(row.summary or '')}" if row else "",
            }
        )
    if rows:
        values = {key: bindparam(key) for key in rows[0] if key != "name_"}
        connection.execute(update(projects).where(projects.c.name == bindparam("name_")).values(values), rows)
    return {ROOT for name in names if bool(before.get(name)) != bool(counts.get(name, (0, 0, 0))[1])}


def _one(condition: ColumnElement[bool]) -> Case[int]:
    return case((condition, 1), else_=0)


def _apply_to_channel(
    connection: Connection, place: str, events: Sequence[Numbered], packages: Mapping[tuple[str, str], About]
) -> bool:
    channel, _, subdir = place.partition("/")
    table = tables.conda_packages
    rows: dict[str, Row] = {}
    for batch in batches({event.file for _, event in events}):
        wanted = select(table).where(table.c.channel == channel, table.c.subdir == subdir, table.c.file.in_(batch))
        rows |= {row["file"]: dict(row) for row in connection.execute(wanted).mappings()}
    touched: dict[str, Row] = {}
    for number, event in events:
        name = event.file or ""
        if event.event == PUBLISH:
            row = _published_package(number, event, packages.get((place, name)))
        else:
            row = _changed_package(rows.get(name), event)
        if row:
            rows[name] = touched[name] = row
    insert_missing(connection, tables.conda_channels, [{"channel": channel, "subdir": subdir}] if touched else [])
    for some in batches(touched.values()):
        upsert(connection, table, some)
    return bool(touched)


def _published_package(number: int, event: Event, about: About | None) -> Row | None:
    if not _SHA256.fullmatch(event.sha256 or ""):
        return None
    about = about or About(None)
    channel, _, subdir = (event.channel or "").partition("/")
    return {
        "channel": channel,
        "subdir": subdir,
        "file": event.file,
        "version": event.version,
        "size": event.size if event.size is not None else (about.record or {}).get("size"),
        "sha256": event.sha256,
        "who": event.who,
        "origin": event.origin,
        "at": written(event.at),
        "uploaded": written(event.offered_at) if event.uploaded else None,
        "record": None if about.record is None else json.dumps(about.record, sort_keys=True, separators=(",", ":")),
        "upstream": about.upstream,
        "withheld": about.withheld,
        "inside": json.dumps(about.inside),
        "scripts": None if about.scripts is None else json.dumps(about.scripts),
        "removed": None,
        "missing": False,
        "event": number,
    }


def _changed_package(row: Row | None, event: Event) -> Row | None:
    if row is None or row["removed"] is not None:
        return None
    if event.event == YANK:
        return {**row, "withheld": event.reason or ""}
    if event.event == UNYANK:
        return {**row, "withheld": None}
    if event.event == REMOVE:
        return {**row, "removed": event.reason or ""}
    return None


def _note_quarantined(connection: Connection, event: Event) -> None:
    if event.sha256 and event.reason:
        values = {"sha256": event.sha256, "reason": event.reason}
        connection.execute(insert(tables.quarantined).values(values))


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """As many at once as one statement takes."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch

"""What events add up to: the one place where an event becomes rows, of changes that are made and of an old journal.

An event that makes no sense, which somebody wrote into an old journal by hand, changes nothing.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from packaging.version import Version
from simple_repository.model import File
from sqlalchemy import Connection, bindparam, insert, select, update

from wheelhouse.formats.distribution import BadDistribution, parse_filename
from wheelhouse.index import simple_pages, tables
from wheelhouse.index.database import insert_missing, upsert
from wheelhouse.index.events import DATE, PUBLISH, QUARANTINE, REMOVE, UNYANK, YANK, Event, instant, written
from wheelhouse.index.gateways import mark_dirty
from wheelhouse.index.version_keys import preference, version_key

INTAKE = "intake"
"""`Event.origin` of what came by the list of public packages."""
ROOT = ""
"""The place of the list of all projects."""
REPORTS = "/reports"
"""The place of what lies below `reports`, where there are several gateways; no project is called so."""
_AT_ONCE = 500
"""Rows or names in one statement."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FOLDED = re.compile(r"[-_.]+")

_FILES = select(tables.files).where(
    tables.files.c.project == bindparam("project_"), tables.files.c.file.in_(bindparam("files", expanding=True))
)
_COUNTS = select(*(tables.projects.c[name] for name in ("name", "files", "listed", "own"))).where(
    tables.projects.c.name.in_(bindparam("names", expanding=True))
)
_SPEAKING = (
    select(*(tables.files.c[name] for name in ("version", "yanked", "title", "summary", "who", "at")))
    .where(tables.files.c.project == bindparam("project_"), tables.files.c.removed.is_(None))
    .order_by(tables.files.c.preference.desc(), tables.files.c.event)
    .limit(1)
)
_SETTLE = (
    update(tables.projects)
    .where(tables.projects.c.name == bindparam("name_"))
    .values({one.name: bindparam(one.name) for one in tables.projects.c if one.name not in ("id", "name")})
)

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


def folded(text: str) -> str:
    """As texts are searched: without case, and without the difference between `-`, `_` and `.`, like names."""
    return _FOLDED.sub("-", text.casefold())


def _apply_to_projects(connection: Connection, events: Mapping[str, Sequence[Numbered]]) -> set[str]:
    insert_missing(connection, tables.projects, [{"name": name} for name in events])
    names = {(project, event.file) for project, some in events.items() for _, event in some}
    before = {(row["project"], row["file"]): row for row in _files(connection, names)}
    after: dict[tuple[str, str], Row] = {}
    for project, some in events.items():
        for number, event in some:
            key = project, event.file or ""
            known = after.get(key, before.get(key))
            row = _published(number, event) if event.event == PUBLISH else _changed(known, event)
            if row:
                after[key] = row
    return _replace(connection, [(before.get(key), row) for key, row in after.items()])


def note_missing(connection: Connection, project: str, missing: Mapping[str, bool]) -> set[str]:
    """Note which published files have lost their bytes, or have them again; returns the places that are dirty now.

    No event says so: it is a fault of this shelf.
    """
    rows = _files(connection, [(project, name) for name in missing])
    changed = [
        (row, {**row, "missing": missing[row["file"]]})
        for row in rows
        if row["removed"] is None and row["missing"] != missing[row["file"]]
    ]
    places = _replace(connection, changed)
    mark_dirty(connection, places)
    return places


def note_provenance(connection: Connection, project: str, addresses: Mapping[str, str]) -> set[str]:
    """Note where the provenance of files is served; returns the places that are dirty now. No event says so."""
    rows = _files(connection, [(project, name) for name in addresses])
    places = _replace(connection, [(row, {**row, "provenance": addresses[row["file"]]}) for row in rows])
    mark_dirty(connection, places)
    return places


def _replace(connection: Connection, changed: Sequence[tuple[Row | None, Row]]) -> set[str]:
    """Write rows of files, each with what it was before, and what follows; returns the places that are dirty now."""
    by_project: dict[str, list[int]] = {}
    for before, after in changed:
        counts = by_project.setdefault(after["project"], [0, 0, 0])
        for number, (was, is_) in enumerate(zip(_counted(before), _counted(after), strict=True)):
            counts[number] += is_ - was
    for some in batches([_finished(after) for _, after in changed]):
        upsert(connection, tables.files, some)
    return {place for projects in batches(by_project.items()) for place in _settle(connection, dict(projects))}


def remake_pieces(connection: Connection, projects: Iterable[str]) -> None:
    """Rebuild the pieces of pages that are kept in rows, and mark the pages that contain them as dirty."""
    table = tables.files
    for name in projects:
        of_project = table.c.removed.is_(None), table.c.project == name
        for some in batches(connection.execute(select(table).where(*of_project)).mappings().all()):
            upsert(connection, table, [_finished(dict(row)) for row in some])
        mark_dirty(connection, [name])


def _counted(row: Row | None) -> tuple[bool, bool, bool]:
    """Whether a file is published, listed, and not the intake's."""
    if row is None or row["removed"] is not None:
        return False, False, False
    return True, not row["missing"], row["origin"] != INTAKE


def _finished(row: Row) -> Row:
    """A row with what follows from its other columns."""
    is_removed = row["removed"] is not None
    html, json_ = (None, None) if is_removed else simple_pages.pieces(simple(row), row["provenance"])
    return {
        **row,
        "preference": preference(
            Version(row["version"]), yanked=row["yanked"] is not None, described=row["summary"] is not None
        ),
        "html": html,
        "json": json_,
    }


def simple(row: Mapping[str, Any]) -> File:
    """A file as the simple index lists it."""
    return File(
        filename=row["file"],
        url=f"../../packages/{row['project']}/{quote(row['file'])}",
        hashes={"sha256": row["sha256"]},
        requires_python=row["requires_python"],
        dist_info_metadata={"sha256": row["metadata_sha256"]} if row["metadata_sha256"] else None,
        yanked=None if row["yanked"] is None else row["yanked"] or True,
        size=row["size"],
        # in whole seconds, naive and in UTC
        upload_time=instant(row["uploaded"] or row["at"]).replace(tzinfo=None, microsecond=0),
    )


def _files(connection: Connection, names: Iterable[tuple[str, str | None]]) -> Iterator[Row]:
    by_project: dict[str, list[str]] = {}
    for project, name in names:
        by_project.setdefault(project, []).append(name or "")
    for project, some in by_project.items():
        for batch in batches(some):
            found = connection.execute(_FILES, {"project_": project, "files": batch})
            yield from (dict(row) for row in found.mappings())


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
        **dict.fromkeys(("preference", "html", "json", "provenance")),
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


def _settle(connection: Connection, changes: Mapping[str, Sequence[int]]) -> set[str]:
    """Work out what follows for projects whose numbers of published, listed and own files changed by so many."""
    before = {row.name: row for row in connection.execute(_COUNTS, {"names": list(changes)})}
    rows = []
    dirty = set(changes)
    for name, counts in changes.items():
        files, listed, own = (old + new for old, new in zip(before[name][1:], counts, strict=True))
        if bool(listed) != bool(before[name].listed):
            dirty.add(ROOT)
        best = connection.execute(_SPEAKING, {"project_": name}).first()
        rows.append(
            {
                "name_": name,
                "files": files,
                "listed": listed,
                "own": own,
                "title": best.title if best else None,
                "summary": best.summary if best else None,
                "version": best.version if best else None,
                "is_prerelease": bool(best and Version(best.version).is_prerelease),
                "installable": bool(best and best.yanked is None),
                "who": best.who if best else None,
                "at": best.at if best else None,
                "text": f"{name}\n{folded(best.summary or '')}" if best else "",
            }
        )
    if rows:
        connection.execute(_SETTLE, rows)
    return dirty


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

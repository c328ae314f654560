"""How often files were fetched, by the logs of the gateway, which serves them without this program.

A line of such a log is `SECONDS PATH`: when, as seconds since 1970, and what. Whose request it was is not in it.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from wheelhouse.index import tables
from wheelhouse.index.database import Database, insert_missing, own_key, upsert
from wheelhouse.index.events import now, written
from wheelhouse.index.projection import batches

RECENT = 30
"""Days that are shown by themselves."""
_BY_DAY = 90
"""Days after which those of one file are summed up in one row."""
_REMEMBERED = 30
"""Days for which it is known that a log was counted."""

Key = tuple[str, str, str]
"""Place, file, day."""


@dataclass(frozen=True)
class Downloads:
    """How often something was fetched."""

    recent: int
    """In the last `RECENT` days, today among them."""
    total: int
    """Ever since it is counted."""


def count(database: Database, name: str, lines: Iterable[str]) -> int | None:
    """Add what a log has, all of it or, after a failure, nothing; returns how many downloads these were.

    A log of a `name` that was counted before is not counted again: None. Lines that are not such, and paths of files
    that were never published, count nothing.
    """
    # nginx logs only files that exist, so there are at most as many keys as there are files.
    found = Counter(key for line in lines if (key := _key(line)))
    name = own_key(database.gateway, name)
    with database.change("downloads") as connection:
        logs = tables.counted_logs
        if connection.execute(select(logs.c.name).where(logs.c.name == name)).first():
            return None
        counted = _add(connection, found)
        upsert(connection, logs, [{"name": name, "at": now()}])
        connection.execute(delete(logs).where(logs.c.at < written(datetime.now(UTC) - timedelta(_REMEMBERED))))
    return counted


def sum_up(database: Database, today: date | None = None) -> None:
    """Put days that nobody asks for by themselves into one row for each file."""
    table = tables.downloads
    oldest = _day(today, _BY_DAY)
    is_old = (table.c.day != "") & (table.c.day < oldest)
    with database.change("downloads") as connection:
        wanted = select(table.c.place, table.c.file, func.sum(table.c.count).label("total")).where(is_old)
        old = connection.execute(wanted.group_by(table.c.place, table.c.file)).all()
        connection.execute(delete(table).where(is_old))
        _write(connection, {(row.place, row.file, ""): int(row.total) for row in old})


def of_project(connection: Connection, project: str, today: date | None = None) -> Downloads:
    """Of all files of a project."""
    return _sum(_of(connection, project, today).values())


def by_file(connection: Connection, place: str, today: date | None = None) -> dict[str, Downloads]:
    """Of each file of a project, or of a channel's subdir, that was ever fetched."""
    return dict(sorted(_of(connection, place, today).items()))


def by_place(connection: Connection, today: date | None = None) -> dict[str, Downloads]:
    """Of each project, and each subdir of a channel, that has downloads."""
    table = tables.downloads
    recent = func.sum(table.c.count).filter(table.c.day >= _day(today, RECENT - 1))
    wanted = select(table.c.place, recent.label("recent"), func.sum(table.c.count).label("total"))
    rows = connection.execute(wanted.group_by(table.c.place).order_by(table.c.place))
    return {row.place: Downloads(int(row.recent or 0), int(row.total)) for row in rows}


def _of(connection: Connection, place: str, today: date | None) -> dict[str, Downloads]:
    table = tables.downloads
    recent = func.sum(table.c.count).filter(table.c.day >= _day(today, RECENT - 1))
    wanted = select(table.c.file, recent.label("recent"), func.sum(table.c.count).label("total"))
    rows = connection.execute(wanted.where(table.c.place == place).group_by(table.c.file))
    return {row.file: Downloads(int(row.recent or 0), int(row.total)) for row in rows}


def _sum(all_: Iterable[Downloads]) -> Downloads:
    some = list(all_)
    return Downloads(sum(one.recent for one in some), sum(one.total for one in some))


def _day(today: date | None, before: int) -> str:
    return ((today or datetime.now(UTC).date()) - timedelta(before)).isoformat()


def _key(line: str) -> Key | None:
    """Which file a line is about, and on which day; None if it makes no sense."""
    seconds, _, path = line.rstrip("\n").partition(" ")
    try:
        day = datetime.fromtimestamp(float(seconds), UTC).date().isoformat()
        path = json.loads(f'"{path}"')  # nginx escapes it as in JSON
    except (ValueError, OverflowError, OSError):
        return None
    match path.split("/"):
        case ["", "packages", project, file]:
            return project, file, day
        case ["", "conda", channel, subdir, file]:
            return f"{channel}/{subdir}", file, day
    return None


def _add(connection: Connection, found: Counter[Key]) -> int:
    """Add what is about files that were published; returns how many downloads these were."""
    known = _published(connection, {(place, file) for place, file, _ in found})
    counted = {key: number for key, number in found.items() if key[:2] in known}
    _write(connection, counted)
    return sum(counted.values())


def _write(connection: Connection, counted: dict[Key, int]) -> None:
    """Add to rows, which are there or not."""
    table = tables.downloads
    keys = [dict(zip(("place", "file", "day"), key, strict=True)) for key in counted]
    insert_missing(connection, table, [{**key, "count": 0} for key in keys])
    for key, number in zip(keys, counted.values(), strict=True):
        mine = [table.c[name] == value for name, value in key.items()]
        connection.execute(table.update().where(*mine).values(count=table.c.count + number))


def _published(connection: Connection, wanted: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those that were ever published."""
    files, packages = tables.files, tables.conda_packages
    found: set[tuple[str, str]] = set()
    for some in batches(sorted(wanted)):
        names = {file for _, file in some}
        projects = {place for place, _ in some if "/" not in place}
        mine = files.c.project.in_(projects), files.c.file.in_(names)
        found |= {
            (row.project, row.file) for row in connection.execute(select(files.c.project, files.c.file).where(*mine))
        }
        channels = {place.partition("/")[0] for place, _ in some if "/" in place}
        columns = packages.c.channel, packages.c.subdir, packages.c.file
        of_channels = packages.c.channel.in_(channels), packages.c.file.in_(names)
        for row in connection.execute(select(*columns).where(*of_channels)):
            found.add((f"{row.channel}/{row.subdir}", row.file))
    return found & wanted

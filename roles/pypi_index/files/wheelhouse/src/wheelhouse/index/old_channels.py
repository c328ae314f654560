"""The conda channels of a shelf of the older form, see `takeover`.

The records of its own packages were in the index of each subdir, those of upstream's, with what is withheld, in
`intake/channels/<channel>.json`; who published what was in the journal.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from wheelhouse.formats import conda_package
from wheelhouse.index import tables
from wheelhouse.index.changes import Changes
from wheelhouse.index.database import insert_missing
from wheelhouse.index.events import PUBLISH, Event, append, now, since
from wheelhouse.index.projection import INTAKE, About, apply
from wheelhouse.store.base import blob

_UNFINISHED = "it is being published"
"""Why a package was withheld while it was put into its place."""


def take_over_channels(connection: Connection, index: Changes, root: Path) -> None:
    """Take over all channels; the journal's events are rows already, and what they say of packages is not."""
    events = _events(connection)
    for top in sorted(path for path in (root / "conda").glob("*") if path.is_dir() and not path.is_symlink()):
        upstream = _upstream(root, top.name)
        about: dict[tuple[str, str], About] = {}
        for directory in sorted(path for path in top.iterdir() if path.is_dir() and not path.is_symlink()):
            if not conda_package.SUBDIR.fullmatch(directory.name):
                continue
            place = f"{top.name}/{directory.name}"
            row = {"channel": top.name, "subdir": directory.name}
            insert_missing(connection, tables.conda_channels, [row])
            for name, record in _records(directory / "repodata.json"):
                about[place, name] = About(record)
            for name, known in upstream.items():
                subdir, _, file = name.partition("/")
                if subdir == directory.name:
                    about[place, file] = known
        _take_over(connection, index, top.name, about, [one for one in events if _channel(one[1]) == top.name])


def _take_over(
    connection: Connection,
    index: Changes,
    channel: str,
    about: dict[tuple[str, str], About],
    events: list[tuple[int, Event]],
) -> None:
    apply(connection, events, about)
    table = tables.conda_packages
    mine = table.c.channel == channel
    rows = {(f"{channel}/{row.subdir}", row.file): row for row in connection.execute(select(table).where(mine))}
    # What is listed or withheld and in no event, as of an index that somebody brought along.
    new = [
        _published(place, file, known)
        for (place, file), known in sorted(about.items())
        if (place, file) not in rows
        and known.withheld != _UNFINISHED
        and (index.site.conda / place / file).is_file()
        and known.record
        and isinstance(known.record.get("sha256"), str)
    ]
    apply(connection, list(zip(append(connection, new), new, strict=True)), about)
    for row in connection.execute(select(table).where(mine, table.c.removed.is_(None))).all():
        path = f"conda/{channel}/{row.subdir}/{row.file}"
        known = about.get((f"{channel}/{row.subdir}", row.file))
        withheld = known.withheld if known and known.withheld != _UNFINISHED else None
        is_there = (index.site.root / path).is_file()
        if is_there and known and not index.store.put(blob(row.sha256), index.site.root / path, row.sha256):
            index.site.place(path, blob(row.sha256), None, trusted=True)
        this = (table.c.subdir == row.subdir) & (table.c.file == row.file)
        connection.execute(update(table).where(mine, this).values(withheld=withheld, missing=not is_there))
    for (place, file), known in about.items():
        if known.withheld == _UNFINISHED and (place, file) not in rows:  # it was in the middle, and comes again
            (index.site.conda / place / file).unlink(missing_ok=True)


def _events(connection: Connection) -> list[tuple[int, Event]]:
    found: list[tuple[int, Event]] = []
    number = 0
    while some := since(connection, number):
        found += [one for one in some if one[1].channel and one[1].file]
        number = some[-1][0]
    return found


def _channel(event: Event) -> str:
    return (event.channel or "").partition("/")[0]


def _records(page: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        repodata = json.loads(page.read_bytes())
        yield from [(name, dict(one)) for group in _GROUPS for name, one in repodata[group].items()]
    except (FileNotFoundError, ValueError, KeyError, AttributeError, TypeError):
        return


_GROUPS = ("packages", "packages.conda")


def _upstream(root: Path, channel: str) -> dict[str, About]:
    try:
        raw = json.loads((root / "intake" / "channels" / f"{channel}.json").read_bytes())
        return {
            name: About(
                one["record"],
                upstream=True,
                inside=tuple((project, version) for project, version in one["inside"]),
                scripts=tuple(one["scripts"]) if "scripts" in one else None,
                withheld=one.get("withheld"),
            )
            for name, one in raw.items()
        }
    except (FileNotFoundError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def _published(place: str, file: str, known: About) -> Event:
    record = known.record or {}
    who = INTAKE if known.upstream else "copied in"
    return Event(
        event=PUBLISH,
        who=who,
        time=now(),
        origin=who,
        channel=place,
        version=str(record.get("version", "")),
        file=file,
        size=record.get("size") if isinstance(record.get("size"), int) else None,
        sha256=record["sha256"],
    )

"""A shelf of the program's older form, whose state was a journal and files: taken over once, with all that it says.

    journal.jsonl                events                    locks/refusals.json    counts
    packages/<project>/<file>    bytes, linked             intake/channels/...    upstream's records
    conda/<channel>/<subdir>/    bytes, linked; records    intake/lock.toml, sets/, rollback.json, refused.json
                                                           cached-names/...       what clients were given

No byte of a package is read or copied. What was taken over is kept, under names that end with `.imported`. A kill
before the end of the one transaction changes nothing, and one behind it is mended by the next start.
"""

import contextlib
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, insert, select, text

from wheelhouse.index import tables
from wheelhouse.index.changes import Changes
from wheelhouse.index.database import upsert
from wheelhouse.index.events import lines, now, row
from wheelhouse.index.old_channels import take_over_channels
from wheelhouse.index.old_records import take_over_records
from wheelhouse.index.projection import apply, note_missing
from wheelhouse.index.rendering import METADATA
from wheelhouse.progress import progress
from wheelhouse.store.base import blob
from wheelhouse.store.staging import sync_disk

_KEY = "taken over"
_RENDERING = "rendering"
_EVENTS_AT_ONCE = 20_000
IMPORTED = ".imported"
_OLD = ("journal.jsonl", "intake", "cached-names")


def is_done(connection: Connection) -> bool:
    """Whether there is nothing (more) to be taken over."""
    return _state(connection) not in (None, _RENDERING)


def take_over(index: Changes) -> None:
    """Do it, or go on with it. The caller keeps other processes away; raises OSError."""
    root = index.site.root
    with index.database.read() as connection:
        if is_done(connection):
            return
        state = _state(connection)
    if state is None:
        with index.database.change_alone() as connection:
            _take_over_events(connection, root / "journal.jsonl")
            take_over_channels(connection, index, root)
            take_over_records(connection, root)
            _link_files(connection, index)
            sync_disk(root)  # bytes before rows
            _note(connection, _RENDERING)
    index.render_all()
    for name in _OLD:
        with contextlib.suppress(FileNotFoundError):
            (root / name).rename(root / f"{name}{IMPORTED}")
    with index.database.change_alone() as connection:
        _note(connection, now())


def _state(connection: Connection) -> str | None:
    return connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == _KEY)).scalar()


def _note(connection: Connection, value: str) -> None:
    upsert(connection, tables.meta, [{"key": _KEY, "value": value}])


def _take_over_events(connection: Connection, journal: Path) -> None:
    try:
        stream = journal.open("rb")
    except FileNotFoundError:
        return
    last = 0
    with stream:
        total = sum(1 for _ in stream)
        stream.seek(0)
        events = lines(stream)
        bar = iter(progress(range(total), total, "take over the journal", "event"))
        while some := list(islice(events, _EVENTS_AT_ONCE)):
            numbered = list(enumerate(some, last + 1))
            # of no transaction under way, so that those of channels can be read within this one
            rows = [{"id": number, "tx": None, **row(event)} for number, event in numbered]
            connection.execute(insert(tables.events), rows)
            apply(connection, [one for one in numbered if not one[1].channel])
            last = numbered[-1][0]
            for _ in islice(bar, len(some)):
                pass
    if connection.dialect.name == "postgresql" and last:
        connection.execute(text("SELECT setval(pg_get_serial_sequence('events', 'id'), :last)"), {"last": last})


def _link_files(connection: Connection, index: Changes) -> None:
    """Have the bytes of all published files in the store, and see which are gone."""
    table = tables.files
    wanted = select(table.c.project, table.c.file, table.c.sha256, table.c.metadata_sha256).where(
        table.c.removed.is_(None)
    )
    rows = connection.execute(wanted.order_by(table.c.project, table.c.file)).all()
    missing: dict[str, list[str]] = {}
    for one in progress(rows, len(rows), "take over files", "file"):
        path = f"packages/{one.project}/{one.file}"
        _unveil(index.site.root / path)
        if not _link(index, path, one.sha256):
            missing.setdefault(one.project, []).append(one.file)
        elif one.metadata_sha256:
            _link(index, f"{path}{METADATA}", one.metadata_sha256)
    for project, names in missing.items():
        note_missing(connection, project, dict.fromkeys(names, True))
    for staged in index.site.packages.glob("*/.*.staged"):  # of uploads that were killed before their event
        staged.unlink()


def _unveil(path: Path) -> None:
    """An upload that was killed behind its event has its file beside its place."""
    staged = path.with_name(f".{path.name}.staged")
    if staged.exists() and not path.exists():
        staged.rename(path)


def _link(index: Changes, path: str, sha256: str) -> bool:
    """Have a file of the tree in the store as well, the same bytes once; False if it is not there."""
    file = index.site.root / path
    if file.is_symlink() or not file.is_file():
        return False
    if not index.store.put(blob(sha256), file, sha256):
        index.site.place(path, blob(sha256), None, trusted=True)
    return True

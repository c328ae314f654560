"""Moving an index to another database and another store, while people go on reading: `wheelhouse migrate-store`.

Bytes are copied first, while people publish. Then nobody changes anything for a while: the bytes that came meanwhile
and all rows are copied and compared. From then on the old database takes no change, and no program opens it; the new
one is opened from then on, and not before. Whatever is stopped goes on when it is run again.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select, text, union

from wheelhouse.errors import Damaged, NotFound, Rejected
from wheelhouse.index import copying, migrations, queries, tables
from wheelhouse.index.database import Database, upsert
from wheelhouse.progress import progress
from wheelhouse.store.base import Store, blob
from wheelhouse.store.staging import Staging

STATE = "pieces"
"""Where a database says that it is not to be opened; otherwise, how the pieces of pages were made, see `opening`."""
COMING, GONE = "moving here: ", "moved away"
_TRIGGER = "CREATE TRIGGER moved BEFORE INSERT ON events"
_CLOSE = {
    "sqlite": (f"{_TRIGGER} BEGIN SELECT RAISE(ABORT, '{tables.MOVED}'); END",),
    "postgresql": (
        "CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{tables.MOVED}'; END $$",
        f"{_TRIGGER} FOR EACH STATEMENT EXECUTE FUNCTION moved()",
    ),
}
_OPEN = {
    "sqlite": (
        "DROP TRIGGER IF EXISTS moved",
        "INSERT INTO projects_search (projects_search) VALUES ('delete-all')",
    ),
    "postgresql": ("DROP TRIGGER IF EXISTS moved ON events", "DROP FUNCTION IF EXISTS moved()"),
}


@dataclass(frozen=True)
class Place:
    """Where an index is, or will be."""

    database: Database
    store: Store


@dataclass(frozen=True)
class Moved:
    """What is in the new place."""

    rows: int
    files: int
    """Bytes of so many files, and metadata."""
    size: int
    """Bytes."""
    lost: tuple[str, ...]
    """SHA-256 of bytes that rows name, and that the old store did not have."""


def move(source: Place, target: Place, staging: Staging) -> Moved:
    """Move everything, by way of this machine; returns what is there then. The caller keeps other commands away.

    Raises `Conflict` where the target has an index of its own, `Rejected` where the source was moved away before,
    `Damaged` for what is not what was copied; `Busy`, `Unreachable`, OSError.
    """
    with target.database.change_alone() as connection:
        migrations.upgrade(connection)
    with source.database.read() as connection:
        if not migrations.is_current(connection):
            raise Rejected("The tables of the old database are not of this version: start the program on it once.")
        state = queries.remembered(connection, STATE)
        named = _named(connection)
    if state == GONE:
        return _finish_earlier(target)
    _make_room(target.database)
    _copy_bytes(source.store, target.store, named, staging)
    with source.database.change_alone() as old:
        named = _named(old)
        lost = _copy_bytes(source.store, target.store, named, staging)
        with target.database.change_alone() as new:
            copied = copying.copy(old, new)
            upsert(new, tables.meta, [{"key": STATE, "value": f"{COMING}{state or ''}"}])
        for statement in _CLOSE[old.dialect.name]:
            old.execute(text(statement))
        upsert(old, tables.meta, [{"key": STATE, "value": GONE}])
    with target.database.change_alone() as new:
        upsert(new, tables.meta, [{"key": STATE, "value": state or ""}])
    return Moved(sum(one.rows for one in copied.values()), len(named), sum(named.values()), tuple(lost))


def refuse_moved(connection: Connection) -> None:
    """Raises `Rejected` for a database that an index is on its way to, or was moved away from."""
    state = queries.remembered(connection, STATE)
    if (state or "").startswith(COMING):
        raise Rejected("The index is on its way to this database: run `wheelhouse migrate-store` to its end.")
    if state == GONE:
        raise Rejected("The index was moved from this database to another one: the configuration has to name that one.")


def _finish_earlier(target: Place) -> Moved:
    """An earlier run was stopped at its very end, or has done all there is to do."""
    with target.database.change_alone() as connection:
        state = queries.remembered(connection, STATE)
        if state in (None, GONE):
            raise Rejected("The index was moved away from here, and not to where it is to be moved now.")
        if state.startswith(COMING):
            upsert(connection, tables.meta, [{"key": STATE, "value": state.removeprefix(COMING)}])
        rows = sum(copying.content(connection, table).rows for table in copying.COPIED)
        named = _named(connection)
    return Moved(rows, len(named), sum(named.values()), ())


def _make_room(database: Database) -> None:
    """Empty a database that an index was moved away from, or that a run which was stopped has copied rows to."""
    with database.change_alone() as connection:
        state = queries.remembered(connection, STATE) or ""
        if state != GONE and not state.startswith(COMING):
            return
        for statement in _OPEN[connection.dialect.name]:
            connection.execute(text(statement))
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(table.delete())


def _named(connection: Connection) -> dict[str, int]:
    """SHA-256 of all bytes that published files have -> their size; 0 for metadata, whose size no row has."""
    files, packages = tables.files, tables.conda_packages
    is_there = files.c.removed.is_(None), ~files.c.missing
    found = union(
        select(files.c.sha256, files.c.size).where(*is_there),
        select(files.c.metadata_sha256, text("0")).where(*is_there, files.c.metadata_sha256.is_not(None)),
        select(packages.c.sha256, packages.c.size).where(packages.c.removed.is_(None), ~packages.c.missing),
    )
    return {digest: size or 0 for digest, size in connection.execute(found)}


def _copy_bytes(source: Store, target: Store, named: dict[str, int], staging: Staging) -> list[str]:
    """Have all that is named in the target; returns what the source does not have. Raises `Damaged`, OSError."""
    lost = []
    for digest in progress(sorted(named), len(named), "copy files", "file"):
        known = target.head(blob(digest))
        if known and (not named[digest] or known.size == named[digest]):
            continue
        try:
            with source.open(blob(digest)) as stream, staging.receive(stream) as copy:
                if _digest(copy) != digest:
                    raise Damaged(f"The bytes of {digest} are damaged: run `wheelhouse reindex` before.")
                target.put(blob(digest), copy, digest)
        except NotFound:
            lost.append(digest)
    return lost


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

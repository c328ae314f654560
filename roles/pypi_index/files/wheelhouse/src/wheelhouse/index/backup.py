"""A copy of the database that can be restored, made while people publish.

    DESTINATION/index.sqlite    the database as of one moment, in one file
    DESTINATION/backup.json     what is in it, see `Manifest`

The bytes are not copied here: they never change, and so whoever copies them afterwards has all that the copy's rows
name, unless some were removed in between. That is what `faults` is asked then.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from wheelhouse.errors import Damaged, NotFound, WheelhouseError
from wheelhouse.index import copying, migrations
from wheelhouse.index.database import Database
from wheelhouse.index.events import now
from wheelhouse.progress import progress
from wheelhouse.store.base import Store, blob
from wheelhouse.store.staging import sync_directory, write_file

FILE = "index.sqlite"
MANIFEST = "backup.json"
_PAGES = 4096
"""Pages of the database that are copied at a time."""
_TOLD = 5
"""How many bytes that are missing are named."""
_NAMED = """
    SELECT sha256, project || ' ' || file FROM files WHERE removed IS NULL AND missing = 0
    UNION ALL SELECT metadata_sha256, project || ' ' || file || '.metadata' FROM files
        WHERE removed IS NULL AND missing = 0 AND metadata_sha256 IS NOT NULL
    UNION ALL SELECT sha256, channel || '/' || subdir || ' ' || file FROM conda_packages
        WHERE removed IS NULL AND missing = 0
"""
"""Each published file with its bytes."""


class Manifest(msgspec.Struct, frozen=True):
    """What a copy of the database holds."""

    made: str
    """Like `Event.time`."""
    events: int
    """How many."""
    last_event: int
    """The number of the latest; 0 before the first."""
    last_time: str
    """Its time; "" before the first."""
    columns: list[str]
    """Of the events, those that `digest` is of."""
    digest: str
    """SHA-256 (hex) of all events."""
    files: int
    """Published files, and metadata beside them."""
    bytes: int
    """Of these, those that are not the same as another's counted once."""
    lost: list[str]
    """SHA-256 of bytes that rows name and the store did not have even then."""


def copy(database: Database, store: Store, destination: Path) -> Manifest:
    """Write the copy and say what is in it; the one that was there before stays until this one is whole.

    That of a server has the rows of its tables, in a SQLite. Raises OSError, `Damaged`, `Unreachable`.
    """
    if not destination.is_dir():
        raise NotFound(f"{destination} is no directory.")
    made, new = now(), destination / f"{FILE}.new"
    for name in (new.name, f"{new.name}-journal", f"{new.name}-wal", f"{new.name}-shm"):
        (destination / name).unlink(missing_ok=True)
    known, files, size, lost = _copy_rows(database, store, new) if database.server else _copy_file(database, store, new)
    manifest = Manifest(
        made, known.count, known.last, known.time, known.columns, known.digest, files, size, sorted(lost)
    )
    with new.open("rb") as stream:
        os.fsync(stream.fileno())
    new.rename(destination / FILE)
    write_file(destination / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n", destination)
    sync_directory(destination)
    return manifest


def _copy_file(database: Database, store: Store, new: Path) -> tuple["_Events", int, int, dict[str, str]]:
    """A copy of a SQLite: (its events, files, bytes, what is lost)."""
    assert database.file
    with _opened(f"{database.file.absolute().as_uri()}?mode=rw") as source:
        source.execute("BEGIN")  # one view of the rows, so that the copy is not begun again with each change
        known = _events(source, _columns(source))
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        with _opened(f"{new.absolute().as_uri()}?mode=rw") as target:
            _copy_pages(source, target)
            target.execute("PRAGMA journal_mode = DELETE")
            [(found,)] = target.execute("PRAGMA quick_check(1)")
            if found != "ok" or _events(target, known.columns) != known:
                raise Damaged(f"The copy of the database is not what was copied ({found}); is the disk in order?")
            return known, *_bytes(target, store)


def _copy_rows(database: Database, store: Store, new: Path) -> tuple["_Events", int, int, dict[str, str]]:
    """The same of a server, whose rows are compared as they are copied."""
    with tempfile.TemporaryDirectory(dir=new.parent) as scratch:
        target = Database(Path(scratch))
        with target.change_alone() as connection:
            migrations.upgrade(connection)
        with database.read() as source, target.change_alone() as connection:
            copying.copy(source, connection)
        target.close()
        with _opened(f"{(Path(scratch) / FILE).absolute().as_uri()}?mode=rw") as rows:
            rows.execute("PRAGMA journal_mode = DELETE")
            known, found = _events(rows, _columns(rows)), _bytes(rows, store)
        (Path(scratch) / FILE).chmod(0o600)
        (Path(scratch) / FILE).rename(new)
        return known, *found


def faults(destination: Path, store: Store) -> list[str]:
    """What keeps a copy and the bytes of a store from being one whole: sentences. Reads no bytes; raises `Damaged`."""
    try:
        manifest = msgspec.json.decode((destination / MANIFEST).read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise NotFound(f"There is no {MANIFEST} in {destination}.") from None
    except msgspec.DecodeError as error:
        raise Damaged(f"{MANIFEST} in {destination} cannot be read: {error}.") from error
    if not (destination / FILE).is_file():
        raise NotFound(f"There is no {FILE} in {destination}.")
    found = []
    # immutable: whoever asks may have no right to write there
    with _opened(f"{(destination / FILE).absolute().as_uri()}?mode=ro&immutable=1") as connection:
        [(state,)] = connection.execute("PRAGMA quick_check(1)")
        if state != "ok":
            raise Damaged(f"{FILE} in {destination} is damaged: {state}.")
        known = _events(connection, manifest.columns)
        if (known.count, known.digest) != (manifest.events, manifest.digest):
            found.append(
                f"The copy has other events than were copied: {known.count}, and there were {manifest.events}."
            )
        _, _, lost = _bytes(connection, store)
    gone = sorted(set(lost) - set(manifest.lost))
    found += [f"The bytes of {lost[digest]} are not in the store." for digest in gone[:_TOLD]]
    if len(gone) > _TOLD:
        found.append(f"The bytes of {len(gone) - _TOLD} more files are not in the store.")
    return found


class _Events(msgspec.Struct, frozen=True):
    count: int
    last: int
    time: str
    columns: list[str]
    digest: str


def _events(connection: sqlite3.Connection, columns: Sequence[str]) -> _Events:
    digest, count, last, time = hashlib.sha256(), 0, 0, ""
    names = ", ".join(f'"{name}"' for name in columns)
    for row in connection.execute(f"SELECT id, time, {names} FROM events ORDER BY id"):
        last, time, *values = row
        digest.update(json.dumps(values, ensure_ascii=True).encode() + b"\n")
        count += 1
    return _Events(count, last, time, list(columns), digest.hexdigest())


def _columns(connection: sqlite3.Connection) -> list[str]:
    return [row[1] for row in connection.execute("PRAGMA table_info(events)")]


def _bytes(connection: sqlite3.Connection, store: Store) -> tuple[int, int, dict[str, str]]:
    """(files, bytes, {SHA-256 of what the store has not: of what it is})."""
    (total,) = connection.execute(f"SELECT count(*) FROM ({_NAMED})").fetchone()
    seen: set[str] = set()
    size, lost = 0, {}
    for digest, shown in progress(connection.execute(_NAMED), total, "look for bytes", "file"):
        if digest in seen:
            continue
        seen.add(digest)
        stat = store.head(blob(digest))
        if stat is None:
            lost[digest] = shown
        else:
            size += stat.size
    return total, size, lost


def _copy_pages(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    (total,) = source.execute("PRAGMA page_count").fetchone()
    steps = iter(progress(range(total // _PAGES + 1), total // _PAGES + 1, "copy the database", "step"))
    source.backup(target, pages=_PAGES, progress=lambda *_: next(steps, None) and None)


@contextlib.contextmanager
def _opened(uri: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=60)
    try:
        yield connection
    except sqlite3.Error as error:
        if "full" in str(error):
            raise WheelhouseError("There is no room for the copy of the database on its disk.") from error
        raise Damaged(f"The database cannot be copied: {error}.") from error
    finally:
        connection.close()

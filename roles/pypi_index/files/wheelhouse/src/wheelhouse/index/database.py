"""The database: opening it, and what it takes to read and to change it.

SQLite in the shelf's `state` directory unless `WHEELHOUSE_DATABASE` names a PostgreSQL. Both see the same statements;
what they do not have in common is in this module and in `search`.
"""

import contextlib
import fcntl
import os
import weakref
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Table, create_engine, event, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from wheelhouse.errors import Busy, Full
from wheelhouse.store.staging import make_directory

BUSY_AFTER = 60
"""Seconds that a change waits for others."""
_BYTES_LOCK = 0x77686C68
"""Number of PostgreSQL's advisory lock between changes, which share it, and the sweep of bytes, which does not."""


class Database:
    """One database. Safe for many threads and processes."""

    def __init__(self, state: Path, url: str | None = None) -> None:
        """`state` is a directory of this machine, for SQLite and for locks; `url` is by default `state/index.sqlite`.

        Raises OSError. Tables are made by `migrations.upgrade`.
        """
        make_directory(state, 0o750)
        self.state = state
        self.file = state / "index.sqlite" if url is None else None
        if self.file:
            _make_file(self.file)
            self.engine = create_engine(
                f"sqlite:///{self.file}",
                connect_args={"timeout": BUSY_AFTER, "check_same_thread": False},
                max_overflow=-1,
            )
            event.listen(self.engine, "connect", _connected)
            event.listen(self.engine, "begin", _begun)
        else:
            self.engine = create_engine(make_url(url or ""), max_overflow=-1, pool_pre_ping=True)
        # A connection is no good in a child that was forked, and closing it there would end its parent's.
        engine = weakref.ref(self.engine)
        os.register_at_fork(after_in_child=lambda: _forget(engine()))

    @property
    def is_sqlite(self) -> bool:
        """Whether it is; else it is PostgreSQL."""
        return self.file is not None

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """One view of the rows, the same for all questions in the block."""
        options: dict[str, Any] = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def change(self, *places: str, durable: bool = True) -> Iterator[Connection]:
        """A transaction in which nobody else changes these places (projects, `channel/subdir`, or a name of any kind).

        What was changed is on the disk when the block ends, unless `durable` says that it may as well not have
        happened. Raises `Busy`.
        """
        with self._changing(durable) as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock_shared(:n)"), {"n": _BYTES_LOCK})
                for number in sorted({zlib.crc32(place.encode()) for place in places}):
                    connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": number})
            yield connection

    @contextlib.contextmanager
    def change_alone(self) -> Iterator[Connection]:
        """A transaction beside which nobody changes anything. Raises `Busy`."""
        with self._changing(durable=True) as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _BYTES_LOCK})
            yield connection

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Keep others who ask for the same name away, for as long as it takes; raises `Busy` if one is in there."""
        with contextlib.ExitStack() as stack:
            if self.is_sqlite:
                descriptor = os.open(self.state / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                stack.callback(os.close, descriptor)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise Busy(f"Another {name} is under way.") from None
            else:
                connection = stack.enter_context(self.engine.connect())
                number = {"n": _BYTES_LOCK << 32 | zlib.crc32(name.encode())}
                if not connection.execute(text("SELECT pg_try_advisory_lock(:n)"), number).scalar():
                    raise Busy(f"Another {name} is under way.")
                stack.callback(connection.execute, text("SELECT pg_advisory_unlock_all()"))
            yield

    def close(self) -> None:
        """Close what is open and not in use."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _changing(self, durable: bool) -> Iterator[Connection]:
        options = {"wheelhouse_write": True, "wheelhouse_durable": durable}
        try:
            connection = self.engine.connect().execution_options(**options)
            with connection, connection.begin():
                if not (self.is_sqlite or durable):
                    connection.execute(text("SET LOCAL synchronous_commit = off"))
                yield connection
        except OperationalError as error:
            if "database is locked" in str(error.orig):
                raise Busy("The index is busy with other changes: try again in a minute.") from error
            if "disk is full" in str(error.orig) or "No space left on device" in str(error.orig):
                raise Full("The database's disk is full.") from error
            raise


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, all with the same columns, or replace those that have the same primary key."""
    if rows:
        connection.execute(_upserting(connection.dialect.name, table, tuple(rows[0])), list(rows))


def insert_numbered(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert rows into a table that numbers them, as its `id`; returns their numbers."""
    number = table.c.id
    if connection.dialect.name == "sqlite":
        # Where it is asked for the numbers it inserts one row at a time. Nobody else writes meanwhile.
        connection.execute(insert(table), list(rows))
        last = connection.execute(select(func.max(number))).scalar() or 0
        return list(range(last - len(rows) + 1, last + 1))
    inserted = connection.execute(insert(table).returning(number, sort_by_parameter_order=True), list(rows))
    return list(inserted.scalars())


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert those rows that are not there yet."""
    if rows:
        connection.execute(_inserting(connection.dialect.name, table), list(rows))


@lru_cache
def _upserting(dialect: str, table: Table, columns: Sequence[str]) -> Executable:
    """The statement; to put it together takes longer than to execute it."""
    inserting = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: inserting.excluded[name] for name in columns if name not in keys}
    statement: Executable = inserting.on_conflict_do_nothing(index_elements=keys)
    if changed:
        statement = inserting.on_conflict_do_update(index_elements=keys, set_=changed)
    return statement


@lru_cache
def _inserting(dialect: str, table: Table) -> Executable:
    statement: Executable = (sqlite if dialect == "sqlite" else postgresql).insert(table).on_conflict_do_nothing()
    return statement


def _make_file(path: Path) -> None:
    """See that the file is there and that only the group reads it; SQLite gives those beside it the same mode."""
    if not path.exists():
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            os.fchmod(descriptor, 0o640)  # whatever the umask
            os.close(descriptor)


def _connected(connection: Any, _: object) -> None:
    connection.isolation_level = None  # no BEGIN but ours
    cursor = connection.cursor()
    for pragma in (
        "page_size = 8192",  # of a new database: a row of `files` fits into a quarter of a page, and so has none more
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "cache_size = -16384",
        "mmap_size = 268435456",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begun(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("wheelhouse_write"):
        synchronous = "FULL" if options.get("wheelhouse_durable") else "NORMAL"
        connection.exec_driver_sql(f"PRAGMA synchronous = {synchronous}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("BEGIN")


def _forget(engine: Engine | None) -> None:
    if engine is not None:
        engine.dispose(close=False)

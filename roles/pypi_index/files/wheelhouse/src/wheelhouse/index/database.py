"""The database: opening it, and what it takes to read and to change it.

SQLite in the shelf's `state` directory, or the PostgreSQL of `database_settings`. Both see the same statements; what
they do not have in common is here, in `postgresql` and `gateways`, and in `search`.
"""

import contextlib
import fcntl
import os
import weakref
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Executable, Table, create_engine, event, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, OperationalError

from wheelhouse.database_settings import Server
from wheelhouse.errors import Busy, Full
from wheelhouse.index import tables
from wheelhouse.store.staging import make_directory

if TYPE_CHECKING:
    from wheelhouse.index.postgresql import Postgresql

BUSY_AFTER = 60
"""Seconds that a change waits for others."""
_GATEWAY = "wheelhouse_gateway"
"""The option of a connection that says whose it is."""
_BYTES_LOCK = 0x77686C68
"""Number of PostgreSQL's advisory lock between changes, which share it, and the sweep of bytes, which does not."""
# A transaction that takes no number of its own before it numbers an event would not be waited for, see `events.since`.
_SHARED = text("SELECT pg_current_xact_id(), pg_advisory_xact_lock_shared(:n)")
_ALONE = text("SELECT pg_current_xact_id(), pg_advisory_xact_lock(:n)")


class Database:
    """One database. Safe for many threads and processes."""

    def __init__(self, state: Path, server: Server | None = None, gateway: str = "") -> None:
        """`state` is a directory of this machine, for locks, and for a SQLite where there is no `server`.

        `gateway` is what this machine is called among those that share the server. Raises OSError. Tables are made by
        `migrations.upgrade`.
        """
        make_directory(state, 0o750)
        self.state = state
        self.gateway = gateway
        self.file = state / "index.sqlite" if server is None else None
        self.server = _postgresql(server, gateway) if server else None
        """What a SQLite has no need of; None for one."""
        engine = self.server.engine if self.server else _sqlite(state / "index.sqlite")
        self.engine = engine.execution_options(**{_GATEWAY: gateway}) if gateway else engine
        # A connection is no good in a child that was forked, and closing it there would end its parent's.
        known = weakref.ref(self.engine)
        os.register_at_fork(after_in_child=lambda: _forget(known()))

    @property
    def is_sqlite(self) -> bool:
        """Whether it is; else it is PostgreSQL."""
        return self.server is None

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """One view of the rows, the same for all questions in the block. Raises `Unreachable`."""
        options: dict[str, Any] = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self.told(), self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def change(self, *places: str, durable: bool = True) -> Iterator[Connection]:
        """A transaction in which nobody else changes these places (projects, `channel/subdir`, or a name of any kind).

        What was changed is on the disk when the block ends, unless `durable` says that it may as well not have
        happened. Raises `Busy`, `Unreachable`.
        """
        with self._changing(durable) as connection:
            if not self.is_sqlite:
                connection.execute(_SHARED, {"n": _BYTES_LOCK})
                for number in sorted({zlib.crc32(place.encode()) for place in places}):
                    connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": number})
            yield connection

    @contextlib.contextmanager
    def change_alone(self) -> Iterator[Connection]:
        """A transaction beside which nobody changes anything. Raises `Busy`, `Unreachable`."""
        with self._changing(durable=True) as connection:
            if not self.is_sqlite:
                connection.execute(_ALONE, {"n": _BYTES_LOCK})
            yield connection

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Keep others who ask for the same name away, for as long as it takes; raises `Busy` if one is in there.

        On all gateways. One whose host is taken for dead loses it, and its changes raise `Busy` from then on.
        """
        if self.server:
            with self.server.turn(name):
                yield
            return
        descriptor = os.open(self.state / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise Busy(f"Another {name} is under way.") from None
        try:
            yield
        finally:
            os.close(descriptor)

    def told(self) -> contextlib.AbstractContextManager[None]:
        """Says what is wrong with the database in a sentence: raises `Busy`, `Full`, `Unreachable`."""
        return self.server.told() if self.server else _told()

    def close(self) -> None:
        """Close what is open and not in use."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _changing(self, durable: bool) -> Iterator[Connection]:
        options = {"wheelhouse_write": True, "wheelhouse_durable": durable}
        with self.told(), self.engine.connect().execution_options(**options) as connection, connection.begin():
            if not (self.is_sqlite or durable):
                connection.execute(text("SET LOCAL synchronous_commit = off"))
            yield connection
            if self.server:
                self.server.check_turns(connection)


def own_key(gateway: str, key: str) -> str:
    """What is remembered under `key` of one machine, not of the index: what it has copied, or how far it is."""
    return f"{key} of {gateway}" if gateway else key


def gateway_of(connection: Connection) -> str:
    """Whose connection it is; "" where there is one host alone."""
    return str(connection.get_execution_options().get(_GATEWAY, ""))


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


def _postgresql(server: Server, gateway: str) -> "Postgresql":
    # only here, since it loads the library
    from wheelhouse.index.postgresql import Postgresql  # noqa: PLC0415

    return Postgresql(server, gateway)


def _sqlite(file: Path) -> Engine:
    _make_file(file)
    engine = create_engine(
        f"sqlite:///{file}",
        connect_args={"timeout": BUSY_AFTER, "check_same_thread": False},
        max_overflow=-1,
    )
    event.listen(engine, "connect", _connected)
    event.listen(engine, "begin", _begun)
    return engine


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        if tables.MOVED in str(error.orig):
            raise Busy(tables.MOVED) from error
        raise
    except OperationalError as error:
        if "database is locked" in str(error.orig):
            raise Busy("The index is busy with other changes: try again in a minute.") from error
        if "disk is full" in str(error.orig) or "No space left on device" in str(error.orig):
            raise Full("The database's disk is full.") from error
        raise


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

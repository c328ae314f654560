"""What only a PostgreSQL needs: sessions that end with their host, turns that one gateway has, and news of changes.

The server needs no settings for this: each session brings its own, so that what a dead host held is free soon.
"""

import contextlib
import secrets
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import certifi
import psycopg
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from wheelhouse.database_settings import Server
from wheelhouse.errors import Busy, Full, Unreachable, WheelhouseError
from wheelhouse.index import tables

_CONNECTIONS = 15
"""That one process has at most. The server takes a hundred, unless told otherwise, and gateways have two processes."""
_PATIENCE = 60
"""Seconds that a change waits for others, and for a connection."""
_OF_SESSIONS = {
    # what a host held that is gone, or behind a wall, is free after 25 seconds
    "tcp_keepalives_idle": "10s",
    "tcp_keepalives_interval": "5s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25s",
    "lock_timeout": f"{_PATIENCE}s",
    # what a process held that was stopped in the middle of a change
    "idle_in_transaction_session_timeout": "10min",
}
_HERE: Mapping[str, Any] = {
    # what a server is said to be that does not answer: lost, after ten seconds
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,
}
_BUSY = {
    "55P03": "lock_not_available",
    "40P01": "deadlock_detected",
    "40001": "serialization_failure",
    "25P03": "idle_in_transaction_session_timeout",
}
_FULL, _READ_ONLY, _RAISED = "53100", "25006", "P0001"
AWAY = "The index's database does not answer: try again in a minute."
OTHERS = "The index is busy with other changes: try again in a minute."


class Postgresql:
    """One server, as one gateway sees it. Safe for many threads and processes."""

    def __init__(self, server: Server, gateway: str) -> None:
        self.gateway = gateway
        self.password = server.password.encode()
        """What only gateways know, b"" for a server of this machine that asks for none."""
        self._arguments = _arguments(server)
        self._mine: dict[str, str] = {}
        """The turns that this process has, each with what `turns` says as long as nobody else has taken it."""
        self.engine: Engine = create_engine(
            "postgresql+psycopg://",
            connect_args=self._arguments,
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=_PATIENCE,
            pool_pre_ping=True,
        )

    @staticmethod
    def told() -> contextlib.AbstractContextManager[None]:
        """Says in a sentence what is wrong with a server: raises `Unreachable`, `Busy`, `Full`."""
        return _told()

    @contextlib.contextmanager
    def session(self) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
        """A connection of its own, without transactions: its end, or that of this host, is the end of what it holds."""
        with _told(), contextlib.closing(psycopg.connect(**self._arguments, autocommit=True)) as connection:
            yield connection

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Keep other gateways that ask for the same name away; raises `Busy` if one is in there.

        Whoever loses it, since the server takes the host for dead, changes nothing any more: see `check_turns`.
        """
        with self.session() as connection:
            if not _holds(connection, "SELECT pg_try_advisory_lock(%s)", name):
                raise Busy(f"Another {name} is under way.")
            mine = f"{self.gateway} {secrets.token_hex(16)}"
            connection.execute(
                "INSERT INTO turns (name, holder) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET holder = %s",
                (name, mine, mine),
            )
            self._mine[name] = mine
            try:
                yield
            finally:
                del self._mine[name]

    @contextlib.contextmanager
    def waited_turn(self, name: str) -> Iterator[None]:
        """The same, waiting as long as it takes, for what needs no tables."""
        with self.session() as connection:
            connection.execute("SET lock_timeout = 0")
            _holds(connection, "SELECT pg_advisory_lock(%s)", name)
            yield

    def check_turns(self, connection: Connection) -> None:
        """See, at the end of a transaction, that nobody else has had a turn of ours meanwhile; raises `Busy`.

        Nobody can take it before the transaction has ended.
        """
        for name, mine in self._mine.items():
            holder = connection.execute(
                text("SELECT holder FROM turns WHERE name = :name FOR SHARE"), {"name": name}
            ).scalar()
            if holder != mine:
                raise Busy(
                    f"This {name} lost its turn, since its host did not answer the database: another one has begun."
                    " Nothing more is changed by this one."
                )

    @contextlib.contextmanager
    def news(self, channel: str) -> Iterator[Callable[[float], None]]:
        """Yields what waits until another gateway says something on a channel, or for so many seconds."""
        with self.session() as connection:
            connection.execute(f"LISTEN {channel}")

            def wait(seconds: float) -> None:
                for one in connection.notifies(timeout=seconds):
                    if one.payload != self.gateway:
                        return

            yield wait


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except NoConnection as error:
        raise Busy(OTHERS) from error
    except DBAPIError as error:
        if meant := _meant(error.orig, is_lost=error.connection_invalidated):
            raise meant from error
        raise
    except psycopg.Error as error:
        if meant := _meant(error, is_lost=False):
            raise meant from error
        raise


def _meant(error: BaseException | None, *, is_lost: bool) -> WheelhouseError | None:
    state = getattr(error, "sqlstate", None)
    if state in _BUSY:
        return Busy(OTHERS)
    if state == _FULL:
        return Full("The database's disk is full.")
    if state == _READ_ONLY:
        return Unreachable("The index's database takes no changes at present: try again in a minute.")
    if state == _RAISED and tables.MOVED in str(error):
        return Busy(tables.MOVED)
    if is_lost or isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return Unreachable(AWAY)
    return None


def _holds(connection: "psycopg.Connection[tuple[Any, ...]]", question: str, name: str) -> bool:
    number = zlib.crc32(name.encode()) | 0x77686C68 << 32
    row = connection.execute(question.encode(), (number,)).fetchone()
    return bool(row and row[0] is not False)


def _arguments(server: Server) -> dict[str, Any]:
    """What libpq is told. A connection that leaves this machine is encrypted, and the server's name is checked."""
    encrypted = {"sslmode": "verify-full", "sslrootcert": server.ca or certifi.where()}
    return {
        "host": server.host,
        "port": server.port,
        "dbname": server.name,
        "user": server.username,
        **({"password": server.password} if server.password else {}),
        **({"sslmode": "disable"} if server.is_here else encrypted),
        "target_session_attrs": "read-write",
        "application_name": "wheelhouse",
        "options": " ".join(f"-c {name}={value}" for name, value in _OF_SESSIONS.items()),
        **_HERE,
    }

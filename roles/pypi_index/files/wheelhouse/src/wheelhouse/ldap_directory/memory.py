"""What the directory has answered lately, in memory that the workers of one program share, and on no disk.

A password is kept as a MAC with a key of this start. `attempts` counts what a directory counts before it locks an
account: binds with a wrong password.
"""

import contextlib
import enum
import hmac
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WRONG_TIME = 15 * 60
"""Seconds that a wrong password is wrong without a question."""
WINDOW = 30 * 60
"""Seconds in which wrong passwords are counted."""
UNKNOWN_TIME = 15 * 60
"""Seconds that is kept at most who is not in the directory."""
ASK_TIME = 15
"""Seconds after which a question is taken for lost."""
_TABLES = """
create table if not exists key (key blob);
create table if not exists people (name text primary key, found text, at real);
create table if not exists passwords (name text, mac blob, state text, at real, good_at real, primary key (name, mac));
create table if not exists attempts (name text, mac blob, at real);
"""


class Verdict(enum.Enum):
    """What is known of a password before the directory is asked."""

    GOOD = enum.auto()
    WRONG = enum.auto()
    TOO_MANY = enum.auto()
    IS_ASKED = enum.auto()
    """Somebody else is asking."""
    ASK = enum.auto()
    """Ask, then call `note` or `take_back`."""


@dataclass(frozen=True)
class Found:
    """An answer about a person."""

    dn: str | None
    """None for a person whom the directory does not have."""
    groups: tuple[str, ...]
    at: float


class Memory:
    """Safe for many threads and processes."""

    def __init__(self, path: Path, keep: int) -> None:
        """`keep` is how long answers count at most (seconds)."""
        self._path = path
        self._keep = keep
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with self._change() as connection:
            if not connection.execute("select 1 from key").fetchone():
                connection.execute("insert into key values (?)", (secrets.token_bytes(32),))
            (self._key,) = connection.execute("select key from key").fetchone()

    @staticmethod
    def now() -> float:
        """Seconds, of a clock that nobody sets, and that is the same for all processes."""
        return time.monotonic()

    def person(self, name: str) -> Found | None:
        """The last answer; None if there is none."""
        with self._connection() as connection:
            row = connection.execute("select found, at from people where name = ?", (name,)).fetchone()
        if not row or self.now() - row[1] > self._keep:
            return None
        dn, groups = json.loads(row[0])
        return Found(dn, tuple(groups), row[1])

    def note_person(self, name: str, dn: str | None, groups: list[str]) -> Found:
        """Note an answer, and forget old ones."""
        at = self.now()
        with self._change() as connection:
            row = (name, json.dumps([dn, groups]), at)
            connection.execute("insert or replace into people values (?, ?, ?)", row)
            connection.execute("delete from people where at < ?", (at - self._keep,))
            # else whoever tries names could fill the memory with them
            connection.execute("delete from people where found like '[null%' and at < ?", (at - UNKNOWN_TIME,))
            connection.execute("delete from passwords where at < ?", (at - max(self._keep, WINDOW),))
            connection.execute("delete from attempts where at < ?", (at - WINDOW,))
        return Found(dn, tuple(groups), at)

    def weigh(self, name: str, password: str, fresh: int, tries: int) -> Verdict:
        """Whether to ask. A password that was good last may always be asked about."""
        mac, now = self._mac(name, password), self.now()
        with self._change() as connection:
            row = connection.execute(
                "select state, at, good_at from passwords where name = ? and mac = ?", (name, mac)
            ).fetchone()
            state, at, good_at = row or ("", 0.0, None)
            if state == "good" and now - at < fresh:
                return Verdict.GOOD
            if state == "wrong" and now - at < WRONG_TIME:
                return Verdict.WRONG
            if state == "asked" and now - at < ASK_TIME:
                return Verdict.IS_ASKED
            since = now - WINDOW
            many = connection.execute(
                "select count(*) from attempts where name = ? and at > ?", (name, since)
            ).fetchone()[0]
            if many >= tries and good_at is None:
                return Verdict.TOO_MANY
            connection.execute("insert into attempts values (?, ?, ?)", (name, mac, now))
            new = (name, mac, "asked", now, good_at)
            connection.execute("insert or replace into passwords values (?, ?, ?, ?, ?)", new)
        return Verdict.ASK

    def note(self, name: str, password: str, *, is_right: bool) -> None:
        """Note what the directory said. A right one ends the count, as it does there."""
        mac, now = self._mac(name, password), self.now()
        with self._change() as connection:
            new = (name, mac, "good" if is_right else "wrong", now, now if is_right else None)
            connection.execute("insert or replace into passwords values (?, ?, ?, ?, ?)", new)
            if is_right:
                connection.execute("delete from attempts where name = ?", (name,))

    def take_back(self, name: str, password: str) -> bool:
        """The directory said nothing. Returns whether the password was good within the time that answers count."""
        mac, now = self._mac(name, password), self.now()
        with self._change() as connection:
            connection.execute("delete from attempts where name = ? and mac = ?", (name, mac))
            row = connection.execute("select good_at from passwords where name = ? and mac = ?", (name, mac)).fetchone()
            good_at = row[0] if row else None
            if good_at is None or now - good_at > self._keep:
                connection.execute("delete from passwords where name = ? and mac = ?", (name, mac))
                return False
            connection.execute("update passwords set state = 'good', at = ? where mac = ?", (good_at, mac))
        return True

    def _mac(self, name: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{name}\n{password}".encode(), "sha256")

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as connection:
            connection.execute("pragma synchronous = off")
            connection.executescript(_TABLES)
            yield connection

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as connection:
            connection.execute("begin immediate")
            yield connection
            connection.execute("commit")

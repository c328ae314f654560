"""Tokens that jobs of CI systems get for their identity: for a quarter of an hour, and never for installing.

An identity counts once. That is kept in the database, so that it holds for all workers, and after a restart.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select

from wheelhouse.errors import Conflict
from wheelhouse.index import tables
from wheelhouse.index.database import Database
from wheelhouse.index.events import now, written
from wheelhouse.index.tokens import MAX_TOKENS, PLACE, Token, Tokens, Wanted

LASTING = timedelta(minutes=15)
"""The least that PEP 807 allows, and what PyPI gives."""
KEPT = timedelta(days=30)
"""How long such a token is listed after its end. The events stay."""


@dataclass(frozen=True)
class Identity:
    """A job, as its CI system has vouched for it."""

    number: str
    """What its issuer calls this identity, and no other."""
    until: datetime
    """From then on it is refused anyway."""
    owner: str
    """In whose name the job publishes: host and repository, with a colon, which is in no account's name."""
    job: Mapping[str, str]
    """`issuer`, and what it says of them: `repository`, `commit`, `run`, `ref`."""


class CITokens:
    """Makes them, and ends them. Safe for many threads and processes."""

    def __init__(self, database: Database, tokens: Tokens) -> None:
        self._database = database
        self._tokens = tokens

    def create(
        self, identity: Identity, publishers: Sequence[str], publishes: Sequence[str], origin: str
    ) -> tuple[Token, str]:
        """A token for what those entries of the settings grant, and its text. Raises `Conflict`."""
        name = f"run {identity.job['run']}" if "run" in identity.job else "CI job"
        wanted = Wanted(identity.owner, name, reads=False, publishes=publishes, until=datetime.now(UTC) + LASTING)
        with self._database.change(PLACE) as connection:
            _forget(connection)
            _use(connection, identity)
            _refuse_too_many(connection, identity.owner)
            return self._tokens.add(connection, wanted, identity.owner, origin, identity.job, publishers)

    def burn(self, text: str, origin: str) -> None:
        """End the token with this text, if it is one of these and in force."""
        token = self._tokens.check(text)
        if token and token.job:
            self._tokens.revoke([token.id], token.owner, origin=origin)


def _use(connection: Connection, identity: Identity) -> None:
    """Raises `Conflict` for one that was used before."""
    table = tables.used_identities
    digest = hashlib.sha256(f"{identity.job['issuer']}\0{identity.number}".encode()).hexdigest()
    if connection.execute(select(table.c.sha256).where(table.c.sha256 == digest)).first():
        raise Conflict("This identity was used before, and each counts once: have the job ask for another one.")
    connection.execute(insert(table).values(sha256=digest, until=written(identity.until)))


def _refuse_too_many(connection: Connection, owner: str) -> None:
    """Raises `Conflict`."""
    rows = tables.tokens.c
    mine = rows.owner == owner, rows.revoked.is_(None), rows.until > now()
    if (connection.execute(select(func.count()).where(*mine)).scalar() or 0) >= MAX_TOKENS:
        raise Conflict(f"{owner} has {MAX_TOKENS} tokens already: wait a quarter of an hour.")


def _forget(connection: Connection) -> None:
    """Remove what is of no use any more: identities that have ended, tokens that ended long ago."""
    rows = tables.tokens.c
    connection.execute(delete(tables.used_identities).where(tables.used_identities.c.until < now()))
    long_ago = written(datetime.now(UTC) - KEPT)
    connection.execute(delete(tables.tokens).where(rows.job.is_not(None), rows.until < long_ago))

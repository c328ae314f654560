"""Tokens that lie in people's homes, one for each person on each machine: they may install, and nothing else.

Whoever sets machines up names all of them at once and is given the texts, at each run the same ones. No text is kept
for that: one is made of the token's id, its owner and its machine, with a key that only this program can read. Without
the key, which the database does not have, nothing can be made of a copy of the database.

Gateways that share a server make the key of the password that they have there and of a random text in the database: all
have the same one. With another password each machine is given another token.
"""

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from wheelhouse.errors import Damaged
from wheelhouse.index import queries, tables
from wheelhouse.index.database import Database, upsert
from wheelhouse.index.tokens import PLACE, OfMachine, Token, Tokens, hash_of, new_id, text_of
from wheelhouse.store.staging import sync_directory

KEY_FILE = "machine-tokens.key"
"""On the shelf, and so in backups. If it is lost, the next run gives each machine another token."""
KEY_BYTES = 32
_SALT = "machine tokens"
LEFT = timedelta(hours=1)
"""How long a token goes on after it was replaced: the machine is given the new one meanwhile."""
ALL = "all"


@dataclass(frozen=True)
class Request:
    """What machines there are."""

    machines: Mapping[str, Iterable[str]]
    """Of each account, the names of the machines on which its owner has a home. Tokens of all others are revoked."""
    rotate: frozenset[str] = frozenset()
    """Accounts whose tokens are replaced; `all` for everybody's."""
    immediately: bool = False
    """Whether what is replaced ends at once."""


@dataclass
class Answer:
    """What they are given."""

    tokens: dict[str, dict[str, str]] = field(default_factory=dict, repr=False)
    """Of each account, of each machine, the text."""
    created: list[str] = field(default_factory=list)
    """`ada on ws-ada`"""
    revoked: list[str] = field(default_factory=list)
    without_account: list[str] = field(default_factory=list)
    """Those of the request who have no account here, and so get no token."""


class MachineTokens:
    """The tokens of all machines. Safe for many processes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tokens = Tokens(database)
        self._key_file = database.state.parent / KEY_FILE
        self._password = database.server.password if database.server else b""

    def settle(self, request: Request, accounts: Container[str], by: str, *, check: bool = False) -> Answer:
        """Make what is missing, revoke what nobody needs, and return the texts; with `check`, change nothing.

        Raises `Damaged`, `Busy`.
        """
        answer = Answer(without_account=sorted(one for one in request.machines if one not in accounts))
        wanted = {
            (owner, machine)
            for owner, machines in request.machines.items()
            if owner not in answer.without_account
            for machine in machines
        }
        if check:
            with self._database.read() as connection:
                self._settle(connection, request, wanted, answer, self._key(connection), by, check=True)
        else:
            with self._database.change(PLACE) as connection:
                key = self._key(connection) or self._create_key(connection)
                self._settle(connection, request, wanted, answer, key, by, check=False)
        return answer

    def _key(self, connection: Connection) -> bytes | None:
        """None if there is none so far. Raises `Damaged`."""
        if not self._password:
            return _read(self._key_file)
        salt = queries.remembered(connection, _SALT)
        return hmac.digest(bytes.fromhex(salt), self._password, hashlib.sha256) if salt else None

    def _create_key(self, connection: Connection) -> bytes:
        if not self._password:
            return _create(self._key_file)
        salt = secrets.token_bytes(KEY_BYTES)
        upsert(connection, tables.meta, [{"key": _SALT, "value": salt.hex()}])
        return hmac.digest(salt, self._password, hashlib.sha256)

    def _settle(
        self,
        connection: Connection,
        request: Request,
        wanted: set[tuple[str, str]],
        answer: Answer,
        key: bytes | None,
        by: str,
        *,
        check: bool,
    ) -> None:
        current: dict[tuple[str, str], Token] = {}
        gone, replaced = [], []
        for token, sha256 in self._tokens.of_machines(connection):
            place = token.owner, token.machine or ""
            if place not in wanted:
                gone.append(token)
            elif token.until is not None or place in current or request.rotate & {token.owner, ALL}:
                replaced.append(token)  # the first by an earlier run
            elif not _is_of(token, sha256, key):
                replaced.append(token)
            else:
                current[place] = token
        missing, made = sorted(wanted - current.keys()), []
        if key is not None:  # without one, there is none of today
            made = [_made(key, *place) for place in missing]
            for (owner, machine), token in sorted(current.items()):
                answer.tokens.setdefault(owner, {})[machine] = _text(key, token.id, owner, machine)
        at_once = gone + (replaced if request.immediately else [])
        answer.created = [f"{owner} on {machine}" for owner, machine in missing]
        answer.revoked = sorted(f"{one.owner} on {one.machine}" for one in at_once)
        if check:
            return
        for one in made:
            answer.tokens.setdefault(one.owner, {})[one.machine] = one.text
        if at_once:
            self._tokens.revoke_some(connection, at_once, by)
        if not request.immediately and replaced:
            self._tokens.end_soon(connection, replaced, datetime.now(UTC) + LEFT)
        if made:
            self._tokens.add_of_machines(connection, made, by)


def _made(key: bytes, owner: str, machine: str) -> OfMachine:
    identity = new_id()
    return OfMachine(owner, machine, identity, _text(key, identity, owner, machine))


def _text(key: bytes, identity: str, owner: str, machine: str) -> str:
    digest = hmac.digest(key, "\0".join(("token", identity, owner, machine)).encode(), hashlib.sha256)
    return text_of(identity, base64.b32encode(digest).decode().lower())


def _is_of(token: Token, sha256: str, key: bytes | None) -> bool:
    """Whether a token was made with this key."""
    if key is None:
        return False
    return hmac.compare_digest(hash_of(_text(key, token.id, token.owner, token.machine or "")), sha256)


def _read(path: Path) -> bytes | None:
    """The key, None if there is none so far. Raises `Damaged`."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Damaged(f"{path}, the key of the machines' tokens, cannot be read: {error.strerror}.") from error
    if len(key) != KEY_BYTES:
        raise Damaged(f"{path}, the key of the machines' tokens, is damaged: remove it, and each gets another token.")
    return key


def _create(path: Path) -> bytes:
    """Another key, on the disk before a token is made with it."""
    key, partial = secrets.token_bytes(KEY_BYTES), path.with_name(f".{path.name}")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o400), "wb") as stream:
        stream.write(key)
        stream.flush()
        os.fsync(stream.fileno())
    partial.rename(path)
    sync_directory(path.parent)
    return key

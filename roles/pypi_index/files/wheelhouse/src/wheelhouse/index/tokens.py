"""Tokens: what programs log in with in a person's place. A token has fewer rights than its owner, and an end.

The text of a token is `whl_`, 8 characters that name it, 32 random ones (160 bits) and 7 that check the others, so that
a scanner for secrets finds it by `whl_[a-z2-7]{47}` alone. Only the SHA-256 of the text is kept.
"""

import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import zlib
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from wheelhouse.errors import Busy, Conflict, Forbidden, NotFound, Rejected, Unreachable
from wheelhouse.index import tables
from wheelhouse.index.database import Database
from wheelhouse.index.events import TOKEN, TOKEN_END, Event, append, instant, now, written
from wheelhouse.index.gateways import tell
from wheelhouse.index.permissions import covers

ANY_OWNER = "__token__"
"""The user name that tools send with a token where they know no other."""
PREFIX = "whl_"
MAX_NAME = 100
MAX_PATTERNS = 50
MAX_TOKENS = 100
"""Tokens that one account has at a time."""
LONGEST = timedelta(days=366)
"""How long a token lasts that people make for themselves."""
SHORTEST = timedelta(minutes=1)
LIVE_FILE = "logins/tokens"
"""On the shelf: which tokens are in force, for the gateway, which may not look into the directory of the state."""
PLACE = "tokens"
"""What transactions that change tokens keep others away from."""
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID, _SECRET, _CHECK = 8, 32, 7
_TEXT = re.compile(rf"{PREFIX}[a-z2-7]{{{_ID + _SECRET + _CHECK}}}")
_PATTERN = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._*-]*")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LASTING = re.compile(r"([0-9]{1,6})([mhdw])")


@dataclass(frozen=True)
class Token:
    """A row of `tables.tokens`, without the hash."""

    id: str
    owner: str
    name: str
    reads: bool
    publishes: tuple[str, ...]
    """Patterns; what counts is what the owner may publish as well."""
    manages: bool
    """Whether it may list, create and revoke tokens of its owner, with no more rights than it has."""
    created: str
    created_by: str
    until: str | None
    """None for a token that does not end by itself."""
    last_used: str | None
    """A day."""
    revoked: str | None
    revoked_by: str | None
    job: Mapping[str, str] | None = field(default=None, hash=False)
    """What is known of the CI job that it was made for, which is its owner then. None for the tokens of people."""
    publishers: tuple[str, ...] = ()
    """By which entries of the settings, `TrustedPublisher.id`, it was made for that job."""
    machine: str | None = None
    """The machine in whose files it is, in its owner's home: see `machine_tokens`. None for all others."""

    def is_live(self) -> bool:
        """Whether it may be used, as far as it depends on the token itself."""
        return self.revoked is None and (self.until is None or instant(self.until) > datetime.now(UTC))

    @property
    def state(self) -> str:
        """`in force`, `ended` or `revoked`."""
        if self.revoked is not None:
            return "revoked"
        return "in force" if self.is_live() else "ended"

    @property
    def rights(self) -> str:
        """In words: `installs, publishes acme-hello`."""
        words = ["installs"] if self.reads else []
        if self.publishes:
            words.append(f"publishes {' '.join(self.publishes)}")
        if self.manages:
            words.append("manages tokens")
        return ", ".join(words)


@dataclass(frozen=True)
class Wanted:
    """A token that is to be created."""

    owner: str
    name: str
    reads: bool = True
    publishes: Sequence[str] = ()
    until: datetime | None = None
    manages: bool = False


@dataclass(frozen=True)
class OfMachine:
    """A token that a machine is given, for the files of its owner there."""

    owner: str
    machine: str
    id: str
    text: str = field(repr=False)


class Tokens:
    """The tokens of one index. Safe for many threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._live_file = database.state.parent / LIVE_FILE
        self._remembered: Mapping[str, Mapping[str, Any]] = {}
        """Rows of those that were in force when that was last looked at: a server may be away for a while."""

    def create(self, wanted: Wanted, granted: Sequence[str], by: str, origin: str | None = None) -> tuple[Token, str]:
        """A new token and its text, which is nowhere else.

        `granted` are the patterns that its owner may publish. Raises `Rejected`, `Forbidden`, `Conflict`.
        """
        _check(wanted, granted)
        with self._database.change(PLACE) as connection:
            mine = _select(connection, owner=wanted.owner)
            live = [one for one in mine if one.is_live() and one.machine is None]
            if any(one.name == wanted.name for one in live):
                raise Conflict(f"{wanted.owner} has a token {wanted.name!r} already: revoke it, or take another name.")
            if len(live) >= MAX_TOKENS:
                raise Conflict(f"{wanted.owner} has {MAX_TOKENS} tokens: revoke those that are not used.")
            return self.add(connection, wanted, by, origin)

    def add(
        self,
        connection: Connection,
        wanted: Wanted,
        by: str,
        origin: str | None,
        job: Mapping[str, str] | None = None,
        publishers: Sequence[str] = (),
    ) -> tuple[Token, str]:
        """The same as `create` in a transaction that keeps others away from `PLACE`; nothing is checked here."""
        identity, text = _new_text()
        row = self._row(identity, text, wanted, by)
        if job:
            row |= {"job": json.dumps(job), "publishers": json.dumps(list(publishers))}
        (token,) = self._insert(connection, [row], by, origin)
        return token, text

    def add_of_machines(self, connection: Connection, found: Iterable["OfMachine"], by: str) -> None:
        """Write tokens down that may only install, in a transaction that keeps others away from `PLACE`."""
        rows = [
            self._row(one.id, one.text, Wanted(one.owner, one.machine), by) | {"machine": one.machine} for one in found
        ]
        self._insert(connection, rows, by, None)

    def _row(self, identity: str, text: str, wanted: Wanted, by: str) -> dict[str, Any]:
        return {
            "id": identity,
            "owner": wanted.owner,
            "name": wanted.name,
            "sha256": hash_of(text),
            "reads": wanted.reads,
            "publishes": json.dumps(list(dict.fromkeys(wanted.publishes))),
            "manages": wanted.manages,
            "created": now(),
            "created_by": by,
            "until": written(wanted.until) if wanted.until else None,
            "last_used": None,
            "revoked": None,
            "revoked_by": None,
            "job": None,
            "publishers": None,
            "machine": None,
        }

    def _insert(
        self, connection: Connection, rows: Sequence[dict[str, Any]], by: str, origin: str | None
    ) -> list[Token]:
        made = [_token(row) for row in rows]
        if made:
            connection.execute(insert(tables.tokens), rows)
            append(connection, [_event(TOKEN, one, by, origin, f"{one.rights}, {_until(one)}") for one in made])
        self._write_live(connection)
        return made

    def revoke(
        self, identities: Collection[str], by: str, *, owner: str | None = None, origin: str | None = None
    ) -> list[Token]:
        """End tokens, of `owner` alone if one is named; returns those that were in force. Raises `NotFound`."""
        with self._database.change(PLACE) as connection:
            found = {one.id: one for one in _select(connection, owner=owner, identities=identities)}
            for identity in identities:
                if identity not in found:
                    raise NotFound(f"There is no token {identity[:_ID]!r}{f' of {owner}' if owner else ''}.")
            return self._revoke(connection, found.values(), by, origin)

    def revoke_all(self, owner: str, by: str) -> list[Token]:
        """End all tokens of an account; returns those that were in force."""
        with self._database.change(PLACE) as connection:
            return self._revoke(connection, _select(connection, owner=owner), by, None)

    def revoke_some(self, connection: Connection, some: Iterable[Token], by: str) -> list[Token]:
        """The same in a transaction that keeps others away from `PLACE`."""
        return self._revoke(connection, some, by, None)

    def end_soon(self, connection: Connection, some: Iterable[Token], until: datetime) -> None:
        """Have tokens that do not end by themselves end then, in such a transaction."""
        ids = [one.id for one in some]
        rows = tables.tokens.c
        question = update(tables.tokens).where(rows.id.in_(ids), rows.until.is_(None))
        connection.execute(question.values(until=written(until)))
        self._write_live(connection)

    def of_machines(self, connection: Connection) -> list[tuple[Token, str]]:
        """The tokens of machines that are in force, each with its hash."""
        rows = tables.tokens.c
        question = select(tables.tokens).where(rows.machine.is_not(None), rows.revoked.is_(None))
        found = [(_token(row), row["sha256"]) for row in connection.execute(question.order_by(rows.id)).mappings()]
        return [one for one in found if one[0].is_live()]

    def refresh(self, accounts: Container[str]) -> None:
        """End the tokens of people who have no account any more, and have the gateway's file as it should be.

        Costs one question where there is nothing to do.
        """
        with self._database.read() as connection:
            rows = _live_rows(connection)
        live = [_token(row) for row in rows]
        is_right = self._read_live() == _lines(live)
        if self._database.server:
            self._remembered = {row["id"]: row for row in rows}
        if is_right and all(one.job or one.owner in accounts for one in live):
            return
        with self._database.change(PLACE) as connection:
            left = [one for one in _live(connection) if not (one.job or one.owner in accounts)]
            self._revoke(connection, left, "offboarding", None)
            self._write_live(connection)

    def check(self, text: str) -> Token | None:
        """The token with this text if it is in force, noted as used. Whether its owner has an account is not asked."""
        if not is_token(text) or text[-_CHECK:] != _checksum(text[:-_CHECK]):
            return None
        identity = text[len(PREFIX) :][:_ID]
        row = self._find(identity)
        # One that is unknown takes as long as a known one.
        is_right = hmac.compare_digest(hash_of(text), row["sha256"] if row else hash_of(""))
        token = _token(row) if row else None
        if not (is_right and token and token.is_live()):
            return None
        self.note_used(token)
        return token

    def _find(self, identity: str) -> Mapping[str, Any] | None:
        try:
            with self._database.read() as connection:
                question = select(tables.tokens).where(tables.tokens.c.id == identity)
                row = connection.execute(question).mappings().first()
            return dict(row) if row else None
        except Unreachable:
            # Another process of this gateway may know sooner that it has been revoked.
            if identity not in self._remembered or f"\n{identity}:" not in f"\n{self._read_live()}":
                raise
            return self._remembered[identity]

    def note_used(self, token: Token) -> None:
        """Note the day on which a token is used, once a day."""
        today = datetime.now(UTC).date().isoformat()
        if token.last_used != today:
            # It is no reason to refuse a login that others write at the moment.
            with contextlib.suppress(Busy, Unreachable), self._database.change(PLACE, durable=False) as connection:
                connection.execute(update(tables.tokens).where(tables.tokens.c.id == token.id).values(last_used=today))

    def find(self, identity: str) -> Token | None:
        """The token of this id, in force or not."""
        with self._database.read() as connection:
            return next(iter(_select(connection, identities=[identity])), None)

    def of(self, owner: str | None = None) -> list[Token]:
        """The tokens of one account, or of all, the latest first."""
        with self._database.read() as connection:
            return _select(connection, owner=owner)

    def _revoke(self, connection: Connection, some: Iterable[Token], by: str, origin: str | None) -> list[Token]:
        ended = [one for one in some if one.is_live()]
        if ended:
            connection.execute(
                update(tables.tokens)
                .where(tables.tokens.c.id.in_([one.id for one in ended]))
                .values(revoked=now(), revoked_by=by)
            )
            append(connection, [_event(TOKEN_END, one, by, origin) for one in ended])
        self._write_live(connection)
        return ended

    def _write_live(self, connection: Connection) -> None:
        """Write the gateway's file, before the transaction ends: a kill between the two leaves a revoked token out."""
        content = _lines(_live(connection))
        if content == self._read_live():
            return
        tell(connection)  # others have such a file, too
        self._live_file.parent.mkdir(mode=0o750, exist_ok=True)
        descriptor, path = tempfile.mkstemp(dir=self._live_file.parent, prefix=f"{self._live_file.name}.")
        try:
            with open(descriptor, "w", encoding="utf-8") as stream:
                stream.write(content)
                os.fchmod(stream.fileno(), 0o640)
            os.replace(path, self._live_file)
        except BaseException:
            os.unlink(path)
            raise

    def _read_live(self) -> str | None:
        try:
            return self._live_file.read_text(encoding="utf-8")
        except OSError:
            return None


def is_token(text: str) -> bool:
    """Whether a password has the form of a token."""
    return _TEXT.fullmatch(text) is not None


def lasting(text: str) -> datetime:
    """The end of what begins now and lasts for `10m`, `8h`, `30d` or `2w`. Raises `Rejected`."""
    found = _LASTING.fullmatch(text)
    if not found:
        raise Rejected(f"{text[:40]!r} is no duration: write 10m, 8h, 30d or 2w.")
    try:
        return datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        raise Rejected(f"{text[:40]!r} is too long.") from None


def until_day(text: str) -> datetime:
    """The end of a day such as 2026-12-31 (UTC). Raises `Rejected`."""
    try:
        day = date.fromisoformat(text)
        return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise Rejected(f"{text[:40]!r} is no day: write it like 2026-12-31.") from None


def _check(wanted: Wanted, granted: Sequence[str]) -> None:
    """Raises `Rejected`, `Forbidden`."""
    name = wanted.name
    if not name or len(name) > MAX_NAME or not name.isprintable() or name != name.strip():
        raise Rejected(
            f"A token needs a name of 1 to {MAX_NAME} printable characters, such as 'laptop' or 'ci of acme-hello'."
        )
    if not (wanted.reads or wanted.publishes or wanted.manages):
        raise Rejected("The token may neither install nor publish: give it a right.")
    if len(wanted.publishes) > MAX_PATTERNS:
        raise Rejected(f"The token has more than {MAX_PATTERNS} patterns: write one with a * in it, such as acme-*.")
    for pattern in wanted.publishes:
        if len(pattern) > MAX_NAME or not _PATTERN.fullmatch(pattern):
            raise Rejected(f"{pattern[:MAX_NAME]!r} is no name of a project, nor a pattern such as acme-*.")
        if not covers(granted, pattern):
            may = (
                f"{wanted.owner} may publish {', '.join(granted)}" if granted else f"{wanted.owner} may publish nothing"
            )
            raise Forbidden(f"The token cannot publish {pattern}: {may}.")
    if wanted.until and wanted.until < datetime.now(UTC) + SHORTEST - timedelta(seconds=5):
        raise Rejected("The token would have ended already: write an end that is at least a minute away.")


def _new_text() -> tuple[str, str]:
    """(id, text)"""
    identity = new_id()
    return identity, text_of(identity, "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET)))


def new_id() -> str:
    """What names a token."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID))


def text_of(identity: str, secret: str) -> str:
    """The text of the token with this id; of `secret`, as many characters as it has."""
    text = PREFIX + identity + secret[:_SECRET]
    return text + _checksum(text)


def _checksum(text: str) -> str:
    number, letters = zlib.crc32(text.encode()), ""
    for _ in range(_CHECK):
        number, letter = divmod(number, len(_ALPHABET))
        letters = _ALPHABET[letter] + letters
    return letters


def hash_of(text: str) -> str:
    """What is kept of a token's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _select(
    connection: Connection, *, owner: str | None = None, identities: Collection[str] | None = None
) -> list[Token]:
    question = select(tables.tokens).order_by(tables.tokens.c.created.desc(), tables.tokens.c.id)
    if owner is not None:
        question = question.where(tables.tokens.c.owner == owner)
    if identities is not None:
        question = question.where(tables.tokens.c.id.in_(list(identities)))
    return [_token(row) for row in connection.execute(question).mappings()]


def _live(connection: Connection) -> list[Token]:
    return [_token(row) for row in _live_rows(connection)]


def _live_rows(connection: Connection) -> Sequence[Mapping[str, Any]]:
    rows = tables.tokens.c
    question = select(tables.tokens).where(rows.revoked.is_(None), or_(rows.until.is_(None), rows.until > now()))
    return [dict(row) for row in connection.execute(question.order_by(rows.id)).mappings()]


def _lines(live: Iterable[Token]) -> str:
    """The gateway's file: `id:kind:end in seconds since 1970 or 0:owner` of each token.

    The kind is 1 if it may install, 0 if not, and 2 if it is that of a CI job, which has no account and never installs.
    """
    return "".join(
        f"{one.id}:{2 if one.job else int(one.reads)}:{int(instant(one.until).timestamp()) if one.until else 0}:"
        f"{'ci' if one.job else one.owner}\n"
        for one in live
    )


def _token(row: Any) -> Token:
    fields = {name: row[name] for name in Token.__dataclass_fields__}
    lists = {name: tuple(json.loads(fields[name] or "[]")) for name in ("publishes", "publishers")}
    return Token(**{**fields, **lists, "job": json.loads(fields["job"]) if fields["job"] else None})


def _until(token: Token) -> str:
    return f"until {token.until[:16]}Z" if token.until else "without an end"


def _event(what: str, token: Token, by: str, origin: str | None, rights: str | None = None) -> Event:
    about = f"{token.id} {token.name!r} of {token.owner}"
    return Event(what, by, now(), origin, reason=f"{about}, which {rights}" if rights else about, job=token.job)

"""What the administrator decided: the files of one directory, re-read when they change.

config.json, htpasswd   always there
htpasswd.until          the last day of each account that ends, `name:2026-12-31` (UTC)
htpasswd.previous       while clients are given new passwords: those that were good before
proxy.env, ca.pem       where the index asks upstream itself; see `network`
ldap.json and others    where people have accounts of the company's directory; see `ldap_settings`
read-rights             where projects are restricted; see `read_rights`
upstreams.json          where some projects come from an index of their own; see `named_upstreams`
database.json and others where several gateways share a PostgreSQL; see `database_settings`
store.json              where a server keeps the bytes of packages; see `store_settings`
"""

import json
import logging
import re
import threading
from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from passlib.apache import HtpasswdFile
from passlib.context import CryptContext

from wheelhouse import (
    database_settings,
    ldap_settings,
    named_upstreams,
    network,
    read_rights,
    store_settings,
    trusted_publishers,
)
from wheelhouse.database_settings import Server
from wheelhouse.ldap_settings import Ldap
from wheelhouse.named_upstreams import NamedUpstream
from wheelhouse.network import CA_FILE, PROXY_FILE, Network
from wheelhouse.read_rights import ReadRights
from wheelhouse.store_settings import ObjectStore
from wheelhouse.trusted_publishers import TrustedPublisher

log = logging.getLogger(__name__)
Found = TypeVar("Found")

UPSTREAM_POLICIES = ("closed", "redirect", "cached")
_PASSWORDS = ("htpasswd", "htpasswd.previous")
_LAST_DAYS = "htpasswd.until"
_FILES = (
    "config.json",
    *_PASSWORDS,
    _LAST_DAYS,
    PROXY_FILE,
    CA_FILE,
    *ldap_settings.FILES,
    read_rights.FILE,
    named_upstreams.FILE,
)
_BCRYPT_ONLY = CryptContext(schemes=["bcrypt"])
_BCRYPT = re.compile(rb"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}")


class ConfigError(Exception):
    """The configuration cannot be used; the text is one sentence for the administrator."""


@dataclass(frozen=True)
class Retention:
    """A rule: of the pre-releases of a project that match, only the newest few are kept."""

    projects: str
    """A pattern of names."""
    versions: str
    """A pattern of versions as they are written, `*.dev*`."""
    keep: int


@dataclass(frozen=True)
class Settings:
    """One consistent reading of all files."""

    upstream: str
    """`closed`, `redirect` or `cached`: what happens to a name that is not on the shelf."""
    upstream_url: str | None
    """The index that is asked or redirected to, ending with a slash; None is the public one."""
    reserved: tuple[str, ...]
    """Patterns of project names that are the organisation's own, and never asked upstream."""
    denied: tuple[str, ...]
    """Patterns of other project names that are never asked upstream."""
    minimum_age: int
    """Days that a file has been upstream before `cached` lets it in."""
    publishes: Mapping[str, tuple[str, ...]]
    """User name -> patterns of the projects they may publish."""
    max_file_size: int
    """Bytes."""
    cache_size: int | None
    """Bytes that `cached` keeps at most; None for no limit."""
    cache_days: int
    """Days after which `cached` forgets a file that nobody used; 0 for never."""
    quarantine_days: int
    """Days that refused files stay in quarantine; 0 for ever."""
    quarantine_size: int
    """Bytes of such files that are kept at most; 0 for no limit."""
    set_days: int
    """Days that the sets of earlier intake runs are kept for a rollback; 0 for no limit."""
    retention: tuple["Retention", ...]
    """Which nightly builds are removed."""
    publishers: tuple[TrustedPublisher, ...]
    """Which jobs of CI systems may publish what."""
    advisories: str | None
    """The directory of advisories that audits are answered from; None if no audit is answered."""
    gateway: str
    """What this host is called among several that share a database; "" for one alone."""
    index_url: str
    contact: str | None
    """Who to ask, for the sentences people are shown."""
    passwords: tuple[HtpasswdFile, ...]
    """Of now, and of before a change that is under way. Each name is in a file once."""
    last_days: Mapping[str, date]
    """User name -> the last day (UTC) on which the account is accepted."""
    network: Network
    ldap: Ldap | None
    """The company's directory; None where there is none."""
    read_rights: ReadRights
    """Which projects not everybody may see, and who may."""
    named_upstreams: tuple[NamedUpstream, ...]
    """Indexes that some projects come from, and these from nowhere else."""

    def knows(self, user: str, password: str) -> bool:
        """Whether `user` has this password, or had it before a change that is under way."""
        if self.has_ended(user):
            return False
        try:
            return any(file.check_password(user, password) for file in self.passwords)
        except ValueError:  # what no htpasswd can hold: a colon or NUL, a name or password that is too long
            return False

    def has_ended(self, user: str) -> bool:
        """Whether the last day of the account is over."""
        last = self.last_days.get(user)
        return last is not None and last < datetime.now(UTC).date()

    @property
    def accounts(self) -> set[str]:
        """The names of all who have an account now."""
        return {str(user) for user in self.passwords[0].users()}

    @property
    def owners(self) -> Container[str]:
        """The accounts whose tokens are kept."""
        return self.accounts if self.ldap is None else _Owners(self.accounts, self.ldap.removed)

    @property
    def own_names(self) -> tuple[str, ...]:
        """Patterns of names that are never asked upstream, because they are the organisation's own."""
        return self.reserved + self.restricted

    def upstream_of(self, project: str) -> NamedUpstream | None:
        """The index that alone has a project (a normalised name); None for the one that has all others."""
        return next((one for one in self.named_upstreams if one.has(project)), None)

    def to_upstream(self, way: Network) -> Network:
        """The same way out, with the accounts at indexes that take one."""
        return replace(
            way, logins={one.url: (one.username, one.password) for one in self.named_upstreams if one.password}
        )

    @property
    def restricted(self) -> tuple[str, ...]:
        """Patterns of names of projects that not everybody may see."""
        return self.read_rights.restricted

    @property
    def audience(self) -> str:
        """What an identity of a CI job has to be for: this index, by its host, and its port if that is another one."""
        return urlsplit(self.index_url).netloc

    @property
    def ask(self) -> str:
        """The end of a sentence that sends somebody to the people who run the index."""
        return f"ask {self.contact}" if self.contact else "ask whoever runs this index"


@dataclass(frozen=True)
class _Owners(Container[str]):
    """With a directory, all but those whom the inventory says have left.

    Whoever is in no group there any more, perhaps by a mistake of an hour, is refused, and keeps their tokens.
    """

    accounts: Collection[str]
    removed: Collection[str]

    def __contains__(self, owner: object) -> bool:
        return owner in self.accounts or owner not in self.removed


class Config:
    """Gives the current `Settings`, at the price of a stat call for each file.

    A file that breaks while the program runs leaves the last good settings in place, with one line in the log.
    """

    def __init__(self, directory: Path) -> None:
        """Read the files; raises `ConfigError`."""
        self.directory = directory
        self._lock = threading.Lock()
        self._seen = self._fingerprint()
        self._settings = load(directory)

    def current(self) -> Settings:
        """The settings of now, or the last ones that could be read."""
        with self._lock:
            fingerprint = self._fingerprint()
            if fingerprint != self._seen:
                self._seen = fingerprint
                try:
                    self._settings = load(self.directory)
                    log.info("The configuration changed and is in use.")
                except ConfigError as error:
                    log.error("%s The configuration read before stays in use.", error)
            return self._settings

    def _fingerprint(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stat(self.directory / name) for name in _FILES)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def load(directory: Path) -> Settings:
    """Read the files; raises `ConfigError`."""
    now, before = (directory / name for name in _PASSWORDS)
    passwords = _passwords(_read(now), now), _passwords(_read_if_there(before), before)
    last_days = _last_days(directory / _LAST_DAYS)
    way_out = _read_by(network.read, directory)
    ldap, rights = _read_by(ldap_settings.read, directory), _read_by(read_rights.read, directory)
    settings = _settings(directory / "config.json", passwords, last_days, way_out, ldap, rights)
    database(directory)  # which is read when the program starts, and has to be right now
    read_store(directory)
    return replace(settings, named_upstreams=_read_by(named_upstreams.read, directory))


def database(directory: Path) -> tuple[Server | None, str]:
    """The server that the state is in, None for a SQLite, and what this gateway is called; raises `ConfigError`."""
    server, path = _read_by(database_settings.read, directory), directory / "config.json"
    if server is None:
        return None, ""
    try:
        gateway = json.loads(_read_if_there(path) or b"{}").get("gateway", "")
    except (ValueError, AttributeError) as error:
        raise ConfigError(f"{path} is not valid JSON: {error}.") from error
    return server, str(gateway)


def read_store(directory: Path) -> ObjectStore | None:
    """Which server keeps the bytes of packages since the program's start; None for none. Raises `ConfigError`."""
    return _read_by(store_settings.read, directory)


def _read_by(read: Callable[[Path], Found], directory: Path) -> Found:
    try:
        return read(directory)
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _passwords(content: bytes, path: Path) -> HtpasswdFile:
    try:
        passwords = HtpasswdFile.from_string(content, context=_BCRYPT_ONLY)
    except ValueError as error:  # its text quotes the line, so it stays out of the sentence
        raise ConfigError(f"{path} has a line that is not `name:hash`.") from error
    for user in passwords.users():
        # Anything else would be taken for a password in clear text.
        if not _BCRYPT.fullmatch(passwords.get_hash(user)):
            raise ConfigError(f"{path} has an entry for {user!r} that is not a bcrypt hash.")
    return passwords


def _last_days(path: Path) -> dict[str, date]:
    found = {}
    for line in _read_if_there(path).decode(errors="replace").splitlines():
        user, _, day = line.partition(":")
        try:
            found[user] = date.fromisoformat(day)
        except ValueError as error:
            raise ConfigError(f"{path} has a line that is not `name:2026-12-31`.") from error
    return found


def _settings(
    path: Path,
    passwords: tuple[HtpasswdFile, ...],
    last_days: Mapping[str, date],
    way_out: Network,
    ldap: Ldap | None,
    rights: ReadRights,
) -> Settings:
    try:
        raw = json.loads(_read(path))
    except ValueError as error:
        raise ConfigError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} does not hold a JSON object.")
    reader = _Reader(path, raw)
    settings = Settings(
        upstream=reader.choice("upstream", UPSTREAM_POLICIES),
        upstream_url=reader.address("upstream_url"),
        reserved=reader.patterns("reserved", reader.take("reserved", list)),
        denied=reader.patterns("denied", reader.take("denied", list)),
        minimum_age=reader.take("minimum_age", int),
        publishes={
            user: reader.patterns(f"publishes of {user!r}", patterns)
            for user, patterns in reader.take("publishes", dict).items()
        },
        max_file_size=reader.take("max_file_size", int),
        cache_size=reader.take("cache_size", int) or None if "cache_size" in raw else None,
        cache_days=reader.number("cache_days", 0),
        quarantine_days=reader.number("quarantine_days", 90),
        quarantine_size=reader.number("quarantine_size", 0),
        set_days=reader.number("set_days", 0),
        retention=reader.retention("retention"),
        publishers=reader.publishers("publishers"),
        advisories=reader.optional("advisories"),
        gateway=reader.optional("gateway") or "",
        index_url=reader.take("index_url", str).rstrip("/"),
        contact=reader.optional("contact"),
        passwords=passwords,
        last_days=last_days,
        network=way_out,
        ldap=ldap,
        read_rights=rights,
        named_upstreams=(),
    )
    if settings.minimum_age < 0:
        raise ConfigError(f"{path}: minimum_age must be a number of days, 0 for none.")
    if settings.cache_size is not None and settings.cache_size < 0:
        raise ConfigError(f"{path}: cache_size must be a number of bytes, 0 for no limit.")
    if settings.max_file_size <= 0:
        raise ConfigError(f"{path}: max_file_size must be a number of bytes above 0.")
    if unknown := sorted(raw.keys() - reader.taken):
        raise ConfigError(f"{path} has a key this program does not know: {', '.join(unknown)}.")
    return settings


class _Reader:
    """Takes typed values out of config.json, with a sentence for each way that can fail."""

    def __init__(self, path: Path, raw: Mapping[str, Any]) -> None:
        self._path = path
        self._raw = raw
        self.taken: set[str] = set()

    def take(self, key: str, kind: type) -> Any:
        self.taken.add(key)
        if key not in self._raw:
            raise ConfigError(f"{self._path} lacks the key {key!r}.")
        value = self._raw[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ConfigError(f"{self._path}: {key} must be a {kind.__name__}.")
        return value

    def optional(self, key: str) -> str | None:
        """A text that may be missing or null."""
        self.taken.add(key)
        return self.take(key, str) if self._raw.get(key) is not None else None

    def address(self, key: str) -> str | None:
        """An optional URL, with a slash at its end; its text is in no sentence, since it may hold a password."""
        value = self.optional(key)
        if not value:
            return None
        try:
            parts = urlsplit(value)
            usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
        except ValueError:
            usable = False
        if not usable or "@" in value or "?" in value or "#" in value:
            raise ConfigError(
                f"{self._path}: {key} must be an address such as https://index.example/simple/, without credentials."
            )
        return f"{value.rstrip('/')}/"

    def number(self, key: str, default: int) -> int:
        """A number that may be missing; 0 is for no limit."""
        self.taken.add(key)
        number: int = self.take(key, int) if key in self._raw else default
        if number < 0:
            raise ConfigError(f"{self._path}: {key} must not be below 0, which is for no limit.")
        return number

    def retention(self, key: str) -> tuple[Retention, ...]:
        """The rules; there may be none."""
        self.taken.add(key)
        rules = []
        for rule in self.take(key, list) if key in self._raw else ():
            match rule:
                case {"projects": str(projects), "versions": str(versions), "keep": int(keep)} if (
                    len(rule) == len(Retention.__dataclass_fields__) and keep > 0 and projects and versions
                ):
                    rules.append(Retention(projects, versions, keep))
                case _:
                    raise ConfigError(
                        f"{self._path}: {key} must be a list of rules such as"
                        ' {"projects": "acme-*", "versions": "*.dev*", "keep": 5}.'
                    )
        return tuple(rules)

    def publishers(self, key: str) -> tuple[TrustedPublisher, ...]:
        """The entries; there may be none."""
        self.taken.add(key)
        try:
            return trusted_publishers.read(self._raw.get(key, []), self._raw["reserved"])
        except ValueError as error:
            raise ConfigError(f"{self._path}: {error}") from None

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value: str = self.take(key, str)
        if value not in choices:
            raise ConfigError(f"{self._path}: {key} must be one of {', '.join(choices)}.")
        return value

    def patterns(self, what: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(pattern, str) and pattern for pattern in value):
            raise ConfigError(f'{self._path}: {what} must be a list of patterns such as "acme-*".')
        return tuple(value)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error


def _read_if_there(path: Path) -> bytes:
    return _read(path) if path.exists() else b""

"""What the administrator decided: `config.json` and `htpasswd` in one directory, re-read when they change."""

import json
import logging
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passlib.apache import HtpasswdFile
from passlib.context import CryptContext

log = logging.getLogger(__name__)

UPSTREAM_POLICIES = ("closed", "redirect")
_BCRYPT_ONLY = CryptContext(schemes=["bcrypt"])
_BCRYPT = re.compile(rb"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}")


class ConfigError(Exception):
    """The configuration cannot be used; the text is one sentence for the administrator."""


@dataclass(frozen=True)
class Settings:
    """One consistent reading of both files."""

    upstream: str
    """`closed` or `redirect`: what happens to a name that is not on the shelf."""
    reserved: tuple[str, ...]
    """Patterns of project names that are never asked upstream."""
    publishes: Mapping[str, tuple[str, ...]]
    """User name -> patterns of the projects they may publish."""
    max_file_size: int
    """Bytes."""
    index_url: str
    contact: str | None
    """Who to ask, for the sentences people are shown."""
    passwords: HtpasswdFile

    def knows(self, user: str, password: str) -> bool:
        """Whether `user` is in htpasswd with this password."""
        try:
            return bool(self.passwords.check_password(user, password))
        except ValueError:  # what no htpasswd can hold: a colon or NUL, a name or password that is too long
            return False

    @property
    def ask(self) -> str:
        """The end of a sentence that sends somebody to the people who run the index."""
        return f"ask {self.contact}" if self.contact else "ask whoever runs this index"


class Config:
    """Gives the current `Settings`, at the price of two stat calls.

    A file that breaks while the program runs leaves the last good settings in place, with one line in the log.
    """

    def __init__(self, directory: Path) -> None:
        """Read both files; raises `ConfigError`."""
        self._paths = (directory / "config.json", directory / "htpasswd")
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
                    self._settings = load(self._paths[0].parent)
                    log.info("The configuration changed and is in use.")
                except ConfigError as error:
                    log.error("%s The configuration read before stays in use.", error)
            return self._settings

    def _fingerprint(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stat(path) for path in self._paths)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def load(directory: Path) -> Settings:
    """Read `config.json` and `htpasswd`; raises `ConfigError`."""
    return _settings(directory / "config.json", _passwords(directory / "htpasswd"))


def _passwords(path: Path) -> HtpasswdFile:
    try:
        passwords = HtpasswdFile.from_string(_read(path), context=_BCRYPT_ONLY)
    except ValueError as error:  # its text quotes the line, so it stays out of the sentence
        raise ConfigError(f"{path} has a line that is not `name:hash`.") from error
    for user in passwords.users():
        # Anything else would be taken for a password in clear text.
        if not _BCRYPT.fullmatch(passwords.get_hash(user)):
            raise ConfigError(f"{path} has an entry for {user!r} that is not a bcrypt hash.")
    return passwords


def _settings(path: Path, passwords: HtpasswdFile) -> Settings:
    try:
        raw = json.loads(_read(path))
    except ValueError as error:
        raise ConfigError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} does not hold a JSON object.")
    reader = _Reader(path, raw)
    settings = Settings(
        upstream=reader.choice("upstream", UPSTREAM_POLICIES),
        reserved=reader.patterns("reserved", reader.take("reserved", list)),
        publishes={
            user: reader.patterns(f"publishes of {user!r}", patterns)
            for user, patterns in reader.take("publishes", dict).items()
        },
        max_file_size=reader.take("max_file_size", int),
        index_url=reader.take("index_url", str).rstrip("/"),
        contact=reader.take("contact", str) if raw.get("contact") is not None else None,
        passwords=passwords,
    )
    if settings.max_file_size <= 0:
        raise ConfigError(f"{path}: max_file_size must be a number of bytes above 0.")
    if unknown := sorted(raw.keys() - reader.taken - {"contact"}):
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

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.take(key, str)
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
        raise ConfigError(f"{path} cannot be read: {os.strerror(error.errno)}.") from error

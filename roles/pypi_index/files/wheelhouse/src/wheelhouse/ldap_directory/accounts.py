"""Who logs in with an account of the company's directory, and what they may do.

An answer of the directory counts for `cache` seconds, so who leaves a group is out that long after; and for `outage`
seconds while the directory does not answer. The directory is asked about a wrong password once in a while, and about
few of one person's, so that guesses here lock nobody out there.
"""

import importlib
import logging
import os
import re
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wheelhouse.errors import Busy, Unreachable
from wheelhouse.ldap_directory.memory import Found, Memory, Verdict
from wheelhouse.ldap_settings import Ldap

if TYPE_CHECKING:
    from wheelhouse.ldap_directory.client import Client

log = logging.getLogger(__name__)

NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
"""What an account is called. A directory takes ADA for ada, and one person would be several accounts."""
LONGEST_PASSWORD = 256
PATIENCE = 8.0
"""Seconds that one waits for another who asks the same."""


class TooManyTries(Busy):
    """The directory might lock the account."""


@dataclass(frozen=True)
class Person:
    """Somebody who has an account by one of the groups."""

    name: str
    publishes: tuple[str, ...]
    """Patterns of projects."""
    reads: tuple[str, ...]
    """Patterns of restricted projects."""


class Accounts:
    """The accounts of the directory. Safe for many threads; the library is loaded with the first question."""

    def __init__(self, memory: Path | None = None) -> None:
        """`memory` is a directory in memory; by default one that the workers of this program share."""
        self._place = memory or Path(os.environ.get("WHEELHOUSE_MEMORY", "/dev/shm"))
        self._lock = threading.Lock()
        self._settings: Ldap | None = None
        self._client: Client
        self._memory: Memory

    def person(self, name: str, settings: Ldap) -> Person | None:
        """Whoever has this name and is in one of the groups. Raises `Unreachable`."""
        if not NAME.fullmatch(name) or name in settings.removed:
            return None
        found = self._found(name, settings)
        return _person(name, found, settings) if found.dn else None

    def login(self, name: str, password: str, settings: Ldap) -> Person | None:
        """The same, if this is their password. Raises `Unreachable`, `Busy`."""
        # An empty password proves nothing: directories answer that the bind has succeeded (RFC 4513, 5.1.2).
        if not 0 < len(password) <= LONGEST_PASSWORD or "\0" in password or not NAME.fullmatch(name):
            return None
        if name in settings.removed:
            return None
        found = self._found(name, settings)
        person = _person(name, found, settings) if found.dn else None
        # who is in no group is not asked for: it would be a way to guess passwords of the whole company
        return person if person and found.dn and self._has_password(name, found.dn, password, settings) else None

    def _found(self, name: str, settings: Ldap) -> Found:
        client, memory = self._opened(settings)
        known = memory.person(name)
        if known and memory.now() - known.at < settings.cache:
            return known
        try:
            answer = client.person(name)
        except Unreachable:
            if known:
                return known
            raise
        dn, groups = answer or (None, [])
        return memory.note_person(name, dn, groups)

    def _has_password(self, name: str, dn: str, password: str, settings: Ldap) -> bool:
        client, memory = self._opened(settings)
        give_up = time.monotonic() + PATIENCE
        while (verdict := memory.weigh(name, password, settings.cache, settings.tries)) is Verdict.IS_ASKED:
            if time.monotonic() > give_up:
                raise Busy("The company's directory is slow at present: try again in a moment.")
            time.sleep(0.05)
        if verdict is Verdict.TOO_MANY:
            raise TooManyTries(
                f"There were {settings.tries} wrong passwords of {name} lately; the company's directory would lock the"
                " account: wait half an hour, or use a token."
            )
        if verdict is not Verdict.ASK:
            return verdict is Verdict.GOOD
        try:
            is_right = client.has_password(dn, password)
        except BaseException as error:
            was_good = memory.take_back(name, password)
            if was_good and isinstance(error, Unreachable):
                return True
            raise
        memory.note(name, password, is_right=is_right)
        return is_right

    def _opened(self, settings: Ldap) -> tuple["Client", Memory]:
        with self._lock:
            if settings is not self._settings:
                before = self._settings
                if before != settings:
                    module = importlib.import_module("wheelhouse.ldap_directory.client")
                    self._client = module.Client(settings)
                    self._memory = Memory(self._place / f"wheelhouse-ldap-{settings.scope}", settings.outage)
                self._settings = settings
            return self._client, self._memory


def _person(name: str, found: Found, settings: Ldap) -> Person | None:
    groups = [group for group in settings.groups if group.name in found.groups]
    publishes = dict.fromkeys(pattern for group in groups for pattern in group.publishes)
    reads = dict.fromkeys(pattern for group in groups for pattern in group.reads)
    return Person(name, tuple(publishes), tuple(reads)) if groups else None

"""Asks the directory, within a time.

The library has limits for each step. One more is around all of it, since a name that does not resolve and a handshake
that never ends know none. While the directory is known to be away, nobody waits for it.
"""

import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import ldap  # Debian's

from wheelhouse.errors import Rejected, Unreachable
from wheelhouse.ldap_directory.connection import connect, entries, equal, words
from wheelhouse.ldap_directory.groups import Groups
from wheelhouse.ldap_settings import Ldap

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

WHOLE_TIME, LONG_TIME = 4.0, 120.0
"""Seconds for a question about one person, of which a login takes two, and about all."""
REST, LONG_REST = 10.0, 300.0
"""Seconds before a directory is asked again that did not answer; and one that refuses the bind account, which would be
locked."""
AT_A_TIME = 8
_WRONG = (
    ldap.INVALID_CREDENTIALS,
    ldap.INAPPROPRIATE_AUTH,
    ldap.INSUFFICIENT_ACCESS,
    ldap.CONSTRAINT_VIOLATION,
    ldap.UNWILLING_TO_PERFORM,
    ldap.NO_SUCH_OBJECT,
)
"""What a directory answers to the bind of a person who may not log in: wrong, locked, disabled, expired."""


class Client:
    """One directory. Safe for many threads."""

    def __init__(self, settings: Ldap) -> None:
        self._settings = settings
        self._pool = concurrent.futures.ThreadPoolExecutor(AT_A_TIME, "ldap")
        self._lock = threading.Lock()
        self._is_away_until = 0.0

    def person(self, name: str) -> tuple[str, list[str]] | None:
        """(DN, the groups in the settings that they are in) of who logs in with `name`. Raises `Unreachable`."""
        return self._ask(lambda: self._person(name))

    def has_password(self, dn: str, password: str) -> bool:
        """Whether a bind with it succeeds. Raises `Unreachable`."""
        if not password or not dn:  # would be a bind that proves nothing, and succeeds (RFC 4513, 5.1.2)
            return False
        return self._ask(lambda: self._bind(dn, password))

    def check(self) -> list[str]:
        """A sentence for each thing that the settings have wrong. Raises `Unreachable`."""
        return self._ask(self._faults, LONG_TIME)

    def everyone(self) -> dict[str, list[str]]:
        """Each person in one of the groups -> these groups. Raises `Unreachable`, and `Rejected` for wrong settings."""
        if faults := self.check():
            raise Rejected(" ".join(faults))
        return self._ask(self._everyone, LONG_TIME)

    def _ask(self, question: Callable[[], Answer], seconds: float = WHOLE_TIME) -> Answer:
        if time.monotonic() < self._is_away_until:
            raise Unreachable(self._away("did not answer a moment ago"))
        future = self._pool.submit(question)
        try:
            return future.result(seconds)
        except TimeoutError as error:
            future.cancel()
            raise self._note_away(f"did not answer within {seconds:g} seconds", REST) from error
        except ldap.INVALID_CREDENTIALS as error:
            raise self._note_away("refuses the bind account", LONG_REST) from error
        except ldap.SERVER_DOWN as error:  # which the library also says of a certificate
            why = "cannot be reached, or its certificate is for another name or by a CA that wheelhouse_ca_bundle lacks"
            raise self._note_away(why, REST) from error
        except ldap.LDAPError as error:
            raise self._note_away(f"cannot be asked: {words(error)}", REST) from error

    def _note_away(self, why: str, seconds: float) -> Unreachable:
        with self._lock:
            self._is_away_until = time.monotonic() + seconds
        log.error("%s", self._away(why))
        return Unreachable(self._away(why))

    def _away(self, why: str) -> str:
        return f"The company's directory at {self._settings.url} {why}."

    # --- in a thread of the pool

    def _logged_in(self) -> Any:
        connection = connect(self._settings)
        connection.simple_bind_s(self._settings.bind_dn, self._settings.password)
        return connection

    def _bind(self, dn: str, password: str) -> bool:
        connection = connect(self._settings)
        try:
            connection.simple_bind_s(dn, password)
        except _WRONG:
            return False
        finally:
            connection.unbind_s()
        return True

    def _person(self, name: str) -> tuple[str, list[str]] | None:
        connection = self._logged_in()
        try:
            question = f"(&{self._settings.user_filter}{equal(self._settings.user_attribute, name)})"
            base = self._settings.user_base
            found = entries(connection.search_s(base, ldap.SCOPE_SUBTREE, question, ["1.1"]))
            if len(found) != 1:  # two people with one name are nobody
                return None
            dn = found[0][0]
            return dn, Groups(self._settings, connection).of(dn, name)
        finally:
            connection.unbind_s()

    def _everyone(self) -> dict[str, list[str]]:
        connection = self._logged_in()
        try:
            return Groups(self._settings, connection).of_everyone()
        finally:
            connection.unbind_s()

    def _faults(self) -> list[str]:
        try:
            connection = self._logged_in()
        except ldap.INVALID_CREDENTIALS:
            return [
                f"wheelhouse_ldap.bind_dn is {self._settings.bind_dn!r}, and the directory refuses it with"
                " wheelhouse_ldap.bind_password: write an account that may search, and its password."
            ]
        try:
            return [*self._wrong_bases(connection)] or [*self._wrong_groups(connection)]
        finally:
            connection.unbind_s()

    def _wrong_bases(self, connection: Any) -> Iterator[str]:
        for key in ("user_base", "group_base"):
            base = getattr(self._settings, key)
            try:
                connection.search_s(base, ldap.SCOPE_BASE, "(objectClass=*)", ["1.1"])
            except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX):
                yield f"wheelhouse_ldap.{key} is {base!r}, which the directory does not have: write a DN that it has."
        for key in ("user_filter", "group_filter"):
            try:
                connection.search_s(self._settings.user_base, ldap.SCOPE_BASE, getattr(self._settings, key), ["1.1"])
            except ldap.FILTER_ERROR:
                yield f"wheelhouse_ldap.{key} is no LDAP filter: write one like (objectClass=person)."
            except ldap.NO_SUCH_OBJECT:
                pass  # which is said above

    def _wrong_groups(self, connection: Any) -> Iterator[str]:
        for name, places in Groups(self._settings, connection).found().items():
            where = f"below {self._settings.group_base!r}"
            if not places:
                yield f"wheelhouse_ldap.groups has {name!r}, and there is no such group {where}: correct the name."
            elif len(places) > 1:
                yield f"wheelhouse_ldap.groups has {name!r}, and there are {len(places)} {where}: write the DN of one."

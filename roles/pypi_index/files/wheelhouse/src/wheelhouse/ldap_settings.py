"""What the administrator said about the company's directory (LDAP).

ldap.json       where it is, and which of its groups may do what; there is none without a directory
ldap.password   the bind account's password, for the program's account alone
ldap-ca.pem     the company's CA; without it, the public ones are trusted
ldap.removed    names of people who have left, whatever the directory says
"""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

FILES = ("ldap.json", "ldap.password", "ldap-ca.pem", "ldap.removed")
_SETTINGS, _PASSWORD, _CA, _REMOVED = FILES
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group of the directory whose members have an account at the index."""

    name: str
    """Its name, the value of `group_attribute`; or its DN."""
    publishes: tuple[str, ...] = ()
    """Patterns of projects that its members may publish."""
    reads: tuple[str, ...] = ()
    """Patterns of restricted projects that its members may read."""


class Ldap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings. Equal if nothing changed."""

    url: str
    bind_dn: str
    user_base: str
    group_base: str
    groups: tuple[Group, ...]
    user_filter: str = "(objectClass=person)"
    user_attribute: str = "uid"
    """Whose value a person types as the user name."""
    group_filter: str = "(objectClass=*)"
    group_attribute: str = "cn"
    start_tls: bool = False
    active_directory: bool = False
    cache: int = 120
    """Seconds that an answer of the directory counts."""
    outage: int = 8 * 3600
    """Seconds that it counts where the directory does not answer."""
    tries: int = 3
    """Wrong passwords of one person that the directory is asked about in half an hour."""
    removed: frozenset[str] = frozenset()
    """People whom the inventory says have left."""
    password: str = ""
    ca: str = ""
    """Path of the certificates that are trusted; empty for the public ones."""

    def __repr__(self) -> str:
        return f"Ldap({self.url})"

    @property
    def scope(self) -> str:
        """Changes with whatever makes earlier answers worthless: which directory it is, and who in it is meant."""
        others = (self.user_base, self.user_filter, self.user_attribute, self.group_base, self.group_filter)
        return hashlib.sha256(repr((self.url, *others, self.active_directory)).encode()).hexdigest()[:16]


def read(directory: Path) -> Ldap | None:
    """Read the files; raises OSError, and ValueError with one sentence, in which no secret is."""
    path = directory / _SETTINGS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    ca, removed = directory / _CA, directory / _REMOVED
    names = removed.read_text(encoding="utf-8").split() if removed.exists() else ()
    try:
        ldap = msgspec.json.decode(content, type=Ldap)
        password = (directory / _PASSWORD).read_text(encoding="utf-8")
        return complete(ldap, password, str(ca) if ca.exists() else "", frozenset(names))
    except ValueError as error:  # also what is not JSON, or not UTF-8
        raise ValueError(f"{path} cannot be used: {error}") from None


def complete(ldap: Ldap, password: str, ca: str, removed: frozenset[str] = frozenset()) -> Ldap:
    """The settings with what is in the other files; raises ValueError."""
    if fault := _fault(ldap):
        raise ValueError(f"{fault}.")
    if not password:
        raise ValueError("there is no password of the bind account, and a bind without one proves nothing.")
    return msgspec.structs.replace(ldap, password=password, ca=ca, removed=removed)


def _fault(ldap: Ldap) -> str | None:
    scheme = urlsplit(ldap.url).scheme
    if scheme != "ldaps" and not (scheme == "ldap" and ldap.start_tls):
        return "url must be ldaps://..., or ldap://... with start_tls, since passwords are sent to it"
    if not ldap.groups:
        return "groups is empty, so nobody could log in"
    if not all(_ATTRIBUTE.fullmatch(name) for name in (ldap.user_attribute, ldap.group_attribute)):
        return "user_attribute and group_attribute must be names of attributes, such as uid and cn"
    if min(ldap.cache, ldap.outage, ldap.tries) < 1:
        return "cache, outage and tries must be above 0"
    return None

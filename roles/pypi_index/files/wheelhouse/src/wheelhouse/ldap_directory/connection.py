"""Connections to the directory, with Debian's python3-ldap: OpenLDAP's own library, which Debian keeps safe."""

from collections.abc import Iterable, Iterator
from typing import Any

import certifi
import ldap  # Debian's
from ldap.controls import SimplePagedResultsControl
from ldap.dn import str2dn
from ldap.filter import escape_filter_chars

from wheelhouse.ldap_settings import Ldap

Entry = tuple[str, dict[str, list[bytes]]]

STEP_TIME = 3.0
"""Seconds for one step."""
PAGE = 500


def connect(settings: Ldap) -> Any:
    """A connection that nobody has logged in on; raises ldap.LDAPError."""
    connection = ldap.initialize(settings.url)
    connection.protocol_version = ldap.VERSION3
    for option, value in (
        (ldap.OPT_REFERRALS, 0),  # a directory could send a password anywhere
        (ldap.OPT_NETWORK_TIMEOUT, STEP_TIME),
        (ldap.OPT_TIMEOUT, STEP_TIME),
        (ldap.OPT_X_TLS_CACERTFILE, settings.ca or certifi.where()),
        (ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND),
        (ldap.OPT_X_TLS_PROTOCOL_MIN, ldap.OPT_X_TLS_PROTOCOL_TLS1_2),
        (ldap.OPT_X_TLS_NEWCTX, 0),  # last: it makes the others count
    ):
        connection.set_option(option, value)
    if settings.start_tls:
        connection.start_tls_s()
    return connection


def paged(connection: Any, base: str, question: str, attributes: list[str]) -> Iterator[Entry]:
    """What is found, however little the directory is willing to send at once."""
    control = SimplePagedResultsControl(True, size=PAGE, cookie="")
    while True:
        message = connection.search_ext(base, ldap.SCOPE_SUBTREE, question, attributes, serverctrls=[control])
        _, found, _, controls = connection.result3(message, timeout=STEP_TIME * 4)
        yield from entries(found)
        cookies = [one.cookie for one in controls if one.controlType == SimplePagedResultsControl.controlType]
        if not cookies or not cookies[0]:
            return
        control.cookie = cookies[0]


def entries(found: Iterable[tuple[str | None, Any]]) -> list[Entry]:
    """Without references to other servers, which have no DN."""
    return [(dn, attributes) for dn, attributes in found if dn is not None]


def equal(attribute: str, value: str) -> str:
    """A filter, in which nothing of `value` is more than a value."""
    return f"({attribute}={escape_filter_chars(value)})"


def any_of(filters: Iterable[str]) -> str:
    """A filter that one of them is enough for."""
    return f"(|{''.join(filters)})"


def texts(attributes: dict[str, list[bytes]]) -> list[str]:
    """All values."""
    return [value.decode(errors="replace") for values in attributes.values() for value in values]


def normal(dn: str) -> str:
    """A DN as it is compared, however it was written."""
    try:
        parts = str2dn(dn)
    except ldap.DECODING_ERROR:
        return dn.lower()
    return ",".join("+".join(sorted(f"{kind.lower()}={value.lower()}" for kind, value, _ in part)) for part in parts)


def words(error: Exception) -> str:
    """What the library says of what went wrong."""
    details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    return ": ".join(str(details[key]) for key in ("desc", "info") if details.get(key)) or type(error).__name__

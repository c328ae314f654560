"""The public keys of issuers, from where their discovery documents say, through the company's proxy."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from wheelhouse.errors import Busy, Rejected, Unreachable
from wheelhouse.network import Network
from wheelhouse.upstream import http_client

KEPT = 3600.0
"""Seconds after which keys are read again: one that was withdrawn counts no longer than that."""
AGAIN = 30.0
"""Seconds in which an issuer is asked once at most, whoever sends identities with whatever keys."""
PATIENCE = 20.0
"""Seconds that an issuer has for each answer, and that others wait for it."""
MAX_ANSWER = 256 * 2**10
"""Bytes."""
DISCOVERY = "/.well-known/openid-configuration"

Key = Mapping[str, Any]
"""A JSON Web Key."""


@dataclass
class _Issuer:
    """What is known of one."""

    keys: Mapping[str, Key] = field(default_factory=dict)
    read_at: float = -KEPT
    asked_at: float = -AGAIN
    failure: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def current(self, kid: str) -> Key | None:
        """A key that is not too old."""
        return self.keys.get(kid) if self.is_fresh() else None

    def is_fresh(self) -> bool:
        return time.monotonic() - self.read_at < KEPT


class Keys:
    """Those of all issuers. Safe for many threads."""

    def __init__(self) -> None:
        self._issuers: dict[str, _Issuer] = {}

    def find(self, issuer: str, kid: str, network: Network) -> Key:
        """The key that `issuer`, which is in the settings, calls `kid`.

        Raises `Unreachable`, `Busy`, and `Rejected` if there is no such key. Keys that the issuer has made since are
        found, because it is asked again.
        """
        known = self._issuers.setdefault(issuer, _Issuer())
        if key := known.current(kid):
            return key
        if not known.lock.acquire(timeout=PATIENCE):
            raise Busy(f"{issuer} takes long to say which keys it has: try again in a minute.")
        try:
            if not known.current(kid) and time.monotonic() - known.asked_at >= AGAIN:
                _read(known, issuer, network)
            if key := known.current(kid):
                return key
            if not known.is_fresh():
                raise Unreachable(known.failure)
        finally:
            known.lock.release()
        raise Rejected(f"The identity is signed with a key that {issuer} does not have: run the job again in a minute.")


def _read(known: _Issuer, issuer: str, network: Network) -> None:
    known.asked_at = time.monotonic()
    try:
        known.keys, known.read_at, known.failure = _ask(issuer, network), time.monotonic(), ""
    except Unreachable as error:
        known.failure = f"The keys of {issuer} cannot be read: {error}; try again in a minute."


def _ask(issuer: str, network: Network) -> Mapping[str, Key]:
    """Raises `Unreachable` with the end of a sentence."""
    with http_client.client(network) as client:
        # Whoever can redirect these could put keys of their own in the place of the issuer's.
        client.follow_redirects = False
        document = _object(client, issuer.rstrip("/") + DISCOVERY)
        if document.get("issuer") != issuer:
            raise Unreachable("its discovery document is that of another issuer")
        address = document.get("jwks_uri")
        if not isinstance(address, str) or urlsplit(address).scheme != "https":
            raise Unreachable("its discovery document has no https address of keys")
        keys = _object(client, address).get("keys")
    if not isinstance(keys, list):
        raise Unreachable("what it has for keys is no key set")
    named = (key for key in keys if isinstance(key, dict) and isinstance(key.get("kid"), str))
    return {key["kid"]: key for key in named if key.get("use", "sig") == "sig"}


def _object(client: Any, url: str) -> Mapping[str, Any]:
    end, content = time.monotonic() + PATIENCE, b""
    with http_client.get(client, url, {"Accept": "application/json"}) as response:
        if response.status_code != 200:
            raise Unreachable(f"it answers {response.status_code}")
        for piece in response.iter_bytes():
            content += piece
            if len(content) > MAX_ANSWER or time.monotonic() > end:
                raise Unreachable("its answer is too long, or takes too long")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unreachable("its answer is no JSON object")
    return found

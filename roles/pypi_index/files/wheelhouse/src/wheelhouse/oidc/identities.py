"""Who a job is: its identity, a JSON Web Token that its CI system has signed, checked against the settings."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import jwt
from jwt.exceptions import InvalidJTIError, InvalidSubjectError, MissingRequiredClaimError

from wheelhouse.config import Settings
from wheelhouse.errors import Forbidden, Rejected
from wheelhouse.index.ci_tokens import Identity
from wheelhouse.index.events import printable
from wheelhouse.oidc.keys import Keys
from wheelhouse.trusted_publishers import TrustedPublisher, text_of

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""With a public key each: who can check an identity cannot make one."""
LEEWAY = timedelta(seconds=30)
"""By which clocks may differ."""
LONGEST = timedelta(days=32)
"""What a job may last with GitLab, and so its identity."""
MAX_TEXT = 12 * 2**10
"""Characters of an identity."""
_SHOWN = 200
_JWT = jwt.PyJWT(
    options={
        "enforce_minimum_key_length": True,
        "require": ["exp", "iat"],
        # these are looked at below, where there are better sentences
        "verify_aud": False,
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
    }
)
_TIMES = ("exp", "nbf", "iat")
_FACTS: Mapping[str, tuple[str, ...]] = {
    "repository": ("repository", "project_path", "pipeline_slug", "sub"),
    "commit": ("sha", "build_commit"),
    "run": ("run_id", "pipeline_id", "build_number"),
    "ref": ("ref", "build_branch"),
}
"""What is written down of a job, and the claims that have it: GitHub's, GitLab's, Buildkite's."""
_HOSTS = {"token.actions.githubusercontent.com": "github.com"}


@dataclass(frozen=True)
class Granted:
    """An identity, and the entries of the settings that it fits."""

    identity: Identity
    publishers: tuple[TrustedPublisher, ...]


class Identities:
    """Checks them. Safe for many threads."""

    def __init__(self) -> None:
        self._keys = Keys()

    def check(self, text: str, settings: Settings) -> Granted:
        """What the settings grant to the job with this identity. Whether it was used before is not asked.

        Raises `Rejected`, `Forbidden`, `Unreachable`, `Busy`.
        """
        issuer, key = self._key(text, settings)
        claims = _claims(text, key, issuer, settings.audience)
        fitting = tuple(one for one in settings.publishers if one.fits(issuer, claims))
        if not fitting:
            raise Forbidden(_why_none(issuer, claims, settings))
        return Granted(_identity(text, issuer, claims), fitting)

    def _key(self, text: str, settings: Settings) -> tuple[str, jwt.PyJWK]:
        """(issuer, key) that an identity claims to be signed with; nobody is asked who is not in the settings."""
        try:
            header = jwt.get_unverified_header(text) if len(text) <= MAX_TEXT else {}
            claimed = jwt.decode(text, options={"verify_signature": False}) if header else {}
        except (jwt.PyJWTError, ValueError, RecursionError):
            header, claimed = {}, {}
        if not header:
            raise Rejected(
                f"This is no identity of a job: send the ID token that the CI system makes for {settings.audience}."
            )
        algorithm, kid, issuer = header.get("alg"), header.get("kid"), claimed.get("iss")
        if algorithm not in ALGORITHMS or not isinstance(kid, str):
            raise Rejected(f"The identity is signed in a way that does not count ({_shown(algorithm)}).")
        if not isinstance(issuer, str) or issuer not in {one.issuer for one in settings.publishers}:
            raise Forbidden(f"No job of {_shown(issuer)} may publish here; to change that, {settings.ask}.")
        found = self._keys.find(issuer, kid, settings.network)
        try:
            if found.get("alg", algorithm) != algorithm:
                raise jwt.InvalidKeyError
            return issuer, jwt.PyJWK(dict(found), algorithm)
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Rejected(f"The identity is signed in another way than {issuer} signs.") from None


def _claims(text: str, key: jwt.PyJWK, issuer: str, audience: str) -> Mapping[str, Any]:
    """What the issuer vouches for; raises `Rejected`."""
    try:
        claims: dict[str, Any] = _JWT.decode(text, key, algorithms=[key.algorithm_name], issuer=issuer)
    except (MissingRequiredClaimError, InvalidJTIError, InvalidSubjectError) as error:
        raise Rejected(f"The identity is not as OpenID Connect has it: {error}.") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise Rejected(f"The signature of the identity is not that of {issuer}.") from None
    _refuse_other_audience(claims.get("aud"), audience)
    _refuse_other_times(claims, issuer)
    return claims


def _refuse_other_audience(given: Any, audience: str) -> None:
    """Raises `Rejected`."""
    if audience not in (given if isinstance(given, list) else [given]):
        raise Rejected(f"The identity is for {_shown(given)}, and not for this index: ask for one for {audience}.")


def _refuse_other_times(claims: Mapping[str, Any], issuer: str) -> None:
    """Raises `Rejected` for an identity that has ended, or begins later."""
    now = datetime.now(UTC)
    try:
        times = {name: datetime.fromtimestamp(int(claims[name]), UTC) for name in _TIMES if name in claims}
    except (ValueError, TypeError, OverflowError, OSError):
        raise Rejected("The identity has a time that is none.") from None
    clock = f"it is {now:%Y-%m-%d %H:%M:%S} UTC here"
    if times["exp"] <= now - LEEWAY:
        raise Rejected(f"The identity ended at {times['exp']:%Y-%m-%d %H:%M:%S} UTC, and {clock}: run the job again.")
    begins = max(times["iat"], times.get("nbf", times["iat"]))
    if begins > now + LEEWAY:
        raise Rejected(
            f"The identity begins at {begins:%Y-%m-%d %H:%M:%S} UTC, and {clock}: the clock of this index, or that of"
            f" {issuer}, is wrong."
        )
    if times["exp"] > now + LONGEST:
        raise Rejected(f"The identity lasts longer than {LONGEST.days} days: have the CI system make shorter ones.")


def _why_none(issuer: str, claims: Mapping[str, Any], settings: Settings) -> str:
    """The sentence for a job that fits no entry. It says what the job is, and not what would have been right."""
    asked = {name: None for one in settings.publishers if one.issuer == issuer for name in one.claims}
    said = ", ".join(f"{name} is {_shown(claims[name])}" if name in claims else f"there is no {name}" for name in asked)
    return f"This job of {issuer} may not publish here, because {said}; to change that, {settings.ask}."


def _identity(text: str, issuer: str, claims: Mapping[str, Any]) -> Identity:
    job = {"issuer": issuer}
    for fact, names in _FACTS.items():
        if found := _first(claims, names):
            job[fact] = found
    host = urlsplit(issuer).hostname or issuer
    # What was signed cannot be written in two ways; a signature can.
    number = claims.get("jti") or hashlib.sha256(text.rpartition(".")[0].encode()).hexdigest()
    return Identity(
        number=number,
        until=datetime.fromtimestamp(int(claims["exp"]), UTC) + 2 * LEEWAY,
        owner=f"{_HOSTS.get(host, host)}:{job.get('repository', '')}",
        job=job,
    )


def _first(claims: Mapping[str, Any], names: Iterable[str]) -> str | None:
    texts = (text_of(claims.get(name)) for name in names)
    return next((printable(text, _SHOWN) for text in texts if text), None)


def _shown(claim: Any) -> str:
    """Somebody else's value in a sentence of ours."""
    text = text_of(claim)
    return "nothing" if claim is None else ascii(text[:_SHOWN]) if text is not None else "no single text"

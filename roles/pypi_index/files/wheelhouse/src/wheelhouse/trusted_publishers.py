"""Which jobs of a CI system may publish what, as the administrator decided it: by what their issuer vouches for."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class TrustedPublisher:
    """One entry: the jobs of which all this is true may publish that."""

    issuer: str
    """Its address, as it is in the identities that it signs."""
    claims: Mapping[str, str]
    publishes: tuple[str, ...]
    """Patterns of names of the company's own."""

    @property
    def id(self) -> str:
        """Another text for other jobs. Tokens have it, whose rights are those that the entry gives at the moment."""
        told = json.dumps([self.issuer, sorted(self.claims.items())])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def fits(self, issuer: str, claims: Mapping[str, Any]) -> bool:
        """Whether these are the claims of such a job."""
        return issuer == self.issuer and all(text_of(claims.get(name)) == text for name, text in self.claims.items())


def text_of(claim: Any) -> str | None:
    """A claim as it is written in the settings; None for one that is no single value."""
    if isinstance(claim, bool):
        return "true" if claim else "false"
    return str(claim) if isinstance(claim, (str, int)) else None


def read(raw: Any, reserved: Sequence[str]) -> tuple[TrustedPublisher, ...]:
    """The entries; raises ValueError with a sentence for the administrator."""
    if not isinstance(raw, list):
        raise ValueError("publishers must be a list.")
    return tuple(_one(entry, f"publishers[{number}]", reserved) for number, entry in enumerate(raw))


def _one(entry: Any, where: str, reserved: Sequence[str]) -> TrustedPublisher:
    match entry:
        case {"issuer": str(issuer), "claims": dict(claims), "publishes": list(publishes)} if len(entry) == len(
            TrustedPublisher.__dataclass_fields__
        ) and all(isinstance(one, str) and one for one in [*claims.values(), *publishes]):
            for sentence in _faults(issuer, claims, publishes, reserved):
                raise ValueError(f"{where} {sentence}")
            return TrustedPublisher(issuer, claims, tuple(publishes))
    raise ValueError(
        f'{where} must be like {{"issuer": "https://gitlab.acme.example", "claims": {{"project_path": "acme/hello"}},'
        ' "publishes": ["acme-hello"]}, with texts alone.'
    )


def _faults(issuer: str, claims: Mapping[str, str], publishes: list[str], reserved: Sequence[str]) -> Iterator[str]:
    parts = urlsplit(issuer)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        yield "has an issuer that is no https address."
    if not claims:
        yield "names no claims, so that every job of its issuer could publish."
    if not publishes:
        yield "publishes nothing."
    for pattern in publishes:
        if not is_within(reserved, pattern):
            yield f"publishes {pattern}, which is not among the reserved names."


def is_within(reserved: Sequence[str], pattern: str) -> bool:
    """Whether all names that match `pattern` are reserved. Nothing but `*` may stand for others in it."""
    if any(letter in pattern for letter in "?[]!"):
        return False
    wide = [one for one in reserved if "*" not in pattern or not any(letter in one for letter in "?[]!")]
    return any(fnmatchcase(canonicalize_name(pattern), canonicalize_name(one)) for one in wide)

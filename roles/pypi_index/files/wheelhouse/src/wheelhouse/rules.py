"""Verdicts on a distribution that could be read: does it say the same thing everywhere?"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from packaging.metadata import Metadata, parse_email
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from wheelhouse.distribution import MAX_NAME, RECORD_ALGORITHMS, BadDistribution, Distribution

MAX_SUMMARY = 300
"""Characters that are kept of a summary."""
_LICENSE_FILE_SINCE = "2.4"
_BEFORE_LICENSE_FILE = frozenset({"1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "2.3"})
"""Versions of the core metadata specification."""


class Verdict(StrEnum):
    """What a finding means; a distribution without findings passes."""

    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed, as a sentence."""

    verdict: Verdict
    evidence: str


@dataclass(frozen=True)
class Claims:
    """What the sender says about the file; an empty string or a missing key claims nothing."""

    name: str = ""
    version: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    """`sha256`, `blake2_256`, `md5`: hex."""


@dataclass(frozen=True)
class Checked:
    """A distribution that no rule blocks."""

    distribution: Distribution
    name: str
    """Of the project, as its author spells it."""
    summary: str | None
    """One line of printable characters, at most `MAX_SUMMARY` of them."""
    requires_python: str | None
    warnings: tuple[str, ...]


def check(distribution: Distribution, claims: Claims) -> Checked:
    """Apply every rule; raises `BadDistribution` with the evidence of all that block."""
    metadata, findings = _metadata(distribution)
    findings += [
        *_claims_hold(distribution, claims),
        *_metadata_agrees(distribution, metadata),
        *_wheel_is_one(distribution),
        *_record_holds(distribution),
        *_unpacks_everywhere(distribution),
    ]
    if blocking := [finding.evidence for finding in findings if finding.verdict is Verdict.BLOCK]:
        more = f" ({len(blocking) - 3} more)" if len(blocking) > 3 else ""
        raise BadDistribution(" ".join(blocking[:3]) + more)
    requires_python = metadata.requires_python
    return Checked(
        distribution,
        # Any number of hyphens in a row are one to whoever compares names.
        metadata.name if len(metadata.name) <= MAX_NAME else distribution.name.project,
        _summary(metadata),
        str(requires_python) if requires_python is not None else None,
        tuple(finding.evidence for finding in findings),
    )


def _metadata(distribution: Distribution) -> tuple[Metadata, list[Finding]]:
    """The metadata by the strict reading of the core metadata specification; raises `BadDistribution`."""
    source = "METADATA" if distribution.name.kind == "wheel" else "PKG-INFO"
    try:
        return Metadata.from_email(distribution.metadata), []
    except ExceptionGroup as errors:
        problem = "; ".join(str(error)[:200] for error in errors.exceptions[:3])  # some quote the whole field
    raw, unparsed = parse_email(distribution.metadata)
    if not unparsed and raw.get("metadata_version") in _BEFORE_LICENSE_FILE:
        # Build backends wrote License-File for years before the specification had it: much of the public index does.
        with contextlib.suppress(ExceptionGroup):
            metadata = Metadata.from_raw({**raw, "metadata_version": _LICENSE_FILE_SINCE})
            return metadata, [Finding(Verdict.WARN, f"{source} has a field newer than it says: {problem}.")]
    raise BadDistribution(f"{source} does not follow the core metadata specification: {problem}.")


def _summary(metadata: Metadata) -> str | None:
    """The summary as it can be shown anywhere, terminals among them."""
    text = "".join(character if character.isprintable() else " " for character in metadata.summary or "")
    text = " ".join(text.split())
    if text in ("", "UNKNOWN"):  # what setuptools wrote for years where there was none
        return None
    return text if len(text) <= MAX_SUMMARY else f"{text[: MAX_SUMMARY - 3]}..."


def _block(evidence: str) -> Finding:
    return Finding(Verdict.BLOCK, evidence)


def _claims_hold(distribution: Distribution, claims: Claims) -> Iterator[Finding]:
    for algorithm, claimed in claims.digests.items():
        if claimed.lower() != distribution.hashes[algorithm]:
            yield _block(
                f"The file's {algorithm} is {distribution.hashes[algorithm]}, not {claimed[:128]!a} as the upload says:"
                " it changed on its way, upload it again."
            )
    name = distribution.name
    if claims.name and canonicalize_name(claims.name) != name.project:
        yield _block(f"The upload says project {claims.name[:100]!a}, the file name says {name.project}.")
    if claims.version and not _same_version(claims.version, name.version):
        yield _block(f"The upload says version {claims.version[:100]!a}, the file name says {name.version}.")


def _metadata_agrees(distribution: Distribution, metadata: Metadata) -> Iterator[Finding]:
    name = distribution.name
    if canonicalize_name(metadata.name) != name.project:
        yield _block(
            f"The file name says project {name.project}, its metadata say {metadata.name}:"
            " upload it under the name it was built with."
        )
    if metadata.version != name.version:
        yield _block(
            f"The file name says version {name.version}, its metadata say {metadata.version}:"
            " upload it under the name it was built with."
        )


def _wheel_is_one(distribution: Distribution) -> Iterator[Finding]:
    if distribution.wheel is None:
        return
    name, _, version = distribution.directory.removesuffix(".dist-info").rpartition("-")
    if canonicalize_name(name) != distribution.name.project or not _same_version(version, distribution.name.version):
        yield _block(f"The wheel's directory {distribution.directory[:200]!a} is that of another distribution.")
    lines = distribution.wheel.decode(errors="replace").splitlines()
    if not any(
        line.lower().startswith("wheel-version:") and line.split(":", 1)[1].strip().startswith("1.") for line in lines
    ):
        yield _block("The wheel's WHEEL file does not say Wheel-Version 1.x.")


def _record_holds(distribution: Distribution) -> Iterator[Finding]:
    """RECORD lists every member once, with a hash and size that hold; its own line and signatures are exempt."""
    if distribution.wheel is None:
        return
    own = f"{distribution.directory}/RECORD"
    exempt = {own, f"{own}.jws", f"{own}.p7s"}
    listed: set[str] = set()
    for row in distribution.record:
        shown = ascii(row.path[:200])
        if row.path in listed:
            yield _block(f"RECORD lists {shown} twice.")
        listed.add(row.path)
        member = distribution.members.get(row.path)
        if member is None:
            yield _block(f"RECORD lists {shown}, which is not in the wheel.")
        elif row.path in exempt:
            continue
        elif row.algorithm not in RECORD_ALGORITHMS:
            yield _block(f"RECORD has no sha256 for {shown}.")
        elif row.digest != member.digest or row.size not in (None, member.size):
            yield _block(f"RECORD and the contents of {shown} differ: the wheel was changed after it was built.")
    for path in distribution.members.keys() - listed - exempt:
        yield _block(f"{path[:200]!a} is in the wheel and not in RECORD: the wheel was changed after it was built.")


def _unpacks_everywhere(distribution: Distribution) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for path in sorted(distribution.members):
        other = seen.setdefault(path.casefold(), path)
        if other != path:
            yield Finding(Verdict.WARN, f"{other[:200]!a} and {path[:200]!a} are one file on Windows and macOS.")


def _same_version(text: str, version: Version) -> bool:
    try:
        return Version(text) == version
    except InvalidVersion:
        return False

"""Verdicts on a distribution that could be read: does it say the same thing everywhere?"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from wheelhouse.formats import metadata
from wheelhouse.formats.distribution import MAX_NAME, BadDistribution, Distribution, Outline
from wheelhouse.formats.metadata import BadMetadata, Described
from wheelhouse.formats.wheel_record import RECORD_ALGORITHMS

MAX_SUMMARY = 300
"""Characters that are kept of a summary."""
MAX_TOLD = 3
"""Findings of a kind that are told one by one."""
STARTS = "runs code whenever Python starts."
"""The end of each sentence in `Checked.scripts`."""
_NOT_IN_RECORD = "is in the wheel and not in RECORD"
_ELSEWHERE = "by an address: installers fetch it from there, and not from this index"


class Verdict(StrEnum):
    """What a finding means; a distribution without findings passes."""

    WARN = "warn"
    BLOCK = "block"


class Origin(StrEnum):
    """How a file got here, which decides how much of the past is forgiven."""

    UPLOAD = "upload"
    """Somebody built it, and sends it now."""
    COPIED_IN = "copied in"
    """It may be from an older index: the metadata are read as installers read them."""
    OUTSIDE = "outside"
    """Public, and as its author left it: what RECORD says is for the policy to judge, too."""


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

    distribution: Outline
    name: str
    """Of the project, as its author spells it."""
    summary: str | None
    """One line of printable characters, at most `MAX_SUMMARY` of them."""
    requires_python: str | None
    warnings: tuple[str, ...]
    """All that was remarked on, `record` and `scripts` among it."""
    record: tuple[str, ...] = ()
    """What RECORD has wrong; only of files from outside, since others are refused for it."""
    scripts: tuple[str, ...] = ()
    """What runs without anybody asking for it."""
    references: tuple[str, ...] = ()
    """What it requires by an address; only of files that are not built today, since uploads are refused for it."""


def check(distribution: Distribution, claims: Claims, origin: Origin = Origin.UPLOAD) -> Checked:
    """Apply every rule; raises `BadDistribution` with the evidence of all that block."""
    source = "METADATA" if distribution.name.kind == "wheel" else "PKG-INFO"
    try:
        described = metadata.read(distribution.metadata, strict=origin is Origin.UPLOAD)
    except BadMetadata as error:
        raise BadDistribution(f"{source} {error}.") from error
    blocking = [
        *_claims_hold(distribution, claims),
        *_metadata_agrees(distribution, described),
        *_wheel_is_one(distribution),
    ]
    record = _told(_record_holds(distribution))
    if origin is not Origin.OUTSIDE:
        blocking += record
    references = _told(f"{source} requires {one[:200]!a} {_ELSEWHERE}." for one in described.references)
    odd = [*_comment(distribution)]
    everywhere = _told(_unpacks_everywhere(distribution))
    if origin is Origin.UPLOAD:
        blocking += [*odd, *references]
        if _goes_everywhere(distribution):
            blocking += everywhere
    if blocking:
        raise BadDistribution(" ".join(_told(blocking)))
    scripts = _told(f"{path[:200]!a} {STARTS}" for path in distribution.started)
    warnings = [
        *_told(f"{source} {warning[:300]}." for warning in described.warnings),
        *odd,
        *record,
        *everywhere,
        *scripts,
        *references,
    ]
    return Checked(
        distribution.outline,
        # Any number of hyphens in a row are one to whoever compares names.
        described.name if len(described.name) <= MAX_NAME else distribution.name.project,
        _summary(described.summary),
        described.requires_python,
        tuple(warnings),
        record,
        scripts,
        references,
    )


def record_among(warnings: Iterable[str]) -> tuple[str, ...]:
    """Those that would be in `Checked.record`: of a file that was let in earlier, its warnings are what is known."""
    return tuple(one for one in warnings if one.startswith(("RECORD ", "RECORD's ")) or _NOT_IN_RECORD in one)


def scripts_among(warnings: Iterable[str]) -> tuple[str, ...]:
    """Those that would be in `Checked.scripts`."""
    return tuple(one for one in warnings if STARTS in one)


def references_among(warnings: Iterable[str]) -> tuple[str, ...]:
    """Those that would be in `Checked.references`."""
    return tuple(one for one in warnings if _ELSEWHERE in one)


def _told(findings: Iterable[str]) -> tuple[str, ...]:
    """The first of them, and how many more there are."""
    told: list[str] = []
    more = 0
    for finding in findings:
        if len(told) < MAX_TOLD:
            told.append(finding)
        else:
            more += 1
    if more:
        told[-1] += f" ({more} more)"
    return tuple(told)


def _summary(said: str | None) -> str | None:
    """The summary as it can be shown anywhere, terminals among them."""
    text = "".join(character if character.isprintable() else " " for character in said or "")
    text = " ".join(text.split())
    if text in ("", "UNKNOWN"):  # what setuptools wrote for years where there was none
        return None
    return text if len(text) <= MAX_SUMMARY else f"{text[: MAX_SUMMARY - 3]}..."


def _claims_hold(distribution: Distribution, claims: Claims) -> Iterator[str]:
    for algorithm, claimed in claims.digests.items():
        if claimed.lower() != distribution.hashes[algorithm]:
            yield (
                f"The file's {algorithm} is {distribution.hashes[algorithm]}, not {claimed[:128]!a} as the upload says:"
                " it changed on its way, upload it again."
            )
    name = distribution.name
    if claims.name and canonicalize_name(claims.name) != name.project:
        yield f"The upload says project {claims.name[:100]!a}, the file name says {name.project}."
    if claims.version and not _same_version(claims.version, name.version):
        yield f"The upload says version {claims.version[:100]!a}, the file name says {name.version}."


def _metadata_agrees(distribution: Distribution, described: Described) -> Iterator[str]:
    name = distribution.name
    if canonicalize_name(described.name) != name.project:
        yield (
            f"The file name says project {name.project}, its metadata say {described.name}:"
            " upload it under the name it was built with."
        )
    if described.version != name.version:
        yield (
            f"The file name says version {name.version}, its metadata say {described.version}:"
            " upload it under the name it was built with."
        )


def _wheel_is_one(distribution: Distribution) -> Iterator[str]:
    if distribution.wheel is None:
        return
    name, _, version = distribution.directory.removesuffix(".dist-info").rpartition("-")
    if canonicalize_name(name) != distribution.name.project or not _same_version(version, distribution.name.version):
        yield f"The wheel's directory {distribution.directory[:200]!a} is that of another distribution."
    lines = distribution.wheel.decode(errors="replace").splitlines()
    if not any(
        line.lower().startswith("wheel-version:") and line.split(":", 1)[1].strip().startswith("1.") for line in lines
    ):
        yield "The wheel's WHEEL file does not say Wheel-Version 1.x."


def _record_holds(distribution: Distribution) -> Iterator[str]:
    """RECORD lists every member once, with a hash and size that hold; its own line and signatures are exempt."""
    if distribution.wheel is None:
        return
    yield from distribution.unreadable
    own = f"{distribution.directory}/RECORD"
    exempt = {own, f"{own}.jws", f"{own}.p7s"}
    listed: set[str] = set()
    for row in distribution.record:
        shown = ascii(row.path[:200])
        if row.path in listed:
            yield f"RECORD lists {shown} twice."
        listed.add(row.path)
        member = distribution.members.get(row.path)
        if member is None:
            yield f"RECORD lists {shown}, which is not in the wheel."
        elif row.path in exempt:
            continue
        elif row.algorithm not in RECORD_ALGORITHMS:
            yield f"RECORD has no sha256 for {shown}."
        elif row.digest != member.digest or row.size not in (None, member.size):
            yield f"RECORD and the contents of {shown} differ: the wheel was changed after it was built."
    for path in sorted(distribution.members.keys() - listed - exempt):
        yield f"{path[:200]!a} {_NOT_IN_RECORD}: the wheel was changed after it was built."


def _comment(distribution: Distribution) -> Iterator[str]:
    if distribution.comment:
        yield "The archive goes on after its end, with a comment: build it with a current build backend."


def _goes_everywhere(distribution: Distribution) -> bool:
    """Whether it is a wheel that may be installed where names differ by more than their case."""
    if distribution.name.kind != "wheel":
        return False
    _, _, _, tags = parse_wheel_filename(distribution.name.filename)
    return any(tag.platform == "any" or tag.platform.startswith(("win", "macosx")) for tag in tags)


def _unpacks_everywhere(distribution: Distribution) -> Iterator[str]:
    seen: dict[str, str] = {}
    for path in sorted(distribution.members):
        other = seen.setdefault(_on_other_systems(path), path)
        if other != path:
            yield f"{other[:200]!a} and {path[:200]!a} are one file on Windows or macOS."


def _on_other_systems(path: str) -> str:
    """What Windows and macOS take a path for: they mind no case, and Windows no dots and blanks at an end."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
    return "/".join(part.rstrip(". ") for part in folded.split("/"))


def _same_version(text: str, version: Version) -> bool:
    try:
        return Version(text) == version
    except InvalidVersion:
        return False

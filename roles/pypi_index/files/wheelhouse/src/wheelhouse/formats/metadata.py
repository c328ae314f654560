"""Core metadata as pip and uv read them: what a file says of itself, whatever year it was built in.

The specification tells which version of itself knows which field. What was built today is held to it; much of the
public index was built before, by tools that wrote fields early, or wrote `UNKNOWN` where they knew nothing.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.metadata import InvalidMetadata, Metadata, RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

MAX_HEAD = 2**20
"""Bytes of the fields, without the description that follows them."""
MAX_FIELDS = 20_000
MAX_NAMES = 100
"""Different fields; the specification knows about 30. Reading them takes the square of their number."""
_NEWEST = "2.5"
_VERSIONS = ("1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "2.3", "2.4", _NEWEST)
_WITHDRAWN = "2.0"
"""Of a draft, which wheel wrote for years; nothing but the number came of it."""
_SINCE = {
    "maintainer": "1.2",
    "maintainer_email": "1.2",
    "requires_dist": "1.2",
    "requires_python": "1.2",
    "requires_external": "1.2",
    "project_urls": "1.2",
    "provides_dist": "1.2",
    "obsoletes_dist": "1.2",
    "description_content_type": "2.1",
    "provides_extra": "2.1",
    "dynamic": "2.2",
    "license_expression": "2.4",
    "license_files": "2.4",
    "import_names": "2.5",
    "import_namespaces": "2.5",
}
_OF_A_FIELD = re.compile(rb"[!-9;-~]+:|[ \t]+[^ \t\r\n]|[ \t]+[\r\n]")
_NEEDED = frozenset({"metadata-version", "name", "version"})


class BadMetadata(Exception):
    """They cannot be taken; the text completes "METADATA ..."."""


@dataclass(frozen=True)
class Described:
    """What the metadata say, as far as it matters here."""

    name: str
    version: Version
    summary: str | None
    requires_python: str | None
    warnings: tuple[str, ...]
    """What was passed over; each text completes "METADATA ..."."""
    references: tuple[str, ...] = ()
    """Requirements with an address of their own, from which installers fetch them, whatever index they are given."""


def fields(metadata: bytes) -> RawMetadata:
    """All fields before the description, as they are written. Raises `BadMetadata`."""
    return _parsed(metadata)[0]


def read(metadata: bytes, *, strict: bool) -> Described:
    """What they say; `strict` is for what was built today. Raises `BadMetadata`."""
    raw, unknown = _parsed(metadata)
    told = raw.get("metadata_version", "")
    known = _known_version(told)
    errors: list[str] = []
    warnings: list[str] = []
    if known is None:
        errors.append(f"{told!a:.40} is no version of it")
    elif told == _WITHDRAWN:
        warnings.append("is of version 2.0, which was never finished")
    elif told not in _VERSIONS:
        (errors if strict else warnings).append(f"is of version {told}, which is newer than what is known here")
    for name in sorted(unknown):
        (errors if strict else warnings).append(f"has a field {name[:100]!a} that is unknown, no text or there twice")
    kept: RawMetadata = {**raw, "metadata_version": max(known or _NEWEST, "2.4")}
    for field, problem in _invalid(kept):
        key = _key(field)
        is_its_own = _SINCE.get(key, "1.0") <= (known or _NEWEST)
        if field in _NEEDED or (strict and is_its_own):
            errors.append(problem)
        else:
            warnings.append(f"has a {field} that is passed over: {problem}")
        kept.pop(key, None)  # type: ignore[misc]
    if errors:
        raise BadMetadata(f"does not follow the core metadata specification: {'; '.join(errors[:3])}")
    early = sorted(key for key in kept if _SINCE.get(key, "1.0") > (known or _NEWEST))
    if early:
        warnings.append(f"has fields newer than its version {told}: {', '.join(_field(key) for key in early)}")
    metadata_ = Metadata.from_raw(kept, validate=False)
    requires_python = metadata_.requires_python
    return Described(
        metadata_.name,
        metadata_.version,
        metadata_.summary,
        str(requires_python) if requires_python is not None else None,
        tuple(warnings),
        tuple(filter(_is_reference, (" ".join(one.split()) for one in raw.get("requires_dist", [])))),
    )


def _is_reference(requirement: str) -> bool:
    try:
        return Requirement(requirement).url is not None
    except InvalidRequirement:  # some installers read more than the specification allows
        return "@" in requirement or "://" in requirement


def _parsed(metadata: bytes) -> tuple[RawMetadata, Mapping[str, list[str]]]:
    """The fields, and those that cannot be read. The description is left alone, since it may be a MIME tree."""
    head = _head(metadata)
    if len(head) > MAX_HEAD:
        raise BadMetadata(f"has more than {MAX_HEAD // 2**20} MiB before its description")
    names = [line.partition(b":")[0].lower() for line in head.splitlines() if line[:1] not in (b" ", b"\t")]
    if len(names) > MAX_FIELDS or len(set(names)) > MAX_NAMES:
        raise BadMetadata(f"has more than {MAX_FIELDS} fields, or more than {MAX_NAMES} different ones")
    return parse_email(head)


def _head(metadata: bytes) -> bytes:
    """The lines up to the first that is none of a field, where the parser of mails ends as well."""
    size = 0
    for line in metadata.splitlines(keepends=True):
        if not _OF_A_FIELD.match(line):
            break
        size += len(line)
    return metadata[:size]


def _known_version(told: str) -> str | None:
    """The version whose fields these may be; None if it is none."""
    if told in _VERSIONS:
        return told
    with contextlib.suppress(InvalidVersion):
        if Version(_NEWEST) < Version(told) < Version("3"):
            return _NEWEST
    return None


def _invalid(raw: RawMetadata) -> Iterator[tuple[str, str]]:
    """Each field that is not as it should be, and what is wrong with it."""
    try:
        Metadata.from_raw(raw)
    except ExceptionGroup as errors:
        for error in errors.exceptions:
            if isinstance(error, InvalidMetadata):
                yield error.field, str(error)[:200]  # some quote the whole field


def _field(key: str) -> str:
    return {"license_files": "license-file", "classifiers": "classifier", "project_urls": "project-url"}.get(
        key, key.replace("_", "-")
    )


def _key(field: str) -> str:
    name = field.lower().replace("-", "_")
    return {
        "license_file": "license_files",
        "classifier": "classifiers",
        "project_url": "project_urls",
        "platform": "platforms",
        "supported_platform": "supported_platforms",
        "home_page": "home_page",
        "import_name": "import_names",
        "import_namespace": "import_namespaces",
    }.get(name, name)

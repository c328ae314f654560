"""What is in a bundle: a directory `wheelhouse-000003` that anything can carry.

manifest.json       what the bundle has, with the SHA-256 of everything
manifest.json.sig   its signature; whoever holds for true what the manifest says holds the rest for true by it
files/<SHA-256>     each file once, under its content: no name out of a manifest is ever a path
extras/<name>       what is no package: the collection, the image, tools
part-0001.tar, ...  instead of the two directories, where the bundle is split for media: one tar, in pieces
"""

import hashlib
import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from wheelhouse.errors import Rejected, WheelhouseError

FORMAT = 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.json.sig"
FILES, EXTRAS = "files", "extras"
DIRECTORY = re.compile(r"wheelhouse-([0-9]{6})")
EXTRA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
"""Names of extras: of one directory, and none that is hidden."""
PART = re.compile(r"part-[0-9]{4}\.tar")
MAX_MANIFEST = 2**28
"""Bytes. A manifest has about 300 for each file, and is in memory as a whole."""
MAX_SIGNATURE = 2**16

Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Size = Annotated[int, Meta(ge=0)]
Number = Annotated[int, Meta(ge=1, le=999_999)]
Name = Annotated[str, Meta(min_length=1, max_length=500)]
Channel = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9._-]*\Z", max_length=200)]
Subdir = Annotated[str, Meta(pattern=r"\A(noarch|[a-z]+-[a-z0-9]+)\Z", max_length=100)]
Marks = dict[str, dict[str, str]]
"""Project -> file -> why installers pass over it; or channel -> name with subdir -> why it is in no index."""
Denied = dict[str, dict[str, tuple[str, list[str]]]]
"""As `queries.Denied`."""


class BadBundle(Rejected):
    """A bundle is not taken at all; nothing has changed."""


class File(Struct, frozen=True):
    """A file of a Python project."""

    project: Name
    file: Name
    size: Size
    sha256: Sha256
    uploaded: str | None
    """As `Event.uploaded`."""
    internal: bool = False
    """Whether it is one of the company's own, and not public."""


class Package(Struct, frozen=True):
    """A conda package from a public channel."""

    channel: Channel
    subdir: Subdir
    file: Name
    size: Size
    sha256: Sha256
    uploaded: str | None
    record: dict[str, Any]
    """As upstream's index has it."""

    @property
    def name(self) -> str:
        """With its subdir."""
        return f"{self.subdir}/{self.file}"


class Thing(Struct, frozen=True):
    """Anything else: a report, advisories, events; an extra; a part."""

    name: Name
    size: Size
    sha256: Sha256


class Manifest(Struct, frozen=True):
    """Everything that a bundle says. Files come once; marks, denied releases and records come all, each time."""

    number: Number
    previous: Sha256 | None
    """SHA-256 of the manifest of the bundle before; None for the first."""
    made: str
    version: str
    """Of the program that wrote it."""
    last_event: Annotated[int, Meta(ge=0)]
    """Number of the latest event outside that is in it, or in one before."""
    files: list[File] = []
    packages: list[Package] = []
    records: dict[Channel, dict[str, dict[str, Any]]] = {}
    """Upstream's records of today: channel -> name with subdir -> record."""
    yanked: Marks = {}
    withheld: Marks = {}
    denied: Denied = {}
    advisories_of: str | None = None
    """When the advisories that are in it were new; None if there are none in it."""
    attachments: list[Thing] = []
    extras: list[Thing] = []
    parts: list[Thing] = []
    """In their order; none if the bytes are plain files."""
    format: int = FORMAT

    def contents(self) -> dict[str, int]:
        """SHA-256 of everything that the bundle carries -> its bytes."""
        things: tuple[File | Package | Thing, ...] = (*self.files, *self.packages, *self.attachments, *self.extras)
        return {one.sha256: one.size for one in things}


class Receipt(Struct, frozen=True):
    """What the inside says of the bundles that it has, for the next export."""

    number: Number
    manifest: Sha256
    applied: str
    """When."""
    version: str
    published: list[str] = []
    """Files that were new with this bundle; conda packages with channel and subdir."""
    refused: dict[str, str] = {}
    """SHA-256 of files that the inside did not take -> why, of this bundle."""
    has: list[Sha256] = []
    """SHA-256 of everything that ever came by bundles and is there."""


class _Head(Struct):
    """What is read first: a later format may have anything else."""

    format: int


def encoded(what: Struct) -> bytes:
    """A manifest or receipt as it is written: the same content is the same bytes."""
    return msgspec.json.format(msgspec.json.encode(what, order="sorted"), indent=1) + b"\n"


def digest(content: bytes) -> str:
    """What the next bundle names it by."""
    return hashlib.sha256(content).hexdigest()


def manifest(content: bytes) -> Manifest:
    """Raises `BadBundle`."""
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.format != FORMAT:
            raise BadBundle(
                f"The bundle is of form {head.format}, and this program knows form {FORMAT}: upgrade the index first."
            )
        found = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadBundle(f"{MANIFEST} is not what an export writes: {error}.") from None
    for extra in found.extras:
        if not EXTRA.fullmatch(extra.name):
            raise BadBundle(f"{MANIFEST} has an extra with a name that is none: {extra.name[:100]!a}.")
    for part in found.parts:
        if not PART.fullmatch(part.name):
            raise BadBundle(f"{MANIFEST} has a part with a name that is none: {part.name[:100]!a}.")
    return found


def receipt(content: bytes, shown: str) -> Receipt:
    """Raises `WheelhouseError`; `shown` is what the file is called."""
    try:
        return msgspec.json.decode(content, type=Receipt)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WheelhouseError(f"{shown} is no receipt of an import: {error}.") from None


def directory_name(number: int) -> str:
    """Of a bundle."""
    return f"wheelhouse-{number:06}"

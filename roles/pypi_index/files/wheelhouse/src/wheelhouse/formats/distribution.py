"""Open a wheel or a source distribution that nobody vouches for: its name, version, metadata and hashes.

Nothing is ever unpacked. Every member is read once, to its end, within limits, and an archive that two programs could
read differently is refused.
"""

import gzip
import hashlib
import os
import re
import stat
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Literal

from packaging.utils import (
    InvalidName,
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from wheelhouse.formats import zip_layout
from wheelhouse.formats.archive import CHUNK, MAX_MEMBERS, Budget, Names, Unacceptable, files_of_tar
from wheelhouse.formats.wheel_record import MAX_RECORD, RECORD_ALGORITHMS, RecordRow, record_rows
from wheelhouse.formats.zip_layout import Entry

MAX_NAME = 255
"""Bytes of a file name, what file systems hold; `.metadata` must fit behind it."""
MAX_METADATA = 4 * 2**20
"""Bytes of METADATA, PKG-INFO or WHEEL."""
MAX_STARTED = 2**20
"""Bytes of a .pth file that are looked at."""
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*")
"""What a file's name may be made of: as a path it stays where it is put, and in a page it needs no escape."""


class BadDistribution(Exception):
    """The file cannot be published; the text is one sentence for the person who sent it."""


@dataclass(frozen=True)
class FileName:
    """What the name of a file says about it."""

    filename: str
    kind: Literal["wheel", "sdist"]
    project: NormalizedName
    version: Version
    identity: tuple[object, ...]
    """Equal for two spellings of the same distribution: `Foo-1.0.tar.gz` and `foo-1.0.0.tar.gz`."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file in the archive."""

    size: int
    digest: str | None
    """Hex, by the algorithm RECORD names for this member; None in an sdist and where RECORD names none."""


@dataclass(frozen=True)
class Outline:
    """What is published of an archive that was read to its end."""

    name: FileName
    size: int
    """Bytes."""
    hashes: Mapping[str, str]
    """`sha256`, `blake2_256` and `md5` of the file, hex."""
    metadata: bytes
    """METADATA or PKG-INFO."""


@dataclass(frozen=True)
class Distribution(Outline):
    """The same with all that is in it."""

    members: Mapping[str, Member]
    directory: str
    """The `.dist-info` directory of a wheel, the one top-level directory of an sdist."""
    wheel: bytes | None = None
    """The WHEEL file; None for an sdist."""
    record: Sequence[RecordRow] = ()
    """RECORD, but for the lines that are none; empty for an sdist."""
    unreadable: Sequence[str] = ()
    """Sentences on lines of RECORD that are none."""
    comment: bytes = b""
    """What stands behind the end of a zip file."""
    started: Sequence[str] = ()
    """Members of a wheel that Python runs whenever it starts."""
    requires: bytes | None = field(default=None, repr=False)
    """What setuptools wrote down of the needs of an sdist when it was made: requires.txt in its `.egg-info`."""

    @property
    def outline(self) -> Outline:
        """What is published of it."""
        return Outline(self.name, self.size, self.hashes, self.metadata)


@lru_cache(2**12)
def parse_filename(filename: str) -> FileName:
    """Name, version and kind from the file name alone; raises `BadDistribution`."""
    shown = ascii(filename[:100])
    if not SAFE_NAME.fullmatch(filename):
        raise BadDistribution(
            f"The file name {shown} may hold only A-Z a-z 0-9 . _ - + ! and starts with a letter or digit."
        )
    if len(filename) + len(".metadata") > MAX_NAME:
        raise BadDistribution(f"The file name {shown} is longer than {MAX_NAME - len('.metadata')} characters.")
    try:
        if filename.endswith(".whl"):
            name, version, build, tags = parse_wheel_filename(filename)
            canonicalize_name(name, validate=True)
            return FileName(filename, "wheel", name, version, (name, version, build, tags))
        if filename.endswith((".tar.gz", ".zip")):
            name, version = parse_sdist_filename(filename)
            canonicalize_name(name, validate=True)
            return FileName(filename, "sdist", name, version, (name, version, filename.endswith(".zip")))
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidName) as error:
        raise BadDistribution(f"The file name {shown} is not that of a distribution: {error}.") from error
    raise BadDistribution(f"{shown} is neither a wheel (.whl) nor a source distribution (.tar.gz, .zip).")


def read(path: Path, filename: str) -> Distribution:
    """Read the archive at `path`, which is to be published as `filename`; raises `BadDistribution`."""
    with path.open("rb") as stream:
        return read_open(stream, filename)


def read_open(stream: IO[bytes], filename: str) -> Distribution:
    """The same of an open file."""
    name = parse_filename(filename)
    size = os.fstat(stream.fileno()).st_size
    if not size:
        raise BadDistribution(f"{filename} is empty.")
    outline = Outline(name, size, _hash_file(stream), b"")
    stream.seek(0)
    budget = Budget(size)
    try:
        if name.kind == "wheel":
            return _read_wheel(stream, outline, budget)
        return _read_sdist(stream, outline, budget)
    except Unacceptable as error:
        raise BadDistribution(str(error)) from error
    except (
        zip_layout.Malformed,
        tarfile.TarError,
        gzip.BadGzipFile,
        zlib.error,
        EOFError,
        # what the standard library raises for broken headers, names and sizes
        UnicodeError,
        ValueError,
        OverflowError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise BadDistribution(
            f"{filename} is not a readable archive ({str(error)[:300]}): build and upload it again."
        ) from error


def _read_wheel(stream: IO[bytes], outline: Outline, budget: Budget) -> Distribution:
    entries = _zip_entries(stream, outline.size, budget)
    directory = _only(
        {entry.split("/")[0] for entry in entries if entry.split("/")[0].endswith(".dist-info")},
        "a wheel has exactly one .dist-info directory at its top",
    )
    metadata = _small(stream, entries, f"{directory}/METADATA", MAX_METADATA)
    wheel = _small(stream, entries, f"{directory}/WHEEL", MAX_METADATA)
    record, unreadable = record_rows(_small(stream, entries, f"{directory}/RECORD", MAX_RECORD))
    algorithms = {row.path: row.algorithm for row in record}
    members = {
        path: _member(zip_layout.contents(stream, entry), algorithms.get(path)) for path, entry in entries.items()
    }
    started = [path for path, entry in entries.items() if _is_started(stream, path, entry)]
    described = {**vars(outline), "metadata": metadata}
    return Distribution(**described, members=members, directory=directory, wheel=wheel, record=record,
                        unreadable=unreadable, started=started,
                        comment=zip_layout.comment(stream, outline.size))  # fmt: skip


def _read_sdist(stream: IO[bytes], outline: Outline, budget: Budget) -> Distribution:
    if outline.name.filename.endswith(".zip"):
        members, found, tops = _read_zip_sdist(stream, outline.size, budget)
    else:
        members, found, tops = _read_tar_sdist(stream, budget)
    directory = _only(tops, "a source distribution has exactly one directory at its top")
    if f"{directory}/PKG-INFO" not in members:
        raise BadDistribution(
            f"The source distribution has no {directory}/PKG-INFO: build it with a current build backend."
        )
    if f"{directory}/PKG-INFO" not in found:
        raise BadDistribution(f"The archive's {directory}/PKG-INFO has more than {MAX_METADATA // 2**20} MiB.")
    metadata = found.pop(f"{directory}/PKG-INFO")
    requires = next(iter(found.values())) if len(found) == 1 else None
    described = {**vars(outline), "metadata": metadata}
    return Distribution(**described, members=members, directory=directory, requires=requires)


_Sdist = tuple[dict[str, Member], dict[str, bytes], list[str]]
"""Members, the contents of those that matter to us, and what is at its top."""


def _read_zip_sdist(stream: IO[bytes], size: int, budget: Budget) -> _Sdist:
    entries = _zip_entries(stream, size, budget)
    found = {name: _small(stream, entries, name, MAX_METADATA) for name in entries if _is_read(name)}
    members = {name: _member(zip_layout.contents(stream, entry), None) for name, entry in entries.items()}
    return members, found, sorted({name.split("/")[0] for name in members})


def _zip_entries(stream: IO[bytes], size: int, budget: Budget) -> dict[str, Entry]:
    """The files of a zip archive by name, once all of its structure has been checked."""
    names = Names()
    files: dict[str, Entry] = {}
    for entry in zip_layout.entries(stream, size, MAX_MEMBERS):
        names.admit(entry.name, is_directory=entry.is_directory)
        shown = ascii(entry.name[:200])
        kind = stat.S_IFMT(entry.mode)
        if kind not in (0, stat.S_IFDIR if entry.is_directory else stat.S_IFREG):
            raise Unacceptable(
                f"The archive's member {shown} is a link or a device: only files may be in a zip file, so pack what the"
                " link leads to in its place, or leave it out."
            )
        if entry.is_directory and entry.size:
            raise Unacceptable(f"The archive's directory {shown} has contents of its own.")
        # at most what is declared is read, and that it is no less is checked as well
        budget.spend(entry.size)
        if entry.is_directory:
            for _ in zip_layout.contents(stream, entry):
                pass
        else:
            files[entry.name] = entry
    return files


def _read_tar_sdist(stream: IO[bytes], budget: Budget) -> _Sdist:
    names = Names()
    members: dict[str, Member] = {}
    found: dict[str, bytes] = {}
    with gzip.GzipFile(fileobj=stream) as unpacked:
        for name, size, content in files_of_tar(unpacked, budget, names):
            if _is_read(name) and size <= MAX_METADATA:
                found[name] = content.read()
                members[name] = Member(len(found[name]), None)
            else:
                members[name] = _member(_pieces(content), None)
            if members[name].size != size:
                raise EOFError("cut off")
    tops = names.top()
    names.check_links(below=tops[0] if len(tops) == 1 else None)
    return members, found, tops


def _is_read(name: str) -> bool:
    """Whether what is in this member of an sdist matters to us."""
    return (name.count("/") == 1 and name.endswith("/PKG-INFO")) or name.endswith(".egg-info/requires.txt")


_STARTED = re.compile(
    r"(?:[^/]+\.data/(?:purelib|platlib|data/(?:.*/)?(?:site|dist)-packages)/|(?:lib/(?:python[^/]*/)?)?site-packages/)?"
    r"(?:[^/]+\.(?:pth|start)|(?:sitecustomize|usercustomize)(?:\.[^/]+|/__init__\.[^/]+))",
    re.IGNORECASE,  # as directories are on Windows
)
"""Of a wheel or conda package: what Python reads when it starts, in the directories where it looks."""


def is_started(path: str) -> bool:
    """Whether Python may run a file of this name in a wheel or conda package whenever it starts."""
    return bool(_STARTED.fullmatch(path))


def runs_when_started(path: str, content: bytes) -> bool:
    """Whether it does, by what is in it: a .pth file may also just list directories."""
    if not path.endswith(".pth"):
        return True
    lines = content.decode("utf-8-sig", "replace").splitlines()
    return len(content) >= MAX_STARTED or any(line.startswith(("import ", "import\t")) for line in lines)


def _is_started(stream: IO[bytes], path: str, entry: Entry) -> bool:
    if not is_started(path):
        return False
    content = b""
    for piece in zip_layout.contents(stream, entry):
        content += piece
        if len(content) >= MAX_STARTED:
            break
    return runs_when_started(path, content)


def _only(candidates: Iterable[str], rule: str) -> str:
    found = sorted(candidates)
    if len(found) != 1:
        raise BadDistribution(
            f"The archive has {len(found)} of them where {rule}: build it with a current build backend."
        )
    return found[0]


def _small(stream: IO[bytes], entries: Mapping[str, Entry], name: str, limit: int) -> bytes:
    if name not in entries:
        raise BadDistribution(f"The archive has no {name}: build it with a current build backend.")
    if entries[name].size > limit:
        raise BadDistribution(f"The archive's {name} has more than {limit // 2**20} MiB.")
    return b"".join(zip_layout.contents(stream, entries[name]))


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: stream.read(CHUNK), b"")


def _member(pieces: Iterable[bytes], algorithm: str | None) -> Member:
    digest = hashlib.new(algorithm) if algorithm in RECORD_ALGORITHMS else None
    size = 0
    for piece in pieces:
        size += len(piece)
        if digest:
            digest.update(piece)
    return Member(size, digest.hexdigest() if digest else None)


def _hash_file(stream: IO[bytes]) -> dict[str, str]:
    digests: dict[str, Any] = {  # which have no type in common
        "sha256": hashlib.sha256(),
        "blake2_256": hashlib.blake2b(digest_size=32),
        "md5": hashlib.md5(),
    }
    for chunk in _pieces(stream):
        for digest in digests.values():
            digest.update(chunk)
    return {name: digest.hexdigest() for name, digest in digests.items()}

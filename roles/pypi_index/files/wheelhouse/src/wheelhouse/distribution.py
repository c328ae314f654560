"""Open a wheel or a source distribution that nobody vouches for: its name, version, metadata and hashes.

Nothing is ever unpacked. Every member is read once, to its end, within limits, and an archive that two programs could
read differently is refused.
"""

import base64
import csv
import gzip
import hashlib
import io
import re
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

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

from wheelhouse import zipformat

MAX_NAME = 255
"""Bytes of a file name, what file systems hold; `.metadata` must fit behind it."""
MAX_MEMBERS = 65_000
MAX_METADATA = 4 * 2**20
"""Bytes of METADATA, PKG-INFO or WHEEL."""
MAX_RECORD = 64 * 2**20
MAX_RATIO = 100
"""An archive may unpack to this many times its own size, ..."""
ALWAYS_ALLOWED = 64 * 2**20
"""... and to this many bytes whatever its size: a table of zeros is not an attack."""
RECORD_ALGORITHMS = frozenset({"sha256", "sha384", "sha512"})
"""What the wheel specification lets RECORD use."""
_CHUNK = 2**20

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


@dataclass(frozen=True)
class Member:
    """One file in the archive."""

    size: int
    digest: str | None
    """Hex, by the algorithm RECORD names for this member; None in an sdist and where RECORD names none."""


@dataclass(frozen=True)
class RecordRow:
    """One line of a wheel's RECORD; `algorithm` and `digest` (hex) are None where it gives no hash."""

    path: str
    algorithm: str | None
    digest: str | None
    size: int | None


@dataclass(frozen=True)
class Distribution:
    """An archive that was read to its end."""

    name: FileName
    size: int
    """Bytes."""
    hashes: Mapping[str, str]
    """`sha256`, `blake2_256` and `md5` of the file, hex."""
    metadata: bytes
    """METADATA or PKG-INFO."""
    members: Mapping[str, Member]
    directory: str
    """The `.dist-info` directory of a wheel, the one top-level directory of an sdist."""
    wheel: bytes | None
    """The WHEEL file; None for an sdist."""
    record: tuple[RecordRow, ...]
    """RECORD; empty for an sdist."""
    requires: bytes | None = None
    """What setuptools wrote down of the needs of an sdist when it was made: requires.txt in its `.egg-info`."""


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
    name = parse_filename(filename)
    size = path.stat().st_size
    if not size:
        raise BadDistribution(f"{filename} is empty.")
    with path.open("rb") as stream:
        hashes = _hash_file(stream)
        stream.seek(0)
        budget = _Budget(max(size * MAX_RATIO, ALWAYS_ALLOWED))
        try:
            if name.kind == "wheel":
                return _read_wheel(stream, name, size, hashes, budget)
            return _read_sdist(stream, name, size, hashes, budget)
        except (
            zipfile.BadZipFile,
            zipformat.Malformed,
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
                f"{filename} is not a readable archive ({str(error)[:200]}): build and upload it again."
            ) from error


class _Budget:
    """Counts what an archive unpacks to, and stops when it is too much."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0

    def spend(self, amount: int) -> None:
        self._used += amount
        if self._used > self._limit:
            raise BadDistribution(
                f"The archive unpacks to more than {self._limit // 2**20} MiB: it is refused as a decompression bomb."
            )


class _Members:
    """Collects members, refusing names that would be unpacked elsewhere, twice, or over each other."""

    def __init__(self) -> None:
        self.files: dict[str, Member] = {}
        self._seen: set[str] = set()
        self._parents: set[str] = set()
        self._count = 0

    def admit(self, name: str, *, is_file: bool) -> None:
        """Check the name of the next member; raises `BadDistribution`."""
        self._count += 1
        if self._count > MAX_MEMBERS:
            raise BadDistribution(f"The archive has more than {MAX_MEMBERS} members.")
        shown = ascii(name[:200])
        parts = name.removesuffix("/").split("/") if not is_file else name.split("/")
        if "\\" in name or any(unicodedata.category(character) == "Cc" for character in name):
            raise BadDistribution(f"The archive's member {shown} has a backslash or a control character in its name.")
        if re.match(r"[A-Za-z]:", name) or any(part in ("", ".", "..") for part in parts):
            raise BadDistribution(f"The archive's member {shown} would be unpacked outside its place.")
        key = unicodedata.normalize("NFC", "/".join(parts))
        if is_file and key in self._seen:
            raise BadDistribution(f"The archive holds {shown} more than once.")
        parents = {key[:index] for index, character in enumerate(key) if character == "/"}
        if key in (self._parents if is_file else self._seen) or not parents.isdisjoint(self._seen):
            raise BadDistribution(f"The archive holds {shown} both as a file and as a directory.")
        self._parents |= parents
        if is_file:
            self._seen.add(key)
        else:
            self._parents.add(key)


def _read_wheel(
    stream: IO[bytes], name: FileName, size: int, hashes: Mapping[str, str], budget: _Budget
) -> Distribution:
    zipformat.check_end(stream, size, max_members=MAX_MEMBERS)
    with zipfile.ZipFile(stream) as archive:
        entries = _zip_entries(archive, stream, budget)
        directory = _only(
            {entry.split("/")[0] for entry in entries if entry.split("/")[0].endswith(".dist-info")},
            "a wheel has exactly one .dist-info directory at its top",
        )
        metadata = _small(archive, entries, f"{directory}/METADATA", MAX_METADATA)
        wheel = _small(archive, entries, f"{directory}/WHEEL", MAX_METADATA)
        record = tuple(_record_rows(_small(archive, entries, f"{directory}/RECORD", MAX_RECORD)))
        algorithms = {row.path: row.algorithm for row in record}
        members = {entry: _member(archive.open(info), algorithms.get(entry)) for entry, info in entries.items()}
    return Distribution(name, size, hashes, metadata, members, directory, wheel, record)


def _read_sdist(
    stream: IO[bytes], name: FileName, size: int, hashes: Mapping[str, str], budget: _Budget
) -> Distribution:
    if name.filename.endswith(".zip"):
        members, read_info = _read_zip_sdist(stream, size, budget)
    else:
        members, read_info = _read_tar_sdist(stream, budget)
    directory = _only(
        {member.split("/")[0] for member in members}, "a source distribution has exactly one directory at its top"
    )
    if f"{directory}/PKG-INFO" not in members:
        raise BadDistribution(
            f"The source distribution has no {directory}/PKG-INFO: build it with a current build backend."
        )
    described = read_info.pop(f"{directory}/PKG-INFO")
    requires = next(iter(read_info.values())) if len(read_info) == 1 else None
    return Distribution(name, size, hashes, described, members, directory, None, (), requires)


def _read_zip_sdist(stream: IO[bytes], size: int, budget: _Budget) -> tuple[dict[str, Member], dict[str, bytes]]:
    zipformat.check_end(stream, size, max_members=MAX_MEMBERS)
    with zipfile.ZipFile(stream) as archive:
        entries = _zip_entries(archive, stream, budget)
        found = {name: _small(archive, entries, name, MAX_METADATA) for name in entries if _is_read(name)}
        members = {name: _member(archive.open(info), None) for name, info in entries.items()}
    return members, found


def _zip_entries(archive: zipfile.ZipFile, stream: IO[bytes], budget: _Budget) -> dict[str, zipfile.ZipInfo]:
    """The files of a zip archive by name, once all of its structure has been checked."""
    zipformat.check_layout(archive, stream)
    collected = _Members()
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        # zipfile cuts a name at NUL; what it cut off is what another program would see.
        name = info.orig_filename
        collected.admit(name, is_file=not info.is_dir())
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
            raise BadDistribution(
                f"The archive's member {name[:200]!a} is a link or a device; only files may be packed."
            )
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadDistribution(f"The archive's member {name[:200]!a} is compressed by something else than deflate.")
        if info.is_dir() and info.file_size:
            raise BadDistribution(f"The archive's directory {name[:200]!a} has contents of its own.")
        # zipfile reads at most what is declared here, and checks the CRC at its end.
        budget.spend(info.file_size)
        if not info.is_dir():
            entries[name] = info
    return entries


class _Unpacked(io.RawIOBase):
    """What gzip unpacks, counted, for tarfile to read.

    tarfile takes the whole of an extended header into memory at one read, so a large single read is refused.
    """

    def __init__(self, stream: gzip.GzipFile, budget: _Budget) -> None:
        self._stream = stream
        self._budget = budget
        self._position = 0
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _CHUNK:
            raise BadDistribution("The archive has a header of more than 1 MiB.")
        data = self._stream.read(size)
        self._budget.spend(len(data))
        self._position += len(data)
        self.last = data
        return data

    def tell(self) -> int:
        return self._position

    def seek(self, position: int, whence: int = 0) -> int:
        if whence or position < self._position:
            raise BadDistribution("The archive cannot be read from front to back.")
        while self._position < position:
            if not self.read(min(_CHUNK, position - self._position)):
                raise EOFError("cut off")
        return position


def _read_tar_sdist(stream: IO[bytes], budget: _Budget) -> tuple[dict[str, Member], dict[str, bytes]]:
    collected = _Members()
    members: dict[str, Member] = {}
    found: dict[str, bytes] = {}
    with gzip.GzipFile(fileobj=stream) as unpacked:
        source = _Unpacked(unpacked, budget)
        with tarfile.open(fileobj=source, mode="r:", errorlevel=2, errors="strict") as archive:
            for info in archive:
                collected.admit(info.name, is_file=not info.isdir())
                shown = ascii(info.name[:200])
                if info.sparse is not None or info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
                    raise BadDistribution(
                        f"The archive's member {shown} is a link or a device; only files may be packed."
                    )
                if info.isdir():
                    continue
                if _is_read(info.name) and info.size <= MAX_METADATA:
                    content = archive.extractfile(info).read()
                    found[info.name] = content
                    members[info.name] = Member(len(content), None)
                else:
                    members[info.name] = _member(archive.extractfile(info), None)
                if members[info.name].size != info.size:
                    raise EOFError("cut off")
        if source.last != bytes(tarfile.BLOCKSIZE):  # tarfile takes a header it cannot read for the end
            raise EOFError("cut off, or with a broken header")
        while rest := source.read(_CHUNK):
            if rest.strip(b"\0"):
                raise BadDistribution("The archive has data behind its end.")
    return members, found


def _is_read(name: str) -> bool:
    """Whether what is in this member of an sdist matters to us."""
    return (name.count("/") == 1 and name.endswith("/PKG-INFO")) or name.endswith(".egg-info/requires.txt")


def _only(candidates: Iterable[str], rule: str) -> str:
    found = sorted(candidates)
    if len(found) != 1:
        raise BadDistribution(
            f"The archive has {len(found)} of them where {rule}: build it with a current build backend."
        )
    return found[0]


def _small(archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo], name: str, limit: int) -> bytes:
    if name not in entries:
        raise BadDistribution(f"The archive has no {name}: build it with a current build backend.")
    if entries[name].file_size > limit:
        raise BadDistribution(f"The archive's {name} has more than {limit // 2**20} MiB.")
    return archive.read(entries[name])


def _record_rows(record: bytes) -> Iterator[RecordRow]:
    try:
        rows = list(csv.reader(io.StringIO(record.decode(), newline="")))
    except (UnicodeError, csv.Error) as error:
        raise BadDistribution(f"The wheel's RECORD is not a CSV file: {error}.") from error
    for row in rows:
        if not row:
            continue
        if len(row) != 3:
            raise BadDistribution(f"The wheel's RECORD has a line without three fields: {','.join(row)[:200]!a}.")
        path, digest, size = row
        algorithm, _, encoded = digest.partition("=")
        try:
            yield RecordRow(path, algorithm or None, _hex(encoded) if digest else None, int(size) if size else None)
        except ValueError as error:
            raise BadDistribution(f"The wheel's RECORD has a hash or size for {path[:200]!a} that is none.") from error


def _hex(encoded: str) -> str:
    """RECORD's URL-safe base64 without padding, as hex; raises ValueError."""
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()


def _member(stream: IO[bytes], algorithm: str | None) -> Member:
    digest = hashlib.new(algorithm) if algorithm in RECORD_ALGORITHMS else None
    size = 0
    with stream:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if digest:
                digest.update(chunk)
    return Member(size, digest.hexdigest() if digest else None)


def _hash_file(stream: IO[bytes]) -> dict[str, str]:
    digests = {"sha256": hashlib.sha256(), "blake2_256": hashlib.blake2b(digest_size=32), "md5": hashlib.md5()}
    while chunk := stream.read(_CHUNK):
        for digest in digests.values():
            digest.update(chunk)
    return {name: digest.hexdigest() for name, digest in digests.items()}

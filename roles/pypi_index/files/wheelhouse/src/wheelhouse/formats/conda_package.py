"""Read a conda package (.conda or .tar.bz2) to its end: its record for repodata.json, the Python in it, its scripts.

Nothing is unpacked. What is looked at in a record is what would break installing for everybody who uses the channel;
what is looked at in an archive is the same as in those of PyPI.
"""

import bz2
import contextlib
import hashlib
import json
import os
import re
import stat
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from conda_package_streaming.package_streaming import zstd

from wheelhouse.formats import metadata, zip_layout
from wheelhouse.formats.archive import CHUNK, MAX_MEMBERS, Budget, InParts, Names, Unacceptable, files_of_tar
from wheelhouse.formats.distribution import MAX_STARTED, is_started, runs_when_started
from wheelhouse.formats.metadata import BadMetadata

SUFFIXES = (".conda", ".tar.bz2")
MAX_INDEX = 2**20
"""Bytes of info/index.json."""
MAX_METADATA = 2**22
"""Bytes of what describes a Python distribution."""

_PIECE = 2**16
"""Bytes that are unpacked at a time: what is left behind the end of one of many small parts is copied each time."""

_PART = r"[A-Za-z0-9_.+!]+"
FILENAME = re.compile(rf"(?P<name>[a-z0-9_][a-z0-9_.-]*)-(?P<version>{_PART})-(?P<build>{_PART})\.(?:conda|tar\.bz2)")
_SEGMENTS = r"[0-9a-z]+(?:[._][0-9a-z]+)*_*"
_DESCRIBED = re.compile(r"(?:^|/)site-packages/[^/]+\.(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info)$")
_LINK_SCRIPT = re.compile(r"(?:bin|Scripts)/[^/]*(?:pre|post)-(?:un)?link\.(?:sh|bat|cmd|ps1)", re.IGNORECASE)
_ACTIVATION = re.compile(r"etc/conda/(?:(?:de)?activate\.d|env_vars\.d)/[^/]+")
SUBDIR = re.compile(r"noarch|[a-z]+-[a-z0-9]+")

_Fits = Callable[[Any], bool]


def _text(pattern: str = r"[^\x00-\x1f]*") -> _Fits:
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value))


def _texts(pattern: str) -> _Fits:
    return lambda value: isinstance(value, list) and all(map(_text(pattern), value))


def _number(value: object) -> bool:
    return type(value) is int and value >= 0


_REQUIREMENT = r"[A-Za-z0-9_][^\x00-\x1f]*"
_FIELDS: dict[str, tuple[str, _Fits]] = {
    "name": ("a name", _text()),
    "version": ("a version that conda can put in order", _text(rf"(?i:(?:[0-9]+!)?{_SEGMENTS}(?:\+{_SEGMENTS})?)")),
    "build": ("a build string", _text()),
    "build_number": ("a number", _number),
    "depends": ("a list of requirements", _texts(_REQUIREMENT)),
    "subdir": ("a platform such as linux-64, or noarch", _text(SUBDIR.pattern)),
    "constrains": ("a list of requirements", _texts(_REQUIREMENT)),
    "noarch": ("python or generic", _text("python|generic")),
    "timestamp": ("a number", _number),
    "track_features": ("a text", _text()),
    "features": ("a text", _text()),
    "license": ("a text", _text()),
    "license_family": ("a text", _text()),
    "arch": ("a text", _text()),
    "platform": ("a text", _text()),
    "purls": ("a list of package URLs", _texts("pkg:[^\x00-\x1f]+")),
    "python_site_packages_path": ("a path", _text()),
}
"""What a record may say, and in which shape. What else is in info/index.json is left out of it."""
_NEEDED = frozenset({"name", "version", "build", "build_number", "depends", "subdir"})


class BadPackage(Exception):
    """The file cannot be a package of a channel; the text is one sentence for the person who brought it."""


def is_package(filename: str) -> bool:
    """Whether a file may be meant to be a conda package."""
    return filename.endswith(SUFFIXES)


@dataclass(frozen=True)
class Package:
    """A package that was read to its end."""

    record: dict[str, Any]
    """What repodata.json says of it."""
    inside: tuple[tuple[str, str], ...]
    """Name and version of each Python distribution that it installs, as they are written, sorted."""
    scripts: tuple[str, ...]
    """Sentences on what in it runs without anybody asking for it."""


def read(path: Path, filename: str, subdir: str | None) -> Package:
    """The package at `path`, which is to be published as `filename`.

    `subdir` is the one it was found in, for packages so old that they do not say theirs. Raises `BadPackage`, OSError.
    """
    with path.open("rb") as stream:
        return read_open(stream, filename, subdir)


def read_open(stream: IO[bytes], filename: str, subdir: str | None) -> Package:
    """The same of an open file."""
    parts = FILENAME.fullmatch(filename)
    if not parts:
        raise BadPackage(f"The file name {filename[:100]!a} is not NAME-VERSION-BUILD.conda or .tar.bz2.")
    size = os.fstat(stream.fileno()).st_size
    digests = _digests(stream)
    with _explained(filename):
        found = _found(stream, filename, size)
        index = _parsed_index(found, filename)
    index = {"subdir": subdir, **index}
    for key, said in parts.groupdict().items():
        if index.get(key) != said:
            raise BadPackage(f"The file name says {key} {said}, its info/index.json says {index.get(key)!a:.100}.")
    told = {key: index[key] for key in _FIELDS if index.get(key) is not None}
    for key, (shape, fits) in _FIELDS.items():
        if key in _NEEDED | told.keys() and not fits(told.get(key)):
            raise BadPackage(f"The {key} in info/index.json of {filename} is not {shape}.")
    return Package(
        {**told, **digests, "size": size}, tuple(sorted(found.inside)), tuple(sorted(dict.fromkeys(found.scripts)))
    )


@dataclass
class _Found:
    """What matters to us, of all that a package holds."""

    index: bytes | None = None
    inside: set[tuple[str, str]] = field(default_factory=set)
    scripts: list[str] = field(default_factory=list)


def _found(stream: IO[bytes], filename: str, size: int) -> _Found:
    """Read the whole archive; raises `Unacceptable`, and what the libraries raise."""
    found = _Found()
    budget = Budget(size)
    names = Names()
    for tar in _tars(stream, filename, size, budget):
        for name, length, content in files_of_tar(tar, budget, names):
            _look_at(found, name, length, content)
            while content.read(CHUNK):
                pass
            if content.tell() != length:
                raise EOFError("cut off")
    names.check_links()
    return found


def _tars(stream: IO[bytes], filename: str, size: int, budget: Budget) -> Iterator[InParts]:
    """The tar in a .tar.bz2; the two in the zip that a .conda is, once the zip is in order."""
    if filename.endswith(".tar.bz2"):
        stream.seek(0)
        yield InParts(iter(lambda: stream.read(_PIECE), b""), bz2.BZ2Decompressor)
        return
    names = Names()
    components: dict[str, zip_layout.Entry] = {}
    stem = filename.removesuffix(".conda")
    if zip_layout.comment(stream, size):
        raise zip_layout.Malformed("it goes on after its end")
    for entry in zip_layout.entries(stream, size, MAX_MEMBERS):
        names.admit(entry.name, is_directory=entry.is_directory)
        if stat.S_IFMT(entry.mode) not in (0, stat.S_IFDIR if entry.is_directory else stat.S_IFREG):
            raise Unacceptable(f"The archive's member {entry.name[:200]!a} is a link or a device.")
        kind = entry.name.partition("-")[0]
        if kind in ("info", "pkg"):
            if kind in components or entry.name != f"{kind}-{stem}.tar.zst":
                raise Unacceptable(
                    f"The archive has {entry.name[:200]!a} where info-{stem}.tar.zst and pkg-{stem}.tar.zst belong."
                )
            components[kind] = entry
            continue
        budget.spend(entry.size)
        for _ in zip_layout.contents(stream, entry):
            pass
    for kind in ("info", "pkg"):
        if kind not in components:
            raise Unacceptable(f"The archive has no {kind}-{stem}.tar.zst, so it is not a conda package.")
        packed = zip_layout.contents(stream, components[kind])
        small = (piece[at : at + _PIECE] for piece in packed for at in range(0, len(piece), _PIECE))
        yield InParts(small, zstd.ZstdDecompressor)


def _look_at(found: _Found, name: str, length: int, content: IO[bytes]) -> None:
    if name == "info/index.json":
        found.index = content.read(MAX_INDEX + 1)
    elif _DESCRIBED.search(name):
        named = re.sub(r"\.(dist|egg)-info.*", "", name.rpartition("site-packages/")[2])
        try:
            fields = metadata.fields(content.read(MAX_METADATA))
        except BadMetadata:
            fields = {}
        found.inside.add((fields.get("name") or named, fields.get("version") or ""))
    elif _LINK_SCRIPT.fullmatch(name):
        found.scripts.append(f"{name[:200]!a} runs code when it is installed or removed.")
    elif _ACTIVATION.fullmatch(name):
        found.scripts.append(f"{name[:200]!a} runs code whenever somebody activates its environment.")
    elif is_started(name) and runs_when_started(name, content.read(MAX_STARTED)):
        found.scripts.append(f"{name[:200]!a} runs code whenever Python starts.")


def _parsed_index(found: _Found, filename: str) -> dict[str, Any]:
    if found.index is None:
        raise BadPackage(f"{filename} has no info/index.json, so it is not a conda package.")
    if len(found.index) > MAX_INDEX:
        raise BadPackage(f"The info/index.json of {filename} has more than {MAX_INDEX // 2**20} MiB.")
    index = json.loads(found.index, object_pairs_hook=_once)
    json.dumps(index, ensure_ascii=False, allow_nan=False).encode()  # what other readers stumble over
    if not isinstance(index, dict):
        raise BadPackage(f"The info/index.json of {filename} is not a JSON object.")
    return index


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, of which one reader takes the first of two keys and another the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


@contextlib.contextmanager
def _explained(filename: str) -> Iterator[None]:
    """Turn what the libraries raise for a broken archive into `BadPackage`."""
    try:
        yield
    except Unacceptable as error:
        raise BadPackage(f"{filename}: {error}") from error
    except (
        zip_layout.Malformed,
        tarfile.TarError,
        zstd.ZstdError,
        EOFError,
        LookupError,
        # what the libraries raise for broken headers, names and texts
        AssertionError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as error:
        raise BadPackage(f"{filename} is not a readable package ({str(error)[:200]}): copy it again.") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise BadPackage(f"{filename} is not a readable package ({str(error)[:200]}): copy it again.") from error


def _digests(stream: IO[bytes]) -> dict[str, str]:
    """md5, because old releases of conda compare it, and sha256."""
    digests = {"md5": hashlib.md5(usedforsecurity=False), "sha256": hashlib.sha256()}
    while chunk := stream.read(CHUNK):
        for digest in digests.values():
            digest.update(chunk)
    return {name: digest.hexdigest() for name, digest in digests.items()}

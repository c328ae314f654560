"""Read a conda package (.conda or .tar.bz2): whether it is whole, its record for repodata.json, the Python in it.

Nothing is unpacked. What is looked at in a record is what would break installing for everybody who uses the channel.
"""

import bz2
import contextlib
import hashlib
import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from conda_package_streaming.package_streaming import stream_conda_component, stream_conda_info, zstd
from packaging.metadata import parse_email

SUFFIXES = (".conda", ".tar.bz2")
MAX_INDEX = 2**20
"""Bytes of info/index.json."""
MAX_METADATA = 2**22
"""Bytes of what describes a Python distribution."""
_CHUNK = 2**20

_PART = r"[A-Za-z0-9_.+!]+"
FILENAME = re.compile(rf"(?P<name>[a-z0-9_][a-z0-9_.-]*)-(?P<version>{_PART})-(?P<build>{_PART})\.(?:conda|tar\.bz2)")
_SEGMENTS = r"[0-9a-z]+(?:[._][0-9a-z]+)*_*"
_DESCRIBED = re.compile(r"(?:^|/)site-packages/[^/]+\.(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info)$")
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


def record(path: Path, filename: str, subdir: str | None) -> dict[str, Any]:
    """What repodata.json says of the package at `path`, which is to be published as `filename`.

    `subdir` is the one it was found in, for packages so old that they do not say theirs. Raises `BadPackage`, OSError.
    """
    parts = FILENAME.fullmatch(filename)
    if not parts:
        raise BadPackage(f"The file name {filename[:100]!a} is not NAME-VERSION-BUILD.conda or .tar.bz2.")
    size = path.stat().st_size
    digests = _digests(path)
    index = {"subdir": subdir, **_index(path, filename)}
    for key, said in parts.groupdict().items():
        if index.get(key) != said:
            raise BadPackage(f"The file name says {key} {said}, its info/index.json says {index.get(key)!a:.100}.")
    told = {key: index[key] for key in _FIELDS if index.get(key) is not None}
    for key, (shape, fits) in _FIELDS.items():
        if key in _NEEDED | told.keys() and not fits(told.get(key)):
            raise BadPackage(f"The {key} in info/index.json of {filename} is not {shape}.")
    return {**told, **digests, "size": size}


def distributions(path: Path, filename: str) -> tuple[tuple[str, str], ...]:
    """Name and version of each Python distribution that the package at `path` installs, as they are written, sorted.

    Raises `BadPackage`, OSError.
    """
    found: set[tuple[str, str]] = set()
    with path.open("rb") as stream, _explained(filename):
        for tar, member in stream_conda_component(filename, stream, "pkg"):
            if not (member.isfile() and _DESCRIBED.search(member.name)):
                continue
            content = tar.extractfile(member)
            fields, _ = parse_email(content.read(MAX_METADATA) if content else b"")
            named = re.sub(r"\.(dist|egg)-info.*", "", member.name.rpartition("site-packages/")[2])
            found.add((fields.get("name") or named, fields.get("version") or ""))
    return tuple(sorted(found))


def _index(path: Path, filename: str) -> dict[str, Any]:
    """The package's own info/index.json, once all of the file could be read."""
    with path.open("rb") as stream, _explained(filename):
        if filename.endswith(".conda"):
            with zipfile.ZipFile(stream) as archive:
                if broken := archive.testzip():
                    raise BadPackage(f"{broken[:100]!a} in {filename} is broken: copy it again.")
        else:
            with bz2.open(stream) as unpacked:
                while unpacked.read(_CHUNK):
                    pass
        stream.seek(0)
        for tar, member in stream_conda_info(filename, stream):
            if member.name == "info/index.json":
                content = tar.extractfile(member) if member.size <= MAX_INDEX else None
                index = json.load(content) if content else None
                json.dumps(index, ensure_ascii=False, allow_nan=False).encode()  # what other readers stumble over
                break
        else:
            raise BadPackage(f"{filename} has no info/index.json, so it is not a conda package.")
    if not isinstance(index, dict):
        raise BadPackage(f"The info/index.json of {filename} is not a JSON object.")
    return index


@contextlib.contextmanager
def _explained(filename: str) -> Iterator[None]:
    """Turn what the libraries raise for a broken archive into `BadPackage`."""
    try:
        yield
    except (
        zipfile.BadZipFile,
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


def _digests(path: Path) -> dict[str, str]:
    """md5, because old releases of conda compare it, and sha256."""
    digests = {"md5": hashlib.md5(usedforsecurity=False), "sha256": hashlib.sha256()}
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            for digest in digests.values():
                digest.update(chunk)
    return {name: digest.hexdigest() for name, digest in digests.items()}

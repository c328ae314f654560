"""What a channel upstream lists: its repodata, asked for only if it has changed, and read without taking it to memory.

    repodata/<subdir>.json         as upstream has it
    repodata/<subdir>.origin.json  where it came from, and what upstream calls this version of it

conda-forge's largest has hundreds of megabytes. py-rattler looks up what it needs by name; a record as it was written
is cut out of the text.
"""

import contextlib
import hashlib
import json
import mmap
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin

import httpx
from conda_package_streaming.package_streaming import zstd
from rattler import Channel, MatchSpec, PackageFormatSelection, RepoDataRecord, SparseRepoData
from simple_repository.model import File

from wheelhouse.errors import Unreachable
from wheelhouse.index import events
from wheelhouse.intake.conda.platforms import NOARCH
from wheelhouse.store.downloads import make_directory
from wheelhouse.upstream.http_client import get, patiently

_MOST_SECONDS = 253_402_300_799
"""Of a time that Python knows: above that, a timestamp is in milliseconds."""
Records = dict[str, dict[str, Any]]
"""File name -> record."""
MAX_SIZE = 2**32
"""Bytes of one repodata.json."""
_PIECE = 2**20
_ENTRY = re.compile(rb'"([^"\\/]+\.(?:conda|tar\.bz2))"\s*:\s*(?=\{)')
_FORMS = (".zst", "")


@dataclass(frozen=True)
class Listing:
    """One subdir, as upstream lists it."""

    path: Path
    channel: str
    """Its address."""
    subdir: str
    digest: str
    """SHA-256 of the file."""

    @cached_property
    def sparse(self) -> SparseRepoData:
        """For py-rattler's solver; raises `Unreachable`."""
        try:
            return SparseRepoData(Channel(self.channel), self.subdir, self.path)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:100]
            raise Unreachable(f"its {self.subdir}/repodata.json cannot be read ({reason})") from None

    def named(self, name: str) -> list[RepoDataRecord]:
        """All packages of this name."""
        return self.sparse.load_records(name, PackageFormatSelection.BOTH)

    def matching(self, spec: str) -> list[RepoDataRecord]:
        """All packages that a spec allows."""
        return self.sparse.load_matching_records([MatchSpec(spec)], PackageFormatSelection.BOTH)

    def records(self, filenames: Iterable[str]) -> Records:
        """Those that are listed, with their records as they are written there."""
        wanted = {filename.encode() for filename in filenames}
        found: Records = {}
        if not wanted:
            return found
        with self.path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for match in _ENTRY.finditer(text):
                if match[1] in wanted:
                    found[match[1].decode()] = _object(text, match.end())
        return found


class UpstreamChannel:
    """One channel upstream; each subdir is asked for once."""

    def __init__(self, name: str, url: str, client: httpx.Client, directory: Path, scratch: Path) -> None:
        """`directory` is where its repodata are kept, `scratch` one on the same disk for files in the making."""
        self.name = name
        self._url = url
        self._client = client
        self._directory = directory
        self._scratch = scratch
        self._seen: dict[str, Listing | Unreachable | None] = {}

    def listing(self, subdir: str) -> Listing | None:
        """What it has for a platform, or for all; None if there is nothing. Raises `Unreachable`."""
        if subdir not in self._seen:
            try:
                self._seen[subdir] = patiently(lambda: self._look(subdir), 3)
            except Unreachable as error:
                self._seen[subdir] = error
        seen = self._seen[subdir]
        if isinstance(seen, Unreachable):
            raise seen
        return seen

    def listings(self, subdirs: Iterable[str]) -> list[Listing]:
        """Those that it has of several; raises `Unreachable`."""
        found = [self.listing(subdir) for subdir in subdirs]
        return [listing for listing in found if listing]

    def _look(self, subdir: str) -> Listing | None:
        path = self._directory / f"{subdir}.json"
        origin = self._directory / f"{subdir}.origin.json"
        known = _known(origin) if path.exists() else {}
        for form in _FORMS:
            url = urljoin(self._url, f"{subdir}/repodata.json{form}")
            headers = {"Accept-Encoding": "identity"}
            if known.get("url") == url:
                headers |= {key: known[key] for key in ("If-None-Match", "If-Modified-Since") if key in known}
            with get(self._client, url, headers) as response:
                if response.status_code == 304 and len(headers) > 1:
                    return Listing(path, self._url, subdir, known["sha256"])
                if response.status_code == 200:
                    origin.unlink(missing_ok=True)
                    digest = self._receive(response, path, packed=form == ".zst")
                    listing = Listing(path, self._url, subdir, digest)
                    if listing.sparse:  # can be read; else the next run would be told that nothing has changed
                        self._write(origin, _origin(response, url, digest))
                    return listing
                if response.status_code not in (403, 404):
                    raise Unreachable(f"it answers {response.status_code} for {subdir}/repodata.json{form}")
        if subdir == NOARCH:  # every channel has that one
            raise Unreachable("there is no channel at its address: it has no noarch/repodata.json")
        return None

    def _receive(self, response: httpx.Response, path: Path, *, packed: bool) -> str:
        """Have the body at `path`, as plain JSON; returns its digest."""
        digest = hashlib.sha256()
        with self._writing(path) as stream:
            size = 0
            for piece in _unpacked(response.iter_raw()) if packed else response.iter_raw():
                size += len(piece)
                if size > MAX_SIZE:
                    raise Unreachable(f"its {path.name} is bigger than any index")
                digest.update(piece)
                stream.write(piece)
        return digest.hexdigest()

    def _write(self, path: Path, content: dict[str, str]) -> None:
        with self._writing(path) as stream:
            stream.write(json.dumps(content, indent=1).encode() + b"\n")

    @contextlib.contextmanager
    def _writing(self, path: Path) -> Iterator[IO[bytes]]:
        """A file that is at `path` after the block, whole."""
        make_directory(path.parent)
        descriptor, name = tempfile.mkstemp(dir=self._scratch)
        try:
            with open(descriptor, "wb") as stream:
                yield stream
            Path(name).rename(path)
        finally:
            Path(name).unlink(missing_ok=True)


def as_file(record: RepoDataRecord) -> File:
    """A package, as the checks see files."""
    built: datetime | None = record.indexed_timestamp or record.timestamp
    return File(
        filename=f"{record.subdir}/{record.file_name}",
        url=str(record.url),
        hashes={"sha256": record.sha256.hex()} if record.sha256 else {},
        size=record.size,
        upload_time=built.replace(tzinfo=None) if built else None,
    )


def _known(origin: Path) -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads(origin.read_bytes())
        return known
    except (FileNotFoundError, ValueError):
        return {}


def _origin(response: httpx.Response, url: str, digest: str) -> dict[str, str]:
    found = {"url": url, "sha256": digest}
    for asked_with, told in (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")):
        if told in response.headers:
            found[asked_with] = response.headers[told]
    return found


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The content of a .zst; a little may unpack to very much, so it is given piece by piece."""
    unpacker = zstd.ZstdDecompressor()
    try:
        for piece in pieces:
            while piece or not unpacker.needs_input:
                if unpacker.eof:  # of one part of several
                    unpacker = zstd.ZstdDecompressor()
                yield unpacker.decompress(piece, _PIECE)
                piece = unpacker.unused_data if unpacker.eof else b""
                if unpacker.eof and not piece:
                    break
    except zstd.ZstdError:
        raise Unreachable("its repodata.json.zst cannot be unpacked") from None
    if not unpacker.eof:
        raise Unreachable("it stopped in the middle of its repodata.json.zst")


def _object(text: mmap.mmap, start: int) -> dict[str, Any]:
    """The JSON object that begins there; raises `Unreachable`."""
    length = 4096
    while True:
        try:
            found, _ = json.JSONDecoder().raw_decode(text[start : start + length].decode("utf-8", "ignore"))
        except ValueError:
            if start + length > len(text):
                raise Unreachable("its repodata.json cannot be read") from None
            length *= 4
            continue
        return dict(found)


def uploaded(record: Mapping[str, Any]) -> str | None:
    """When upstream's record says that the package was built; old records say it in seconds, others in milliseconds."""
    stamp = record.get("timestamp")
    if not isinstance(stamp, int) or stamp <= 0:
        return None
    try:
        return events.written(datetime.fromtimestamp(stamp / 1000 if stamp > _MOST_SECONDS else stamp, UTC))
    except (OverflowError, ValueError, OSError):
        return None

"""What upstream lists of each project: asked for once in a run, and kept on the disk, where any number has room."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path

import msgspec
from simple_repository.model import File

from wheelhouse.errors import NotFound
from wheelhouse.upstream.page import ListedFile, provenance_of
from wheelhouse.upstream.simple_index import Mirror, Upstream

Files = Mapping[str, File]


class _Entry(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """A file of a page, as it is kept."""

    filename: str
    url: str
    sha256: str | None
    requires_python: str | None
    metadata_sha256: str | None
    yanked: str | bool | None
    size: int | None
    upload_time: datetime | None
    provenance: str | None


_DECODER = msgspec.msgpack.Decoder(list[_Entry] | None)


class Listings:
    """The pages of one run. Safe for many threads, if each project is asked for by one of them at a time."""

    def __init__(self, mirror: Mirror, upstream_of: Callable[[str], Upstream], directory: Path) -> None:
        """`upstream_of` says which index has a project. `directory` is an empty one of the run's own.

        The mirror need not remember pages.
        """
        self._mirror = mirror
        self._upstream_of = upstream_of
        self._directory = directory

    def of(self, project: str, only: Collection[str] | None = None) -> Files | None:
        """The files of a (normalised) project by name, or `only` some of them; None if upstream has nothing of it.

        Raises `Unreachable`.
        """
        path = self._directory / f"{project}.msgpack"
        if not path.exists():
            self._fetch(project, path)
        entries = _DECODER.decode(path.read_bytes())
        if entries is None:
            return None
        return {entry.filename: _file(entry) for entry in entries if only is None or entry.filename in only}

    def _fetch(self, project: str, path: Path) -> None:
        try:
            files = self._mirror.files(self._upstream_of(project), project)
        except NotFound:
            path.write_bytes(msgspec.msgpack.encode(None))
        else:
            path.write_bytes(msgspec.msgpack.encode([_entry(file) for file in files.values()]))


def _entry(file: File) -> _Entry:
    described = file.dist_info_metadata
    return _Entry(
        file.filename,
        file.url,
        file.hashes.get("sha256"),
        file.requires_python,
        described.get("sha256") if isinstance(described, dict) else None,
        file.yanked,
        file.size,
        file.upload_time,
        provenance_of(file),
    )


def _file(entry: _Entry) -> File:
    return ListedFile(
        filename=entry.filename,
        url=entry.url,
        hashes={"sha256": entry.sha256} if entry.sha256 else {},
        requires_python=entry.requires_python,
        dist_info_metadata={"sha256": entry.metadata_sha256} if entry.metadata_sha256 else None,
        yanked=entry.yanked,
        size=entry.size,
        upload_time=entry.upload_time,
        provenance=entry.provenance,
    )

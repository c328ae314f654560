"""Fetching what is published and not on this host, where a server keeps the bytes; and looking after such copies.

The gateway asks for a file that it does not find. It is fetched once, however many ask for it at a time, and is served
only when all of it is there and has the SHA-256 of its row. What was removed is never fetched.
"""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select, tuple_
from sqlalchemy.exc import OperationalError

from wheelhouse.errors import Busy, Damaged, Full, NotFound
from wheelhouse.index import tables
from wheelhouse.index.events import instant
from wheelhouse.index.projection import batches
from wheelhouse.index.rendering import METADATA
from wheelhouse.index.transaction import Index
from wheelhouse.store.base import blob
from wheelhouse.store.counters import Counters
from wheelhouse.store.local_copies import LocalCopies
from wheelhouse.store.partial_site import PartialSite

log = logging.getLogger(__name__)
COUNTERS = "local-copies.json"
"""The file in the shelf's `state` with what `wheelhouse metrics` shows of copies."""
_DAY = 86_400
_SHARE = 20
"""One part in so many of all copies may come before it is time to look how many there are."""


@dataclass(frozen=True)
class Wanted:
    """A published file."""

    place: str
    """Whose rendering removes it: its project, or its channel and subdir."""
    sha256: str
    size: int
    """Bytes; 0 for metadata, which are small."""
    at: float | None
    """The time with which it is served, seconds since 1970; None for metadata."""


class Fetcher:
    """Has published files be on this host. Safe for many threads and processes."""

    def __init__(self, index: Index, site: PartialSite) -> None:
        self._index = index
        self._site = site
        self._copies = LocalCopies(site.root, site.most, self._digests)
        self._counters = Counters(index.database.state / COUNTERS)
        self._added = 0

    def fetch(self, path: str) -> None:
        """See that a published file is at `path`, below the shelf.

        Raises `NotFound` for what is not published; `Damaged` for bytes that the server lacks or that are wrong there;
        `Busy`, `Full`, OSError.
        """
        try:
            with self._index.database.read() as connection:
                wanted = _wanted(connection, path)
        except OperationalError as error:
            raise Busy("The index's database does not answer at present: try again in a minute.") from error
        if wanted is None:
            raise NotFound("There is nothing of this name on this index.")
        with self._alone_with(wanted.sha256):
            if not os.path.lexists(self._site.root / path):
                self._make_room(wanted.size)
                self._fetch(path, wanted)

    def tend(self) -> None:
        """Remove copies of which there are too many, and once a day read some. One process of this host does."""
        with self._alone() as is_ours:
            if not is_ours:
                return
            kept = self._copies.trim()
            self._counters.put({"files": kept.files, "bytes": kept.bytes})
            self._counters.add(removed=kept.removed)
            day = int(time.time() // _DAY)
            if self._counters.read().get("checked_day") != day:
                wrong = self._copies.check(day)
                self._counters.add(rotten=len(wrong))
                self._counters.put({"checked_day": day})

    def note_used(self, used: Mapping[str, float]) -> None:
        """Note when files were last downloaded: paths below the shelf, with seconds since 1970."""
        self._copies.note_used({path: at for path, at in used.items() if _key(path)})

    def _fetch(self, path: str, wanted: Wanted) -> None:
        start = time.monotonic()
        with contextlib.ExitStack() as stack:
            try:
                stream = stack.enter_context(self._index.store.open(blob(wanted.sha256)))
                copy = stack.enter_context(self._index.staging.receive(stream))
            except (NotFound, Damaged) as error:
                self._counters.add(damaged=1)
                log.error("%s was published, and is not in the object store as it was: run `wheelhouse reindex`.", path)
                shown = path.rpartition("/")[2]
                raise Damaged(f"The bytes of {shown} are damaged in the index's store, or gone.") from error
            size = copy.stat().st_size
            self._place(path, wanted, copy)
        self._counters.add(fetched=1, fetched_bytes=size, fetching_seconds=time.monotonic() - start)
        self._added += size

    def _place(self, path: str, wanted: Wanted, copy: Path) -> None:
        """Have a received copy be served, unless its file was removed meanwhile; raises `NotFound`."""
        directory = path.rpartition("/")[0]
        with self._site.rendering(wanted.place):
            with self._index.database.read() as connection:
                if _wanted(connection, path) != wanted:
                    raise NotFound("It was removed at this moment.")
            self._site.make(directory)
            if self._site.keep(path, copy, wanted.at):
                self._site.sync(directory)

    def _make_room(self, size: int) -> None:
        lacking = size - self._index.staging.room()
        if lacking > 0 or self._added > self._site.most // _SHARE:
            self._added = 0
            self._copies.trim(max(lacking, 0))
        if size > self._index.staging.room():
            raise Full("There is no room for this file on the disk of the index host.")

    @contextlib.contextmanager
    def _alone_with(self, sha256: str) -> Iterator[None]:
        """Wait until nobody else on this host fetches these bytes, and keep it so."""
        lock = self._site.locks / f"fetch-{sha256}"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            lock.unlink(missing_ok=True)  # who waits for it looks whether the file is there
            os.close(descriptor)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        descriptor = os.open(self._site.locks / "copies", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(descriptor)

    def _digests(self, paths: Iterable[str]) -> dict[str, str]:
        with self._index.database.read() as connection:
            return digests(connection, paths)


def digests(connection: Connection, paths: Iterable[str]) -> dict[str, str]:
    """Of paths below the shelf, those of published files and their metadata, each with its SHA-256 (hex).

    Without those that the store has lost: what is here of them may be all there is.
    """
    files, packages = tables.files, tables.conda_packages
    by_key = {key: path for path in paths if (key := _key(path))}
    found: dict[str, str] = {}
    for some in batches(by_key):
        names = [(place, name.removesuffix(METADATA)) for place, name in some if "/" not in place]
        columns = files.c.project, files.c.file, files.c.sha256, files.c.metadata_sha256
        mine = tuple_(files.c.project, files.c.file).in_(names), files.c.removed.is_(None), ~files.c.missing
        for row in connection.execute(select(*columns).where(*mine)) if names else ():
            for name, sha256 in ((row.file, row.sha256), (f"{row.file}{METADATA}", row.metadata_sha256)):
                if sha256 and (row.project, name) in by_key:
                    found[by_key[row.project, name]] = sha256
        subdirs = [(*place.split("/"), name) for place, name in some if "/" in place]
        names_of = packages.c.channel, packages.c.subdir, packages.c.file
        mine = tuple_(*names_of).in_(subdirs), packages.c.removed.is_(None), ~packages.c.missing
        for package in connection.execute(select(*names_of, packages.c.sha256).where(*mine)) if subdirs else ():
            found[by_key[f"{package.channel}/{package.subdir}", package.file]] = package.sha256
    return found


def _wanted(connection: Connection, path: str) -> Wanted | None:
    """What is published at a path below the shelf."""
    key = _key(path)
    if key is None:
        return None
    place, name = key
    if "/" in place:
        channel, _, subdir = place.partition("/")
        table = tables.conda_packages
        is_it = table.c.channel == channel, table.c.subdir == subdir, table.c.file == name
        known = select(table.c.sha256, table.c.size, table.c.at).where(*is_it, table.c.removed.is_(None))
        package = connection.execute(known).first()
        return Wanted(place, package.sha256, package.size or 0, instant(package.at).timestamp()) if package else None
    files = tables.files
    columns = (files.c[one] for one in ("sha256", "metadata_sha256", "size", "at", "uploaded"))
    mine = files.c.project == place, files.c.file == name.removesuffix(METADATA), files.c.removed.is_(None)
    row = connection.execute(select(*columns).where(*mine)).first()
    if row is None:
        return None
    if not name.endswith(METADATA):
        return Wanted(place, row.sha256, row.size, instant(row.uploaded or row.at).timestamp())
    return Wanted(place, row.metadata_sha256, 0, None) if row.metadata_sha256 else None


def _key(path: str) -> tuple[str, str] | None:
    """The place and the name of a file by its path below the shelf; None for what is never a file of ours."""
    match path.split("/"):
        case ["packages", project, file]:
            return project, file
        case ["conda", channel, subdir, file]:
            return f"{channel}/{subdir}", file
    return None

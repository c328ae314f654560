"""Where a server keeps the bytes: what it has lost, and what it has that nobody names.

One gateway at a time compares what is stored with what is published, object by object in the order of their keys. Each
gateway puts back what it has a copy of.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, literal, select, union

from wheelhouse.conda.channel import Channels
from wheelhouse.errors import Busy
from wheelhouse.index import queries, tables
from wheelhouse.index.dropbox import Drop
from wheelhouse.index.events import instant
from wheelhouse.index.projection import batches
from wheelhouse.index.reindex import Reindex
from wheelhouse.store.base import BLOBS, Stat

_COMPARED = "store compared"
"""Where it is remembered when all objects were last compared."""
_EVERY = timedelta(days=1)
"""How often that is, and how long an object stays that no row names: somebody may be about to publish it."""
_MANY = 20
"""Files. If more are lost, and more than half of all, it is another store that is asked."""
_AT_ONCE = 50
"""Objects that are deleted at a time; nobody can publish meanwhile."""


class StoreUpkeep:
    """Of one index, for whoever looks after it. What is wrong goes into the drop's report."""

    def __init__(self, drop: Drop) -> None:
        self._index, self._report = drop.index, drop.report
        self._python, self._channels = Reindex(drop), Channels(drop)

    def daily(self) -> None:
        """Put back what is lost there and kept here, and once a day compare everything. Raises what a `Store` does."""
        self.put_back()
        with self._index.database.read() as connection:
            last = queries.remembered(connection, _COMPARED)
        if last and instant(last) > datetime.now(UTC) - _EVERY:
            return
        try:
            with self._index.database.alone("store comparison"):
                self.compare()
        except Busy:  # another gateway is at it, or the server does not answer: the next hour is as good
            return
        self._index.remember_now(_COMPARED)

    def compare(self) -> int:
        """Put right what the server lost, and delete what no row names; returns how many objects were deleted."""
        young = datetime.now(UTC) - _EVERY
        lost: list[str] = []
        nobodys: list[str] = []
        named = 0
        for sha256, size, found in self._together():
            named += size is not None
            if size is None:
                if found and found.changed < young:
                    nobodys.append(sha256)
            elif found is None or size not in (0, found.size):
                lost.append(sha256)
        if len(lost) > max(_MANY, named // 2):
            self._report.problem(
                f"The object store lacks {len(lost)} of {named} files, and nothing was changed: does pypi_index_store"
                " name the bucket and the prefix that the index has always had?"
            )
            return 0
        swept = sum(self._index.sweep_these(nobodys[at : at + _AT_ONCE]) for at in range(0, len(nobodys), _AT_ONCE))
        with self._index.database.read() as connection:
            places = _places(connection, lost) | {place for place, _ in _missing(connection)}  # may be there again
        self._look_after(places)
        return swept

    def put_back(self) -> None:
        """Have the server have again what it lost, as far as this host has copies."""
        with self._index.database.read() as connection:
            missing = list(_missing(connection))
        self._look_after({place for place, path in missing if (self._index.site.root / path).is_file()})

    def _look_after(self, places: Iterable[str]) -> None:
        """Read all that is published of projects, and of channels of these subdirs, and put right what can be."""
        for project in sorted(place for place in places if "/" not in place):
            self._python.look_after(project, deep=True)
        for channel in sorted({place.partition("/")[0] for place in places if "/" in place}):
            self._channels.reindex(channel, deep=True)

    def _together(self) -> Iterator[tuple[str, int | None, Stat | None]]:
        """Every SHA-256 that is named or stored, in order: its size as `_named` has it, None if unnamed; the object."""
        objects = self._index.store.list(f"{BLOBS}/")
        found = next(objects, None)
        with self._index.database.read() as connection:
            for sha256, size in _named(connection):
                while found and _sha256(found) < sha256:
                    yield _sha256(found), None, found
                    found = next(objects, None)
                is_there = found is not None and _sha256(found) == sha256
                yield sha256, size, found if is_there else None
                found = next(objects, None) if is_there else found
            while found:
                yield _sha256(found), None, found
                found = next(objects, None)


def _sha256(found: Stat) -> str:
    return found.key.rpartition("/")[2]


def _named(connection: Connection) -> Iterator[tuple[str, int]]:
    """Every SHA-256 that a row names, once and in order, with its bytes; 0 where these are unknown."""
    files, packages = tables.files, tables.conda_packages
    metadata = files.c.metadata_sha256
    rows = union(
        select(files.c.sha256, files.c.size).where(files.c.removed.is_(None)),
        select(metadata, literal(0)).where(files.c.removed.is_(None), metadata.is_not(None)),
        select(packages.c.sha256, packages.c.size).where(packages.c.removed.is_(None)),
    )
    before = None
    for sha256, size in connection.execute(rows.order_by("sha256")):
        if sha256 != before:
            yield sha256, size or 0
        before = sha256


def _missing(connection: Connection) -> Iterator[tuple[str, str]]:
    """The place of each published file whose bytes are lost, and its path below the shelf."""
    return _served(connection, tables.files.c.missing, tables.conda_packages.c.missing)


def _places(connection: Connection, digests: Iterable[str]) -> set[str]:
    """Where something is published that has these bytes."""
    files, packages = tables.files, tables.conda_packages
    found: set[str] = set()
    for some in batches(digests):
        of_files = files.c.sha256.in_(some) | files.c.metadata_sha256.in_(some)
        found |= {place for place, _ in _served(connection, of_files, packages.c.sha256.in_(some))}
    return found


def _served(
    connection: Connection, of_files: ColumnElement[bool], of_packages: ColumnElement[bool]
) -> Iterator[tuple[str, str]]:
    files, packages = tables.files, tables.conda_packages
    for row in connection.execute(select(files.c.project, files.c.file).where(files.c.removed.is_(None), of_files)):
        yield row.project, f"packages/{row.project}/{row.file}"
    columns = packages.c.channel, packages.c.subdir, packages.c.file
    for package in connection.execute(select(*columns).where(packages.c.removed.is_(None), of_packages)):
        place = f"{package.channel}/{package.subdir}"
        yield place, f"conda/{place}/{package.file}"

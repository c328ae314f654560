"""From rows to what is served: links to bytes, and pages. Doing it again changes nothing.

What is new is in its place before a page lists it, and goes when no page lists it any more. Rows are read while nobody
else renders the place, so that older ones never overwrite newer pages. Where a server keeps the bytes, what was just
received here is placed, and all else only when somebody asks for it: see `fetching`.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, delete, select, update

from wheelhouse.errors import NotFound
from wheelhouse.index import project_status, queries, repodata_pages, simple_pages, tables
from wheelhouse.index.database import Database
from wheelhouse.index.events import instant
from wheelhouse.index.project_status import Status
from wheelhouse.index.projection import REPORTS, ROOT, batches
from wheelhouse.index.readers import Reader
from wheelhouse.store.base import blob
from wheelhouse.store.site import Site

log = logging.getLogger(__name__)


_FileRow = tuple[Any, ...]
_Bytes = tuple[str, str, float | None]
"""A file that is served: its name, its SHA-256 and its time in seconds since 1970."""
METADATA = ".metadata"
"""What the name of a wheel's core metadata ends with, behind that of the wheel."""
_FILE, _VERSION, _KEY, _HTML, _JSON, _METADATA, _IS_LISTED = range(7)


_HERE = tables.dirty.c.gateway == bindparam("gateway_")
_MARK = select(tables.dirty.c.mark).where(_HERE, tables.dirty.c.place == bindparam("place_"))
_SETTLE = delete(tables.dirty).where(
    _HERE, tables.dirty.c.place == bindparam("place_"), tables.dirty.c.mark == bindparam("mark_")
)
_CHANGED_MEANWHILE = (
    update(tables.dirty)
    .where(_HERE, tables.dirty.c.place == bindparam("place_"), tables.dirty.c.first <= bindparam("mark_"))
    .values(first=bindparam("mark_") + 1)
)
_DIRTY = select(tables.dirty.c.place).where(_HERE)
_FILES = select(
    *(tables.files.c[name] for name in ("file", "version", "version_key", "html", "json", "metadata_sha256")),
    tables.files.c.removed.is_(None) & ~tables.files.c.missing,
).where(tables.files.c.project == bindparam("project_"))
_BYTES = (
    select(*(tables.files.c[name] for name in ("file", "sha256", "metadata_sha256", "at", "uploaded")))
    .where(tables.files.c.project == bindparam("project_"), tables.files.c.file.in_(bindparam("files", expanding=True)))
    .order_by(tables.files.c.file)
)


class Renderer:
    """Renders the places of one shelf: projects, `channel/subdir`, `ROOT`."""

    def __init__(self, database: Database, site: Site) -> None:
        self._database = database
        self._site = site

    def dirty(self) -> list[str]:
        """Places whose served files may not be what their rows say; `ROOT` first."""
        with self._database.read() as connection:
            found = list(connection.execute(_DIRTY, {"gateway_": self._database.gateway}).scalars())
        if not self._site.names("simple") >= {simple_pages.JSON, simple_pages.HTML}:
            found.append(ROOT)  # nothing was ever published, and installers ask all the same
        return sorted(set(found))

    def render(self, place: str, fresh: Collection[str] = (), *, check: bool = False, durable: bool = True) -> int:
        """Make what is served of a place what its rows say; returns how many pages differed.

        Of files that are there already only the `fresh` ones are looked at, or all with `check`. With `durable=False`
        the caller syncs the disk, who renders thousands.
        """
        with self._site.rendering(place):
            mark = self._mark(place)
            changed = self._render(place, fresh, check=check, durable=durable)
            self.settle({place: mark})
        return changed

    def catch_up(self, place: str) -> None:
        """The same for a place that another gateway has changed, unless somebody has rendered it meanwhile."""
        with self._site.rendering(place):
            if (mark := self._mark(place)) is not None:
                self._render(place, (), durable=True)
                self.settle({place: mark})

    def render_for_now(self, place: str, fresh: Collection[str] = (), *, check: bool = False) -> tuple[int, int | None]:
        """The same, and the place stays dirty, until the caller has synced the disk and calls `settle`.

        Returns as well what that is to be given.
        """
        with self._site.rendering(place):
            mark = self._mark(place)
            return self._render(place, fresh, check=check, durable=False, named=False), mark

    def settle(self, marks: Mapping[str, int | None]) -> None:
        """Note that places were rendered as they were when they had these marks."""
        here = {"gateway_": self._database.gateway}
        # in this order, in which others mark them: two that wait for each other would wait for ever
        rendered = [
            {**here, "place_": place, "mark_": mark} for place, mark in sorted(marks.items()) if mark is not None
        ]
        if rendered:
            # It may be forgotten without harm, and so need not be on the disk.
            with self._database.change(durable=False) as connection:
                connection.execute(_SETTLE, rendered)
                if not self._database.is_sqlite:
                    connection.execute(_CHANGED_MEANWHILE, rendered)

    def _render(
        self, place: str, fresh: Collection[str], *, check: bool = False, durable: bool, named: bool = True
    ) -> int:
        """Pages are on the disk when this returns if `durable`, and the names of new files before them if `named`."""
        if place == ROOT:
            return self._list(durable)
        if place == REPORTS:
            return self._reports()
        if "/" in place:
            return self._subdir(place, fresh, check, durable, named)
        return self._project(place, fresh, check, durable, named)

    def stale(self, place: str) -> list[str]:
        """Paths of pages, in whatever form, that are not what `render` would write. Changes nothing."""
        if place == ROOT:
            directory, pages = "simple", self._list_pages()
        elif "/" in place:
            directory, pages = f"conda/{place}", {repodata_pages.NAME: self._repodata(place, self._packages(place))}
        else:
            listed = _in_order(self._files(place))
            if not listed:
                return [f"simple/{place}"] if place in self._site.names("simple") else []
            directory, pages = f"simple/{place}", _pages(place, listed, self._status(place))
        return [form for name, page in pages.items() for form in self._site.stale_forms(f"{directory}/{name}", page)]

    def _mark(self, place: str) -> int | None:
        with self._database.read() as connection:
            return connection.execute(_MARK, {"gateway_": self._database.gateway, "place_": place}).scalar()

    def _reports(self) -> int:
        with self._database.read() as connection:
            rows = connection.execute(select(tables.reports)).all()
        return sum([self._site.write_report(row.name, row.content) for row in rows])

    def _list(self, durable: bool) -> int:
        pages = self._list_pages()
        return sum(self._site.write_page(f"simple/{name}", page, durable=durable) for name, page in pages.items())

    def _list_pages(self) -> dict[str, bytes]:
        table = tables.projects
        with self._database.read() as connection:
            may_read = Reader(queries.restricted(connection)).condition(table.c.name)
            wanted = select(table.c.name).where(table.c.listed > 0, may_read).order_by(table.c.name)
            return simple_pages.list_pages(connection.execute(wanted).scalars())

    def _files(self, project: str) -> list[_FileRow]:
        with self._database.read() as connection:
            cursor = connection.execute(_FILES, {"project_": project}).cursor
            # As the driver has them, because there may be thousands.
            return [tuple(row) for row in cursor.fetchall()] if cursor else []

    def _status(self, project: str) -> Status | None:
        with self._database.read() as connection:
            return project_status.find(connection, project)

    def _packages(self, place: str) -> Sequence[Row[Any]]:
        channel, _, subdir = place.partition("/")
        table = tables.conda_packages
        columns = (table.c[name] for name in ("file", "sha256", "at", "record", "withheld", "removed", "missing"))
        wanted = select(*columns).where(table.c.channel == channel, table.c.subdir == subdir)
        with self._database.read() as connection:
            return connection.execute(wanted).all()

    def _repodata(self, place: str, rows: Sequence[Row[Any]]) -> bytes:
        with self._database.read() as connection:
            reader = Reader(queries.restricted(connection))
        listed = [
            (row.file, row.record)
            for row in _present(rows)
            if row.withheld is None and reader.may_read(_name_of_package(row.file))
        ]
        return repodata_pages.repodata(place.rpartition("/")[2], listed)

    def _project(self, project: str, fresh: Collection[str], check: bool, durable: bool, named: bool) -> int:
        rows = self._files(project)
        listed = _in_order(rows)
        directory = f"packages/{project}"
        there = self._site.names(directory)
        absent: set[str] = set()
        if not self._site.is_partial:
            absent = {row[_FILE] for row in listed} - there
            absent |= {row[_FILE] for row in listed if row[_METADATA] and f"{row[_FILE]}{METADATA}" not in there}
        looked_at = [row[_FILE] for row in listed if check or row[_FILE] in absent or row[_FILE] in fresh]
        if looked_at:
            self._site.make(directory, durable=named)
        if sum([self._place(directory, *one) for one in self._bytes(project, looked_at)]) and named:
            self._site.sync(directory)
        if listed:
            # JSON last, because what it lists, both pages list.
            pages = _pages(project, listed, self._status(project))
            changed = sum(
                [self._site.write_page(f"simple/{project}/{name}", pages[name], durable=durable) for name in pages]
            )
        else:
            changed = int(project in self._site.names("simple"))
            self._site.remove(f"simple/{project}")
            self._site.sync("simple")
        # After a kill, a file or its metadata may be there alone.
        removed = [row[_FILE] for row in rows if row[_HTML] is None and there & {row[_FILE], f"{row[_FILE]}{METADATA}"}]
        self._clear(directory, self._bytes(project, removed))
        return changed

    def _bytes(self, project: str, names: Collection[str]) -> list[_Bytes]:
        """Some files of a project, each behind its metadata, so that a file that is there has its metadata.

        Metadata are shared by files that have the same, and so have no time of their own.
        """
        if not names:
            return []
        found: list[_Bytes] = []
        with self._database.read() as connection:
            for some in batches(names):
                for row in connection.execute(_BYTES, {"project_": project, "files": some}):
                    if row.metadata_sha256:
                        found.append((f"{row.file}{METADATA}", row.metadata_sha256, None))
                    found.append((row.file, row.sha256, instant(row.uploaded or row.at).timestamp()))
        return found

    def _subdir(self, place: str, fresh: Collection[str], check: bool, durable: bool, named: bool) -> int:
        rows = self._packages(place)
        directory = f"conda/{place}"
        self._site.make(directory, durable=named)
        there = self._site.names(directory)
        absent = set() if self._site.is_partial else {row.file for row in rows} - there
        looked_at = [row for row in _present(rows) if check or row.file in fresh or row.file in absent]
        if (
            sum([self._place(directory, row.file, row.sha256, instant(row.at).timestamp()) for row in looked_at])
            and named
        ):
            self._site.sync(directory)
        page = self._repodata(place, rows)
        changed = int(self._site.write_page(f"{directory}/{repodata_pages.NAME}", page, durable=durable))
        gone = [(row.file, row.sha256, None) for row in rows if row.removed is not None and row.file in there]
        self._clear(directory, gone)
        return changed

    def _place(self, directory: str, name: str, sha256: str, at: float | None) -> bool:
        try:
            return self._site.place(f"{directory}/{name}", blob(sha256), at)
        except NotFound:
            log.error("The bytes of %s are gone: run `wheelhouse reindex`.", name)
            return False

    def _clear(self, directory: str, gone: Iterable[_Bytes]) -> None:
        """Take away what was removed. Anything else that is there under its name is a stranger, and stays."""
        placed = [name for name, sha256, _ in gone if self._site.is_placed(f"{directory}/{name}", blob(sha256))]
        for name in placed:
            self._site.remove(f"{directory}/{name}")
        if placed:
            self._site.sync(directory)


def _name_of_package(filename: str) -> str:
    """The name in `NAME-VERSION-BUILD.conda`, as the gateway reads it, too."""
    return filename.rsplit("-", 2)[0]


def _in_order(rows: Iterable[_FileRow]) -> list[_FileRow]:
    """Those that are listed, by version and then by name."""
    return sorted((row for row in rows if row[_IS_LISTED]), key=lambda row: (bytes(row[_KEY]), row[_FILE]))


def _pages(project: str, listed: Sequence[_FileRow], status: Status | None) -> dict[str, bytes]:
    versions: dict[bytes, str] = {}
    for row in listed:
        versions.setdefault(bytes(row[_KEY]), row[_VERSION])
    return simple_pages.project_pages(project, [(row[_HTML], row[_JSON]) for row in listed], versions.values(), status)


def _present(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """Packages that lie in their places: also what is withheld, for those who have it in a lock of their own."""
    return [row for row in rows if row.removed is None and not row.missing and row.record is not None]

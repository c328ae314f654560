"""What every change has in common: bytes placed and synced, one transaction, what is served rendered."""

import contextlib
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, literal, select, union_all

from wheelhouse.errors import Conflict, WheelhouseError
from wheelhouse.index import gateways, queries, tables
from wheelhouse.index.database import Database, own_key, upsert
from wheelhouse.index.events import Event, append, now
from wheelhouse.index.gateways import mark_dirty
from wheelhouse.index.projection import REPORTS, ROOT, About, apply, batches
from wheelhouse.index.rendering import Renderer
from wheelhouse.progress import progress
from wheelhouse.store.base import Store, blob
from wheelhouse.store.site import Site
from wheelhouse.store.staging import Staging, sync_disk

_FEW = 100
"""Places that are rendered without a word on how far it is."""
_AT_ONCE, _ONE_BY_ONE = 50, 5
"""Places that a gateway renders before it looks again what is the latest; and how many of these each by itself."""


@dataclass(frozen=True)
class _Swept:
    """What became of some bytes, by their SHA-256."""

    gone: list[str]
    shown: set[str]
    """Which a gateway may still show, published or not, until it has rendered what was changed."""


@dataclass(frozen=True)
class Together:
    """What came of files that were to be published together."""

    new: Sequence[str]
    """Names of those that were not published before."""
    refused: Mapping[int, Conflict]
    """Number of a file among them -> why it was not published."""
    dirty: Mapping[str, Collection[str]]
    """Places to be rendered -> names of the files that are fresh there."""


class Changes:
    """The parts of a shelf, and the steps of a change to it."""

    def __init__(self, database: Database, store: Store, site: Site, staging: Staging) -> None:
        self.database = database
        self.store = store
        self.site = site
        self.staging = staging
        self._renderer = Renderer(database, site)

    def note(self, *events: Event) -> None:
        """Write down what changes nothing that is served: a run of `verify`, what went to the quarantine."""
        with self.database.change() as connection:
            self._write_down(connection, events)

    def render(self, *places: str, fresh: Collection[str] = (), check: bool = False, durable: bool = True) -> int:
        """Make what is served of these places (projects, `channel/subdir`, `ROOT`) what their rows say.

        Returns how many pages differed. Of files that are there already only those named in `fresh` are looked at, or
        all with `check`. With `durable=False` a crash may undo it, until `sync`; otherwise the other gateways show it,
        too, when this returns, as far as they live.
        """
        changed = self._render_here(places, fresh, check=check, durable=durable)
        if durable:
            gateways.wait_for_others(self.database, places)
        return changed

    def _render_here(
        self, places: Iterable[str], fresh: Collection[str] = (), *, check: bool = False, durable: bool = True
    ) -> int:
        # In this order the list of all projects comes first: whatever has a page is in it.
        return sum(self._renderer.render(place, fresh, check=check, durable=durable) for place in sorted(set(places)))

    @contextlib.contextmanager
    def rendering_together(self, *, check: bool = False) -> Iterator[Callable[[str, Collection[str]], int]]:
        """Yields what renders a place, which is given the `fresh` files, or all with `check`; for who renders many.

        With the end of the block, all is on the disk. Until then the places stay dirty.
        """
        marks: dict[str, int | None] = {}

        def render(place: str, fresh: Collection[str]) -> int:
            changed, marks[place] = self._renderer.render_for_now(place, fresh, check=check)
            return changed

        yield render
        if marks:
            self.sync()
            self._renderer.settle(marks)

    def write_reports(self, files: Mapping[str, bytes]) -> None:
        """Write files below `reports`, on all gateways. Those that are like that already are left alone."""
        for name, content in files.items():
            self.site.write_report(name, content)
        if self.database.is_sqlite:
            return
        with self.database.change(REPORTS) as connection:
            known = {row.name: row.content for row in connection.execute(select(tables.reports))}
            changed = {name: content for name, content in files.items() if known.get(name) != content}
            upsert(connection, tables.reports, [{"name": name, "content": one} for name, one in changed.items()])
            mark_dirty(connection, [REPORTS] if changed else [])
        self.render(REPORTS)

    def remember_now(self, what: str) -> None:
        """Remember that something was done now, for whoever asks `queries.remembered`."""
        with self.database.change(what) as connection:
            upsert(connection, tables.meta, [{"key": what, "value": now()}])

    def stale(self, place: str) -> list[str]:
        """Paths of pages, in whatever form, that are not what `render` would write. Changes nothing, waits for none."""
        return self._renderer.stale(place)

    def sync(self) -> None:
        """Have all that was done on the disk, also what was not done durably."""
        with self.database.change("sync") as connection:
            upsert(connection, tables.meta, [{"key": "synced", "value": now()}])
        sync_disk(self.staging.root)

    def render_all(self) -> int:
        """Do that for everything there is, with progress; what was written is on the disk when this returns.

        Files are not looked at. Returns how many pages differed.
        """
        with self.database.read() as connection:
            known = connection.execute(select(tables.projects.c.name)).scalars().all()
            subdirs = [f"{row.channel}/{row.subdir}" for row in connection.execute(select(tables.conda_channels))]
        places = ["", *sorted(known), *sorted(subdirs)]
        changed = sum(
            self._renderer.render(place, durable=False) for place in progress(places, len(places), "render", "page")
        )
        sync_disk(self.staging.root)
        return changed

    def restrict(self, patterns: Sequence[str], *, check: bool = False) -> None:
        """Have restricted projects, by patterns of their names, in no list that everybody is given, and no others.

        Does nothing if that was done before; with `check` the list of projects is looked at all the same, which an
        earlier version may have written. Raises `Busy`, OSError.
        """
        value = json.dumps(list(patterns)) if patterns else ""
        with self.database.read() as connection:
            key = own_key(self.database.gateway, queries.RESTRICTED)
            is_known = (queries.remembered(connection, key) or "") == value
            subdirs = [f"{row.channel}/{row.subdir}" for row in connection.execute(select(tables.conda_channels))]
        if not is_known:
            with self.database.change_alone() as connection:
                upsert(connection, tables.meta, [{"key": key, "value": value}])
                mark_dirty(connection, [ROOT, *subdirs], only_here=True)
        if not is_known or (check and patterns):
            self.render(ROOT, *(() if is_known else subdirs))

    def render_dirty(self) -> int:
        """Do that for all places that a kill, or another process that is in the middle of it, left dirty.

        Of many, after a restore or on a new gateway, it says how far it is.
        """
        places = self._renderer.dirty()
        if len(places) <= _FEW:
            return self._render_here(places, check=True)
        changed = 0
        for some in batches(progress(places, len(places), "render", "page")):
            with self.rendering_together(check=True) as render:
                changed += sum(render(place, ()) for place in some)
        return changed

    def follow(self) -> bool:
        """Render some of what other gateways have changed, the latest first; whether there may be more.

        What was changed here is rendered by whoever did that, or here, once that is dead.
        """
        with self.database.read() as connection:
            places = gateways.waiting(connection, _AT_ONCE)
        if len(places) <= _ONE_BY_ONE:
            for place in sorted(places):
                self._renderer.catch_up(place)
        else:
            with self.rendering_together() as render:
                for place in sorted(places):
                    render(place, ())
        return len(places) == _AT_ONCE

    def sweep(self, *, everything: bool = False) -> int:
        """Take away bytes that no row names, and what killed processes left of what they received.

        Looks at what somebody put, or removed, who may have been killed; with `everything` at all bytes there are, but
        for those that a server keeps: see `store_upkeep`.
        Returns how many went.
        """
        self.staging.sweep()
        swept = 0
        for note, digests in self.staging.loose():
            swept += self._sweep_noted(note, digests)
        if everything and not self.site.is_partial:
            swept += self.sweep_these(found.key.rpartition("/")[2] for found in self.store.list("blobs/"))
        return swept

    def sweep_these(self, digests: Iterable[str]) -> int:
        """Take away those of these bytes that no row names; returns how many went. Raises `Busy`."""
        return sum(len(self._sweep_some(some).gone) for some in batches(digests))

    def _sweep_noted(self, note: Path, digests: Iterable[str]) -> int:
        """The same for what a note says, which stays as long as a gateway may show some of it."""
        swept = [self._sweep_some(some) for some in batches(digests)]
        if not any(one.shown for one in swept):
            self.staging.forget_loose(note)
        return sum(len(one.gone) for one in swept)

    def _sweep_some(self, digests: list[str]) -> _Swept:
        # Nobody can come to name one of them meanwhile, see `_storing`.
        with self.database.change_alone() as connection:
            shown = _shown(connection, digests)
            unnamed = set(digests) - _named(connection, digests) - shown
            gone = [digest for digest in unnamed if self.store.head(blob(digest))]
            for digest in gone:
                if self.site.is_partial:
                    connection.execute(select(literal(1)))  # raises where the lock was lost while this host stood still
                self.store.delete(blob(digest))
        return _Swept(gone, shown)

    @contextlib.contextmanager
    def _storing(
        self, files: Mapping[str, Path], contents: Iterable[tuple[str, bytes]] = (), *, together: bool = False
    ) -> Iterator[Callable[[], None]]:
        """Put files into the store, and contents, all by their SHA-256.

        The transaction in which rows come to name them calls what this yields: a sweep may have come between. If they
        are put `together`, they are synced all at once, and the files need not be synced before.
        """
        with contextlib.ExitStack() as stack:
            stored = dict(files)
            for digest, content in contents:
                if digest not in stored:
                    stored[digest] = stack.enter_context(
                        self.staging.receive(io.BytesIO(content), durable=not together)
                    )

            def put(*, again: bool) -> None:
                for digest, path in stored.items():
                    if not (again and self.store.head(blob(digest))):
                        self.store.put(blob(digest), path, digest, durable=again or not together)

            stack.enter_context(self.site.holding(stored))
            note = self.staging.note_loose(stored)
            put(again=False)
            if together:
                self.store.sync()
            try:
                yield lambda: put(again=True)
            except WheelhouseError:
                self._sweep_noted(note, stored)  # they are nobody's
                raise
            self.staging.forget_loose(note)

    def _write_down(
        self,
        connection: Connection,
        events: Iterable[Event],
        packages: Mapping[tuple[str, str], About] | None = None,
    ) -> set[str]:
        """Append events and change the rows as they say; returns the places that are dirty now."""
        events = list(events)
        places = apply(connection, list(zip(append(connection, events), events, strict=True)), packages)
        mark_dirty(connection, places)
        return places


def _named(connection: Connection, digests: list[str]) -> set[str]:
    """Which of these bytes are published."""
    files, packages = tables.files, tables.conda_packages
    return _of_rows(connection, digests, files.c.removed.is_(None), packages.c.removed.is_(None))


def _shown(connection: Connection, digests: list[str]) -> set[str]:
    """Which of these bytes a gateway may still have in their place, until it has rendered that."""
    dirty = select(tables.dirty.c.place)
    packages = tables.conda_packages
    place = packages.c.channel + literal("/") + packages.c.subdir
    return _of_rows(connection, digests, tables.files.c.project.in_(dirty), place.in_(dirty))


def _of_rows(
    connection: Connection, digests: list[str], files_that: ColumnElement[bool], packages_that: ColumnElement[bool]
) -> set[str]:
    files, packages = tables.files, tables.conda_packages
    found = union_all(
        select(files.c.sha256).where(files.c.sha256.in_(digests), files_that),
        select(files.c.metadata_sha256).where(files.c.metadata_sha256.in_(digests), files_that),
        select(packages.c.sha256).where(packages.c.sha256.in_(digests), packages_that),
    )
    return set(connection.execute(found).scalars())

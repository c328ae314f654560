"""Opening a shelf: its directories, its database with the tables of today, and what an older shelf had."""

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from wheelhouse import config
from wheelhouse.errors import Busy
from wheelhouse.index import events, migrations, queries, simple_pages, tables, takeover
from wheelhouse.index.database import Database, upsert
from wheelhouse.index.projection import remake_pieces
from wheelhouse.index.transaction import Index
from wheelhouse.store.base import Store
from wheelhouse.store.local import LocalStore
from wheelhouse.store.partial_site import PartialSite
from wheelhouse.store.site import Site
from wheelhouse.store.staging import Staging

_PIECES = "pieces"
"""Where it is remembered how the pieces of pages were made that are kept in rows."""
_PIECES_FROM = "pieces from"
"""Where it is remembered after which event an earlier version, still at work, may have made some in its own way."""
_AT_ONCE = 50
"""Projects whose pieces are made in one transaction, for which people who publish have to wait."""


def open_index(root: Path, url: str | None = None, *, beside: bool = False) -> Index:
    """The index in the shelf's directory `root`; each process opens its own.

    `url` is that of the database, by default `$WHEELHOUSE_DATABASE`, or else a SQLite in the shelf. A shelf of the
    program's older form is taken over first, which may take minutes and says how far it is. `beside` says that another
    program works on the shelf, maybe of an earlier version. Raises `Busy` where that one could not go on, `TooNew` for
    tables of a later version, `ConfigError`, OSError.
    """
    staging = Staging(root)
    store, site = _parts(root, staging)
    index = Index(Database(root / "state", url or os.environ.get("WHEELHOUSE_DATABASE") or None), store, site, staging)
    if not _is_ready(index):
        _make_ready(index, beside=beside)
    return index


def _parts(root: Path, staging: Staging) -> tuple[Store, Site]:
    """Where bytes are, and the tree that is served: the shelf's directory, unless the configuration names a server."""
    settings = config.read_store(Path(os.environ.get("WHEELHOUSE_CONFIG", "/config")))
    if settings is None:
        directory = LocalStore(root, staging.incoming)
        return directory, Site(root, directory, staging)
    from wheelhouse.store.s3 import S3Store  # noqa: PLC0415  obstore takes a while to load

    server = S3Store(settings)
    return server, PartialSite(root, server, staging, settings.cache_size)


def finish_pieces(index: Index) -> None:
    """Catch up on what an earlier version has done beside this one, once that one is gone."""
    with index.database.read() as connection:
        since = queries.remembered(connection, _PIECES_FROM)
        if since is None:
            return
        number, projects = int(since), set()
        while found := events.since(connection, number):
            number = found[-1][0]
            projects |= {event.project for _, event in found if event.project}
    _make_pieces(index, projects)
    with index.database.change_alone() as connection:
        upsert(connection, tables.meta, [{"key": _PIECES_FROM, "value": ""}])
    index.render_dirty()


def _is_ready(index: Index) -> bool:
    with index.database.read() as connection:
        if not (migrations.is_current(connection) and takeover.is_done(connection)):
            return False
        return queries.remembered(connection, _PIECES) == simple_pages.MADE_BY


def _make_ready(index: Index, *, beside: bool) -> None:
    """One process does, and others wait for it."""
    descriptor = os.open(index.database.state / "opening.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_ready(index):
            return
        with index.database.change_alone() as connection:
            earlier = migrations.revision(connection)
            if beside and earlier is not None and not migrations.is_readable_from(earlier):
                raise Busy(
                    f"The program that runs now cannot read the tables of this version ({migrations.HEAD}, and it has"
                    f" {earlier}): stop it first."
                )
            migrations.upgrade(connection)
        takeover.take_over(index)
        _make_all_pieces(index)
    finally:
        os.close(descriptor)


def _make_all_pieces(index: Index) -> None:
    with index.database.read() as connection:
        made_by = queries.remembered(connection, _PIECES)
        number = events.last(connection)
        projects = [] if made_by in (None, simple_pages.MADE_BY) else queries.projects(connection)
    _make_pieces(index, projects)
    with index.database.change_alone() as connection:
        remembered = {_PIECES: simple_pages.MADE_BY} | ({_PIECES_FROM: str(number)} if projects else {})
        upsert(connection, tables.meta, [{"key": key, "value": value} for key, value in remembered.items()])


def _make_pieces(index: Index, projects: Iterable[str]) -> None:
    """A few projects at a time, because others want to publish meanwhile. Doing it again is no harm."""
    ordered = sorted(projects)
    for start in range(0, len(ordered), _AT_ONCE):
        some = ordered[start : start + _AT_ONCE]
        with index.database.change(*some) as connection:
            remake_pieces(connection, some)

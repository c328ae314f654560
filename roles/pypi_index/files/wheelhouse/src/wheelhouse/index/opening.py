"""Opening a shelf: its directories, its database with the tables of today, and what an older shelf had."""

import fcntl
import os
from pathlib import Path

from wheelhouse.index import migrations, queries, simple_pages, tables, takeover
from wheelhouse.index.database import Database, upsert
from wheelhouse.index.projection import remake_pieces
from wheelhouse.index.transaction import Index
from wheelhouse.store.local import LocalStore
from wheelhouse.store.site import Site
from wheelhouse.store.staging import Staging

_PIECES = "pieces"
"""Where it is remembered how the pieces of pages were made that are kept in rows."""


def open_index(root: Path, url: str | None = None) -> Index:
    """The index in the shelf's directory `root`; each process opens its own.

    `url` is that of the database, by default `$WHEELHOUSE_DATABASE`, or else a SQLite in the shelf. A shelf of the
    program's older form is taken over first, which may take minutes and says how far it is. Raises OSError.
    """
    staging = Staging(root)
    store = LocalStore(root, staging.incoming)
    site = Site(root, store, staging)
    index = Index(Database(root / "state", url or os.environ.get("WHEELHOUSE_DATABASE") or None), store, site, staging)
    if not _is_ready(index):
        _make_ready(index)
    return index


def _is_ready(index: Index) -> bool:
    with index.database.read() as connection:
        if not (migrations.is_current(connection) and takeover.is_done(connection)):
            return False
        return queries.remembered(connection, _PIECES) == simple_pages.MADE_BY


def _make_ready(index: Index) -> None:
    """One process does, and others wait for it."""
    descriptor = os.open(index.database.state / "opening.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_ready(index):
            return
        with index.database.change_alone() as connection:
            migrations.upgrade(connection)
        takeover.take_over(index)
        with index.database.change_alone() as connection:
            if queries.remembered(connection, _PIECES) not in (None, simple_pages.MADE_BY):
                remake_pieces(connection)
            upsert(connection, tables.meta, [{"key": _PIECES, "value": simple_pages.MADE_BY}])
    finally:
        os.close(descriptor)

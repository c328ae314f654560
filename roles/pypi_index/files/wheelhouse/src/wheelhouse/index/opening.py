"""Opening a shelf: its directories, its database with the tables of today, and what an older shelf had."""

import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path

from wheelhouse import config
from wheelhouse.errors import Busy, Rejected
from wheelhouse.index import events, gateways, migrations, moving, queries, simple_pages, tables, takeover
from wheelhouse.index.database import Database, upsert
from wheelhouse.index.moving import Place
from wheelhouse.index.projection import remake_pieces
from wheelhouse.index.transaction import Index
from wheelhouse.store.local import LocalStore
from wheelhouse.store.site import Site
from wheelhouse.store.staging import Staging

_PIECES = moving.STATE
"""Where it is remembered how the pieces of pages were made that are kept in rows."""
_PIECES_FROM = "pieces from"
"""Where it is remembered after which event an earlier version, still at work, may have made some in its own way."""
_AT_ONCE = 50
"""Projects whose pieces are made in one transaction, for which people who publish have to wait."""


def open_index(root: Path, *, beside: bool = False) -> Index:
    """The index in the shelf's directory `root`; each process opens its own.

    Its state is where `$WHEELHOUSE_CONFIG` says, by default in a SQLite in the shelf. A shelf of the program's older
    form is taken over first, and a gateway that is new renders everything; both may take minutes, and say how far it
    is. `beside` says that another program works on the shelf, maybe of an earlier version. Raises `Busy` where that one
    could not go on, `TooNew` for tables of a later version, `Unreachable`, ConfigError, OSError.
    """
    server, gateway = config.database(Path(os.environ.get("WHEELHOUSE_CONFIG", "/config")))
    staging = Staging(root)
    store = LocalStore(root, staging.incoming)
    site = Site(root, store, staging)
    index = Index(Database(root / "state", server, gateway), store, site, staging)
    if not _is_ready(index):
        _make_ready(index, beside=beside)
    return index


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
        # another gateway may still have the earlier version
        value = "" if index.database.is_sqlite else str(number)
        upsert(connection, tables.meta, [{"key": _PIECES_FROM, "value": value}])
    index.render_dirty()


def _is_ready(index: Index) -> bool:
    with index.database.read() as connection:
        if not (migrations.is_current(connection) and takeover.is_done(connection)):
            return False
        is_made = queries.remembered(connection, _PIECES) == simple_pages.MADE_BY
        return is_made and gateways.has_joined(connection)


def _make_ready(index: Index, *, beside: bool) -> None:
    """One process does, and others wait for it, on other gateways, too."""
    descriptor = os.open(index.database.state / "opening.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if index.database.server:
            stack.enter_context(index.database.server.waited_turn("opening"))
        if _is_ready(index):
            return
        with index.database.change_alone() as connection:
            earlier = migrations.revision(connection)
            if earlier is not None:
                moving.refuse_moved(connection)
            if index.database.server:
                _refuse_two(index)
            if beside and earlier is not None and not migrations.is_readable_from(earlier):
                raise Busy(
                    f"The program that runs now cannot read the tables of this version ({migrations.HEAD}, and it has"
                    f" {earlier}): stop it first."
                )
            migrations.upgrade(connection)
        takeover.take_over(index)
        _make_all_pieces(index)
        with index.database.read() as connection:
            is_new = not gateways.has_joined(connection)
    if is_new:
        gateways.join(index.database)
        index.render_dirty()


def _refuse_two(index: Index) -> None:
    """Raises `Rejected` where a gateway has an index of its own beside the one that it shares."""
    file = index.database.state / "index.sqlite"
    if not file.exists() or not file.stat().st_size:
        return
    with Database(index.database.state).read() as connection:
        if queries.remembered(connection, moving.STATE) != moving.GONE:
            raise Rejected(
                f"{file} is an index of this host alone, and database.json names another database: move it there with"
                " `wheelhouse migrate-store`, or take the file away."
            )


def places(root: Path) -> tuple[Place, Place, Staging]:
    """Where the index of one host is, where one of several is by the configuration, and what is between them.

    Raises `Rejected`, ConfigError.
    """
    directory = Path(os.environ.get("WHEELHOUSE_CONFIG", "/config"))
    server, gateway = config.database(directory)
    if server is None:
        raise Rejected(f"{directory} has no database.json, which says where the index of several gateways is.")
    staging, state = Staging(root), root / "state"
    alone = LocalStore(root, staging.incoming)
    return Place(Database(state), alone), Place(Database(state, server, gateway), alone), staging


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

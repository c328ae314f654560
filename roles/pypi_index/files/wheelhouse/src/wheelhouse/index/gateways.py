"""The hosts that serve one index, each from pages of its own: which there are, and what each has still to render.

A SQLite has one, whose name is "". Those that share a PostgreSQL are in the table `gateways` from their first start
until a day after they were last seen: each change leaves a row of `dirty` for each of them, in the same transaction.
All times are the server's, so that no clock of a gateway counts.
"""

import contextlib
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, insert, text

from wheelhouse.errors import WheelhouseError
from wheelhouse.index import tables
from wheelhouse.index.database import Database, gateway_of

log = logging.getLogger(__name__)

NEWS = "wheelhouse"
"""The channel of the server on which a gateway says that it has changed something."""
LIVE = 5.0
"""Seconds since it was last seen for which a gateway counts as one that people may be sent to."""
PATIENCE = 3.0
"""Seconds that an answer waits until the others show what was changed."""
FORGOTTEN = 86_400.0
"""Seconds since it was last seen after which a gateway is taken off, and renders everything when it is back."""
LOST = 10.0
"""Seconds without the database after which a gateway is not well."""
_LEFT = 5.0
"""Seconds after which a process that has changed something is no longer about to render it itself."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1
_REACHED = "reached"
"""In the directory of the state: its time is when the database was last reached."""

_NOW = "((extract(epoch FROM clock_timestamp()) * 1000000000)::bigint + (random() * 999)::bigint)"
"""In nanoseconds since 1970, and hardly twice the same."""
_MARK = text(f"""
    WITH marked AS (
        INSERT INTO dirty (gateway, place, mark, first, origin)
        SELECT name, place, {_NOW}, {_NOW}, CAST(:me AS text) FROM gateways, unnest(CAST(:places AS text[])) AS place
        WHERE name = :only OR CAST(:only AS text) IS NULL
        ORDER BY name, place COLLATE "C"
        ON CONFLICT (gateway, place) DO UPDATE SET mark = excluded.mark, origin = excluded.origin
        RETURNING 1
    )
    SELECT pg_notify(:news, CAST(:me AS text)) FROM marked LIMIT 1
""")
_MARK_IN_SQLITE = insert(tables.dirty).prefix_with("OR REPLACE")
_JOIN = text(f"INSERT INTO gateways (name, seen) VALUES (:me, {_NOW})")
_MARK_EVERYTHING = text(f"""
    INSERT INTO dirty (gateway, place, mark, first, origin)
    SELECT CAST(:me AS text), place, {_NOW}, {_NOW}, CAST(:me AS text) FROM (
        SELECT '' UNION SELECT '/reports' UNION SELECT name FROM projects
        UNION SELECT channel || '/' || subdir FROM conda_channels
    ) AS everything (place)
    ON CONFLICT (gateway, place) DO UPDATE SET mark = excluded.mark, origin = excluded.origin
""")
_BEAT = text(f"UPDATE gateways SET seen = {_NOW} WHERE name = :me")
_GONE = f"seen < {_NOW} - :forgotten AND name <> :me"
_WAITING = text(f"""
    SELECT place FROM dirty WHERE gateway = :me AND (origin <> :me OR mark < {_NOW} - :left)
    ORDER BY place <> '', mark DESC LIMIT :most
""")
_BEHIND = text(f"""
    SELECT coalesce(CAST(:since AS bigint), {_NOW}) AS since, EXISTS (
        SELECT 1 FROM dirty JOIN gateways ON gateways.name = dirty.gateway
        WHERE gateways.name <> :me AND gateways.seen > {_NOW} - :live
          AND dirty.place = ANY(CAST(:places AS text[])) AND dirty.first <= coalesce(CAST(:since AS bigint), {_NOW})
    ) AS is_behind
""")
_KNOWN = text(f"""
    SELECT gateways.name, ({_NOW} - gateways.seen) / 1e9 AS seen,
           coalesce(({_NOW} - min(coalesce(nullif(dirty.first, 0), dirty.mark))) / 1e9, 0) AS behind
    FROM gateways LEFT JOIN dirty ON dirty.gateway = gateways.name
    GROUP BY gateways.name, gateways.seen ORDER BY gateways.name
""")


@dataclass(frozen=True)
class Gateway:
    """One of them, as the database knows it."""

    seen: float
    """Seconds since it said that it lives."""
    behind: float
    """Seconds for which the page has waited that it has not rendered for the longest time; 0 if none waits."""


def mark_dirty(connection: Connection, places: Iterable[str], *, only_here: bool = False) -> None:
    """Note that what is served of these places may not be what their rows say: on every gateway, or on this one."""
    ordered = sorted(set(places))
    if not ordered:
        return
    if connection.dialect.name == "sqlite":
        mark = time.time_ns()
        rows = [{"gateway": "", "place": place, "mark": mark, "origin": ""} for place in ordered]
        connection.execute(_MARK_IN_SQLITE, rows)
        return
    me = gateway_of(connection)
    wanted = {"places": ordered, "me": me, "only": me if only_here else None, "news": NEWS}
    connection.execute(_MARK, wanted)


def tell(connection: Connection) -> None:
    """Have the other gateways look, once this transaction has come to its end, at what is no page."""
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_notify(:news, :me)"), {"news": NEWS, "me": gateway_of(connection)})


def has_joined(connection: Connection) -> bool:
    """Whether this gateway is among those that changes are noted for."""
    if connection.dialect.name == "sqlite":
        return True
    found = connection.execute(text("SELECT 1 FROM gateways WHERE name = :me"), {"me": gateway_of(connection)})
    return found.first() is not None


def join(database: Database) -> None:
    """Have changes noted for this gateway; everything is to be rendered then. Raises `Busy`, `Unreachable`."""
    # Nobody is in the middle of a change that has not seen it yet.
    with database.change_alone() as connection:
        if not has_joined(connection):
            connection.execute(_JOIN, {"me": database.gateway})
            connection.execute(_MARK_EVERYTHING, {"me": database.gateway})
    _note_reached(database)


def beat(database: Database) -> bool:
    """Say that this gateway lives; False if it was taken off meanwhile. Raises `Unreachable`."""
    # Not a change, which would wait for whoever sweeps.
    with database.told(), database.engine.begin() as connection:
        connection.execute(text("SET LOCAL synchronous_commit = off"))
        is_known = connection.execute(_BEAT, {"me": database.gateway}).rowcount == 1
    _note_reached(database)
    return is_known


def take_off_dead(database: Database) -> None:
    """Have no changes noted any more for gateways that were not seen for a day. Raises `Busy`, `Unreachable`."""
    wanted = {"forgotten": _nanoseconds(FORGOTTEN), "me": database.gateway}
    with database.read() as connection:
        gone = [row.name for row in connection.execute(text(f"SELECT name FROM gateways WHERE {_GONE}"), wanted)]
    if not gone:
        return
    with database.change_alone() as connection:
        connection.execute(text(f"DELETE FROM gateways WHERE {_GONE}"), wanted)
        connection.execute(text("DELETE FROM dirty WHERE gateway NOT IN (SELECT name FROM gateways)"))
    for name in gone:
        log.warning("The gateway %s was not seen for a day: nothing is kept for it any more.", name)


def wait_for_others(database: Database, places: Iterable[str]) -> None:
    """Wait until the others that live show what was changed in these places before this is called, or for a while.

    Nobody who is told of a change then finds a gateway that does not know of it, but for one that is in trouble.
    """
    if database.is_sqlite:
        return
    wanted = {"places": sorted(places), "me": database.gateway, "live": _nanoseconds(LIVE), "since": None}
    end, pause = time.monotonic() + PATIENCE, _FIRST_PAUSE
    while wanted["places"] and time.monotonic() < end:
        # What was changed is changed, whatever comes here.
        with contextlib.suppress(WheelhouseError), database.told(), database.engine.begin() as connection:
            row = connection.execute(_BEHIND, wanted).one()
            if not row.is_behind:
                return
            wanted["since"] = row.since
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def waiting(connection: Connection, most: int) -> list[str]:
    """Places that others have changed and this gateway has not rendered, the latest first, but for the list of all.

    And those that a process of this one has changed, and left.
    """
    wanted = {"me": gateway_of(connection), "left": _nanoseconds(_LEFT), "most": most}
    return list(connection.execute(_WAITING, wanted).scalars())


def known(connection: Connection) -> Mapping[str, Gateway]:
    """All gateways by their names; none with a SQLite."""
    if connection.dialect.name == "sqlite":
        return {}
    return {row.name: Gateway(float(row.seen), float(row.behind)) for row in connection.execute(_KNOWN)}


def unreached(state: Path) -> float:
    """Seconds since any process of this gateway, whose directory of the state this is, last reached the database."""
    try:
        return max(0.0, time.time() - (state / _REACHED).stat().st_mtime)
    except FileNotFoundError:
        return LOST


def _note_reached(database: Database) -> None:
    (database.state / _REACHED).touch()


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)

"""Whether the index can do its work at present: what load balancers and the container engine ask, all the time."""

import logging
import shutil
import sqlite3
import threading
import time

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from wheelhouse.errors import Unreachable, WheelhouseError
from wheelhouse.index import gateways, tables
from wheelhouse.index.database import Database
from wheelhouse.index.transaction import Index

log = logging.getLogger(__name__)

MIN_FREE = 64 * 2**20
"""Bytes below which nothing can be written any more: the database and pages are, also where nobody uploads."""
MAX_DIRTY = 900.0
"""Seconds that a page may wait for being rendered. The timer of the host does it twice a minute."""
MAX_BEHIND = 30.0
"""The same where another gateway has rendered it."""
KEPT = 2.0
"""Seconds that an answer is good for, however often it is asked for."""


class Health:
    """Of one index. Safe for many threads; one of them looks, and others take what it found."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._fault: str | None = None

    def fault(self) -> str | None:
        """Why the index cannot do its work, as a sentence; None if it can."""
        with self._lock:
            if time.monotonic() - self._at >= KEPT:
                before, self._fault = self._fault, self._look()
                self._at = time.monotonic()
                if self._fault != before:
                    log.log(
                        logging.ERROR if self._fault else logging.INFO, self._fault or "The index is healthy again."
                    )
            return self._fault

    def _look(self) -> str | None:
        try:
            if shutil.disk_usage(self._index.staging.incoming).free < MIN_FREE:
                return "The disk is full."
            database = self._index.database
            if database.server and (lost := gateways.unreached(database.state)) > gateways.LOST:
                return f"The database has not been reached for {lost:.0f} seconds: what is served is as old as that."
            if age_of_dirty(database) > MAX_DIRTY:
                return "Pages wait to be rendered for too long."
            if behind := _behind(database):
                return f"Pages of this gateway are {behind:.0f} seconds old, and others are not."
            if not is_writable(database):
                return "The database cannot be written to."
        except OSError:
            return "The shelf cannot be read."
        except Unreachable:
            return None  # not for long
        except (SQLAlchemyError, WheelhouseError) as error:
            log.error("The database cannot be read: %s", type(error).__name__)
            return "The database cannot be read."
        return None


def age_of_dirty(database: Database) -> float:
    """Seconds for which the page that has waited longest here has not been rendered; 0 if none waits."""
    with database.read() as connection:
        if database.server:
            mine = gateways.known(connection).get(database.gateway)
            return mine.behind if mine else 0.0
        oldest = connection.execute(select(func.min(tables.dirty.c.mark))).scalar()
    return max(0.0, time.time() - oldest / 1e9) if oldest else 0.0


def _behind(database: Database) -> float | None:
    """The same if that is long for a gateway and another one, that lives, has no such page; else None."""
    with database.read() as connection:
        known = dict(gateways.known(connection))
    mine = known.pop(database.gateway, None)
    others = [one for one in known.values() if one.seen < gateways.LIVE]
    if mine is None or mine.behind < MAX_BEHIND or all(one.behind >= MAX_BEHIND for one in others):
        return None
    return mine.behind


def is_writable(database: Database) -> bool:
    """Whether a change could be made now, which is not waited for: somebody else's is as good a proof."""
    if database.file is None:
        with database.read() as connection:
            return connection.execute(text("SHOW transaction_read_only")).scalar() == "off"
    # Changes no row, and fails where the file may not be written to, or is broken.
    try:
        file = sqlite3.connect(f"{database.file.as_uri()}?mode=rw", timeout=0, isolation_level=None, uri=True)
        try:
            file.execute("BEGIN IMMEDIATE")
            file.execute("DELETE FROM meta WHERE key = ''")
            file.execute("ROLLBACK")
        finally:
            file.close()
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    except sqlite3.DatabaseError:
        return False
    return True

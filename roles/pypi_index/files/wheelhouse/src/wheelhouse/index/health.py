"""Whether the index can do its work at present: what load balancers and the container engine ask, all the time."""

import logging
import shutil
import sqlite3
import threading
import time

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from wheelhouse.index import tables
from wheelhouse.index.database import Database
from wheelhouse.index.store_watch import SILENT, StoreWatch
from wheelhouse.index.transaction import Index

log = logging.getLogger(__name__)

MIN_FREE = 64 * 2**20
"""Bytes below which nothing can be written any more: the database and pages are, also where nobody uploads."""
MAX_DIRTY = 900.0
"""Seconds that a page may wait for being rendered. The timer of the host does it twice a minute."""
KEPT = 2.0
"""Seconds that an answer is good for, however often it is asked for."""


class Health:
    """Of one index. Safe for many threads; one of them looks, and others take what it found."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._store = StoreWatch(index) if index.site.is_partial else None
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
            if self._store and self._store.age() > SILENT:
                return "The object store does not answer."
            if age_of_dirty(self._index.database) > MAX_DIRTY:
                return "Pages wait to be rendered for too long."
            if not is_writable(self._index.database):
                return "The database cannot be written to."
        except OSError:
            return "The shelf cannot be read."
        except SQLAlchemyError as error:
            log.error("The database cannot be read: %s", type(error).__name__)
            return "The database cannot be read."
        return None


def age_of_dirty(database: Database) -> float:
    """Seconds for which the page that has waited longest has not been rendered; 0 if none waits."""
    with database.read() as connection:
        oldest = connection.execute(select(func.min(tables.dirty.c.mark))).scalar()
    return max(0.0, time.time() - oldest / 1e9) if oldest else 0.0


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

"""Whether the server that keeps the bytes answers: asked every few seconds, for `/health` and `wheelhouse metrics`.

A file that all processes of this host share has the time of the last answer.
"""

import logging
import os
import time

from wheelhouse.errors import WheelhouseError
from wheelhouse.index.transaction import Index

log = logging.getLogger(__name__)
PROBES = "store-probes.json"
"""The file in the shelf's `state` with what `wheelhouse metrics` shows of the last probe."""
_KEY = "probe/there"
"""Of no object. That the server says so is answer enough."""
SILENT = 10.0
"""Seconds without an answer after which this host should not be asked for files any more."""


class StoreWatch:
    """Of one index whose bytes a server keeps."""

    def __init__(self, index: Index) -> None:
        self._store = index.store
        self._seen = index.database.state / "store-seen"
        self._is_there = True

    def look(self) -> None:
        """Ask, and note the answer. The log says when it is gone, and when it is back."""
        try:
            self._store.head(_KEY)
        except (WheelhouseError, OSError) as error:
            if not self._seen.exists():
                self._seen.touch()  # from now on it counts
            if self._is_there:
                log.error("Files that are not on this host cannot be had: %s", error)
            self._is_there = False
            return
        self._seen.touch()
        if not self._is_there:
            log.info("The object store answers again.")
        self._is_there = True

    def age(self) -> float:
        """Seconds since the last answer; 0 where nobody has asked yet."""
        try:
            return max(0.0, time.time() - os.stat(self._seen).st_mtime)
        except FileNotFoundError:
            return 0.0

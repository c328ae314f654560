"""A gateway's pages follow what other gateways change: one process of each machine sees to it, all the time.

A server that is away, and whatever else goes wrong, is tried again each second: until then the pages stay as they are.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable
from typing import NoReturn

from wheelhouse.errors import Unreachable
from wheelhouse.index import gateways
from wheelhouse.index.transaction import Index

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds after which it looks, also if nobody has told it of a change; and says that it lives."""
_TAKE_OFF_EVERY = 600.0
"""Seconds after which it looks for gateways that are gone for good."""


class Follower:
    """That of one gateway."""

    def __init__(self, index: Index, also: Callable[[], object]) -> None:
        """`also` is done each time: what else has to hold on this gateway soon after it was changed on another one."""
        self._index = index
        self._also = also
        self._is_away = False
        self._taken_off = float("-inf")

    def run(self) -> NoReturn:
        """Follow for ever. Waits as long as another process of this machine does."""
        state = self._index.database.state
        descriptor = os.open(state / "follower.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        while True:
            try:
                self._follow()
            except Unreachable as error:
                if not self._is_away:
                    log.error("%s Pages stay as they are.", error)
                self._is_away = True
            except Exception:
                log.exception("What other gateways have changed could not be rendered.")
            time.sleep(LOOK_EVERY)

    def _follow(self) -> None:
        server = self._index.database.server
        if server is None:
            raise AssertionError("A SQLite has one gateway.")
        with server.news(gateways.NEWS) as wait:
            while True:
                self._look()
                if self._is_away:
                    self._is_away = False
                    log.info("The index's database answers again.")
                wait(LOOK_EVERY)

    def _look(self) -> None:
        database = self._index.database
        if not gateways.beat(database):
            log.warning("This gateway was away for too long, and renders everything.")
            gateways.join(database)
            self._index.render_dirty()
        self._also()
        while self._index.follow():
            gateways.beat(database)
        if time.monotonic() - self._taken_off > _TAKE_OFF_EVERY:
            gateways.take_off_dead(database)
            self._taken_off = time.monotonic()

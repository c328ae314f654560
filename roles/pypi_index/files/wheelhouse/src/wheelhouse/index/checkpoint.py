"""How far a long command got, so that one that was stopped goes on there.

It is written every few seconds. A kill costs what was done since, and doing that again does no harm.
"""

import time
from dataclasses import asdict, dataclass, replace
from datetime import datetime

import msgspec

from wheelhouse.index import queries
from wheelhouse.index.database import own_key
from wheelhouse.index.events import now
from wheelhouse.index.transaction import Index

EVERY = 5.0
"""Seconds between two of them."""
VALID = 7 * 86_400
"""Seconds after the beginning of a run within which another one takes it up."""


@dataclass(frozen=True)
class Checkpoint:
    """One run that is not through."""

    began: str
    """When, like `Event.time`."""
    after: str = ""
    """The last place that is done. Places are sorted; the first one comes behind "" as well."""
    places: int = 0
    """How many are done."""
    problems: int = 0
    """How many were found in them."""


class Walk:
    """A command's way through many places, in the order of their names."""

    def __init__(self, index: Index, command: str, *, remembers: bool = True, from_start: bool = False) -> None:
        """Take up where an earlier run of `command` was stopped, unless `from_start`.

        Without `remembers`, for a few places that somebody chose, there is no earlier run, and no later one.
        """
        self._index = index
        self._key = own_key(index.database.gateway, command)
        self._remembers = remembers
        self._written = time.monotonic()
        found = self._read() if remembers and not from_start else None
        self.is_resumed = found is not None
        """Whether it takes up an earlier one."""
        self.so_far = found or Checkpoint(now())
        """What is done."""

    def remains(self, place: str) -> bool:
        """Whether a place is not done."""
        return not self.is_resumed or place > self.so_far.after

    def done(self, place: str, problems: int) -> None:
        """Note that all up to `place` is done, with as many problems in it. Call it in the order of the places."""
        self.so_far = replace(
            self.so_far, after=place, places=self.so_far.places + 1, problems=self.so_far.problems + problems
        )
        if time.monotonic() - self._written >= EVERY:
            self.save()

    def save(self) -> None:
        """Write down how far it is."""
        self._write(msgspec.json.encode(asdict(self.so_far)).decode())

    def finish(self) -> None:
        """Note that it is through: the next run begins at the beginning."""
        self._write("")

    def _write(self, value: str) -> None:
        self._written = time.monotonic()
        if self._remembers:
            self._index.remember(self._key, value)

    def _read(self) -> Checkpoint | None:
        with self._index.database.read() as connection:
            value = queries.remembered(connection, self._key)
        try:
            found = msgspec.json.decode(value, type=Checkpoint) if value else None
            is_young = found and datetime.fromisoformat(found.began).timestamp() > time.time() - VALID
        except ValueError:  # msgspec's errors are some
            return None
        return found if is_young else None

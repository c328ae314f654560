"""Every name that a file was ever published under, and with which bytes.

A name never comes back with other bytes, even if its file was removed: whoever installed it before keeps it for good,
and lock files have its hash. The journal knows all of them. What it says is kept in memory, per process, and what other
processes append is read before each answer, so that an upload costs what came since the last one.
"""

import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache

from wheelhouse.formats.distribution import BadDistribution, FileName, parse_filename
from wheelhouse.index.events import PUBLISH, Journal, Tail


class Names:
    """What the journal of now adds up to. Safe for many threads.

    Whoever goes by an answer holds the lock of the project or channel that it is about.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._tail = Tail(journal)
        self._places: dict[str, dict[str, bytes]] = {}
        """Project, or channel and subdir -> file name -> SHA-256. A project's name has no slash in it."""

    def known(self, place: str) -> Mapping[str, str]:
        """File name -> SHA-256 (hex) of all that was ever published of a project, or in a subdir of a channel."""
        with self._lock:
            self._catch_up()
            return {name: digest.hex() for name, digest in self._places.get(place, {}).items()}

    def digest(self, place: str, filename: str) -> str | None:
        """The SHA-256 (hex) that one file was published with; None if nothing was ever published under this name."""
        with self._lock:
            self._catch_up()
            found = self._places.get(place, {}).get(filename)
            return found.hex() if found else None

    def alike(self, name: FileName) -> Iterator[FileName]:
        """Files of the same version that were published under other names."""
        with self._lock:
            self._catch_up()
            others = [other for other in self._places.get(name.project, ()) if other != name.filename]
        for other in others:
            parsed = _parsed(other)
            if parsed and parsed.version == name.version:
                yield parsed

    def warm_up(self) -> None:
        """Read the journal now, so that the first upload need not wait for it."""
        with self._lock:
            self._catch_up()

    def _catch_up(self) -> None:
        if self._tail.is_cut():  # an older journal was put back; what is known stays known
            self._tail = Tail(self._journal)
        for event in self._tail.new():
            place = event.project or event.channel
            if event.event != PUBLISH or not (place and event.file and event.sha256):
                continue
            try:
                digest = bytes.fromhex(event.sha256)
            except ValueError:
                continue  # a line that somebody wrote by hand
            self._places.setdefault(place, {})[event.file] = digest


@lru_cache(2**16)
def _parsed(filename: str) -> FileName | None:
    try:
        return parse_filename(filename)
    except BadDistribution:
        return None

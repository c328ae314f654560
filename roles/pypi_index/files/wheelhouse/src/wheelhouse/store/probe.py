"""Whether a server does what the index needs of an object store. Some say that they do, and overwrite silently.

All of it happens below a key of its own, which is gone afterwards; whoever uses the store meanwhile notices nothing.
"""

import contextlib
import hashlib
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from wheelhouse.errors import Busy, NotFound
from wheelhouse.store.s3 import S3Store

RACERS = 8
LARGE = 100 * 2**20
"""Bytes. Clients send that much in parts, unless told not to; and servers may limit what comes in one."""
ABOVE = "probe"
"""What the keys begin with. Nobody else reads or sweeps them."""


@dataclass
class Outcome:
    """What was found."""

    faults: list[str] = field(default_factory=list)
    """What the server did wrong, as sentences; none if it can be used."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each step took."""


def probe(store: S3Store, scratch: Path, large: int = LARGE) -> Outcome:
    """Do it, with a large object of so many bytes, made in an empty directory.

    Raises what a `Store` does where the server does not answer.
    """
    return _Probe(store, large, scratch).run()


class _Probe:
    def __init__(self, store: S3Store, large: int, scratch: Path) -> None:
        self._store = store
        self._large = large
        self._scratch = scratch
        self._above = f"{ABOVE}/{secrets.token_hex(8)}"
        self._outcome = Outcome()

    def run(self) -> Outcome:
        steps = {"create": self._create, "race": self._race, "large": self._large_object, "delete": self._delete}
        try:
            for name, step in steps.items():
                start = time.monotonic()
                step()
                self._outcome.seconds[name] = time.monotonic() - start
        finally:
            self._clean_up()
        return self._outcome

    def _create(self) -> None:
        key, first, second = f"{self._above}/once", self._file("first"), self._file("second")
        if not self._store.create(key, first):
            self._fault("It says of a new object that it is there already")
        self._expect(key, first, "An object has other bytes than were stored")
        if key not in self._listed():
            self._fault("It does not list an object that was just stored")
        if self._store.create(key, second):
            self._fault("It overwrites an object that it was to create only if there is none (`If-None-Match: *`)")
        elif self._digest(key) == _digest(second):
            self._fault("It refuses to overwrite an object, and overwrites it all the same")

    def _race(self) -> None:
        """Several try to create one object at the same moment."""
        key, files = f"{self._above}/race", [self._file(f"racer {number}") for number in range(RACERS)]
        with ThreadPoolExecutor(RACERS) as threads:
            created = list(threads.map(lambda file: self._store.create(key, file), files))
        winners = [file for file, won in zip(files, created, strict=True) if won]
        if len(winners) != 1:
            self._fault(f"Of {RACERS} who created one object at the same moment, it told {len(winners)} that they did")
        elif self._digest(key) != _digest(winners[0]):
            self._fault(f"Of {RACERS} who created one object at the same moment, the one it told so did not")

    def _large_object(self) -> None:
        key, file = f"{self._above}/large", self._file("large", self._large)
        size = f"{self._large / 2**20:g} MiB"
        try:
            is_created = self._store.create(key, file)
        except Busy:
            is_created = False
        if is_created:
            self._expect(key, file, f"An object of {size} has other bytes than were stored")
        else:
            self._fault(f"It does not take an object of {size} in one request")

    def _delete(self) -> None:
        for key in self._listed():
            self._store.delete(key)
            if self._store.head(key):
                self._fault("It still has an object that was deleted")
        if self._listed():
            self._fault("It lists objects that were deleted")

    def _clean_up(self) -> None:
        """Whatever became of the probe."""
        with contextlib.suppress(Exception):
            for key in self._listed():
                self._store.delete(key)

    def _expect(self, key: str, file: Path, otherwise: str) -> None:
        if self._digest(key) != _digest(file):
            self._fault(otherwise)

    def _fault(self, sentence: str) -> None:
        self._outcome.faults.append(f"{sentence}.")

    def _listed(self) -> list[str]:
        return [found.key for found in self._store.list(f"{self._above}/")]

    def _digest(self, key: str) -> str | None:
        try:
            with self._store.open(key) as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except NotFound:
            return None

    def _file(self, name: str, size: int = 0) -> Path:
        """A file with contents of its own."""
        path = self._scratch / name
        with path.open("wb") as stream:
            stream.write(secrets.token_bytes(64))
            stream.truncate(max(size, 64))
        return path


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

"""The copies of packages that a host keeps where a server has the bytes: how many there are, which go, which are wrong.

What was not used for longest goes first. When a file was used, its access time says: the kernel sets it once a day at
least as the gateway reads the file, unless the disk is mounted with `noatime`; and `note_used` sets it by the gateway's
log of downloads, each hour, wherever the disk. Neither costs a reader anything.

A file that is being sent goes on being sent: its name goes, and the bytes when the last reader has ended.
"""

import contextlib
import logging
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wheelhouse.store.base import blob
from wheelhouse.store.site import has_bytes

log = logging.getLogger(__name__)
Known = Callable[[Iterable[str]], Mapping[str, str]]
"""Of paths below the shelf, those of published files, each with its SHA-256 (hex). What else is there is not ours."""
_PATTERNS = ("packages/*/*", "conda/*/*/*")
"""Where copies are, below the shelf."""
_SPARE = 20
"""One part in so many is freed at a time beyond what has to be, so that not each new file has one go."""
_AT_ONCE = 500
SAMPLES = 30
"""Days in which each file is read once."""


@dataclass(frozen=True)
class Copy:
    """One file."""

    path: str
    """Below the shelf."""
    used: float
    """Seconds since 1970."""
    size: int
    """Bytes."""


class LocalCopies:
    """Of one shelf. Safe for many processes, though one is enough to look after them."""

    def __init__(self, root: Path, most: int, known: Known) -> None:
        """`most` is the number of bytes that are kept."""
        self._root = root
        self._most = most
        self._known = known

    def all(self) -> list[Copy]:
        """All of them, and what else lies there; the one that was not used for longest first."""
        found = []
        for pattern in _PATTERNS:
            for path in self._root.glob(pattern):
                with contextlib.suppress(FileNotFoundError):
                    status = path.lstat()
                    found.append(Copy(str(path.relative_to(self._root)), status.st_atime, status.st_size))
        return sorted(found, key=lambda one: (one.used, one.path))

    def trim(self, freeing: int = 0) -> "Kept":
        """Remove copies until all have no more bytes than are kept, and at least so many bytes went."""
        copies = self.all()
        total = sum(one.size for one in copies)
        excess = total - self._most
        wanted = max(excess + self._most // _SPARE if excess > 0 else 0, freeing)
        removed = freed = 0
        for some in _some(copies):
            if freed >= wanted:
                break
            published = self._known(one.path for one in some)
            for one in some:
                if freed < wanted and one.path in published:
                    (self._root / one.path).unlink(missing_ok=True)
                    removed, freed = removed + 1, freed + one.size
        return Kept(len(copies) - removed, total - freed, removed)

    def check(self, day: int) -> list[str]:
        """Read those files whose turn it is on a day (since 1970), and remove those that are not what was published.

        The next who asks for one fetches it again. Returns their paths.
        """
        wrong = []
        turn = [one for one in self.all() if zlib.crc32(one.path.encode()) % SAMPLES == day % SAMPLES]
        for some in _some(turn):
            for path, sha256 in self._known(one.path for one in some).items():
                used = self._used(path)
                if used is not None and not has_bytes(self._root / path, blob(sha256)):
                    with contextlib.suppress(FileNotFoundError):
                        (self._root / path).unlink()
                        wrong.append(path)
                        log.error("%s had changed on this disk, and is fetched anew: is the disk in order?", path)
                elif used is not None:
                    self._set_used(path, used)  # it was only us
        return wrong

    def note_used(self, used: Mapping[str, float]) -> None:
        """Note when files were last used: paths below the shelf, with seconds since 1970."""
        for path, at in used.items():
            before = self._used(path)
            if before is not None and at > before:
                self._set_used(path, at)

    def _used(self, path: str) -> float | None:
        try:
            return (self._root / path).lstat().st_atime
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _set_used(self, path: str, at: float) -> None:
        with contextlib.suppress(FileNotFoundError, PermissionError):
            status = (self._root / path).lstat()
            os.utime(self._root / path, ns=(int(at * 1e9), status.st_mtime_ns), follow_symlinks=False)


@dataclass(frozen=True)
class Kept:
    """What is there after some were removed."""

    files: int
    bytes: int
    removed: int


def _some(copies: list[Copy]) -> Iterator[list[Copy]]:
    for start in range(0, len(copies), _AT_ONCE):
        yield copies[start : start + _AT_ONCE]

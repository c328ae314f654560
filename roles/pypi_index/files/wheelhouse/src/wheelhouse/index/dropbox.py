"""Files that were copied onto the shelf: they may be anybody's, half written, broken, or no files at all.

What is checked and published is a copy that nobody else can change. The file itself is opened without following a link
and without waiting for anybody at its other end, and goes only if it is still the one that was copied.
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from wheelhouse.store.local import Shelf

QUIET = 2.0
"""Seconds without a change after which a file that is not whole is taken for broken and not for being copied."""
COPIED_IN = "copied in"
"""`Event.origin` of a file that was found on the shelf."""
MAX_DEPTH = 8
"""Directories in each other that are looked into."""
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Unfit(Exception):
    """What was copied in is not taken at all; the text is one sentence."""


@dataclass
class Report:
    """What a run found and did."""

    published: list[str] = field(default_factory=list)
    """File names."""
    pages_written: int = 0
    problems: list[str] = field(default_factory=list)
    """Sentences; somebody has to look at each."""

    @contextlib.contextmanager
    def noting_errors(self, path: Path) -> Iterator[None]:
        """Turn an error of the file system into a problem, so that the run goes on with the next file."""
        try:
            yield
        except FileNotFoundError:
            pass  # taken away while we looked
        except OSError as error:
            advice = "give it and its directory to the user this runs as"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                advice = "make room on the index host's disk"
            self.problems.append(f"{shown(path)} cannot be looked after ({error.strerror}): {advice}.")


@dataclass(frozen=True)
class Copy:
    """A file that was copied in, as it was when it was looked at."""

    path: Path
    """Our own copy."""
    before: os.stat_result
    """Of the file itself."""


@contextlib.contextmanager
def received(shelf: Shelf, path: Path, max_size: int | None = None) -> Iterator[Copy]:
    """A copy of the file that nobody else writes to, gone after the block unless it was placed.

    Raises `Unfit` and OSError. `max_size` is the most bytes it may have.
    """
    with shelf.inside(path.parent) as directory:
        before = os.stat(path.name, dir_fd=directory, follow_symlinks=False)
        _is_file(path, before)
        descriptor = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        with open(descriptor, "rb") as stream:
            before = os.fstat(stream.fileno())
            _is_file(path, before)
            if max_size is not None and before.st_size > max_size:
                raise Unfit(f"{shown(path)} is bigger than {max_size} bytes, the most this index takes.")
            if before.st_size > shelf.room():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            with shelf.receive(_Bounded(stream, before.st_size)) as copy:
                yield Copy(copy, before)


def is_being_written(shelf: Shelf, path: Path, before: os.stat_result) -> bool:
    """Whether a file that looks broken is half of one that is being copied. `before` is from before it was read."""
    if time.time() - before.st_mtime < QUIET:
        time.sleep(QUIET)
    with shelf.inside(path.parent) as directory:
        return not _is_same(before, os.stat(path.name, dir_fd=directory, follow_symlinks=False))


def tidy_away(shelf: Shelf, path: Path, before: os.stat_result) -> None:
    """Remove a file that was dealt with, unless another one has come in its place meanwhile."""
    with contextlib.suppress(FileNotFoundError), shelf.inside(path.parent) as directory:
        if _is_same(before, os.stat(path.name, dir_fd=directory, follow_symlinks=False)):
            os.unlink(path.name, dir_fd=directory)
            os.fsync(directory)


def is_file(shelf: Shelf, path: Path) -> bool:
    """Whether something that was copied in is a file, and not a link or the like; raises OSError."""
    with shelf.inside(path.parent) as directory:
        return stat.S_ISREG(os.stat(path.name, dir_fd=directory, follow_symlinks=False).st_mode)


def remove_unfit(shelf: Shelf, path: Path) -> None:
    """Remove what is no file: a link, not what it leads to; raises OSError."""
    with shelf.inside(path.parent) as directory:
        os.unlink(path.name, dir_fd=directory)
        os.fsync(directory)


def dropped(shelf: Shelf, below: Path) -> Iterator[Path]:
    """Everything but directories below a part of the drop directory. Hidden files are those of copying programs."""
    stack = [(below, 0)]
    while stack:
        directory, depth = stack.pop()
        try:
            with shelf.inside(directory) as descriptor:
                entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in os.scandir(descriptor))
        except OSError:
            continue  # gone, or a link now
        for name, is_directory in entries:
            path = directory / name
            if name.startswith("."):
                continue
            if is_directory:
                if depth < MAX_DEPTH:
                    stack.append((path, depth + 1))
            else:
                yield path


def shown(path: Path) -> str:
    """A file's name for people; it may hold whatever somebody chose to put into it."""
    name = path.name
    return name if name.isprintable() and name.isascii() else ascii(name)[:300]


class _Bounded:
    """A file's first bytes: as many as it had when it was looked at."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(piece)
        return piece


def _is_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise Unfit(f"{shown(path)} is {kind}, and only files are taken: copy the file itself.")


def _is_same(before: os.stat_result, after: os.stat_result) -> bool:
    return (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)

"""Files that somebody else put into a directory of ours: anybody's, half written, broken, or no files at all.

Each is opened without following a link and without waiting for anybody at its other end, on its way there as well.
What is checked and published is a copy that nobody else can change, and the file goes only if it is still the one that
was copied. All of it is about directories of this host, wherever packages are stored.
"""

import contextlib
import hashlib
import itertools
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import IO

QUIET = 2.0
"""Seconds without a change after which a file that is not whole is taken for broken and not for being copied."""
MAX_DEPTH = 8
"""Directories in each other that are looked into."""
_AT_A_TIME = 10_000
"""Names of a directory that are put in order."""
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Unfit(Exception):
    """A file is not taken at all; the text is one sentence."""


@dataclass(frozen=True)
class Seen:
    """A file as it was when it was opened: what tells whether another one is in its place by now."""

    size: int
    """Bytes."""
    _mtime: int
    _inode: int
    _device: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Seen":
        """From what the system says of a file."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)

    def is_quiet(self) -> bool:
        """Whether it was last written a while ago. A time in the future counts as now."""
        return time.time() - self._mtime / 1e9 >= QUIET


@dataclass(frozen=True, order=True)
class Foreign:
    """What lies at `where` below `root`, a directory of ours. There may be something else at each look."""

    root: Path
    where: PurePosixPath

    @property
    def name(self) -> str:
        """Its file name; it may hold whatever somebody chose to put into it."""
        return self.where.name

    @property
    def path(self) -> Path:
        """Where it is, for people: opening it there would follow links."""
        return self.root / self.where

    @property
    def shown(self) -> str:
        """Its file name for people: ASCII that moves no cursor."""
        return shown(self.name)

    def is_file(self) -> bool:
        """Whether it is a file, and not a link or the like; raises OSError."""
        with self._directory() as directory:
            return stat.S_ISREG(os.stat(self.name, dir_fd=directory, follow_symlinks=False).st_mode)

    def is_there(self) -> bool:
        """Whether anything is there, a link to nothing as well."""
        try:
            with self._directory() as directory:
                os.stat(self.name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    @contextlib.contextmanager
    def opened(self, max_size: int | None = None) -> Iterator[tuple[IO[bytes], Seen]]:
        """Read it, up to as many bytes as it has now; raises `Unfit` and OSError.

        `max_size` is the most bytes it may have.
        """
        with self._directory() as directory:
            self._check_kind(os.stat(self.name, dir_fd=directory, follow_symlinks=False))
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self.name, flags, dir_fd=directory)
        with open(descriptor, "rb") as stream:
            status = os.fstat(stream.fileno())
            self._check_kind(status)
            if max_size is not None and status.st_size > max_size:
                raise Unfit(f"{self.shown} is bigger than {max_size} bytes, the most this index takes.")
            yield _Bounded(stream, status.st_size), Seen.of(status)  # type: ignore[misc]  # of IO, only `read` is used

    def sha256(self) -> str:
        """Hex; raises `Unfit` and OSError."""
        with self.opened() as (stream, _):
            digest = hashlib.sha256()
            while piece := stream.read(2**20):
                digest.update(piece)
            return digest.hexdigest()

    def is_being_written(self, before: Seen) -> bool:
        """Whether what looks broken is half of a file that is being copied. `before` is from before it was read."""
        if not before.is_quiet():
            time.sleep(QUIET)
        with self._directory() as directory:
            return before != Seen.of(os.stat(self.name, dir_fd=directory, follow_symlinks=False))

    def tidy_away(self, before: Seen) -> None:
        """Remove a file that was dealt with, unless another one has come in its place meanwhile; raises OSError.

        A crash may bring it back, and then it is dealt with again.
        """
        with contextlib.suppress(FileNotFoundError), self._directory() as directory:
            if before == Seen.of(os.stat(self.name, dir_fd=directory, follow_symlinks=False)):
                os.unlink(self.name, dir_fd=directory)

    def remove(self) -> None:
        """Remove what is no file: a link, not what it leads to; raises OSError."""
        with self._directory() as directory:
            os.unlink(self.name, dir_fd=directory)
            os.fsync(directory)

    def move(self, target: Path) -> None:
        """Have it at `target`, on the same disk; what is there is gone. Raises OSError."""
        with self._directory() as directory:
            os.rename(self.name, target, src_dir_fd=directory)
            os.fsync(directory)

    @contextlib.contextmanager
    def _directory(self) -> Iterator[int]:
        with inside(self.root, self.where.parent) as descriptor:
            yield descriptor

    def _check_kind(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
            raise Unfit(f"{self.shown} is {kind}, and only files are taken: copy the file itself.")


def below(root: Path, where: PurePosixPath, depth: int = MAX_DEPTH) -> Iterator[Foreign]:
    """Everything but directories below a directory of ours. Hidden files are those of copying programs.

    However many there are, few are in memory at a time. Those that were seen may be gone when the next ones come.
    """
    inner: list[str] = []
    try:
        with inside(root, where) as descriptor, os.scandir(descriptor) as entries:
            while some := sorted(
                (entry.name, entry.is_dir(follow_symlinks=False)) for entry in itertools.islice(entries, _AT_A_TIME)
            ):
                for name, is_directory in some:
                    if is_directory and not name.startswith("."):
                        inner.append(name)
                    elif not name.startswith("."):
                        yield Foreign(root, where / name)
    except OSError:
        return  # gone, or a link now
    if depth:
        for name in sorted(inner):
            yield from below(root, where / name, depth - 1)


def directories(root: Path, where: PurePosixPath, since: float = 0.0) -> Iterator[PurePosixPath]:
    """A directory of ours and those in it, without hidden ones, sorted; none where it is not there.

    With `since` (seconds since 1970) only those that something came into, or went out of, after that. This is cheap,
    and what file systems do: a directory's time changes when a name in it does. They round their times.
    """
    try:
        with inside(root, where) as descriptor:
            if os.fstat(descriptor).st_mtime >= since - 1:
                yield where
            for name in sorted(entry.name for entry in os.scandir(descriptor) if entry.is_dir(follow_symlinks=False)):
                if name.startswith("."):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    if not since or os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mtime >= since - 1:
                        yield where / name
    except OSError:
        return


def names(root: Path, where: PurePosixPath) -> list[str]:
    """What lies in a directory of ours, without directories and hidden files; nothing if it is not there. Sorted."""
    try:
        with inside(root, where) as descriptor:
            return sorted(
                entry.name
                for entry in os.scandir(descriptor)
                if not entry.name.startswith(".") and not entry.is_dir(follow_symlinks=False)
            )
    except OSError:
        return []


@contextlib.contextmanager
def inside(root: Path, directory: PurePath) -> Iterator[int]:
    """A descriptor of a directory below `root` (which `directory` does not name), reached without following any link.

    Whoever owns a directory that was copied in could put a link in its place at any moment.
    """
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in directory.parts:
            above = descriptor
            descriptor = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
            os.close(above)
        yield descriptor
    finally:
        os.close(descriptor)


def shown(name: str) -> str:
    """A file's name for people: ASCII that moves no cursor."""
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

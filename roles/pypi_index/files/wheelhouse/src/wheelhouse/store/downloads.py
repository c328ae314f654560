"""Copies of public files: those of the policy `cached`, kept where the gateway serves them as plain files, and those
that `intake` has in quarantine.

    cached/<project>/<file>            whole and checked, immutable
    cached/<project>/<file>.metadata   core metadata of a wheel
    incoming/                          what is still being received; never served

Nothing here is worth a backup: what is missing is fetched again. What a file was, stays known elsewhere, see `seen`.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

_SYNC_EVERY = 32 * 2**20
"""Bytes. Synced as it comes, so that the last piece of a large file does not wait until the disk has all of it."""

GIVE_UP = 10.0
"""Seconds without a byte after which a file that somebody else is receiving is fetched once more."""
_HELD_BACK = 2**16
"""Bytes at the end of such a file that nobody gets before the whole is known to be right."""
_LOOK_EVERY = 0.02
_SHARES = 8
"""Of the room that is left; more than there are processes that fill it."""


class Cache:
    """One cache. Safe for many threads and processes at once."""

    def __init__(self, root: Path) -> None:
        """Makes no directory yet: most policies need none."""
        self._files = root / "cached"
        self._incoming = root / "incoming"
        self._unlooked = 0
        """Bytes that may still come before it is time to look how many there are."""

    @contextlib.contextmanager
    def fetching(self, project: str, filename: str) -> Iterator["Received | Followed"]:
        """A file that is to be fetched: for the first who asks to write to, for others to read while it comes.

        It is gone after the block of the first, unless it was placed. Raises OSError where there is no room for it.
        """
        make_directory(self._incoming)
        path = self._incoming / f"{hashlib.sha256(f'{project}/{filename}'.encode()).hexdigest()}.fetch"
        with _locked(self._incoming, fcntl.LOCK_SH):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "rb+", buffering=0) as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield Followed(stream, self.path(project, filename))
                return
            if not _is_at(stream, path):  # it became the file, or was given up, between the two steps
                yield Followed(stream, self.path(project, filename))
                return
            stream.truncate(0)
            try:
                yield Received(path, stream)
            finally:
                if _is_at(stream, path):
                    path.unlink(missing_ok=True)

    def open(self, project: str, filename: str) -> IO[bytes] | None:
        """A kept file, open for reading; None if it is not there."""
        try:
            return (self._files / project / filename).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            return None

    @contextlib.contextmanager
    def receive(self) -> Iterator["Received"]:
        """A file of our own to write to, which is gone after the block unless it was placed."""
        make_directory(self._incoming)
        # A locked file is one that somebody is writing to; between its making and its locking `sweep` has to wait.
        with _locked(self._incoming, fcntl.LOCK_SH):
            descriptor, name = tempfile.mkstemp(dir=self._incoming)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        path = Path(name)
        try:
            with open(descriptor, "wb", buffering=0) as stream:
                yield Received(path, stream)
        finally:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def resume(self, sha256: str) -> Iterator["Received"]:
        """The same for a file known by its SHA-256 (hex): what came of it before is there, and what came stays."""
        make_directory(self._incoming)
        path = self._incoming / f"{sha256}.part"
        with path.open("ab+", buffering=0) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            received = Received(path, stream)
            stream.seek(0)
            while piece := stream.read(_SYNC_EVERY):
                received.count(piece)
            yield received

    def path(self, project: str, filename: str) -> Path:
        """Where a kept file is, or would be."""
        return self._files / project / filename

    def place(self, received: "Received", project: str, filename: str) -> None:
        """Keep a received file under its name. Raises OSError, also if the file is not what was received."""
        received.sync()
        make_directory(self._files / project)
        # The name itself is not synced: a crash that loses it costs one more download.
        received.path.rename(self._files / project / filename)

    def projects(self) -> list[str]:
        """Projects of which something is kept."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return [entry.name for entry in os.scandir(self._files)]
        return []

    def forget(self, project: str) -> None:
        """Throw away what is kept of a project."""
        shutil.rmtree(self._files / project, ignore_errors=True)

    def files(self, project: str) -> list[str]:
        """Names of the files that are kept of a project."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return [entry.name for entry in os.scandir(self._files / project)]
        return []

    def forget_file(self, project: str, filename: str) -> None:
        """Throw away one file."""
        self.path(project, filename).unlink(missing_ok=True)

    def trim(self, most: int, last_asked: Callable[[str], float], added: int) -> None:
        """Throw away what was not used for longest until all that is kept has at most `most` bytes.

        `added` bytes have come since it was called last. As long as there is much room, that is all that is looked at:
        the other processes, of which there are few, each have a share of the room.
        When a file was used, nobody but the gateway knows; `last_asked` is when a client looked at its project last,
        and where the file system notes when a file was read, that counts as well.
        """
        self._unlooked -= added
        if self._unlooked > 0:
            return
        try:
            descriptor = os.open(self._files, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            files = [(path, path.stat()) for path in self._files.glob("*/*")]
            total = sum(status.st_size for _, status in files)
            asked = {path.parent.name: last_asked(path.parent.name) for path, _ in files} if total > most else {}
            files.sort(key=lambda one: max(asked.get(one[0].parent.name, 0.0), one[1].st_atime, one[1].st_mtime))
            for path, status in files:
                if total <= most:
                    break
                path.unlink(missing_ok=True)
                total -= status.st_size
            self._unlooked = (most - total) // _SHARES
        except (BlockingIOError, FileNotFoundError):
            pass  # somebody else is at it
        finally:
            os.close(descriptor)

    def used(self, last_asked: Callable[[str], float]) -> list[tuple[Path, float, int]]:
        """The kept files, the one that was not used for longest first: its last use as `trim` knows it, bytes."""
        found = []
        for path in self._files.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                used = max(last_asked(path.parent.name), status.st_atime, status.st_mtime)
                found.append((path, used, status.st_size))
        return sorted(found, key=lambda one: one[1])

    def keep_only(self, wanted: set[Path]) -> None:
        """Throw away everything else, and what came of other files. Nobody else may be using the cache."""
        for path in self._files.glob("*/*"):
            if path not in wanted:
                path.unlink()
        for directory in self._files.glob("*"):
            with contextlib.suppress(OSError):  # something is in it
                directory.rmdir()
        if self._incoming.is_dir():
            for path in self._incoming.iterdir():
                path.unlink()

    def sweep(self) -> None:
        """Throw away what killed processes left in `incoming`."""
        if not self._incoming.is_dir():
            return
        with _locked(self._incoming, fcntl.LOCK_EX):
            for path in self._incoming.iterdir():
                with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as stream:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()


class Received:
    """A file that is being received."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path = path
        self.size = 0
        """Bytes so far."""
        self._stream = stream
        self._digest = hashlib.sha256()
        self._synced = 0

    @property
    def sha256(self) -> str:
        """Of what has come so far, hex."""
        return self._digest.hexdigest()

    def write(self, piece: bytes) -> None:
        """Append; raises OSError, and then the piece does not count."""
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._stream.write(rest) :]
        except OSError:
            self._cut(self.size)
            raise
        self.count(piece)
        if self.size - self._synced >= _SYNC_EVERY:
            self.sync()

    def count(self, piece: bytes) -> None:
        """Take note of bytes that are in the file."""
        self._digest.update(piece)
        self.size += len(piece)

    def restart(self) -> None:
        """Throw away what has come so far."""
        self._cut(0)
        self._digest = hashlib.sha256()
        self.size = self._synced = 0

    def _cut(self, size: int) -> None:
        """Leave `size` bytes, and go on behind them."""
        self._stream.truncate(size)
        self._stream.seek(size)

    def give_up(self) -> None:
        """Keep nothing of it; whoever follows goes on alone."""
        self.path.unlink(missing_ok=True)
        fcntl.flock(self._stream, fcntl.LOCK_UN)

    def sync(self) -> None:
        """Have it on the disk, for others to read. Raises OSError, also if there is more in it, or less, than came."""
        if os.fstat(self._stream.fileno()).st_size != self.size:
            raise OSError(errno.EIO, "The file has other bytes than were received", str(self.path))
        os.fchmod(self._stream.fileno(), 0o644)
        os.fsync(self._stream.fileno())
        self._synced = self.size


class Followed:
    """A file that somebody else is receiving, in another process maybe."""

    def __init__(self, stream: IO[bytes], target: Path) -> None:
        self._stream = stream
        self._target = target
        self.is_whole = False
        """Whether all of it has been given, and was what it should be."""
        self.is_stuck = False
        """Whether nothing came any more."""

    def pieces(self, start: int) -> Iterator[bytes]:
        """Its bytes from one on as they come, the last ones only when the whole is known to be right.

        Ends before that if whoever receives it gives up, or nothing came for `GIVE_UP` seconds.
        """
        at, heard = start, time.monotonic()
        while True:
            has_ended = self._has_ended()
            self.is_whole = has_ended and _is_at(self._stream, self._target)
            size = os.fstat(self._stream.fileno()).st_size
            until = size if self.is_whole else size - _HELD_BACK
            while at < until:
                piece = os.pread(self._stream.fileno(), min(until - at, 2**16), at)
                if not piece:
                    return  # it was begun anew
                at, heard = at + len(piece), time.monotonic()
                yield piece
            self.is_stuck = not has_ended and time.monotonic() - heard > GIVE_UP
            if has_ended or self.is_stuck:
                return
            time.sleep(_LOOK_EVERY)

    def _has_ended(self) -> bool:
        try:
            fcntl.flock(self._stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(self._stream, fcntl.LOCK_UN)
        return True


def _is_at(stream: IO[bytes], path: Path) -> bool:
    """Whether an open file is the one of this name."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    return False


def make_directory(directory: Path) -> None:
    """Make a directory and its parent, 0755 whatever the umask."""
    for path in (directory.parent, directory):
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)


@contextlib.contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)

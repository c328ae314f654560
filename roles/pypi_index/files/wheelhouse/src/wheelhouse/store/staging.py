"""Where things are received, opened and checked before they are anything: always a directory of this machine.

    incoming/                  files that are still being received; never served
    incoming/loose/...         lists of SHA-256: bytes in the store that may be no row's, or are not yet
    drop/...                   files that IT copies in, to be checked and published; never served
    drop/conda/<channel>/...   the same for a conda channel
    quarantine/<when>-<file>   what was found and refused, with a .reason.json beside it
    last-look                  empty; its time is that of the last look for files that were copied in

It is on the same disk as the store's directory and the served tree, so that a file that was received once gets to both
by a link.
"""

import calendar
import contextlib
import ctypes
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from wheelhouse.store.foreign import Foreign

FILE_MODE = 0o644
_LIBC = ctypes.CDLL(None, use_errno=True)
FOUND = "found."
"""What the names of directories in `drop` begin with that hold what was found elsewhere."""
_STALE = 86_400
"""Seconds after which a file in `incoming` is what a kill left behind."""
_WHEN = "%Y%m%dT%H%M%SZ"
_LONGEST = 200
"""Bytes of a file's name that are kept in quarantine."""
_RESERVE = 2**30
"""Bytes that uploads leave free, or a twentieth of a small disk."""


class Staging:
    """Safe for many processes at once: whatever is here has a name of its own."""

    def __init__(self, root: Path) -> None:
        """Make the directories where they are missing; raises OSError."""
        self.root = root
        self.incoming = root / "incoming"
        self.drop = root / "drop"
        self.quarantine = root / "quarantine"
        self.last_look = root / "last-look"
        self._loose = self.incoming / "loose"
        for directory in (self.incoming, self._loose, self.drop, self.quarantine):
            make_directory(directory)

    @contextlib.contextmanager
    def receive(self, stream: IO[bytes], *, durable: bool = True) -> Iterator[Path]:
        """Copy `stream` to a file of our own, synced, that is gone after the block unless something linked it.

        With `durable=False` the caller syncs the disk before anything names it. Raises OSError, ENOSPC among them, and
        then nothing is left of it.
        """
        descriptor, name = tempfile.mkstemp(dir=self.incoming)
        path = Path(name)
        try:
            with open(descriptor, "wb") as copy:
                shutil.copyfileobj(stream, copy, 2**20)
                os.fchmod(copy.fileno(), FILE_MODE)
                copy.flush()
                if durable:
                    os.fsync(copy.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory of our own, gone after the block."""
        with tempfile.TemporaryDirectory(dir=self.incoming) as directory:
            yield Path(directory)

    def room(self) -> int:
        """Bytes that may still be written here, with some left for state and pages."""
        disk = os.statvfs(self.incoming)
        return disk.f_bavail * disk.f_frsize - min(_RESERVE, disk.f_blocks * disk.f_frsize // 20)

    def note_loose(self, digests: Iterable[str]) -> Path:
        """Note the SHA-256 of bytes in the store that may be no row's: before they are put there, or lose their row."""
        note = self._loose / uuid.uuid4().hex
        note.write_text("\n".join(digests))
        return note

    def loose(self) -> list[tuple[Path, list[str]]]:
        """All notes, each with what it says, of those who are at it at this moment and of those who were killed."""
        found = []
        for note in self._loose.iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append((note, note.read_text().split()))
        return found

    def forget_loose(self, note: Path) -> None:
        """Forget them: rows name them, or they are gone."""
        note.unlink(missing_ok=True)

    def set_aside(self, path: Path, reason: dict[str, str]) -> Path:
        """Move a file below `root` that may not stay where it is to the quarantine, and write down why."""
        name = path.name.encode(errors="surrogateescape")[-_LONGEST:].decode(errors="replace")
        kept = self.quarantine / f"{time.strftime(_WHEN, time.gmtime())}-{name}"
        while kept.exists():
            kept = kept.with_name(f"{kept.name}~")
        told = kept.with_name(f"{kept.name}.reason.json")
        write_file(told, json.dumps(reason, indent=2).encode() + b"\n", self.incoming)
        self._foreign(path).move(kept)
        sync_directory(self.quarantine)
        return kept

    def to_drop(self, path: Path) -> Path:
        """Move something below `root` to the drop directory, to a place of its own, as if somebody had copied it there.

        What was found in a channel's subdir is dropped for that one.
        """
        top, *directories = path.relative_to(self.root).parts[:-1]
        above = self.drop
        if top == "conda" and directories:
            self.make_dropped(directories[0])
            above, directories = self.drop / top / directories[0], directories[1:]
        else:
            directories = []
        target = Path(tempfile.mkdtemp(prefix=FOUND, dir=above))
        target.chmod(0o755)
        for name in directories:
            target /= name
            make_directory(target)
        sync_directory(above)
        self._foreign(path).move(target / path.name)
        sync_directory(target)
        return target / path.name

    def _foreign(self, path: Path) -> Foreign:
        return Foreign(self.root, PurePosixPath(path.relative_to(self.root)))

    def make_dropped(self, channel: str) -> None:
        """Make the directory for what is copied in for a conda channel."""
        for directory in (self.drop / "conda", self.drop / "conda" / channel):
            make_directory(directory)

    def looked(self, at: float) -> None:
        """Remember that all files copied in before `at` (seconds since 1970) were dealt with."""
        self.last_look.touch()
        os.utime(self.last_look, (at, at))

    def looked_at(self) -> float:
        """When that was; 0 if never."""
        try:
            return self.last_look.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def quarantined(self) -> list[tuple[Path, float, int]]:
        """The files in quarantine and the reasons beside them, oldest first: since when (seconds since 1970), bytes."""
        found = []
        for path in self.quarantine.iterdir():
            # what the intake has there, in a directory of its own, goes when no line of its list wants it any more
            if re.match(r"[0-9]{8}T[0-9]{6}Z-", path.name):
                since = calendar.timegm(time.strptime(path.name[:16], _WHEN))
                with contextlib.suppress(FileNotFoundError):
                    found.append((path, float(since), path.lstat().st_size))
        return sorted(found, key=lambda one: (one[1], one[0].name))

    def sweep(self) -> None:
        """Remove what killed processes left in `incoming`."""
        for path in self.incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path == self._loose or path.lstat().st_mtime >= time.time() - _STALE:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def make_directory(directory: Path, mode: int = 0o755, *, durable: bool = True) -> None:
    """Make a directory, synced and with this mode, whatever the umask; one that is there is left as it is.

    With `durable=False` the caller syncs the disk.
    """
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(mode)
        if durable:
            sync_directory(directory.parent)


def write_file(path: Path, content: bytes, staging: Path, at: float | None = None, *, durable: bool = True) -> None:
    """Write a file so that whoever sees it sees all of it: under another name in `staging`, synced, then renamed.

    `at` (seconds since 1970, by default now) becomes its time. The caller syncs the directory that it is in.
    """
    descriptor, name = tempfile.mkstemp(dir=staging)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), FILE_MODE)
            stream.flush()
            if at is not None:
                os.utime(stream.fileno(), (at, at))
            if durable:
                os.fsync(stream.fileno())
        Path(name).rename(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_disk(directory: Path) -> None:
    """Have all on the disk that was written to the file system that a directory is on; raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Not os.sync, which waits for all disks of this machine, and for a file server that is away.
        if _LIBC.syncfs(descriptor):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(directory))
    finally:
        os.close(descriptor)

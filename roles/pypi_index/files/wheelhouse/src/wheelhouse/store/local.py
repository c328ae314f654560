"""A store that is a directory of this machine. `Site` links what it has into the served tree."""

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from wheelhouse.errors import Damaged, NotFound
from wheelhouse.store.base import BLOBS, Stat
from wheelhouse.store.staging import FILE_MODE, make_directory, sync_directory, sync_disk


class LocalStore:
    """Keys are paths below `root`. What is stored is linked or renamed into its place, and so whole as soon as seen."""

    def __init__(self, root: Path, incoming: Path) -> None:
        """`incoming` is a directory on the same disk for what is not whole yet; raises OSError."""
        self._root = root
        self._incoming = incoming

    def put(self, key: str, source: Path, sha256: str, *, durable: bool = True) -> bool:
        """See `Store`. The source is linked, so that no byte is copied where both are on one disk."""
        target = self._root / key
        self._make_parents(target, durable=durable)
        try:
            os.link(source, target, follow_symlinks=False)
        except FileExistsError:
            os.utime(target, ns=(target.stat().st_atime_ns, target.stat().st_mtime_ns))  # counts as put now
            return False
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
                raise
            self._copy(source, target, sha256)
        if durable:
            sync_directory(target.parent)
        return True

    def sync(self) -> None:
        """See `Store`."""
        if (self._root / BLOBS).is_dir():
            sync_disk(self._root / BLOBS)

    def open(self, key: str) -> IO[bytes]:
        """See `Store`."""
        try:
            return (self._root / key).open("rb")
        except FileNotFoundError:
            raise NotFound(f"{key} is not in the store.") from None

    def head(self, key: str) -> Stat | None:
        """See `Store`."""
        try:
            status = (self._root / key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        # Not the time of its contents, which `Site` sets.
        return Stat(key, status.st_size, datetime.fromtimestamp(status.st_ctime, UTC))

    def list(self, prefix: str) -> Iterator[Stat]:
        """See `Store`. One directory after the other is read, so that it may be stopped at any time."""
        top = self._root / prefix.rpartition("/")[0]
        stack = [top]
        while stack:
            directory = stack.pop()
            try:
                entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
            except FileNotFoundError:
                continue
            below = []
            for entry in entries:
                path = Path(entry.path)
                key = str(path.relative_to(self._root))
                if entry.is_dir(follow_symlinks=False):
                    below.append(path)
                elif key.startswith(prefix) and (found := self.head(key)):
                    yield found
            stack += reversed(below)

    def delete(self, key: str) -> None:
        """See `Store`."""
        with contextlib.suppress(FileNotFoundError):
            (self._root / key).unlink()

    def path(self, key: str) -> Path | None:
        """See `Store`."""
        return self._root / key

    def _make_parents(self, target: Path, *, durable: bool = True) -> None:
        if not target.parent.is_dir():
            for part in reversed(target.relative_to(self._root).parents[:-1]):
                make_directory(self._root / part, 0o750, durable=durable)

    def _copy(self, source: Path, target: Path, sha256: str) -> None:
        descriptor, name = tempfile.mkstemp(dir=self._incoming)
        try:
            with source.open("rb") as stream, open(descriptor, "wb") as copy:
                digest = hashlib.sha256()
                while piece := stream.read(2**20):
                    digest.update(piece)
                    copy.write(piece)
                if digest.hexdigest() != sha256:
                    raise Damaged(f"{source.name} changed while it was stored.")
                os.fchmod(copy.fileno(), FILE_MODE)
                copy.flush()
                os.fsync(copy.fileno())
            Path(name).rename(target)
        finally:
            Path(name).unlink(missing_ok=True)

"""The served tree where a server keeps the bytes: this host has copies of some packages, and fetches others when asked.

Pages are all there. A file that a page names and that is not in the tree is nothing to put right: the gateway asks the
program for it, see `index.fetching`. Copies go when there are too many of them, see `local_copies`.
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from wheelhouse.store.base import Store, blob
from wheelhouse.store.site import Site, has_bytes
from wheelhouse.store.staging import FILE_MODE, Staging


class PartialSite(Site):
    """The tree of one gateway."""

    is_partial = True

    def __init__(self, root: Path, store: Store, staging: Staging, most: int) -> None:
        """`most` is the number of bytes of packages that this host keeps. Makes directories; raises OSError."""
        super().__init__(root, store, staging)
        self.most = most
        self._held: dict[str, Path] = {}

    @contextlib.contextmanager
    def holding(self, files: Mapping[str, Path]) -> Iterator[None]:
        """See `Site`. What is rendered within the block is placed from there, so that nobody has to fetch it first."""
        held = {blob(sha256): path for sha256, path in files.items()}
        self._held |= held
        try:
            yield
        finally:
            for key, path in held.items():
                if self._held.get(key) == path:  # else another thread is at the same bytes
                    self._held.pop(key, None)

    def place(self, path: str, key: str, at: float | None, *, trusted: bool = False) -> bool:
        """See `Site`. Places what is held, and nothing else."""
        target = self.root / path
        if os.path.lexists(target):
            if trusted or self.is_untouched(path, key, None, at):
                return False
            if has_bytes(target, key):
                self.remove(path)  # whoever put it there may have it open
            else:
                self.displace(path)
        held = self._held.get(key)
        return held is not None and self.keep(path, held, at)

    def keep(self, path: str, source: Path, at: float | None) -> bool:
        """Have a synced file, which has the right bytes, be served at `path` as well, by a link; False if that is not
        possible. The caller makes and syncs the directory.
        """
        _settle(source, at)
        try:
            os.link(source, self.root / path, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.EXDEV, errno.EMLINK, errno.EPERM):
                raise
            return False
        return True

    def is_placed(self, path: str, key: str) -> bool:
        """See `Site`. A copy is as good as any other."""
        return has_bytes(self.root / path, key)

    def is_untouched(self, path: str, key: str, size: int | None, at: float | None) -> bool:
        """See `Site`. Its bytes are not looked at. What others put there is theirs, or says who may read it."""
        try:
            status = (self.root / path).lstat()
            lists = os.listxattr(self.root / path, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if status.st_uid != os.geteuid() or "system.posix_acl_access" in lists:
            return False
        is_as_long = size is None or status.st_size == size
        is_as_old = at is None or int(status.st_mtime) == int(at)
        return is_as_long and is_as_old and status.st_mode == stat.S_IFREG | FILE_MODE


def _settle(file: Path, at: float | None) -> None:
    """Give a file the mode and time with which it is served; and count it as used now, see `local_copies`."""
    status = file.lstat()
    if stat.S_IMODE(status.st_mode) != FILE_MODE:
        file.chmod(FILE_MODE)
    os.utime(file, (time.time(), status.st_mtime if at is None else at))

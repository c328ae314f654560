"""The served tree, which the gateway reads: links to the bytes in the store, and pages. All of it can be made again.

    simple/...                          the pages of the simple index, each with a .gz beside it
    packages/<project>/<file>           published files
    packages/<project>/<file>.metadata  core metadata of a wheel
    conda/<channel>/<subdir>/...        conda packages, and repodata.json with .gz and .zst beside it
    reports/                            pages for auditors
    locks/                              see `Site.rendering`

Readers are other users: directories are 0755, files 0644, whatever the umask. Whatever appears under its name is whole.
Paths are texts below the shelf's directory. What lies here and no row knows is a stranger, see `index.reindex`; the
host keeps the gateway from reading it meanwhile.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from conda_package_streaming.package_streaming import zstd
from isal import igzip

from wheelhouse.errors import NotFound
from wheelhouse.store.base import Store
from wheelhouse.store.staging import FILE_MODE, Staging, make_directory, sync_directory, write_file

_LOCKS = 256
_GZIP_LEVEL = 1  # makes a page as small as the usual gzip does, in a tenth of the time
_ZSTD_LEVEL = 16  # smaller by a fifth than the default; a large index takes a second
_Turn = Callable[[bytes], bytes]
WITH_ZSTD = "repodata.json"
"""The name of the pages that have a .zst as well."""


class Site:
    """The tree of one shelf on this machine. Only `index.rendering` and `index.reindex` change it."""

    is_partial = False
    """Whether files may be published that are not here: they are fetched when somebody asks for them."""

    def __init__(self, root: Path, store: Store, staging: Staging) -> None:
        """Make the directories where they are missing; raises OSError."""
        self.root = root
        self.simple = root / "simple"
        self.packages = root / "packages"
        self.conda = root / "conda"
        self.reports = root / "reports"
        self.locks = root / "locks"
        self._store = store
        self._staging = staging
        for directory in (self.packages, self.simple, self.locks):
            make_directory(directory)

    @contextlib.contextmanager
    def holding(self, files: Mapping[str, Path]) -> Iterator[None]:
        """While the block lasts, bytes with these SHA-256 (hex) are in these files of this disk as well."""
        yield

    @contextlib.contextmanager
    def rendering(self, place: str) -> Iterator[None]:
        """Wait until nobody else on this machine renders the place, and keep it so.

        The rows are read inside, so that older ones never overwrite newer pages. Places share a fixed number of lock
        files, which at worst means waiting for somebody else's, so take one at a time.
        """
        name = f"{zlib.crc32(place.encode()) % _LOCKS:02x}" if place else "root"
        descriptor = os.open(self.locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def place(self, path: str, key: str, at: float | None, *, trusted: bool = False) -> bool:
        """Have the bytes of `key` at `path`; False if they are there already. The caller makes and syncs the directory.

        `at` (seconds since 1970) becomes the time of the bytes, which readers see as Last-Modified; with None it stays
        what it is. A stranger that is at `path` is moved to the drop directory, unless it is `trusted` to be the same.
        Raises OSError, and `NotFound` if the store has no such bytes.
        """
        target = self.root / path
        source = self._store.path(key)
        self._settle(source, at)
        with contextlib.suppress(OSError):  # something is there, or it has to be copied
            if source:
                os.link(source, target, follow_symlinks=False)
                return True
        if self.is_placed(path, key):
            return False
        if os.path.lexists(target) and not (trusted or has_bytes(target, key)):
            self.displace(path)
        with self._link(key, at) as linked:
            linked.rename(target)
        return True

    def is_placed(self, path: str, key: str) -> bool:
        """Whether what is at `path` is the very file that `place` put there: the same bytes, not only equal ones."""
        try:
            there = (self.root / path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        source = self._store.path(key)
        if source is None:
            return False
        try:
            kept = source.lstat()
        except FileNotFoundError:
            return False
        if (there.st_dev, there.st_ino) == (kept.st_dev, kept.st_ino):
            return True
        is_copy = there.st_dev != kept.st_dev and stat.S_ISREG(there.st_mode)
        return is_copy and (there.st_size, int(there.st_mtime)) == (kept.st_size, int(kept.st_mtime))

    def is_untouched(self, path: str, key: str, size: int | None, at: float | None) -> bool:
        """Whether what is at `path` is placed, and looks as `place` left it: its size, its time and its mode.

        Whoever writes into it where it lies writes into the store. `at` is that of `place`, None for whatever it is.
        """
        if not self.is_placed(path, key):
            return False
        status = (self.root / path).lstat()
        is_as_long = size is None or status.st_size == size
        is_as_old = at is None or int(status.st_mtime) == int(at)
        return is_as_long and is_as_old and status.st_mode == stat.S_IFREG | FILE_MODE

    def names(self, directory: str) -> set[str]:
        """What is in a directory; nothing if it is not there."""
        try:
            return set(os.listdir(self.root / directory))
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def make(self, directory: str, *, durable: bool = True) -> None:
        """Make a directory, and those above it, where it is missing."""
        for part in reversed([self.root / directory, *(self.root / directory).parents]):
            if part.is_relative_to(self.root) and part != self.root:
                self._make_served(part, durable)

    def _make_served(self, directory: Path, durable: bool) -> None:
        """Make a directory that the gateway may enter, also if IT made it and gave it to us."""
        make_directory(directory, durable=durable)
        if directory.parent != self.root:
            with contextlib.suppress(OSError):
                # What is made there inherits a list that keeps the gateway out. For what others put in here, it stays
                # in force.
                os.removexattr(directory, "system.posix_acl_access")
                directory.chmod(0o755)

    def write_page(self, path: str, content: bytes, *, durable: bool = True) -> bool:
        """Write a page and its compressed siblings; False if all of them were like that already.

        Each is looked at, because a kill may have come between them, and the gateway serves whichever a client takes.
        """
        page = self.root / path
        self.make(str(page.parent.relative_to(self.root)), durable=durable)
        forms: list[tuple[str, _Turn, _Turn]] = [("", _as_it_is, _as_it_is), (".gz", igzip.decompress, _gzip)]
        if page.name == WITH_ZSTD:
            forms.append((".zst", _unzstd, _zstd))
        differs = not _holds(page, content, _as_it_is)
        at = time.time() if differs else page.stat().st_mtime  # the same for all, which readers see
        changed = False
        for suffix, unpack, pack in reversed(forms):
            form = page.with_name(f"{page.name}{suffix}")
            changed |= self._write(form, content, unpack, pack, durable, anyway=differs, at=at)
        if changed and durable:
            sync_directory(page.parent)
        return changed

    def stale_forms(self, path: str, content: bytes) -> list[str]:
        """Those of a page and its compressed siblings that `write_page` would write, as paths."""
        forms = {path: _as_it_is, f"{path}.gz": igzip.decompress}
        if path.rpartition("/")[2] == WITH_ZSTD:
            forms[f"{path}.zst"] = _unzstd
        return [form for form, unpack in forms.items() if not _holds(self.root / form, content, unpack)]

    def remove(self, path: str) -> None:
        """Take away a file, or a directory with all that is in it, at once; what is gone already is fine."""
        target = self.root / path
        try:
            if stat.S_ISDIR(target.lstat().st_mode):
                with self._staging.scratch() as away:
                    target.rename(away / "gone")
            else:
                target.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return

    def displace(self, path: str) -> None:
        """Move what somebody put into the tree to the drop directory, to be treated like what is dropped there."""
        self._staging.to_drop(self.root / path)

    def sync(self, directory: str) -> None:
        """Have the names in a directory on the disk."""
        with contextlib.suppress(FileNotFoundError):
            sync_directory(self.root / directory)

    def write_report(self, name: str, content: bytes) -> bool:
        """Write a file below `reports`; False if it was like that already."""
        path = self.reports / name
        make_directory(self.reports)
        make_directory(path.parent)
        changed = self._write(path, content, _as_it_is, _as_it_is, durable=True)
        if changed:
            sync_directory(path.parent)
        return changed

    def _write(
        self,
        path: Path,
        content: bytes,
        unpack: _Turn,
        pack: _Turn,
        durable: bool,
        *,
        anyway: bool = False,
        at: float | None = None,
    ) -> bool:
        if not anyway and _holds(path, content, unpack):
            return False
        if path.is_dir() and not path.is_symlink():
            self._staging.to_drop(path)
        write_file(path, pack(content), self._staging.incoming, at, durable=durable)
        return True

    @contextlib.contextmanager
    def _link(self, key: str, at: float | None) -> Iterator[Path]:
        """Another name for the bytes of a key, or a copy of them, that is gone after the block unless it was moved."""
        linked = self._staging.incoming / f"linked-{uuid.uuid4().hex}"
        source = self._store.path(key)
        with contextlib.ExitStack() as stack:
            stack.callback(linked.unlink, missing_ok=True)
            try:
                if source is None:
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
                os.link(source, linked, follow_symlinks=False)
            except OSError as error:
                if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
                    raise
                self._copy(key, linked, at)
            yield linked

    def _copy(self, key: str, target: Path, at: float | None) -> None:
        with self._store.open(key) as stream, target.open("xb") as copy:
            shutil.copyfileobj(stream, copy, 2**20)
            os.fchmod(copy.fileno(), FILE_MODE)
            copy.flush()
            if at is not None:
                os.utime(copy.fileno(), (at, at))
            os.fsync(copy.fileno())

    def _settle(self, source: Path | None, at: float | None) -> None:
        """Give the bytes themselves the mode and time with which they are served."""
        if source is None:
            return
        try:
            status = source.lstat()
        except FileNotFoundError:
            raise NotFound(f"{source.name} is not in the store.") from None
        if stat.S_IMODE(status.st_mode) != FILE_MODE:
            source.chmod(FILE_MODE)
        if at is not None and int(status.st_mtime) != int(at):
            os.utime(source, (at, at))


def _holds(path: Path, content: bytes, unpack: _Turn) -> bool:
    """Whether a page or its packed form has this content."""
    try:
        if unpack is _as_it_is and path.lstat().st_size != len(content):
            return False
        return unpack(path.read_bytes()) == content
    except (OSError, EOFError, ValueError, zlib.error, zstd.ZstdError):
        return False


def has_bytes(path: Path, key: str) -> bool:
    """Whether a file of the tree has the bytes of a key, as one that a backup brought back."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return is_file and hashlib.file_digest(stream, "sha256").hexdigest() == key.rpartition("/")[2]
    except OSError:
        return False


def _as_it_is(content: bytes) -> bytes:
    return content


def _gzip(content: bytes) -> bytes:
    # Without a time in its header, it depends on the content alone.
    return igzip.compress(content, _GZIP_LEVEL, mtime=0)


def _zstd(content: bytes) -> bytes:
    packed: bytes = zstd.compress(content, _ZSTD_LEVEL)
    return packed


def _unzstd(content: bytes) -> bytes:
    unpacked: bytes = zstd.ZstdDecompressor().decompress(content)
    return unpacked

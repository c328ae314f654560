"""The shelf: the directory tree that is served, and the only code that writes to it.

    drop/...                            files that IT copies in, to be checked and published; never served
    drop/conda/<channel>/...            the same for a conda channel
    packages/<project>/<file>           published files, immutable
    packages/<project>/<file>.metadata  core metadata of a wheel
    simple/...                          pages
    conda/<channel>/<subdir>/...        conda packages and their index, see `channels`
    quarantine/<when>-<file>            what was found on the shelf and refused, with a .reason.json beside it
    quarantine/intake/                  public files that are fetched, or kept back; see `cache` and `intake`
    quarantine/intake-conda/<channel>/  the same of a conda channel, and what that one lists
    reports/                            pages for auditors, where something writes them
    intake/lock.toml                    what the list of public packages comes to
    intake/sets/, rollback.json         what it came to earlier, see `intake.rollback`
    intake/channels/                    what came from other conda channels, see `kept`
    cached-names/                       what clients were given of public files, see `seen`
    journal.jsonl                       see `journal`
    incoming/                           files that are still being received; never served
    last-look                           empty; its time is that of the last look for files that were copied in
    locks/                              see `Shelf.locked`; and what is counted, see `refusals`

Readers are other users: directories are 0755, files 0644, whatever the umask. Whatever appears under its name is whole:
it is written under a temporary name in `incoming`, synced and renamed. Only this program writes what is served. What
somebody copies into `packages/` or `conda/` all the same is treated as if it were in `drop/`, and the host keeps the
gateway from reading it meanwhile (wheelhouse-arrivals).
"""

import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

from conda_package_streaming.package_streaming import zstd

_LOCKS = 256
_ZSTD_LEVEL = 16  # smaller by a fifth than the default; a large index takes a second
_FILE_MODE = 0o644
_STAGED = ".staged"
"""What the hidden name of a file ends with that is not published yet."""
_STALE = 86_400
"""Seconds after which a file in `incoming` is what a kill left behind."""
_SET_ASIDE = 90 * 86_400
"""Seconds that somebody has to look at what was set aside. What was wrong with it stays in the journal."""
_WHEN = "%Y%m%dT%H%M%SZ"
_LONGEST = 200
"""Bytes of a file's name that are kept in quarantine."""
_RESERVE = 2**30
"""Bytes that uploads leave free, or a twentieth of a small disk."""


class Shelf:
    """One shelf. Safe for many processes at once, if each holds `locked(project)` around a change to that project."""

    def __init__(self, root: Path) -> None:
        """Open the shelf, making its directories where they are missing; raises OSError."""
        self.root = root
        self.drop = root / "drop"
        self.packages = root / "packages"
        self.simple = root / "simple"
        self.quarantine = root / "quarantine"
        self.incoming = root / "incoming"
        self.reports = root / "reports"
        self.conda = root / "conda"
        self.intake = root / "intake"
        self.journal = root / "journal.jsonl"
        self.last_look = root / "last-look"
        self.locks = root / "locks"
        for directory in (self.drop, self.packages, self.simple, self.quarantine, self.incoming, self.locks):
            self._make(directory)

    @contextlib.contextmanager
    def locked(self, project: str) -> Iterator[None]:
        """Wait until nobody else changes `project`, and keep it so.

        Projects share a fixed number of lock files, which at worst means waiting for somebody else's project. So take
        one such lock at a time.
        """
        with self._lock(f"{zlib.crc32(project.encode()) % _LOCKS:02x}"):
            yield

    @contextlib.contextmanager
    def locked_root(self) -> Iterator[None]:
        """The same for the list of all projects; may be taken inside `locked`."""
        with self._lock("root"):
            yield

    @contextlib.contextmanager
    def locked_intake(self) -> Iterator[None]:
        """Keep other runs of `intake` away; raises BlockingIOError if one is under way."""
        with self._lock("intake", fcntl.LOCK_NB):
            yield

    @contextlib.contextmanager
    def locked_refusals(self) -> Iterator[None]:
        """Wait until nobody else counts refusals."""
        with self._lock("refusals"):
            yield

    @contextlib.contextmanager
    def _lock(self, name: str, how: int = 0) -> Iterator[None]:
        descriptor = os.open(self.locks / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | how)
            yield
        finally:
            os.close(descriptor)

    def package(self, project: str, filename: str) -> Path:
        """Where a published file is."""
        return self.packages / project / filename

    def projects(self) -> list[str]:
        """Names of the projects that have a page, sorted."""
        return sorted(entry.name for entry in os.scandir(self.simple) if entry.is_dir())

    def has_project(self, project: str) -> bool:
        """Whether anything of this (normalised) name was ever shelved, listed or not."""
        return (self.packages / project).is_dir() or (self.simple / project).is_dir()

    @contextlib.contextmanager
    def receive(self, stream: IO[bytes]) -> Iterator[Path]:
        """Copy `stream` to a file of our own, synced, that is gone after the block unless it was placed.

        Raises OSError, ENOSPC among them, and then nothing is left of it.
        """
        descriptor, name = tempfile.mkstemp(dir=self.incoming)
        path = Path(name)
        try:
            with open(descriptor, "wb") as copy:
                shutil.copyfileobj(stream, copy, 2**20)
                os.fchmod(copy.fileno(), _FILE_MODE)
                copy.flush()
                os.fsync(copy.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)

    def place(
        self, received: Path, project: str, filename: str, metadata: bytes | None, at: float, *, durable: bool = True
    ) -> None:
        """Publish a received file, with its core metadata beside it. Replaces nothing but the same bytes.

        `at` (seconds since 1970) becomes the file's modification time: readers see it as Last-Modified, and a file
        whose time is another one later was put there by somebody else.
        """
        directory = self.packages / project
        self._make_served(directory)
        if metadata is not None:  # first: a file that is there has its metadata
            self.place_metadata(project, filename, metadata, at, durable=durable)
        os.utime(received, (at, at))
        received.rename(directory / filename)
        if durable:
            _sync(directory)

    def stage(self, received: Path, project: str, filename: str, metadata: bytes | None, at: float) -> None:
        """The first half of `place`: all of it is there, unseen. `unveil` or `settle_staged` is the other."""
        directory = self.packages / project
        self._make_served(directory)
        if metadata is not None:
            self.place_metadata(project, filename, metadata, at)
        os.utime(received, (at, at))
        received.rename(_staged(directory / filename))
        _sync(directory)

    def unveil(self, project: str, filename: str) -> None:
        """Let a staged file be seen."""
        path = self.package(project, filename)
        _staged(path).rename(path)
        _sync(path.parent)

    def settle_staged(self, project: str, published: Mapping[str, str]) -> None:
        """See to the files that a kill left staged: those with the SHA-256 of what was `published` are, others are not.

        The caller holds the project's lock, so that nobody is in the middle of it.
        """
        for path in sorted((self.packages / project).glob(f".*{_STAGED}")):
            filename = path.name[1 : -len(_STAGED)]
            target = path.with_name(filename)
            if filename in published and not target.exists():
                with path.open("rb") as stream:
                    is_it = hashlib.file_digest(stream, "sha256").hexdigest() == published[filename]
                if is_it:
                    self.unveil(project, filename)
                    continue
            path.unlink()
            if filename not in published:
                target.with_name(f"{filename}.metadata").unlink(missing_ok=True)

    def has_staged(self, project: str) -> bool:
        """Whether some are there: of an upload that is under way, or of one that was killed."""
        return any((self.packages / project).glob(f".*{_STAGED}"))

    def place_metadata(self, project: str, filename: str, metadata: bytes, at: float, *, durable: bool = True) -> None:
        """Write the core metadata of a published file beside it."""
        self._write(self.packages / project / f"{filename}.metadata", metadata, at, durable=durable)

    def has_metadata(self, path: Path) -> bool:
        """Whether there are core metadata beside a published file; a crash may have left them empty."""
        return bool(_content(path.with_name(f"{path.name}.metadata")))

    def sync(self, project: str) -> None:
        """Have the names of the project's files on the disk."""
        if (self.packages / project).is_dir():
            _sync(self.packages / project)

    def is_settled(self, path: Path, size: int | None, at: float) -> bool:
        """Whether a published file looks as `place` left it: size, time (whole seconds) and mode."""
        status = path.lstat()
        return (status.st_size, int(status.st_mtime), status.st_mode) == (size, int(at), stat.S_IFREG | _FILE_MODE)

    def settle(self, path: Path, at: float) -> None:
        """Give a published file the time and mode that `place` would have given it."""
        path.chmod(_FILE_MODE)
        os.utime(path, (at, at))

    def discard(self, project: str, filename: str) -> None:
        """Take a file and its metadata off the shelf; one that is gone already is fine."""
        directory = self.packages / project
        for name in (filename, f"{filename}.metadata"):
            (directory / name).unlink(missing_ok=True)
        if directory.is_dir():
            _sync(directory)

    def place_in_channel(self, received: Path, path: Path) -> None:
        """Put a received conda package where it is published. The caller syncs the directory."""
        received.rename(path)

    def make_dropped(self, channel: str) -> None:
        """Make the directory for what is copied in for a conda channel."""
        for directory in (self.drop / "conda", self.drop / "conda" / channel):
            self._make(directory)

    def make_subdir(self, channel: str, subdir: str) -> Path:
        """Make the directory of a conda channel's subdir."""
        self._make(self.conda)
        for directory in (self.conda / channel, self.conda / channel / subdir):
            self._make_served(directory)
        return directory

    def write_repodata(self, directory: Path, content: bytes) -> bool:
        """Write the index of a subdir, as it is and compressed; False if it was like that already."""
        packed = directory / "repodata.json.zst"
        changed = _unpacked(packed, _unzstd) != content
        if changed:
            self._write(packed, zstd.compress(content, _ZSTD_LEVEL), time.time())
        return self.write_page(directory, "repodata.json", content) or changed

    def directories(self, directory: Path) -> list[Path]:
        """The directories in one, sorted, but for hidden ones; none where it is not there."""
        try:
            entries = list(os.scandir(directory))
        except FileNotFoundError:
            return []
        return sorted(
            Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
        )

    def sync_directory(self, directory: Path) -> None:
        """Have the names in a directory on the disk."""
        _sync(directory)

    def make_project(self, project: str) -> None:
        """Make the directory for a project's pages."""
        self._make(self.simple / project)

    def write_page(self, directory: Path, name: str, content: bytes, *, durable: bool = True) -> bool:
        """Write a page and its gzipped sibling under `simple`; False if both were like that already.

        `durable=False` leaves the syncing to the caller, who writes thousands.
        """
        page, packed = directory / name, directory / f"{name}.gz"
        # Both, because a kill may have come between them, and the gateway serves whichever the client takes.
        if _content(page) == content and _unpacked(packed, gzip.decompress) == content:
            return False
        self._make(directory)
        at = time.time()
        # Without a time in its header, the gzipped page depends on its content alone.
        self._write(packed, gzip.compress(content, 6, mtime=0), at, durable=durable)
        self._write(page, content, at, durable=durable)
        if durable:
            _sync(directory)
        return True

    def write_record(self, path: Path, content: bytes) -> bool:
        """Write a file for people, in a directory of its own; False if it was like that already."""
        if _content(path) == content:
            return False
        self._make(path.parent)
        self._write(path, content, time.time())
        _sync(path.parent)
        return True

    def remove_pages(self, project: str) -> None:
        """Take a project's directory out of `simple`: all of it at once, since each page in it would be served."""
        with self.scratch() as away, contextlib.suppress(FileNotFoundError):
            (self.simple / project).rename(away / "pages")
            _sync(self.simple)

    def set_aside(self, path: Path, reason: dict[str, str]) -> Path:
        """Move a file that may not stay where it is to the quarantine, and write down why."""
        name = path.name.encode(errors="surrogateescape")[-_LONGEST:].decode(errors="replace")
        kept = self.quarantine / f"{time.strftime(_WHEN, time.gmtime())}-{name}"
        while kept.exists():
            kept = kept.with_name(f"{kept.name}~")
        self._write(
            kept.with_name(f"{kept.name}.reason.json"), json.dumps(reason, indent=2).encode() + b"\n", time.time()
        )
        with self.inside(path.parent) as directory:
            os.rename(path.name, kept, src_dir_fd=directory)
            os.fsync(directory)
        _sync(self.quarantine)
        return kept

    @contextlib.contextmanager
    def inside(self, directory: Path) -> Iterator[int]:
        """A descriptor of a directory on the shelf, reached from the shelf's own without following any link.

        Whoever owns a directory that was copied in could put a link in its place at any moment.
        """
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in directory.relative_to(self.root).parts:
                above = descriptor
                descriptor = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
                os.close(above)
            yield descriptor
        finally:
            os.close(descriptor)

    def room(self) -> int:
        """Bytes that may still be written here, with some left for journal and pages."""
        disk = os.statvfs(self.incoming)
        return disk.f_bavail * disk.f_frsize - min(_RESERVE, disk.f_blocks * disk.f_frsize // 20)

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

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A directory of our own on the shelf's disk, gone after the block."""
        with tempfile.TemporaryDirectory(dir=self.incoming) as directory:
            yield Path(directory)

    def sweep(self) -> None:
        """Remove what killed processes left in `incoming`, and what has been in quarantine for long."""
        oldest = time.strftime(_WHEN, time.gmtime(time.time() - _SET_ASIDE))
        for path in self.quarantine.iterdir():
            if re.match(r"[0-9]{8}T[0-9]{6}Z-", path.name) and path.name[:16] < oldest:
                path.unlink(missing_ok=True)
        for path in self.incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.lstat().st_mtime >= time.time() - _STALE:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()

    def _make(self, directory: Path) -> None:
        if not directory.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o755)
            _sync(directory.parent)

    def _make_served(self, directory: Path) -> None:
        """The same below `packages` and `conda`, for the gateway to enter, also if IT made it and gave it to us."""
        self._make(directory)
        with contextlib.suppress(OSError):
            # What is made there inherits a list that keeps the gateway out. For what others put in here, it stays in
            # force.
            os.removexattr(directory, "system.posix_acl_access")
            directory.chmod(0o755)

    def _write(self, path: Path, content: bytes, at: float, *, durable: bool = True) -> None:
        descriptor, name = tempfile.mkstemp(dir=self.incoming)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(content)
                os.fchmod(stream.fileno(), _FILE_MODE)
                stream.flush()
                os.utime(stream.fileno(), (at, at))
                if durable:
                    os.fsync(stream.fileno())
            Path(name).rename(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _staged(path: Path) -> Path:
    return path.with_name(f".{path.name}{_STAGED}")


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _unpacked(path: Path, unpack: Callable[[bytes], bytes]) -> bytes | None:
    """What a compressed file holds; None if it is not there or broken."""
    content = _content(path)
    try:
        return None if content is None else unpack(content)
    except (OSError, EOFError, zlib.error, zstd.ZstdError):
        return None


def _unzstd(content: bytes) -> bytes:
    return zstd.ZstdDecompressor().decompress(content)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""A bundle that others wrote, and carried here: read without following a link, and nothing of it believed too early.

First the signature, over the very bytes that are then understood; then the bytes of each file, as they are copied, by
the hashes of the manifest. Copies are kept below the quarantine by their SHA-256: a run goes on where one was killed.
"""

import contextlib
import errno
import hashlib
import io
import os
import re
import shutil
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from wheelhouse.errors import Full, NotFound
from wheelhouse.progress import progress
from wheelhouse.store.foreign import Foreign, Unfit
from wheelhouse.store.staging import FILE_MODE, Staging, make_directory, sync_directory
from wheelhouse.transfer import bundle, signature
from wheelhouse.transfer.bundle import (
    DIRECTORY,
    EXTRAS,
    FILES,
    MANIFEST,
    MAX_MANIFEST,
    MAX_SIGNATURE,
    SIGNATURE,
    BadBundle,
    Manifest,
)

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Carried:
    """A bundle whose signature holds."""

    path: Path
    manifest: Manifest
    digest: str
    """SHA-256 of the manifest."""


def bundles(directory: Path) -> list[Path]:
    """Those in a directory, in the order of their numbers; or the directory itself, if it is one. Raises `NotFound`."""
    if not directory.is_dir():
        raise NotFound(f"{directory} is no directory: mount the medium there.")
    if (directory / MANIFEST).exists() or (directory / MANIFEST).is_symlink():
        return [directory]
    found = sorted(path for path in directory.iterdir() if DIRECTORY.fullmatch(path.name))
    if not found:
        raise NotFound(f"There is no bundle in {directory}: it would be called {bundle.directory_name(1)}.")
    return found


def opened(path: Path, signers: Path, staging: Staging) -> Carried:
    """Raises `BadBundle`, OSError."""
    if path.is_symlink():
        raise BadBundle(f"{path.name} is a link: copy the bundle itself.")
    content = _read(path, MANIFEST, MAX_MANIFEST)
    signed = _read(path, SIGNATURE, MAX_SIGNATURE)
    with staging.scratch() as scratch:
        (scratch / SIGNATURE).write_bytes(signed)
        signature.verify(content, scratch / SIGNATURE, signers)
    found = bundle.manifest(content)
    named = DIRECTORY.fullmatch(path.name)
    if named and int(named[1]) != found.number:
        raise BadBundle(f"{path.name} holds bundle {found.number}: give the directory its name back.")
    return Carried(path, found, bundle.digest(content))


def _read(path: Path, name: str, most: int) -> bytes:
    try:
        with Foreign(path, PurePosixPath(name)).opened() as (stream, seen):
            if seen.size > most:
                raise BadBundle(f"{name} has {seen.size} bytes, more than any export writes ({most}).")
            return stream.read(most)
    except Unfit as error:
        raise BadBundle(f"{name} of the bundle: {error}") from None
    except FileNotFoundError:
        raise BadBundle(f"The bundle has no {name}: it was not copied as a whole.") from None
    except NotADirectoryError:
        raise BadBundle(f"{path.name} is no directory, or a link to one: copy the bundle itself.") from None


class Copies:
    """The bytes of a bundle, copied to where files are before they are anything. Gone when the import is through."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self.directory = staging.quarantine / "transfer"
        make_directory(self.directory, 0o750)

    def path(self, sha256: str) -> Path:
        """Where a copy is."""
        return self.directory / sha256

    def take(self, carried: Carried, wanted: Collection[str]) -> None:
        """Copy those of the bundle's contents that are `wanted` and not here yet. Raises `BadBundle`, `Full`, OSError.

        Whatever else the bundle has is read as well, since one that is cut off is no bundle.
        """
        sizes = carried.manifest.contents()
        for path in self.directory.iterdir():
            if path.name not in sizes or not self._is_whole(path, sizes[path.name]):
                path.unlink()
        missing = {sha256 for sha256 in wanted if not self.path(sha256).exists()}
        need = sum(sizes[sha256] for sha256 in missing)
        if need > self._staging.room():
            raise Full(f"The bundle needs {need} bytes, and there is less room than that on the shelf's disk.")
        if carried.manifest.parts:
            self._take_parts(carried, sizes, missing)
        else:
            self._take_files(carried, sizes, missing)
        sync_directory(self.directory)

    def forget(self) -> None:
        """Remove all copies."""
        shutil.rmtree(self.directory)

    def _is_whole(self, path: Path, size: int) -> bool:
        if path.is_symlink() or not path.is_file() or path.stat().st_size != size:
            return False
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == path.name

    def _take_files(self, carried: Carried, sizes: dict[str, int], missing: Collection[str]) -> None:
        names = {one.sha256: f"{EXTRAS}/{one.name}" for one in carried.manifest.extras}
        for sha256, size in progress(sorted(sizes.items()), len(sizes), "read", "file"):
            name = names.get(sha256, f"{FILES}/{sha256}")
            try:
                with Foreign(carried.path, PurePosixPath(name)).opened() as (stream, seen):
                    if seen.size != size:
                        raise _other(name)
                    self._copy(stream, name, sha256, size, keep=sha256 in missing)
            except Unfit as error:
                raise BadBundle(f"{name} of the bundle: {error}") from None
            except (FileNotFoundError, NotADirectoryError):
                raise BadBundle(f"{name} is missing in the bundle: it was not copied as a whole.") from None
            except OSError as error:
                raise _unreadable(name, error) from None

    def _take_parts(self, carried: Carried, sizes: dict[str, int], missing: Collection[str]) -> None:
        # all of them first, so that nothing unpacks what was not signed
        for part in carried.manifest.parts:
            with _part(carried, part.name) as stream:
                self._copy(stream, part.name, part.sha256, part.size, keep=False)
        left = dict(sizes)
        with contextlib.closing(_Joined(carried)) as joined:
            try:
                with tarfile.open(fileobj=joined, mode="r|") as archive:  # type: ignore[call-overload]
                    for member in archive:
                        name = member.name
                        if not (member.isreg() and name in left and member.size == left.pop(name)):
                            raise BadBundle(f"The parts of the bundle hold something else: {name[:100]!a}.")
                        stream = archive.extractfile(member)
                        self._copy(stream, name, name, sizes[name], keep=name in missing)
            except tarfile.TarError as error:
                raise BadBundle(f"The parts of the bundle cannot be unpacked: {error}.") from None
        if left:
            raise BadBundle(f"The parts of the bundle lack {len(left)} files of the manifest.")

    def _copy(self, stream: IO[bytes], name: str, sha256: str, size: int, *, keep: bool) -> None:
        """Read it to its end, and have it here if it is to be kept; raises `BadBundle`."""
        digest = hashlib.sha256()
        part = self.directory / f".{sha256}.part"
        count = 0
        with part.open("wb") if keep else io.BytesIO() as copy:
            while piece := stream.read(2**20):
                count += len(piece)
                if count > size:
                    raise _other(name)
                digest.update(piece)
                if keep:
                    copy.write(piece)
            if digest.hexdigest() != sha256 or count != size:
                raise _other(name)
            if keep:
                os.fchmod(copy.fileno(), FILE_MODE)
                copy.flush()
                os.fsync(copy.fileno())
        if keep:
            part.rename(self.path(sha256))


@contextlib.contextmanager
def _part(carried: Carried, name: str) -> Iterator[IO[bytes]]:
    try:
        with Foreign(carried.path, PurePosixPath(name)).opened() as (stream, _):
            yield stream
    except Unfit as error:
        raise BadBundle(f"{name} of the bundle: {error}") from None
    except FileNotFoundError:
        raise BadBundle(f"{name} is missing: copy all parts of the bundle into its directory.") from None
    except OSError as error:
        raise _unreadable(name, error) from None


class _Joined:
    """The parts of a bundle, one behind the other, as one file to read."""

    def __init__(self, carried: Carried) -> None:
        self._open = [partial(_part, carried, part.name) for part in carried.manifest.parts]
        self._stack = contextlib.ExitStack()
        self._stream: IO[bytes] | None = None

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end of the last part."""
        while True:
            if self._stream is None:
                if not self._open:
                    return b""
                self._stream = self._stack.enter_context(self._open.pop(0)())
            if piece := self._stream.read(size):
                return piece
            self._stack.close()
            self._stream = None

    def close(self) -> None:
        """Close the part that is open."""
        self._stack.close()


def _other(name: str) -> BadBundle:
    return BadBundle(f"{name} of the bundle is not what its manifest says: it was changed, or cut off on its way.")


def _unreadable(name: str, error: OSError) -> Exception:
    """What to raise for an error that may be the shelf's as well."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return error
    return BadBundle(f"{name} of the bundle cannot be read: {error.strerror}.")

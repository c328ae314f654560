# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Files that are read and written whole, for modules on the managed host.

Somebody else may have put something in a file's place. Only what is a file is opened: nothing here waits for the other
end of a FIFO, reads a device, or takes in what has no end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
import tempfile
from collections.abc import Callable, Container, Iterator
from typing import NoReturn

LIMIT = 1024 * 1024
KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a link that leads to itself",
}


def read(path: str) -> bytes | None:
    """The bytes of a regular file of at most LIMIT bytes, or None where there is none. Raises OSError.

    A link is followed, with the rights of this process, and what it leads to has to be such a file.
    """
    try:
        with _naming(path):
            place = os.path.realpath(path)
            # asked before it is opened: to open a device may do something
            _refuse(path, os.lstat(place))
            descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with os.fdopen(descriptor, "rb") as stream:
        _refuse(path, os.fstat(descriptor))
        content = stream.read(LIMIT + 1)
    if len(content) > LIMIT:
        _refuse_length(path)
    return content


@contextlib.contextmanager
def _naming(path: str) -> Iterator[None]:
    """Let an OSError name the file that was asked for, and not what it leads to or is written by way of."""
    try:
        yield
    except OSError as exc:
        raise OSError(exc.errno, exc.strerror, path) from None


def _refuse(path: str, status: os.stat_result) -> None:
    """Raise an OSError for what is no file to be read here."""
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        number = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
        raise OSError(number, "it is {} and not a file; move it away".format(KINDS.get(kind, "something else")), path)
    if status.st_size > LIMIT:
        _refuse_length(path)


def _refuse_length(path: str) -> NoReturn:
    raise OSError(errno.EFBIG, f"it has more than {LIMIT // 1024} KiB; move it away", path)


def _refuse_owner(path: str, status: os.stat_result, what: str, others: Container[int]) -> None:
    """Raise an OSError where a person's process would change what is neither that person's nor that of `others`."""
    if os.geteuid() not in (0, status.st_uid) and status.st_uid not in others:
        raise OSError(errno.EPERM, f"{what} to {_name(status.st_uid)}, and nothing is written there", path)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the uid {uid}"


def decode(content: bytes) -> str:
    """The bytes of a file as a text that `encode` makes the same bytes of, whatever they are."""
    return content.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes that `decode` made `text` of."""
    return text.encode("utf-8", "surrogateescape")


def replace(
    path: str, content: bytes, mode: int, uid: int, gid: int, validate: Callable[[str], None] | None = None
) -> None:
    """Put a new file in the place of `path` in one step, on disk before it is seen.

    validate    is called with the path of the new file before it is in place, and raises where it must not be

    A person's process does so in that person's own directories alone, and not in the place of a colleague's file.
    """
    directory = os.path.dirname(path)
    with _naming(path):
        _refuse_owner(path, os.stat(directory), "its directory belongs", ())
        with contextlib.suppress(FileNotFoundError):
            _refuse_owner(path, os.lstat(path), "it belongs", (0,))
        descriptor, partial = tempfile.mkstemp(dir=directory, prefix=".wheelhouse-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(descriptor, mode)
            if os.geteuid() == 0:
                os.fchown(descriptor, uid, gid)
            stream.flush()
            os.fsync(descriptor)
        if validate:
            validate(partial)
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise

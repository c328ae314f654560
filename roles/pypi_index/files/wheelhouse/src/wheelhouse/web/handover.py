"""Where the program listens, and how one that was started beside another takes requests over from it.

The gateway knows one name. What it leads to is changed in one step, so each request reaches one of the two: the new
program before the old one stops, and nobody is turned away.

    index.sock      the name, `listen`
    second.sock     what a program listens at that was started while another one answers
    previous.sock   the program that answered before, which may be given the name again
"""

import contextlib
import http.client
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path

from wheelhouse.errors import Unreachable

SECOND, PREVIOUS = "second.sock", "previous.sock"
_TIMEOUT = 30.0
"""Seconds that one answer may take: the first ones load much."""
_NO_ACCOUNT = "Basic bm8gc3VjaCBhY2NvdW50Om5vdGhpbmc="


def listen() -> str:
    """Where the program listens, in gunicorn's notation: by default a socket that the gateway alone gets at."""
    return os.environ.get("WHEELHOUSE_LISTEN", "unix:/run/wheelhouse-index/index.sock")


def bind(path: Path) -> socket.socket:
    """A socket that is bound to `path`, or to `second.sock` beside it while another program answers at `path`.

    Nothing can connect before its owner calls `listen`. Raises OSError.
    """
    second = path.with_name(SECOND)
    waits = is_answered(path)
    second.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(second))
    second.chmod(0o777)  # the directory is what keeps others out
    if not waits:
        second.rename(path)
    return bound


def is_answered(path: Path) -> bool:
    """Whether a program listens there."""
    with contextlib.suppress(OSError), _connected(path):
        return True
    return False


def own(path: Path) -> Path | None:
    """At which of the names the program of this container listens; None if it does not, or not yet."""
    # One that was passed over first: where it is, it is not at `path` any more.
    for name in (path.with_name(SECOND), path.with_name(PREVIOUS), path):
        with contextlib.suppress(OSError), _connected(name) as connection:
            pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if is_here(pid):
                return name
    return None


def is_here(pid: int) -> bool:
    """Whether a process is one of this container; the kernel calls those of others 0."""
    return pid != 0


def take_over(path: Path, patience: float) -> bool:
    """Have the program of this container answer at `path`; False if it does already.

    It is checked first. Raises `Unreachable` for one that is not as it should, or not within `patience` seconds, and
    then all is as it was.
    """
    end = time.monotonic() + patience
    while (mine := own(path)) is None:
        if time.monotonic() > end:
            raise Unreachable(f"The program does not answer within {patience:g} seconds.")
        time.sleep(0.1)
    check(mine)
    if mine == path:
        return False
    previous = path.with_name(PREVIOUS)
    if mine != previous:
        previous.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            previous.hardlink_to(path)
    mine.rename(path)
    try:
        check(path)
    except Unreachable:
        with contextlib.suppress(FileNotFoundError):
            previous.rename(path)
        raise
    return True


def forget_previous(path: Path) -> None:
    """Remove the name of a program that has ended."""
    path.with_name(PREVIOUS).unlink(missing_ok=True)


def check(path: Path) -> None:
    """See that the program at `path` answers, shows pages and refuses a wrong login; raises `Unreachable`."""
    for method, address, wanted in (
        ("GET", "/health", HTTPStatus.OK),
        ("GET", "/", HTTPStatus.OK),
        ("POST", "/", HTTPStatus.UNAUTHORIZED),
    ):
        try:
            status, text = ask(path, method, address, headers={"Authorization": _NO_ACCOUNT})
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"The program does not answer {method} {address}: {error}.") from error
        if status != wanted:
            raise Unreachable(f"The program answers {method} {address} with {status}, not {wanted:d}: {text[:200]}")


def ask(
    path: Path, method: str, address: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Send one request; the status and what came with it. Raises OSError, HTTPException."""
    connection = http.client.HTTPConnection("localhost", timeout=_TIMEOUT)
    with _connected(path) as connection.sock:
        connection.request(method, address, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace").strip()


@contextlib.contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_TIMEOUT)
        connection.connect(os.fspath(path))
        yield connection

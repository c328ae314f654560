"""Files from public servers: continued where an attempt stopped, and whole only with the SHA-256 promised."""

import logging
import re
from collections.abc import Generator
from dataclasses import dataclass

import httpx

from wheelhouse.errors import BrokenOff, Damaged, Unreachable
from wheelhouse.store.downloads import Received
from wheelhouse.upstream.http_client import ATTEMPTS, get, retrying

log = logging.getLogger(__name__)

ROUNDS = 20
"""How often a file may break off, as long as each time some of it came."""
CONTINUATIONS = 3
"""The same while a client of the index waits for the file."""


@dataclass(frozen=True)
class Promised:
    """A file as upstream's index describes it."""

    name: str
    url: str
    sha256: str
    """Hex."""
    size: int | None
    """Bytes; None if upstream does not say."""
    at_most: int | None
    """Bytes; None for no limit."""


def download(client: httpx.Client, promised: Promised, received: Received) -> None:
    """Receive what is missing of a file. Raises `Unreachable`, `Damaged` and OSError.

    What came of it stays in `received`, unless it is of no use.
    """
    for round_ in range(1, ROUNDS + 1):
        before = received.size

        def came_nothing(error: Exception, before: int = before) -> bool:
            return isinstance(error, BrokenOff) and received.size <= before

        try:
            for attempt in retrying(came_nothing, ATTEMPTS):
                with attempt:
                    _receive(client, promised, received)
            return
        except Unreachable:
            if received.size <= before or round_ == ROUNDS:
                raise


def stream(client: httpx.Client, promised: Promised) -> Generator[bytes]:
    """A file's pieces as they come, the first one empty: what is raised before it can still be told to a client.

    Raises `Unreachable` and `Damaged`; whether the bytes are the promised ones is for the caller to see.
    """
    got = 0
    for left in range(CONTINUATIONS, -1, -1):
        before = got
        try:
            with get(client, promised.url, _headers(got)) as response:
                if not _continues(response, got):
                    raise BrokenOff(f"it does not continue {promised.name}")
                if not got:
                    _reject_other_size(response, promised.size)
                    yield b""
                for piece in response.iter_raw():
                    got += len(piece)
                    if promised.at_most is not None and got > promised.at_most:
                        raise Damaged("it is bigger than it may be")
                    yield piece
        except BrokenOff as error:
            if not left or got <= before:
                raise
            log.warning("%s: %s after %d bytes; it goes on there.", promised.name, error, got)
        else:
            return


def _reject_other_size(response: httpx.Response, size: int | None) -> None:
    if size is not None and response.headers.get("Content-Length", str(size)) != str(size):
        raise Damaged("its size is not the one in upstream's page")


def _receive(client: httpx.Client, promised: Promised, received: Received) -> None:
    """Receive the rest of a file, or all of it; raises `Unreachable` and `Damaged`."""
    if received.sha256 == promised.sha256:
        return
    with get(client, promised.url, _headers(received.size)) as response:
        if response.status_code in (206, 416) and not _is_rest(response, received.size):
            received.restart()
            raise BrokenOff(f"it does not continue {promised.name}")
        if not _continues(response, received.size):
            received.restart()  # it sends everything, whatever was asked for
        for piece in response.iter_raw():
            received.write(piece)
            if promised.at_most is not None and received.size > promised.at_most:
                received.restart()
                raise Damaged(f"{promised.name} is bigger than upstream's index says.")
    if received.sha256 != promised.sha256:
        if promised.size is not None and received.size < promised.size:
            raise BrokenOff(f"it stopped {promised.name} after {received.size} bytes")
        received.restart()
        raise Damaged(f"The bytes of {promised.name} do not have the SHA-256 that upstream's index promises.")


def _headers(start: int) -> dict[str, str]:
    return {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}


def _continues(response: httpx.Response, start: int) -> bool:
    """Whether what comes follows the first `start` bytes; False if it is the whole file. Raises `Unreachable`."""
    if response.status_code == 200:
        return not start
    if start and _is_rest(response, start):
        return True
    raise Unreachable(f"it answers {response.status_code} for it")


def _is_rest(response: httpx.Response, start: int) -> bool:
    begins = re.match(r"bytes ([0-9]+)-", response.headers.get("Content-Range", ""))
    return response.status_code == 206 and bool(start) and begins is not None and int(begins[1]) == start

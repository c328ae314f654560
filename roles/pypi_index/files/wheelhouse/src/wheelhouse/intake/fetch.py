"""Files from upstream, into the quarantine: several at once, each to its end, none twice.

What was cut off is continued where it stopped, in this run or in the next. A file is kept under its name only if its
bytes are those that upstream's index promises.
"""

import re
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import httpx
from simple_repository.model import File

from wheelhouse.progress import progress
from wheelhouse.store.downloads import Cache, Received
from wheelhouse.upstream import http_client
from wheelhouse.upstream.http_client import BrokenOff, Unreachable, get

AT_ONCE = 6
ATTEMPTS = 20
"""For one file, as long as some of it comes with each."""


class Damaged(Exception):
    """A file is not what upstream's index promises; the text is a sentence."""


@dataclass(frozen=True, eq=False)
class Wanted:
    """A file to be fetched."""

    project: str
    file: File
    """As upstream's page has it."""


def fetch(
    wanted: Iterable[Wanted], client: httpx.Client, quarantine: Cache, max_size: int
) -> dict[Wanted, Damaged | Unreachable]:
    """Fetch what is not there yet; returns what could not be had, and why. Raises OSError where there is no room.

    `max_size` is the most bytes that any file may have.
    """
    missing = [one for one in wanted if not quarantine.path(one.project, one.file.filename).exists()]
    failed: dict[Wanted, Damaged | Unreachable] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(_fetch, one, client, quarantine, max_size): one for one in missing}
        try:
            for done in progress(as_completed(running), len(running), "fetch", "file"):
                try:
                    done.result()
                except (Damaged, Unreachable) as error:
                    failed[running[done]] = error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return failed


def _fetch(wanted: Wanted, client: httpx.Client, quarantine: Cache, max_size: int) -> None:
    file = wanted.file
    digest = file.hashes["sha256"]
    at_most = max_size if file.size is None else file.size
    if at_most > max_size:
        raise Damaged(f"{file.filename} has {at_most} bytes, more than the {max_size} that the index takes.")
    with quarantine.resume(digest) as received:
        attempts, idle = ATTEMPTS, 0
        while received.sha256 != digest:
            before = received.size
            try:
                _receive(file, client, received, at_most)
            except Unreachable as error:
                attempts -= 1
                if received.size > before:
                    idle = 0
                elif isinstance(error, BrokenOff) and idle < len(http_client.PAUSES):
                    time.sleep(http_client.PAUSES[idle])
                    idle += 1
                else:
                    raise
                if not attempts:
                    raise
        quarantine.place(received, wanted.project, file.filename)


def _receive(file: File, client: httpx.Client, received: Received, at_most: int) -> None:
    """Receive the rest of a file, or all of it; raises `Unreachable` and `Damaged`."""
    headers = {"Accept-Encoding": "identity"}
    if received.size:
        headers["Range"] = f"bytes={received.size}-"
    with get(client, file.url, headers) as response:
        start = re.match(r"bytes ([0-9]+)-", response.headers.get("Content-Range", ""))
        continues = response.status_code == 206 and start and int(start[1]) == received.size
        if response.status_code in (206, 416) and not continues:
            received.restart()
            raise Unreachable(f"it does not continue {file.filename}")
        if response.status_code == 200:
            received.restart()  # it sends everything, whatever was asked for
        elif not continues:
            raise Unreachable(f"it answers {response.status_code} for {file.filename}")
        for piece in response.iter_raw():
            received.write(piece)
            if received.size > at_most:
                received.restart()
                raise Damaged(f"{file.filename} is bigger than upstream's index says.")
    if received.sha256 != file.hashes["sha256"]:
        size = received.size
        if file.size is not None and size < file.size:
            raise Unreachable(f"it stopped {file.filename} after {size} bytes")
        received.restart()
        raise Damaged(f"The bytes of {file.filename} do not have the SHA-256 that upstream's index promises.")

"""Files from upstream, into the quarantine: several at once, each to its end, none twice.

What was cut off is continued where it stopped, in this run or in the next. A file is kept under its name only if its
bytes are those that upstream's index promises.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import httpx
from simple_repository.model import File

from wheelhouse.errors import Damaged, Unreachable
from wheelhouse.progress import progress
from wheelhouse.store.downloads import Cache
from wheelhouse.upstream.download import Promised, download

AT_ONCE = 6


@dataclass(frozen=True, eq=False)
class Wanted:
    """A file to be fetched."""

    project: str
    file: File
    """As upstream's page has it, with its SHA-256."""
    most: int | None = None
    """Bytes that it may have; None for what the index takes of any file."""


class Quarantine:
    """Where files wait for a verdict, and the way they come."""

    def __init__(self, cache: Cache, client: httpx.Client, max_size: int) -> None:
        """`max_size` is the most bytes that any file may have."""
        self.files = cache
        self._client = client
        self._max_size = max_size

    def fetch_all(self, wanted: Iterable[Wanted]) -> dict[Wanted, Damaged | Unreachable]:
        """Fetch what is not there yet; returns what could not be had, and why. Raises OSError."""
        missing = [one for one in wanted if not self.files.path(one.project, one.file.filename).exists()]
        failed: dict[Wanted, Damaged | Unreachable] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            running = {pool.submit(self.fetch, one): one for one in missing}
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

    def fetch(self, wanted: Wanted) -> None:
        """Fetch one; raises `Damaged`, `Unreachable`, OSError."""
        file = wanted.file
        most = self._max_size if wanted.most is None else wanted.most
        at_most = most if file.size is None else file.size
        if at_most > most:
            raise Damaged(f"{file.filename} has {at_most} bytes, more than the {most} that the index takes.")
        digest = file.hashes["sha256"]
        with self.files.resume(digest) as received:
            download(self._client, Promised(file.filename, file.url, digest, file.size, at_most), received)
            self.files.place(received, wanted.project, file.filename)

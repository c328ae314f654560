"""Public projects through this index: what of a page is let in, and its files, fetched, checked and kept.

Nothing is taken from upstream unchecked: a file must have a safe name, a SHA-256 and the age that is asked for, and its
contents must be what the page promises.
"""

import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO
from urllib.parse import urlsplit

import httpx
from simple_repository.content_negotiation import Format
from simple_repository.model import File

from wheelhouse.errors import Damaged, Denied, NotFound, Unreachable
from wheelhouse.formats.distribution import MAX_METADATA
from wheelhouse.index import denied_releases
from wheelhouse.index.denied_releases import Refused
from wheelhouse.network import Network
from wheelhouse.store.downloads import Cache, Received
from wheelhouse.upstream import download, http_client, page
from wheelhouse.upstream.download import Promised
from wheelhouse.upstream.page import METADATA, Files
from wheelhouse.upstream.ttl_cache import SingleFlightCache

__all__ = ["METADATA", "Files", "Mirror", "Upstream"]

log = logging.getLogger(__name__)

PAGE_AGE = 60
"""Seconds a page is used again: here, so that the downloads which follow it ask for no other, and by the gateway."""
MAX_FILES = 50_000
"""Files on all the pages that are remembered, at about 1.5 KiB each."""
_PIECE = 2**16
"""Bytes."""


@dataclass(frozen=True)
class Upstream:
    """The index that is asked, the way to it, and what is let in from there."""

    url: str
    """With a slash at its end."""
    network: Network
    minimum_age: timedelta
    refused: Mapping[str, Refused] = field(default_factory=dict)
    """Versions of the project that is asked for which the intake has refused."""
    seen: Mapping[str, str] = field(default_factory=dict)
    """File name -> SHA-256 of what clients were given of it before."""
    keep: int | None = None
    """Bytes that are kept at most; None for no limit."""

    def objection(self, file: File) -> str | None:
        """Why a file is not let in, as a sentence; None if it is."""
        if sentence := denied_releases.of(self.refused, file.filename):
            return sentence
        if sentence := self.changed(file.filename, file.hashes.get("sha256")):
            return sentence
        if "sha256" not in file.hashes:
            return f"{file.filename} has no SHA-256 upstream, so that nobody could tell whether it arrives unchanged."
        if not self.minimum_age:
            return None
        days = f"This index lets in what is {self.minimum_age.days} days old"
        if file.upload_time is None:
            return f"{days}, and upstream does not say when {file.filename} was uploaded."
        let_in = file.upload_time + self.minimum_age
        if let_in > datetime.now(UTC).replace(tzinfo=None):
            return f"{days}: {file.filename} from {let_in:%Y-%m-%d %H:%M} UTC on."
        return None

    def changed(self, filename: str, sha256: str | None) -> str | None:
        """Why a file that upstream has with other bytes than before is not let in; None if it is the same, or new."""
        if self.seen.get(filename, sha256) == sha256:
            return None
        return f"{filename} was had from here before with other contents than upstream has now, and never changes here."


@dataclass(frozen=True)
class FileBody:
    """A file that is on its way to a client."""

    size: int | None
    """Bytes; None if upstream does not say."""
    pieces: Iterable[bytes]
    """Raise `Unreachable`, `Damaged` and `Denied` where they break off."""


class Mirror:
    """Public projects through this index. Whether a project may be asked for is for the caller to know."""

    def __init__(
        self,
        cache: Cache,
        page_age: float = PAGE_AGE,
        max_files: int = MAX_FILES,
        *,
        patient: bool = False,
        given: Callable[[str, str, str], None] = lambda *_: None,
        last_asked: Callable[[str], float] = lambda _: 0.0,
        denied: Callable[[str, str, str], str | None] = lambda *_: None,
    ) -> None:
        """`page_age` is how long a page is used again, in seconds, `max_files` how many files may be remembered.

        Who is `patient` waits for an upstream that fails for a while. `given` is told of each file that a client gets
        from upstream, before it has all of it: project, name, SHA-256. `last_asked` says when somebody looked at a
        project last, `denied` why a file (project, name) may not be had any more, once it has come.
        """
        self._cache = cache
        self._patient = patient
        self._given = given
        self._last_asked = last_asked
        self._denied = denied
        self._pages: SingleFlightCache[Files | None] = SingleFlightCache(
            page_age, max_files, lambda files: len(files or ())
        )
        self._lock = threading.Lock()
        self._client: tuple[Network, httpx.Client] | None = None

    def page(self, upstream: Upstream, project: str, form: Format, *, direct: bool = False) -> bytes:
        """The project's page, as JSON or HTML. With `direct`, clients get the files from upstream.

        Raises `NotFound`, `Denied` if nothing of it is let in, `Unreachable`.
        """
        listed = self.files(upstream, project).values()
        objections = [upstream.objection(file) for file in listed]
        files = [file for file, objection in zip(listed, objections, strict=True) if not objection]
        if listed and not files:
            # Instead of an empty page, which nobody could explain.
            log.warning("Nothing of %s is let in, for example: %s", project, objections[-1])
            raise Denied(f"Nothing of {project} is let in, for example: {objections[-1]}")
        return page.rendered(project, files, form, direct=direct)

    def file(self, upstream: Upstream, project: str, filename: str, *, head: bool = False) -> FileBody:
        """A file of the project, or the metadata of one: kept, or on its way from upstream.

        With `head`, nothing is fetched but the page, and nothing is in it. Raises `NotFound`, `Denied`, `Unreachable`,
        `Damaged`.
        """
        if kept := self._cache.open(project, filename):
            size = os.fstat(kept.fileno()).st_size
            if head:
                kept.close()
            return FileBody(size, () if head else _read_on(kept))
        promised = _promised(upstream, self.files(upstream, project), project, filename)
        if head:
            return FileBody(promised.size, ())
        pieces = self._pieces(upstream, promised, project)
        with _said_of(filename):
            next(pieces)
            if filename.endswith(METADATA):  # small, so that what is wrong can be told
                content = b"".join(pieces)
                return FileBody(len(content), (content,))
        return FileBody(promised.size, pieces)

    def files(self, upstream: Upstream, project: str) -> Files:
        """Everything upstream lists, by file name; raises `NotFound`, `Unreachable`."""
        url = f"{upstream.url}{project}/"
        with _said_of(project):
            files = self._pages.get(url, lambda: self._fetch_page(upstream, url, project))
        if files is None:
            raise NotFound(f"{project} is neither on this index nor upstream.")
        return files

    def client(self, network: Network) -> httpx.Client:
        """The client of this process, made when it is first needed and when the network's settings have changed."""
        with self._lock:
            if self._client is None or self._client[0] != network:
                # The old one is not closed: files may still be coming through it.
                self._client = (network, http_client.client(network, patient=self._patient))
            return self._client[1]

    def _fetch_page(self, upstream: Upstream, url: str, project: str) -> Files | None:
        client = self.client(upstream.network)
        return http_client.patiently(lambda: page.fetch(client, url, project), 3 if self._patient else 1)

    def _pieces(self, upstream: Upstream, promised: Promised, project: str) -> Iterator[bytes]:
        """Have a file come once, whoever else asks for it, in other processes too; gives its bytes as they come.

        Raises `Unreachable`, `Damaged`, `Denied`, OSError. The first piece is empty: what is raised before it can still
        be told to the client.
        """
        sent = 0
        filename = promised.name
        is_kept = upstream.keep is None or (promised.size or 0) <= upstream.keep
        while is_kept:
            if found := self._cache.open(project, filename):
                found.seek(sent)
                yield b""
                yield from _read_on(found)
                return
            with contextlib.ExitStack() as stack:
                try:
                    part = stack.enter_context(self._cache.fetching(project, filename))
                except OSError as error:
                    log.error("Nothing can be kept of %s (%s).", filename, error.strerror)
                    break
                if isinstance(part, Received):
                    yield from self._fetch(upstream, promised, project, part, sent)
                    return
                for piece in part.pieces(sent):
                    if not sent:
                        yield b""
                    sent += len(piece)
                    yield piece
                if part.is_whole:
                    return
                if part.is_stuck:
                    break
                # Whoever it came for has gone, or has failed with it.
        yield from self._fetch(upstream, promised, project, None, sent)

    def _fetch(
        self, upstream: Upstream, promised: Promised, project: str, kept: Received | None, sent: int
    ) -> Iterator[bytes]:
        """Fetch a file and keep it, if there is somewhere to, and room; but for the first bytes, which were `sent`."""
        digest, size, held = hashlib.sha256(), 0, b""
        with contextlib.closing(download.stream(self.client(upstream.network), promised)) as pieces:
            yield next(pieces)
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                kept = kept and _keep(kept, piece, promised.name)
                # Nobody gets the last piece, and so the whole file, before it is known to be right.
                if held:
                    yield held
                skipped = min(sent, len(piece))
                sent -= skipped
                held = piece[skipped:]
        if promised.size not in (None, size):
            raise Damaged("its size is not the one in upstream's page")
        if digest.hexdigest() != promised.sha256:
            raise Damaged("its SHA-256 is not the one in upstream's page")
        self._given(project, promised.name, promised.sha256)
        if kept:
            try:
                self._cache.place(kept, project, promised.name)
                if upstream.keep is not None:
                    self._cache.trim(upstream.keep, self._last_asked, size)
                log.info("Fetched %s of %s, %d bytes.", promised.name, project, size)
            except OSError as error:
                log.error("%s was not kept (%s).", promised.name, error.strerror)
        # Behind its placing: what is denied from now on is seen here, or by whoever throws denied files away.
        if sentence := self._denied(project, promised.name, upstream.url):
            self._cache.forget_file(project, promised.name)
            raise Denied(sentence)
        if held:
            yield held


def _read_on(stream: IO[bytes]) -> Iterator[bytes]:
    """The rest of a file, in pieces; it is closed at the end."""
    with stream:
        while piece := stream.read(_PIECE):
            yield piece


def _keep(received: Received, piece: bytes, filename: str) -> Received | None:
    """Keep a piece. None if there is no room: then the file only passes through, and nothing is left of it."""
    try:
        received.write(piece)
    except OSError as error:
        log.error("%s is not kept (%s): make room for the index's cache.", filename, error.strerror)
        received.give_up()
        return None
    return received


@contextlib.contextmanager
def _said_of(what: str) -> Iterator[None]:
    """Make whole sentences of what is wrong upstream."""
    try:
        yield
    except Unreachable as error:
        sentence = f"{what} is not on this index, and upstream fails: {error}; try again later."
        raise Unreachable(sentence) from None
    except Damaged as error:
        log.error("%s was not taken from upstream: %s.", what, error)
        raise Damaged(f"{what} was not taken from upstream: {error}.") from None


def _promised(upstream: Upstream, files: Files, project: str, filename: str) -> Promised:
    """What to fetch for `filename`; raises `NotFound`, `Denied`."""
    file = files.get(filename.removesuffix(METADATA))
    if file is None:
        raise NotFound(f"{filename} is not among the files of {project} upstream.")
    if sentence := upstream.objection(file):
        raise Denied(sentence)
    if file.filename == filename:
        return Promised(filename, file.url, file.hashes["sha256"], file.size, file.size)
    if not isinstance(file.dist_info_metadata, dict):
        raise NotFound(f"Upstream has no metadata for {file.filename}, or no SHA-256 of them.")
    if sentence := upstream.changed(filename, file.dist_info_metadata["sha256"]):
        raise Denied(sentence)
    parts = urlsplit(file.url)
    url = parts._replace(path=f"{parts.path}{METADATA}").geturl()
    return Promised(filename, url, file.dist_info_metadata["sha256"], None, MAX_METADATA)

"""A store that is a bucket of an S3-compatible server, which several gateways share.

What such servers have in common is little, see `probe`: a single PUT with `If-None-Match: *` creates an object or
fails, however many try at once. So an object is created by one PUT, whatever its size, and never changed. What a key
promises is checked here and by nobody else: the last part of it is the SHA-256 of what is read.
"""

import contextlib
import hashlib
import io
import logging
import mmap
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import obstore
import stamina
from cachetools import LRUCache
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import S3Store as Bucket

from wheelhouse.errors import Busy, Damaged, Full, NotFound, Rejected
from wheelhouse.store.base import BLOBS, Stat
from wheelhouse.store_settings import ObjectStore

log = logging.getLogger(__name__)

MOST = 5 * 2**30
"""Bytes that one PUT takes, by S3's own rules."""
CONNECT_TIMEOUT = 3
READ_TIMEOUT = 10
"""Seconds of silence. pip gives up on us after 15."""
RETRIED_FOR = 15
"""Seconds for which a request that fails is sent again, at most `_TRIES` times."""
_TRIES = 4
_LONGEST = 3600
"""Seconds that the bytes of one object may take to come."""
_SLOWEST = 2**20
"""Bytes a second that a server takes at least, or is given up."""
_LARGE = 8 * 2**20
"""Bytes from which on it pays to ask whether an object is there before it is sent."""
_KNOWN = 20_000
"""Objects that this process remembers to have stored or read, as they should be."""
_FULL = ("QuotaExceeded", "StorageFull", "InsufficientStorage", "no free volumes", "No writable volumes")
"""What servers answer where there is no room, each in a way of its own."""
_NO_BUCKET = "NoSuchBucket"
_TELL_EVERY = 60
"""Seconds after which the log has the same fault again."""
_SECRETS = re.compile(r"(?i)(authorization|signature|credential|token)[^,}]*")


class S3Store:
    """Safe for many threads. What cannot be done now raises `Busy`; a server that is full, `Full`."""

    def __init__(self, settings: ObjectStore) -> None:
        self._settings = settings
        self._known: LRUCache[str, None] = LRUCache(_KNOWN)
        self._lock = threading.Lock()
        self._told, self._told_at = "", 0.0
        self._with_time = lru_cache(maxsize=8)(self._bucket)

    @cached_property
    def _objects(self) -> Bucket:
        """For all but sending. Made by the process that uses it: what obstore has does not survive a fork."""
        return self._bucket(_LONGEST, read_timeout=timedelta(seconds=READ_TIMEOUT))

    def put(self, key: str, source: Path, sha256: str, *, durable: bool = True) -> bool:
        """See `Store`. It is durable at any rate. Raises `Rejected` for what no server takes at once.

        What is there already and is not what it should be is put right: whoever has this key has the same bytes.
        """
        size = source.stat().st_size
        if not (size >= _LARGE and self.head(key)) and self.create(key, source):
            self._remember(key)
            return True
        if not self._is_whole(key, size, sha256):
            log.error("%s was not whole in the object store, and is stored once more.", key)
            self._send(key, source, "overwrite")
            self._remember(key)
        return False

    def create(self, key: str, source: Path) -> bool:
        """Store an object, whatever its key, if there is none; False if there is one. All servers share this alone."""
        return self._send(key, source, "create")

    def sync(self) -> None:
        """See `Store`. Whatever was put is."""

    def open(self, key: str) -> io.BufferedReader:
        """See `Store`. Reading raises `Busy`, and at the end `Damaged` if these are not the bytes of this key."""
        stream = _Reading(key, lambda start: self._get(key, start))
        stream.begin()
        return io.BufferedReader(stream, 2**20)

    def head(self, key: str) -> Stat | None:
        """See `Store`."""
        try:
            with self._said(key):
                found = obstore.head(self._objects, key)
        except NotFound:
            return None
        return Stat(key, found["size"], found["last_modified"])

    def list(self, prefix: str) -> Iterator[Stat]:
        """See `Store`."""
        pages = iter(obstore.list(self._objects, prefix.rpartition("/")[0] or None, chunk_size=1000))
        while True:
            with self._said(prefix):
                page = next(pages, None)
            if page is None:
                return
            for found in page:
                if found["path"].startswith(prefix):
                    yield Stat(found["path"], found["size"], found["last_modified"])

    def delete(self, key: str) -> None:
        """See `Store`."""
        with self._lock:
            self._known.pop(key, None)
        with contextlib.suppress(NotFound), self._said(key):
            obstore.delete(self._objects, key)

    def path(self, key: str) -> Path | None:
        """See `Store`."""
        return None

    def _send(self, key: str, source: Path, mode: Any) -> bool:
        """One PUT; False if the object is there already."""
        size = source.stat().st_size
        if size > MOST:
            raise Rejected(f"{source.name} has {size} bytes, and an object store takes at most {MOST} (5 GiB) at once.")
        bucket = self._with_time(READ_TIMEOUT + max(_LARGE, 1 << size.bit_length()) // _SLOWEST)
        try:
            with _mapped(source, size) as content, self._said(key):
                obstore.put(bucket, key, content, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            return False
        except NotFound:
            raise Busy(self._no_bucket) from None
        return True

    def _get(self, key: str, start: int) -> Iterator[Any]:
        with self._said(key):
            options: Any = {"range": {"offset": start}} if start else {}
            pieces = iter(obstore.get(self._objects, key, options=options).stream(min_chunk_size=2**20))
        while True:
            with self._said(key):
                piece = next(pieces, None)
            if piece is None:
                return
            yield piece

    def _is_whole(self, key: str, size: int, sha256: str) -> bool:
        """Whether an object is what it should be. Its bytes are read once by each process, unless it stored them."""
        found = self.head(key)
        if found is None or found.size != size:
            return False
        with self._lock:
            if key in self._known:
                return True
        try:
            with self.open(key) as stream:
                is_whole = hashlib.file_digest(stream, "sha256").hexdigest() == sha256
        except (Damaged, NotFound):
            return False
        if is_whole:
            self._remember(key)
        return is_whole

    def _remember(self, key: str) -> None:
        with self._lock:
            self._known[key] = None

    def _bucket(self, seconds: int, **options: Any) -> Bucket:
        """A client with so many seconds for each request."""
        settings = self._settings
        client: Any = {
            "allow_http": settings.endpoint.startswith("http:"),
            "connect_timeout": timedelta(seconds=CONNECT_TIMEOUT),
            "timeout": timedelta(seconds=seconds),
            "user_agent": "wheelhouse",
            **options,
            **({"root_certificate": settings.ca} if settings.ca else {}),
        }
        return Bucket(
            settings.bucket,
            prefix=settings.prefix or None,
            endpoint=settings.endpoint,
            region=settings.region,
            access_key_id=settings.access_key,
            secret_access_key=settings.secret_key,
            virtual_hosted_style_request=False,
            client_options=client,
            retry_config={
                "max_retries": _TRIES - 1,
                "retry_timeout": timedelta(seconds=RETRIED_FOR),
                "backoff": {
                    "init_backoff": timedelta(seconds=0.1),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
        )

    @contextlib.contextmanager
    def _said(self, key: str) -> Iterator[None]:
        """Say what a server said in our own words; its own are for the log."""
        try:
            yield
        except (AlreadyExistsError, PreconditionError):
            raise
        except FileNotFoundError as error:
            if _NO_BUCKET in str(error):
                raise Busy(self._no_bucket) from None
            raise NotFound(f"{key} is not in the store.") from None
        except (BaseError, OSError) as error:
            raise self._sentence(error) from None

    def _sentence(self, error: Exception) -> Exception:
        if _NO_BUCKET in str(error):
            return Busy(self._no_bucket)
        said = self._without_secrets(str(error))
        self._tell(said)
        if any(word in said for word in _FULL):
            return Full("There is no room in the object store: ask whoever runs it.")
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return Busy(f"The object store refuses the keys of this index: check {self._settings.shown}.")
        return Busy("The object store does not answer as it should: try again in a minute.")

    @property
    def _no_bucket(self) -> str:
        return f"There is no bucket {self._settings.bucket} at {self._settings.endpoint}: have it made."

    def _tell(self, said: str) -> None:
        """Write it to the log, but not again and again."""
        if said != self._told or time.monotonic() - self._told_at > _TELL_EVERY:
            log.error("The object store failed: %s", said)
            self._told, self._told_at = said, time.monotonic()

    def _without_secrets(self, text: str) -> str:
        text = _SECRETS.sub(r"\1: ***", " ".join(text.split()))
        for secret in (self._settings.secret_key, self._settings.access_key):
            text = text.replace(secret, "***")
        return text[:500]


class _Reading(io.RawIOBase):
    """The bytes of an object as they come. Where a connection breaks, the rest is asked for once more."""

    def __init__(self, key: str, get: Callable[[int], Iterator[Any]]) -> None:
        super().__init__()
        self._key = key
        self._get = get
        self._pieces: Iterator[Any] | None = None
        self._at = 0
        self._rest = memoryview(b"")
        self._digest = hashlib.sha256()

    def begin(self) -> None:
        """Ask for it; raises `NotFound`, `Busy`, OSError."""
        self._rest = self._next()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = self._next()
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _next(self) -> memoryview:
        """The next piece; an empty one at the end."""
        for attempt in stamina.retry_context(Busy, attempts=_TRIES, timeout=RETRIED_FOR, wait_initial=0.1, wait_max=2):
            with attempt:
                try:
                    self._pieces = self._pieces or self._get(self._at)
                    piece = memoryview(next(self._pieces, b""))
                except Busy:
                    self._pieces = None
                    raise
        self._digest.update(piece)
        self._at += len(piece)
        if not piece and self._digest.hexdigest() != self._key.rpartition("/")[2] and self._key.startswith(f"{BLOBS}/"):
            raise Damaged(f"{self._key} in the object store is not what was stored.")
        return piece


@contextlib.contextmanager
def _mapped(source: Path, size: int) -> Iterator[Any]:
    """The contents of a file, which are not copied into this process's memory."""
    if not size:
        yield b""
        return
    with source.open("rb") as stream:
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    yield memoryview(content)  # never closed by hand: a request that was given up may still look at it

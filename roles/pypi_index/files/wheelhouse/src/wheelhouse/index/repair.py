"""Looking after the bytes of what is published: in the store, and where they are served.

Whatever happened to one of the two, it is put right from the other, as long as either is what was published.
"""

import hashlib
import io
from collections.abc import Callable, Collection
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar

from sqlalchemy import Connection, select

from wheelhouse.errors import Damaged, NotFound
from wheelhouse.index import tables
from wheelhouse.index.database import gateway_of
from wheelhouse.index.transaction import Index
from wheelhouse.store.base import blob
from wheelhouse.store.foreign import Foreign, Unfit

T = TypeVar("T")


class Bytes(Enum):
    """How it is with the bytes of a published file, once what could be done was done."""

    FINE = "fine"
    TOUCHED = "fine, but not as they were left: of another time or mode, or a copy; rendering sees to it"
    UNPLACED = "in the store, and rendering puts them where they are served"
    REPLACED = "nowhere, and another file is served"
    GONE = "nowhere"


def look_after(index: Index, path: str, sha256: str, size: int | None, at: float | None, *, deep: bool) -> Bytes:
    """See that the bytes of a file that is served at `path` are in the store; raises OSError.

    `size` and `at` are its bytes and its time (seconds since 1970), None for whatever it is. What is in its place and
    looks as it was left is only read if `deep`. What is damaged in the store is taken away
    there unless it is what is served: then it is the caller's to put aside, with `discard`.
    """
    if index.site.is_partial:
        return _look_after_copy(index, path, sha256, size, at, deep=deep)
    key = blob(sha256)
    is_untouched = index.site.is_untouched(path, key, size, at)
    if is_untouched and not deep:
        return Bytes.FINE
    served = Foreign(index.site.root, PurePosixPath(path))
    if is_whole(index, sha256):
        if is_untouched:
            return Bytes.FINE
        return Bytes.TOUCHED if index.site.is_placed(path, key) or _is(served, sha256) else Bytes.UNPLACED
    if not served.is_there():
        index.store.delete(key)
        return Bytes.GONE
    if not _is(served, sha256):
        return Bytes.REPLACED
    with served.opened() as (stream, _), index.staging.receive(stream) as copy:
        put_back(index, copy, sha256)
    return Bytes.UNPLACED


def _look_after_copy(index: Index, path: str, sha256: str, size: int | None, at: float | None, *, deep: bool) -> Bytes:
    """The same where a server keeps the bytes, which is only asked if `deep`. To have no copy here is fine."""
    key = blob(sha256)
    served = Foreign(index.site.root, PurePosixPath(path))
    is_untouched = index.site.is_untouched(path, key, size, at)
    if not deep and (is_untouched or not served.is_there()):
        return Bytes.FINE
    is_right = _is(served, sha256)
    is_lost = deep and not is_whole(index, sha256)
    if is_lost and is_right:
        with served.opened() as (stream, _), index.staging.receive(stream) as copy:
            put_back(index, copy, sha256)
        return Bytes.UNPLACED
    if is_right:
        return Bytes.FINE if is_untouched else Bytes.TOUCHED
    is_in_the_way = served.is_there() and not is_untouched
    if is_in_the_way:
        index.site.displace(path)  # somebody has put it there
    else:
        index.site.remove(path)
    if is_lost:
        index.store.delete(key)
        return Bytes.GONE
    return Bytes.UNPLACED if is_in_the_way else Bytes.FINE  # it is fetched anew


def put_back(index: Index, copy: Path, sha256: str) -> None:
    """Have the bytes of a received copy in the store, in place of damaged ones. Raises OSError."""
    if digest_of(copy.open("rb")) != sha256:
        return  # it was written to meanwhile
    index.store.delete(blob(sha256))
    index.store.put(blob(sha256), copy, sha256)


def discard(index: Index, sha256: str) -> None:
    """Take damaged bytes out of the store, so that whole ones can come in; raises OSError."""
    if not is_whole(index, sha256):
        index.store.delete(blob(sha256))


def make_again(index: Index, sha256: str, content: Callable[[], bytes]) -> bool:
    """See that bytes which can be made again are in the store; False if what is made is something else."""
    if is_whole(index, sha256):
        return True
    made = content()
    if hashlib.sha256(made).hexdigest() != sha256:
        return False
    with index.staging.receive(io.BytesIO(made)) as copy:
        put_back(index, copy, sha256)
    return True


def settled(index: Index, places: Collection[str], question: Callable[[Connection], T]) -> T:
    """The answer to a question about some places, as of a moment at which all that it says was served."""
    while True:
        with index.database.read() as connection:
            answer = question(connection)
            waiting = dirty(connection, places)
        if not waiting:
            return answer
        index.render(*waiting)  # waits for whoever is at it


def dirty(connection: Connection, places: Collection[str]) -> list[str]:
    """Those of the places that have something to be rendered, or are being rendered, sorted."""
    here = tables.dirty.c.gateway == gateway_of(connection)
    marked = select(tables.dirty.c.place).where(here, tables.dirty.c.place.in_(places))
    return sorted(connection.execute(marked).scalars())


def is_whole(index: Index, sha256: str) -> bool:
    """Whether the store has the bytes with this SHA-256 (hex), all of which are read; raises OSError."""
    try:
        return digest_of(index.store.open(blob(sha256))) == sha256
    except (NotFound, Damaged):
        return False


def digest_of(stream: IO[bytes]) -> str:
    """The SHA-256 (hex) of all that comes; closes it."""
    with stream:
        digest = hashlib.sha256()
        while piece := stream.read(2**20):
            digest.update(piece)
        return digest.hexdigest()


def _is(served: Foreign, sha256: str) -> bool:
    try:
        return served.sha256() == sha256
    except (Unfit, FileNotFoundError, NotADirectoryError):
        return False

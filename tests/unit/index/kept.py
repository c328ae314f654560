"""The bytes that an index keeps, in a directory or on a server, for those who take some of them away."""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wheelhouse import cli
from wheelhouse.index.dropbox import Drop, Report
from wheelhouse.index.opening import open_index
from wheelhouse.index.transaction import Index
from wheelhouse.store.base import BLOBS, Store, blob
from wheelhouse.store.s3 import S3Store
from wheelhouse.store_upkeep import StoreUpkeep


def names(root: Path) -> set[str]:
    """SHA-256 of all that is kept."""
    with _store(root) as store:
        return {stat.key.rpartition("/")[2] for stat in store.list(f"{BLOBS}/")}


def lose_all(root: Path) -> None:
    """Have nothing kept any more."""
    with _store(root) as store:
        for stat in list(store.list(f"{BLOBS}/")):
            store.delete(stat.key)


def lose(root: Path, content: bytes) -> None:
    """Have some bytes not kept any more."""
    with _store(root) as store:
        store.delete(blob(hashlib.sha256(content).hexdigest()))


def damage(root: Path, content: bytes) -> None:
    """Have something else kept in place of some bytes."""
    digest = hashlib.sha256(content).hexdigest()
    with _store(root) as store, tempfile.NamedTemporaryFile() as file:
        file.write(bytes([content[0] ^ 1]) + content[1:])
        file.flush()
        if path := store.path(blob(digest)):
            beside = path.with_name(".beside")
            beside.write_bytes(Path(file.name).read_bytes())
            beside.rename(path)
        else:
            assert isinstance(store, S3Store)
            store.delete(blob(digest))
            store.create(blob(digest), Path(file.name))


def miss(root: Path) -> None:
    """Have it noticed what is not kept any more, as the program does it in time."""
    with _index(root) as index:
        if index.site.is_partial:
            StoreUpkeep(Drop(index, "it", Report())).daily()
            return
    cli.main(["reindex"])


@contextlib.contextmanager
def _store(root: Path) -> Iterator[Store]:
    with _index(root) as index:
        yield index.store


@contextlib.contextmanager
def _index(root: Path) -> Iterator[Index]:
    index = open_index(root)
    try:
        yield index
    finally:
        index.database.close()

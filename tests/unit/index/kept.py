"""The bytes that an index keeps, in a directory or on a server, for those who take some of them away."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from wheelhouse.index.opening import open_index
from wheelhouse.store.base import BLOBS, Store


def names(root: Path) -> set[str]:
    """SHA-256 of all that is kept."""
    with _store(root) as store:
        return {stat.key.rpartition("/")[2] for stat in store.list(f"{BLOBS}/")}


def lose_all(root: Path) -> None:
    """Have nothing kept any more."""
    with _store(root) as store:
        for stat in list(store.list(f"{BLOBS}/")):
            store.delete(stat.key)


@contextlib.contextmanager
def _store(root: Path) -> Iterator[Store]:
    index = open_index(root)
    try:
        yield index.store
    finally:
        index.database.close()

"""Where bytes are: a store of things that are named once and then never change, whatever keeps it.

Keys are texts with `/`; those of packages are `blobs/<first two hex digits>/<SHA-256>`, so that two files of one name
never fight over bytes. Nothing here knows what the bytes are, and nobody above relies on renames, times or links.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Protocol

BLOBS = "blobs"
"""What the keys of packages begin with."""


@dataclass(frozen=True)
class Stat:
    """What is known of one thing in a store."""

    key: str
    size: int
    """Bytes."""
    changed: datetime
    """When it was put there, or found there by a `put` of the same; aware, UTC."""


class Store(Protocol):
    """The verbs. All raise OSError, ENOSPC among them, and where a server keeps the bytes `Busy` and `Full`."""

    def put(self, key: str, source: Path, sha256: str, *, durable: bool = True) -> bool:
        """Store the contents of the file `source`, synced when this returns; False if the key is there already.

        `sha256` (hex) is of the contents, which were synced by `Staging.receive`; `source` stays where it is. What is
        there already is left as it is but counts as put now. With `durable=False` a crash may undo it, until `sync`,
        which also syncs contents that were not.
        """
        ...

    def sync(self) -> None:
        """Have all on the disk that was put."""
        ...

    def open(self, key: str) -> IO[bytes]:
        """The contents, to be read and closed; raises `NotFound`. Reading may raise `Damaged`."""
        ...

    def head(self, key: str) -> Stat | None:
        """What is known of it; None if it is not there."""
        ...

    def list(self, prefix: str) -> Iterator[Stat]:
        """All keys that begin with `prefix`, in order."""
        ...

    def delete(self, key: str) -> None:
        """Take it away; what is gone already is fine."""
        ...

    def path(self, key: str) -> Path | None:
        """Where the bytes are if they are a file on this machine, for `Site` to link; None if a server keeps them."""
        ...


def blob(sha256: str) -> str:
    """The key of a package's bytes, or of its metadata's."""
    return f"{BLOBS}/{sha256[:2]}/{sha256}"

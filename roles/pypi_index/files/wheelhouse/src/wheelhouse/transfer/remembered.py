"""Files beside the shelf, each replaced as a whole. What a kill leaves of one, the next run writes over."""

import os
from pathlib import Path

from wheelhouse.store.staging import sync_directory


def replace(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Have a file hold this; it is on the disk when this returns."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as stream:
        stream.write(content)
        os.fchmod(stream.fileno(), mode)
        stream.flush()
        os.fsync(stream.fileno())
    part.rename(path)
    sync_directory(path.parent)

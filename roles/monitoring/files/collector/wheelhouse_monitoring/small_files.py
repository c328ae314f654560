"""Files that others write and that are read here: regular ones, and no more of them than is reasonable."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def read(path: Path, most: int) -> bytes:
    """What is in a regular file of at most so many bytes. Raises OSError, ValueError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f"{path} is no regular file.")
        content = stream.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{path} has more than {most} bytes.")
    return content

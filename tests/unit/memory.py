"""Where tests put what they sync a great many times, or run as programs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

ENOUGH = 2**30
"""Bytes. In a container, /dev/shm has 64 MiB unless somebody asked for more, and no program may lie there."""


def in_memory() -> Path | None:
    """The directory in memory of this machine, or None (as `tempfile` takes it) where tests have one on the disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        return None
    may_run = not os.statvfs(memory).f_flag & os.ST_NOEXEC
    return memory if may_run and shutil.disk_usage(memory).free >= ENOUGH else None

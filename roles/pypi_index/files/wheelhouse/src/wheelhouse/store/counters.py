"""Numbers that the processes of this host add to, and that `wheelhouse metrics` shows: a small file, made when needed.

They are for people who look after the host: where they cannot be written, the work goes on all the same.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

Numbers = dict[str, float]


class Counters:
    """Safe for many processes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Numbers:
        """All of them; none if there are none yet."""
        with contextlib.suppress(OSError):
            return _numbers(self._path.read_bytes())
        return {}

    def add(self, **numbers: float) -> None:
        """Add to some."""
        self._change(lambda known: known | {name: known.get(name, 0) + number for name, number in numbers.items()})

    def put(self, numbers: Mapping[str, float]) -> None:
        """Set some."""
        self._change(lambda known: known | dict(numbers))

    def _change(self, change: Callable[[Numbers], Numbers]) -> None:
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            with open(descriptor, "rb+", buffering=0) as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                changed = change(_numbers(stream.read()))
                stream.seek(0)
                stream.write(json.dumps(changed, sort_keys=True).encode())
                stream.truncate()


def _numbers(content: bytes) -> Numbers:
    """What a file has; one that a crash cut short has nothing."""
    with contextlib.suppress(ValueError):
        known = json.loads(content)
        if isinstance(known, dict):
            return known
    return {}

"""How far a long command is: a bar on a terminal, a line every few seconds in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LINE_EVERY = 5.0
"""Seconds between lines where nobody watches a terminal."""


def progress(items: Iterable[T], total: int, what: str, unit: str) -> Iterator[T]:
    """The items, of which there are `total`."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what, unit=unit)
        return
    told = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - told >= LINE_EVERY:
            told = time.monotonic()
            print(f"{what}: {number} of {total} {unit}s", file=sys.stderr, flush=True)
        yield item

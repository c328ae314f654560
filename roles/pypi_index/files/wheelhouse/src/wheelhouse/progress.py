"""How far a long command is: a bar on a terminal, a line every few seconds in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LINE_EVERY = 5.0
"""Seconds between lines where nobody watches a terminal."""


def progress(items: Iterable[T], total: int, what: str, unit: str, done: int = 0) -> Iterator[T]:
    """The items, of which there are `total` together with the `done` ones that do not come any more."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, initial=done, desc=what, unit=unit)
        return
    told = time.monotonic()
    for number, item in enumerate(items, done):
        if time.monotonic() - told >= LINE_EVERY:
            told = time.monotonic()
            print(f"{what}: {number} of {total} {unit}s", file=sys.stderr, flush=True)
        yield item


def tell(sentence: str) -> None:
    """Say something at once, on a line of its own, whatever bar is there."""
    tqdm.write(sentence, file=sys.stderr)

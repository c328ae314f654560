"""What can go wrong, as a sentence for the administrator."""

from __future__ import annotations

import errno


class Failure(Exception):
    """The run cannot go on; the text is one sentence."""


def of_system(error: OSError) -> str:
    """The sentence for an error of the operating system."""
    place = error.filename or "this host"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of {place} is full."
    return f"{place}: {error.strerror or error}."


def printable(text: str, most: int = 300) -> str:
    """Another program's words on one line, with nothing in it that moves a cursor."""
    shown = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text.strip())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def size(number: float) -> str:
    """A number of bytes, for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"

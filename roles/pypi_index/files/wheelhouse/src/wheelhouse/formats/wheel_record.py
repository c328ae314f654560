"""RECORD of a wheel: the files in it, each with its hash and size."""

import base64
import csv
import io
from dataclasses import dataclass

from wheelhouse.formats.archive import MAX_MEMBERS, Unacceptable

MAX_RECORD = 16 * 2**20
MAX_LINE = 8192
"""Bytes."""
RECORD_ALGORITHMS = frozenset({"sha256", "sha384", "sha512"})
"""What the wheel specification lets RECORD use."""


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One line of a wheel's RECORD; `algorithm` and `digest` (hex) are None where it gives no hash."""

    path: str
    algorithm: str | None
    digest: str | None
    size: int | None


def record_rows(content: bytes) -> tuple[list[RecordRow], list[str]]:
    """The lines of RECORD, and sentences on those that are none; raises `Unacceptable`.

    One line at a time: a comma is one byte, and the field behind it takes fifty.
    """
    found: list[RecordRow] = []
    problems: list[str] = []
    for number, line in enumerate(io.BytesIO(content)):
        if number > MAX_MEMBERS:
            raise Unacceptable(f"The wheel's RECORD has more than {MAX_MEMBERS} lines.")
        if len(line) > MAX_LINE:
            raise Unacceptable(f"The wheel's RECORD has a line of more than {MAX_LINE} bytes.")
        try:
            found.append(_row(line))
        except (UnicodeError, ValueError, csv.Error) as error:
            problems.append(f"RECORD's line {number + 1} {error if isinstance(error, _NoRow) else 'cannot be read'}.")
    return found, problems


class _NoRow(ValueError):
    """The text completes "Line 7 ..."."""


def _row(line: bytes) -> RecordRow:
    text = line.decode().removesuffix("\n").removesuffix("\r")
    if len(text.splitlines()) > 1 or "\r" in text:  # pip knows more ends of lines than csv does
        raise ValueError
    fields = next(csv.reader([text], strict=True), [])
    if not fields:
        raise _NoRow("is empty, at which pip stops: build the wheel again")
    if len(fields) != 3:
        raise _NoRow(f"is one without three fields: {','.join(fields)[:200]!a}")
    path, digest, size = fields
    algorithm, _, encoded = digest.partition("=")
    if size and not (size.isascii() and size.isdigit()):
        raise _NoRow(f"has a size for {path[:200]!a} that is none")
    try:
        return RecordRow(path, algorithm or None, _hex(encoded) if digest else None, int(size) if size else None)
    except ValueError:
        raise _NoRow(f"has a hash or size for {path[:200]!a} that is none") from None


def _hex(encoded: str) -> str:
    """RECORD's URL-safe base64 without padding, as hex; raises ValueError."""
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()

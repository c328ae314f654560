"""Which projects are restricted, and who may read them: the file `read-rights`, by which the gateway goes as well.

restricted acme-secret-*
reads ada acme-secret-*

There is none where nothing is restricted. In a pattern, `*` alone stands for others.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILE = "read-rights"
_PATTERN = re.compile(r"[a-z0-9*-]+")


@dataclass(frozen=True)
class ReadRights:
    """What the file says. People of the company's directory have theirs by its groups, see `ldap_settings`."""

    restricted: tuple[str, ...] = ()
    """Patterns of names of projects that only those may see who have a right to."""
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """User name -> patterns of the restricted projects that they may read."""


def read(directory: Path) -> ReadRights:
    """Read the file; raises OSError, and ValueError with one sentence."""
    path = directory / FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ReadRights()
    restricted: list[str] = []
    reads: dict[str, tuple[str, ...]] = {}
    for line in lines:
        match line.split():
            case ["restricted", pattern] if _PATTERN.fullmatch(pattern):
                restricted.append(pattern)
            case ["reads", user, *patterns] if all(map(_PATTERN.fullmatch, patterns)):
                reads[user] = tuple(patterns)
            case _:
                raise ValueError(f"{path} has a line that is not `restricted PATTERN` or `reads USER PATTERN`.")
    return ReadRights(tuple(restricted), reads)

"""Indexes that are asked for some projects in the place of the one for all others: the file `upstreams.json`.

Each name comes from one index alone. Passwords are in the file, which is for the program's account, and nowhere else.
"""

from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

FILE = "upstreams.json"


class NamedUpstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One index, and the projects that come from there and from nowhere else."""

    url: str
    """With a slash at its end, without an account."""
    projects: tuple[str, ...]
    """Patterns of normalised names; `*` alone stands for others."""
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"NamedUpstream({self.url})"

    def has(self, project: str) -> bool:
        """Whether a project (a normalised name) comes from there."""
        return any(fnmatchcase(project, pattern) for pattern in self.projects)


def read(directory: Path) -> tuple[NamedUpstream, ...]:
    """Read the file; none where there is no such file. Raises OSError, and ValueError with one sentence."""
    path = directory / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=tuple[NamedUpstream, ...])
    except FileNotFoundError:
        return ()
    except ValueError as error:
        raise ValueError(f"{path} cannot be used: {error}") from None
    found = tuple(msgspec.structs.replace(one, url=f"{one.url.rstrip('/')}/") for one in found)
    for one in found:
        if urlsplit(one.url).scheme not in ("http", "https") or "@" in one.url:
            raise ValueError(f"{path} has an address that is none of an index.")
        if one.password and not one.url.startswith("https:"):
            raise ValueError(f"{path} has a password for {one.url}, which is not encrypted.")
    for one, other in combinations(found, 2):
        if both := next(((a, b) for a in one.projects for b in other.projects if _overlap(a, b)), None):
            raise ValueError(f"{path}: a project could match {both[0]!r} and {both[1]!r}, which are of two indexes.")
    return found


@lru_cache(maxsize=4096)
def _overlap(one: str, other: str) -> bool:
    """Whether there could be a name that both patterns match."""
    if not one or not other:
        return (one or other).strip("*") == ""
    if one[0] == "*":
        return _overlap(one[1:], other) or _overlap(one, other[1:])
    if other[0] == "*":
        return _overlap(other, one)
    return one[0] == other[0] and _overlap(one[1:], other[1:])

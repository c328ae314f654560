"""Releases of public projects that the intake has refused: `intake/refused.json` on the shelf.

What was refused is not let in by another way either, see `upstream`. A release stays refused until a run that looks at
it finds nothing against it any more, or an exception is granted for it.
"""

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from wheelhouse.formats.distribution import BadDistribution, parse_filename
from wheelhouse.store.local import Shelf


@dataclass(frozen=True)
class Refused:
    """One release."""

    sentence: str
    """Why."""
    about: tuple[str, ...] = ()
    """What an exception may name: checks and advisories. None of it passes by itself, as a release's youth does."""


Releases = Mapping[str, Mapping[str, Refused]]
"""Project -> version -> why."""


def load(shelf: Shelf) -> Releases:
    """What the last run wrote down."""
    try:
        raw = json.loads(_path(shelf).read_bytes())
        return {
            project: {version: Refused(one["sentence"], tuple(one["about"])) for version, one in versions.items()}
            for project, versions in raw.items()
        }
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save(shelf: Shelf, releases: Releases) -> bool:
    """Write it down; False if that is what is there."""
    raw = {
        project: {version: asdict(one) for version, one in sorted(versions.items())}
        for project, versions in sorted(releases.items())
        if versions
    }
    return shelf.write_record(_path(shelf), (json.dumps(raw, indent=1) + "\n").encode())


def of(versions: Mapping[str, Refused], filename: str) -> str | None:
    """Why a file of a project may not be had, as a sentence; None if it may."""
    if not versions:
        return None
    try:
        wanted = parse_filename(filename).version
    except BadDistribution:
        # An egg or an installer of long ago. What it is a release of cannot be told, and nothing takes it.
        return f"{filename} is of a form that is not let in."
    for version, one in versions.items():
        try:
            if Version(version) == wanted:
                return f"{filename} was refused by the intake: {one.sentence}"
        except InvalidVersion:
            continue
    return None


class Watched:
    """The same for a server, which asks often: the file is read again when it was written again."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._releases: Releases = {}

    def current(self) -> Releases:
        """Those of now. The same object as long as nothing has changed."""
        with self._lock:
            try:
                status = _path(self._shelf).stat()
                seen = (status.st_ino, status.st_mtime_ns)
            except FileNotFoundError:
                seen = (0, 0)
            if seen != self._seen:
                self._seen, self._releases = seen, load(self._shelf)
            return self._releases


def _path(shelf: Shelf) -> Path:
    return shelf.intake / "refused.json"

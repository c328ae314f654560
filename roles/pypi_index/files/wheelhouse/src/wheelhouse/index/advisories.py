"""The advisories that the index has: a directory of files as OSV writes them, one for each.

IT puts them there and replaces them at any time, so they are read where they are. What is remembered of each file is
which projects it is about.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from wheelhouse.errors import Unreachable
from wheelhouse.formats import advisory

LOOK_EVERY = 30.0
"""Seconds after which files that have changed are seen."""
LOOK_AGAIN = 3.0
"""Seconds after which it is tried again where they could not be read."""
_NOT_OSV = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _File:
    """What is remembered of one, and when it was read."""

    stamp: tuple[int, int, int]
    id: str
    projects: tuple[str, ...]


class Advisories:
    """Answers from a directory; safe for many threads.

    Where a single file cannot be read, nothing is answered, since to say that nothing is known would be a guess.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._by_project: dict[str, list[str]] = {}
        self._by_id: dict[str, str] = {}
        self._look_at = 0.0
        """When they are looked at again, by the monotonic clock."""
        self._failure: str | None = None

    def about(self, project: str) -> list[dict[str, Any]]:
        """All about a project, by its normalised name, but for those that were withdrawn; raises `Unreachable`."""
        self._refresh()
        found = [self._read(path) for path in self._by_project.get(project, ())]
        return sorted({entry["id"]: entry for entry in found}.values(), key=lambda entry: str(entry["id"]))

    def find(self, identity: str) -> dict[str, Any] | None:
        """The one with this id; None if there is none. Raises `Unreachable`."""
        self._refresh()
        path = self._by_id.get(identity)
        return self._read(path) if path else None

    def _refresh(self) -> None:
        """Have in mind what lies there now; raises `Unreachable`."""
        with self._lock:
            if time.monotonic() >= self._look_at:
                self._failure = None
                try:
                    self._look()
                    self._look_at = time.monotonic() + LOOK_EVERY
                except Unreachable as error:
                    log.error("No audit is answered. %s", ascii(str(error)))
                    self._failure = str(error)
                    self._look_at = time.monotonic() + LOOK_AGAIN
            if self._failure:
                raise Unreachable(self._failure)

    def _look(self) -> None:
        """Read what is new or changed; raises `Unreachable`."""
        try:
            stamps = dict(_stamps(self.directory))
        except OSError as error:
            raise _unreadable(f"{error.filename}: {error.strerror}") from None
        for path in self._files.keys() - stamps.keys():
            del self._files[path]
        for path, stamp in stamps.items():
            if path not in self._files or self._files[path].stamp != stamp:
                self._files[path] = self._remember(path, stamp)
        by_project: dict[str, list[str]] = {}
        for path, file in self._files.items():
            for project in file.projects:
                by_project.setdefault(project, []).append(path)
        if not by_project:
            raise _unreadable(f"{self.directory} holds no advisory about Python packages")
        # Each in one step, since others read them meanwhile.
        self._by_id = {file.id: path for path, file in self._files.items()}
        self._by_project = by_project

    def _remember(self, path: str, stamp: tuple[int, int, int]) -> _File:
        entry = self._read(path)
        try:
            return _File(stamp, entry["id"], tuple(advisory.projects(entry)))
        except _NOT_OSV:
            raise _unreadable(f"{path} is no advisory as OSV writes them") from None

    def _read(self, path: str) -> dict[str, Any]:
        try:
            entry = msgspec.json.decode(Path(path).read_bytes())
            if isinstance(entry, dict) and isinstance(entry["id"], str) and isinstance(entry["modified"], str):
                return entry
        except OSError as error:
            raise _unreadable(f"{path}: {error.strerror}") from None
        except _NOT_OSV:
            pass
        raise _unreadable(f"{path} is no advisory as OSV writes them")


def _unreadable(why: str) -> Unreachable:
    return Unreachable(f"The advisories of this index cannot be read at present: {why}.")


def _stamps(directory: Path) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """The files there, each with what changes when it is replaced; raises OSError."""
    if not directory.stat().st_nlink:
        raise OSError(
            0, "it was replaced while the program ran, which sees the old one until it is restarted", directory
        )
    for place, _, names in os.walk(directory, onerror=_raise):
        for name in names:
            if name.endswith(".json"):
                path = os.path.join(place, name)
                status = os.stat(path)
                yield path, (status.st_ino, status.st_mtime_ns, status.st_size)


def _raise(error: OSError) -> None:
    raise error


def affecting(entries: list[dict[str, Any]], project: str, version: str) -> list[dict[str, Any]]:
    """Those of a project's advisories that a version is affected by; of no version, all. Raises `Unreachable`."""
    return [entry for entry in entries if not version or _affects(entry, project, version)]


def _affects(entry: dict[str, Any], project: str, version: str) -> bool:
    try:
        return advisory.affects(entry, project, version)
    except _NOT_OSV:
        raise _unreadable(f"{entry['id']!a} is no advisory as OSV writes them") from None


def short(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer to many questions says of one."""
    return {"id": entry["id"], "modified": entry["modified"]}

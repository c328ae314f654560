"""What is on the shelf, for people: projects with their summaries, releases, publishers and dates.

The catalogue is what the journal's events add up to, in memory. The index pages are the same for installers, on disk.
"""

import heapq
import re
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from packaging.version import Version

from wheelhouse.index.events import PUBLISH, REMOVE, UNYANK, YANK, Event, Journal, Tail

RECENT = 200
"""Releases remembered as the latest ones; some of them may be removed again."""
MANY = 30
"""Names that begin alike by chance."""
MAX_QUERY = 200
"""Characters of a search that are looked at."""


@dataclass(frozen=True, slots=True)
class File:
    """A published file. There may be 100,000, so what many have in common is one object."""

    filename: str
    version: str
    who: str
    at: float
    """Seconds since 1970."""
    size: int
    """Bytes."""
    digest: bytes
    """SHA-256."""
    requires_python: str | None
    title: str | None
    summary: str | None
    yanked: str | None
    """The reason."""

    @property
    def sha256(self) -> str:
        """Hex."""
        return self.digest.hex()


@dataclass(frozen=True)
class Release:
    """The files of one version, by name. Who published it is who sent the first of them."""

    version: str
    files: tuple[File, ...]
    who: str
    at: datetime
    """UTC."""
    yanked: str | None
    """The reason, if none of the files is left for installers that were not asked for this version."""

    @property
    def requires_python(self) -> str | None:
        """Of the first file that says something."""
        return next((file.requires_python for file in self.files if file.requires_python), None)


@dataclass(frozen=True)
class Project:
    """A project with at least one file."""

    name: str
    """Normalised."""
    title: str
    """The name as the author spells it."""
    summary: str | None
    latest: str | None
    """The version to install: the highest that is neither yanked nor a pre-release, or else the highest pre-release
    that is not yanked. None if all are yanked."""
    is_prerelease: bool
    """Whether the latest is one, so that installers have to be asked for it."""
    releases: tuple[Release, ...]
    """Highest version first."""


@dataclass(frozen=True)
class Entry:
    """A line in a list of projects or of releases."""

    name: str
    title: str
    summary: str | None
    version: str
    who: str
    at: datetime
    """UTC."""
    installable: bool
    """False if every release is yanked, or if this one is."""


@dataclass(frozen=True)
class Found:
    """Some of the results of a search, best first."""

    total: int
    entries: tuple[Entry, ...]


class _Shelved:
    """A project in memory."""

    __slots__ = ("best", "files", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.files: dict[str, File] = {}
        self.best: File
        """One of the release that speaks for the project."""
        self.text: str
        """What is searched: name and summary, folded."""


class Catalogue:
    """What the journal of now adds up to. Safe for many threads.

    The first question reads the whole journal, each later one what was appended since.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._forget()

    def counts(self) -> tuple[int, int]:
        """Numbers of projects and of files."""
        with self._lock:
            self._catch_up()
            return len(self._projects), self._files

    def project(self, name: str) -> Project | None:
        """The project of this normalised name; None if nothing of it is on the shelf."""
        with self._lock:
            self._catch_up()
            shelved = self._projects.get(name)
            if shelved is None:
                return None
            best, files = shelved.best, list(shelved.files.values())
        by_version: dict[str, list[File]] = {}
        for file in files:
            by_version.setdefault(file.version, []).append(file)
        return Project(
            name=name,
            title=best.title or name,
            summary=best.summary,
            latest=best.version if best.yanked is None else None,
            is_prerelease=_parsed(best.version).is_prerelease,
            releases=tuple(
                _release(version, by_version[version]) for version in sorted(by_version, key=_parsed, reverse=True)
            ),
        )

    def latest(self, count: int) -> list[Entry]:
        """The releases that got files last, newest first; at most `count`."""
        with self._lock:
            self._catch_up()
            entries: list[Entry] = []
            for name, filename in reversed(self._recent.values()):
                shelved = self._projects.get(name)
                if shelved and filename in shelved.files:
                    entries.append(_entry(name, shelved.files[filename]))
                if len(entries) == count:
                    break
            return entries

    def search(self, query: str, start: int, count: int) -> Found:
        """The projects whose name or summary hold every word of `query`, from the `start`th on, at most `count`.

        An exact name comes first, then names that begin like the query, names that hold it, and summaries. A query
        without words finds every project.
        """
        words = terms(query)
        with self._lock:
            self._catch_up()
            found: Iterable[_Shelved] = self._projects.values()
            for word in words:
                found = [shelved for shelved in found if word in shelved.text]
            names = [shelved.name for shelved in found]
            wanted = _best(names, words, start + count)[start:]
            return Found(len(names), tuple(_entry(name, self._projects[name].best) for name in wanted))

    def near(self, name: str, count: int) -> list[Entry]:
        """Projects whose names begin like `name`, for somebody who mistyped one; at most `count`."""
        with self._lock:
            self._catch_up()
            for length in range(len(name) - 1, len(name) // 2, -1):
                begins = [other for other in self._projects if other.startswith(name[:length])]
                if len(begins) > MANY:  # it is the company's prefix, and tells nothing
                    return []
                if begins:
                    return [_entry(other, self._projects[other].best) for other in sorted(begins)[:count]]
            return []

    def _forget(self) -> None:
        self._tail = Tail(self._journal)
        self._projects: dict[str, _Shelved] = {}
        self._files = 0
        self._recent: dict[tuple[str, str], tuple[str, str]] = {}
        """(project, version) -> (project, file), in the order of their latest files."""

    def _catch_up(self) -> None:
        if self._tail.is_cut():
            self._forget()
        touched: set[str] = set()
        for event in self._tail.new():
            if isinstance(event.project, str) and isinstance(event.file, str):
                try:
                    self._apply(event, event.project, event.file)
                except (TypeError, ValueError, OverflowError):
                    continue  # a line that somebody wrote by hand costs itself
                touched.add(event.project)
        for name in touched:
            self._settle(name)

    def _apply(self, event: Event, project: str, name: str) -> None:
        """Raises TypeError, ValueError or OverflowError, and then nothing has changed."""
        shelved = self._projects.get(project) or _Shelved(project)
        files = shelved.files
        if event.event == PUBLISH:
            file = _file(event, name, next(reversed(files.values()), None))
            self._projects[project] = shelved
            self._files += name not in files
            files[name] = file
            self._recent.pop((project, file.version), None)
            self._recent[project, file.version] = (project, name)
            if len(self._recent) > RECENT:
                del self._recent[next(iter(self._recent))]
        elif name in files:
            if event.event == YANK:
                files[name] = replace(files[name], yanked=sys.intern(event.reason or ""))
            elif event.event == UNYANK:
                files[name] = replace(files[name], yanked=None)
            elif event.event == REMOVE:
                del files[name]
                self._files -= 1

    def _settle(self, name: str) -> None:
        """Work out what follows from a project's files."""
        shelved = self._projects.get(name)
        if shelved is None:
            return
        if not shelved.files:
            del self._projects[name]
            return
        shelved.best = max(shelved.files.values(), key=_preference)
        shelved.text = f"{name}\n{_folded(shelved.best.summary or '')}"


def terms(query: str) -> list[str]:
    """The words that a query asks for, as they are compared."""
    words = (word.strip("-") for word in _folded(query[:MAX_QUERY]).split())
    return [word for word in words if word]


def _folded(text: str) -> str:
    """Case and the difference between `-`, `_` and `.` are taken away, as they are from names."""
    return re.sub(r"[-_.]+", "-", text.casefold())


def _best(names: list[str], words: list[str], count: int) -> list[str]:
    """The `count` best of the names of projects that have all words in name or summary, in order."""
    joined = "-".join(words)
    exact, begins, holds, described = ranks = [], [], [], []
    for name in names:
        if name.startswith(joined):
            (exact if name == joined else begins).append(name)
        else:
            (holds if all(map(name.__contains__, words)) else described).append(name)
    best: list[str] = []
    for rank in ranks:
        # Only what is shown is sorted: a short word may be in every name.
        best += heapq.nsmallest(count - len(best), rank)
    return best


@lru_cache(2**15)
def _parsed(version: str) -> Version:
    """Raises ValueError. Projects share most of their versions."""
    return Version(version)


def _preference(file: File) -> tuple[bool, bool, Version, bool]:
    """Greater for the file that rather speaks for its project."""
    version = _parsed(file.version)
    return file.yanked is None, not version.is_prerelease, version, file.summary is not None


def _file(event: Event, name: str, sibling: File | None) -> File:
    """`sibling` is another file of the project, if there is one. Raises TypeError, ValueError or OverflowError."""
    return File(
        filename=name,
        version=sys.intern(str(_parsed(event.version or ""))),
        who=sys.intern(event.who),
        at=event.at.timestamp(),
        size=int(event.size or 0),
        digest=bytes.fromhex(event.sha256 or ""),
        requires_python=None if event.requires_python is None else sys.intern(event.requires_python),
        # The same for most files of a project, and for few others.
        title=_shared(event.name, sibling and sibling.title),
        summary=_shared(event.summary, sibling and sibling.summary),
        yanked=None,
    )


def _shared(text: str | None, other: str | None) -> str | None:
    """`text`, as the very string that is in memory already if `other` is equal. Raises TypeError."""
    if text is not None and not isinstance(text, str):
        raise TypeError("not a text")
    return other if text == other else text


def _entry(name: str, file: File) -> Entry:
    at = datetime.fromtimestamp(file.at, UTC)
    return Entry(name, file.title or name, file.summary, file.version, file.who, at, file.yanked is None)


def _release(version: str, files: list[File]) -> Release:
    first = min(files, key=lambda file: file.at)
    kept = any(file.yanked is None for file in files)
    return Release(
        version=version,
        files=tuple(sorted(files, key=lambda file: file.filename)),
        who=first.who,
        at=datetime.fromtimestamp(first.at, UTC),
        yanked=None if kept else next(file.yanked for file in files),
    )

"""What the journal says of each project and channel: which files it has, since when, and who brought them."""

from dataclasses import dataclass, field
from datetime import datetime

from wheelhouse.index import simple_pages
from wheelhouse.index.events import PUBLISH, QUARANTINE, REMOVE, Event, Journal, Tail
from wheelhouse.index.file_names import Names
from wheelhouse.index.simple_pages import Files

WHO = "intake"
"""`Event.who` and `Event.origin` of what this part of the program does."""


@dataclass
class _Project:
    files: Files = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    """File name -> the event that published it."""


class History:
    """The journal of now, read once and then only what is new."""

    def __init__(self, journal: Journal) -> None:
        self.names = Names(journal)
        """Of all files that were ever published."""
        self._tail = Tail(journal)
        self._projects: dict[str, _Project] = {}
        self._packages: dict[tuple[str, str], Event] = {}
        self._refused: set[tuple[str | None, str | None]] = set()

    def projects(self) -> list[str]:
        """Names of all that have files, sorted."""
        self._catch_up()
        return sorted(name for name, project in self._projects.items() if project.files)

    def files(self, project: str) -> Files:
        """The project's files; the caller may change the dict."""
        self._catch_up()
        return dict(self._projects[project].files) if project in self._projects else {}

    def is_own(self, project: str) -> bool:
        """Whether somebody else than `intake` ever published a file of it that is still there: it is the company's."""
        self._catch_up()
        known = self._projects.get(project, _Project())
        return any(known.events[name].origin != WHO for name in known.files if name in known.events)

    def event(self, project: str, filename: str) -> Event:
        """The event that published a file; raises KeyError."""
        self._catch_up()
        return self._projects[project].events[filename]

    def since(self, project: str, filename: str) -> datetime:
        """When a file was published; raises KeyError."""
        return self.event(project, filename).at

    def package(self, channel: str, filename: str) -> Event | None:
        """The event that published a conda package which is still there; `channel` has the subdir with it."""
        self._catch_up()
        return self._packages.get((channel, filename))

    def own_packages(self) -> set[str]:
        """Names of conda packages that somebody else than `intake` published."""
        self._catch_up()
        own = (name for (_, name), event in self._packages.items() if event.origin != WHO)
        return {name.rsplit("-", 2)[0] for name in own}

    def was_refused(self, sha256: str | None, reason: str | None) -> bool:
        """Whether it was written down that this file was kept back for this reason."""
        self._catch_up()
        return (sha256, reason) in self._refused

    def _catch_up(self) -> None:
        for event in self._tail.new():
            if event.event == QUARANTINE:
                self._refused.add((event.sha256, event.reason))
            if event.channel and event.file and event.event == PUBLISH:
                self._packages[event.channel, event.file] = event
            elif event.channel and event.file and event.event == REMOVE:
                self._packages.pop((event.channel, event.file), None)
            if not event.project:
                continue
            project = self._projects.setdefault(event.project, _Project())
            simple_pages.apply(project.files, event)
            if event.event == PUBLISH and event.file:
                project.events[event.file] = event

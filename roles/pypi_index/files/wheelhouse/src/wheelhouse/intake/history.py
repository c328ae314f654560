"""What the journal says of each project: which files it has, since when, and who brought them."""

from dataclasses import dataclass, field
from datetime import datetime

from wheelhouse import pages
from wheelhouse.journal import PUBLISH, QUARANTINE, Event, Journal, Tail
from wheelhouse.pages import Files

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
        self._tail = Tail(journal)
        self._projects: dict[str, _Project] = {}
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

    def was_refused(self, sha256: str | None, reason: str | None) -> bool:
        """Whether it was written down that this file was kept back for this reason."""
        self._catch_up()
        return (sha256, reason) in self._refused

    def _catch_up(self) -> None:
        for event in self._tail.new():
            if event.event == QUARANTINE:
                self._refused.add((event.sha256, event.reason))
            if not event.project:
                continue
            project = self._projects.setdefault(event.project, _Project())
            pages.apply(project.files, event)
            if event.event == PUBLISH and event.file:
                project.events[event.file] = event

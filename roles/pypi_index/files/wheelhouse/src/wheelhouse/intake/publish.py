"""Out of the quarantine, onto the shelf: what a line needs comes before what needs it.

Installers read one project's page after another, and no page promises anything about another. So a closure goes onto
the shelf from its leaves to its root, and only when all of it has passed: whatever an installer can choose at any
moment, everything it needs is there already. A kill in the middle leaves just that, and the next run goes on.

For each project the journal comes first, as the record of what is to be there; then files, then pages. A run finds
files that the journal has and the shelf has not in the quarantine, and puts them where they belong, with the time of
their upload, or of their first publication.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wheelhouse.formats.validation import Checked
from wheelhouse.index import simple_pages, transaction
from wheelhouse.index.events import QUARANTINE, Event, Journal, now
from wheelhouse.intake.history import WHO, History
from wheelhouse.intake.lock import Closure
from wheelhouse.store.local import Shelf


@dataclass(frozen=True)
class Staged:
    """A file in quarantine that is an archive as it should be."""

    path: Path
    checked: Checked
    uploaded: datetime | None = None
    """When it was, upstream; naive and in UTC."""

    @property
    def filename(self) -> str:
        """Its name, there and on the shelf."""
        return self.checked.distribution.name.filename


def in_order(closure: Closure) -> list[str]:
    """The projects of a closure, each after those that it needs (but for circles, which have no such order)."""
    needs: dict[str, set[str]] = {pin.project: set() for pin in closure.pins}
    for pin in closure.pins:
        for other in pin.needed_by:
            if other in needs:
                needs[other].add(pin.project)
    ordered: dict[str, None] = {}
    entered: set[str] = set()
    # Roots first, so that in a circle the one that was asked for comes last.
    roots = sorted(pin.project for pin in closure.pins if not pin.needed_by)
    for root in [*roots, *sorted(needs)]:
        stack = [(root, False)]
        while stack:
            project, is_done = stack.pop()
            if is_done:
                ordered.setdefault(project)
            elif project not in entered:
                entered.add(project)
                stack.append((project, True))
                stack += [(other, False) for other in sorted(needs[project], reverse=True)]
    return list(ordered)


def publish(shelf: Shelf, journal: Journal, history: History, project: str, staged: Iterable[Staged]) -> list[str]:
    """Publish files of one project, all on its page at once, or complete what a kill interrupted.

    Returns the names of those that are new; raises `transaction.Conflict`.
    """
    staged = sorted(staged, key=lambda one: one.filename)
    if not staged and _is_complete(shelf, history, project):
        return []
    with shelf.locked(project):
        listed = history.files(project)
        for one in staged:
            transaction.reject_conflict(shelf, history.names, one.checked, listed)
        events = [
            transaction.described(one.checked, WHO, WHO, one.uploaded) for one in staged if one.filename not in listed
        ]
        journal.append(events)
        for one in staged:
            _place(shelf, one, history.event(project, one.filename))
        present = {name: file for name, file in history.files(project).items() if shelf.package(project, name).exists()}
        if simple_pages.load(shelf, project) is None:
            simple_pages.announce(shelf, project)
        simple_pages.write(shelf, project, present)
    return [event.file or "" for event in events]


def keep_back(journal: Journal, history: History, blocked: Mapping[tuple[str, str, str], tuple[str, str]]) -> None:
    """Write down once for each file and reason what stays in quarantine.

    `blocked` is (project, version, file) -> (SHA-256, reason).
    """
    journal.append(
        Event(QUARANTINE, WHO, now(), WHO, project, version, file=name, sha256=digest, reason=reason)
        for (project, version, name), (digest, reason) in sorted(blocked.items())
        if not history.was_refused(digest, reason)
    )


def _place(shelf: Shelf, one: Staged, event: Event) -> None:
    project = event.project or ""
    at = event.offered_at.timestamp()
    target = shelf.package(project, one.filename)
    if not target.exists():
        shelf.place(one.path, project, one.filename, transaction.metadata_beside(one.checked), at)


def _is_complete(shelf: Shelf, history: History, project: str) -> bool:
    known = history.files(project)
    return (simple_pages.load(shelf, project) or {}) == known

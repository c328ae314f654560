"""What is to go: what the intake let in, the company's own projects that are named, and what is known of both.

Public is what the intake published alone. Whatever else is on the shelf goes only by its name.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from packaging.utils import InvalidName, canonicalize_name

from wheelhouse.index import events, queries
from wheelhouse.index.events import ROLL_FORWARD, ROLLBACK, Event
from wheelhouse.index.permissions import covers
from wheelhouse.index.projection import INTAKE
from wheelhouse.index.queries import PublishedFile, PublishedPackage
from wheelhouse.index.transaction import Index
from wheelhouse.transfer.bundle import Denied, File, Marks, Package

REMOVED = "removed from the outside index: "
"""What the reason begins with of a file that is gone outside. Inside it is yanked: locks may name it."""


@dataclass
class Selection:
    """All of it, as one transaction sees it."""

    files: list[File] = field(default_factory=list)
    packages: list[Package] = field(default_factory=list)
    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    yanked: Marks = field(default_factory=dict)
    withheld: Marks = field(default_factory=dict)
    denied: Denied = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    last_event: int = 0
    missing: list[str] = field(default_factory=list)
    """Sentences: what should go and cannot, since its bytes are gone."""
    distributions: set[str] = field(default_factory=set)
    """Names of PyPI that advisories may be about."""


def select(index: Index, internal: Collection[str], since: int) -> Selection:
    """`internal` are patterns of the company's own projects, `since` the event behind which events are new."""
    found = Selection()
    with index.database.read() as connection:
        projects: set[str] = set()
        own = queries.own_projects(connection)
        for project in queries.projects(connection, removed=True):
            is_internal = project in own
            if is_internal and not covers(internal, project):
                continue
            projects.add(project)
            _add_files(found, queries.files(connection, project, removed=True).values(), internal=is_internal)
        channels: set[str] = set()
        for channel in queries.channels(connection):
            packages = queries.packages(connection, channel, removed=True)
            for name, package in packages.items():
                if package.upstream:
                    channels.add(channel)
                    _add_package(found, name, package)
        found.denied = {
            project: {version: (sentence, list(about)) for version, (sentence, about) in versions.items()}
            for project, versions in queries.denied(connection).items()
        }
        found.last_event = since
        while some := events.since(connection, found.last_event):
            found.last_event = some[-1][0]
            found.events += [event for _, event in some if _is_told(event, projects, channels)]
    found.distributions |= {one.project for one in found.files if not one.internal}
    return found


def _add_files(found: Selection, files: Iterable[PublishedFile], *, internal: bool) -> None:
    for one in files:
        if not internal and one.origin != INTAKE:
            continue  # somebody else's, that was removed
        if one.removed is not None:
            found.yanked.setdefault(one.project, {})[one.file] = f"{REMOVED}{one.removed or 'no reason given'}"
            continue
        if one.yanked is not None:
            found.yanked.setdefault(one.project, {})[one.file] = one.yanked
        if one.missing:
            found.missing.append(f"{one.file} has lost its bytes and is left out: `wheelhouse reindex` on this index.")
            continue
        found.files.append(File(one.project, one.file, one.size, one.sha256, one.uploaded, internal))


def _add_package(found: Selection, name: str, one: PublishedPackage) -> None:
    if one.removed is not None:
        found.withheld.setdefault(one.channel, {})[name] = f"{REMOVED}{one.removed or 'no reason given'}"
        return
    if one.withheld is not None:
        found.withheld.setdefault(one.channel, {})[name] = one.withheld
    if one.record is None:
        return  # nobody can install it here either
    if one.missing:
        found.missing.append(f"{one.file} has lost its bytes and is left out: `wheelhouse reindex` on this index.")
        return
    record = dict(one.record)
    size = one.size if one.size is not None else int(record.get("size") or 0)
    found.packages.append(Package(one.channel, one.subdir, one.file, size, one.sha256, one.uploaded, record))
    found.records.setdefault(one.channel, {})[name] = record
    found.distributions |= set(_names(one))


def _names(package: PublishedPackage) -> Iterator[str]:
    for name, _ in package.inside:
        try:
            yield canonicalize_name(name, validate=True)
        except InvalidName:
            continue


def _is_told(event: Event, projects: Collection[str], channels: Collection[str]) -> bool:
    """Whether an event is about what goes: the inside learns nothing of anybody's other projects."""
    if event.project or event.channel:
        return event.project in projects or (event.channel or "").partition("/")[0] in channels
    return event.event in (ROLLBACK, ROLL_FORWARD)

"""A bundle from another index, along the one path of every change: all of it in one transaction, or none.

What it brings of public packages counts as the intake's, so that nothing of it is the company's own.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection

from wheelhouse.errors import Busy
from wheelhouse.index import queries, tables
from wheelhouse.index.conda_changes import IncomingPackage, replace_records
from wheelhouse.index.database import insert_missing, upsert
from wheelhouse.index.events import IMPORT, UNYANK, YANK, Event, now
from wheelhouse.index.gateways import mark_dirty
from wheelhouse.index.intake_changes import replace_denied
from wheelhouse.index.projection import INTAKE
from wheelhouse.index.queries import Denied, PublishedPackage
from wheelhouse.index.transaction import By, Incoming, Index, stored

Marks = Mapping[str, Mapping[str, str]]
"""Project -> file -> reason; or channel -> name with subdir -> reason."""
_REMEMBERED = "imported"


@dataclass(frozen=True)
class Imported:
    """The last bundle that was brought in, and what it said of what is there: the next one says what of it is over."""

    number: int = 0
    manifest: str | None = None
    """SHA-256."""
    yanked: Marks = field(default_factory=dict)
    withheld: Marks = field(default_factory=dict)
    denied: Denied = field(default_factory=dict)


@dataclass(frozen=True)
class Arrival:
    """What of a bundle is taken."""

    before: Imported
    """What was brought in last when it was looked at."""
    after: Imported
    public: Sequence[Incoming]
    internal: Sequence[Incoming]
    packages: Mapping[str, Sequence[IncomingPackage]]
    """By channel."""
    subdirs: Sequence[str]
    """That a channel has, with packages in them or not."""
    records: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """Channel -> name with subdir -> upstream's record of today."""


@dataclass
class Outcome:
    """What has changed."""

    published: list[str] = field(default_factory=list)
    """Files; conda packages with their channel and subdir."""
    marked: int = 0
    """Files that were yanked or withheld, or are offered again."""


class ImportChanges(Index):
    """The same index, as an import changes it."""

    @classmethod
    def of(cls, index: Index) -> "ImportChanges":
        """With the parts of one that is open."""
        return cls(index.database, index.store, index.site, index.staging)

    def imported(self) -> Imported:
        """The last bundle."""
        with self.database.read() as connection:
            return _imported(connection)

    def bring_in(self, arrival: Arrival, who: str) -> Outcome:
        """Publish and mark everything. Raises `Conflict`, `Busy`, OSError, and then nothing has changed."""
        everything = [*arrival.public, *arrival.internal]
        packages = [one for some in arrival.packages.values() for one in some]
        files, metadata = stored(everything)
        outcome = Outcome()
        dirty: dict[str, set[str]] = {}
        with self._storing(files | {one.sha256: one.path for one in packages}, metadata, together=True) as keep:
            with self.database.change(*_places(arrival), IMPORT) as connection:
                if _imported(connection) != arrival.before:
                    raise Busy("Another import came between: run it again.")
                for some, origin in ((arrival.public, INTAKE), (arrival.internal, IMPORT)):
                    done = self._publish(connection, some, By(IMPORT, origin), allow_second_sdist=True)
                    for conflict in done.refused.values():
                        raise conflict
                    outcome.published += done.new
                    _add(dirty, done.dirty)
                for channel in sorted({*arrival.packages, *arrival.records}):
                    self._bring_into_channel(connection, channel, arrival, outcome, dirty)
                self._mark_files(connection, arrival, outcome, dirty)
                self._mark_packages(connection, arrival, outcome, dirty)
                _deny(connection, arrival)
                if arrival.before != arrival.after or outcome.published or outcome.marked:
                    self._write_down(connection, [_event(arrival, outcome, who)])
                upsert(connection, tables.meta, [{"key": _REMEMBERED, "value": json.dumps(asdict(arrival.after))}])
                mark_dirty(connection, dirty)
                keep()
            for channel in arrival.packages:
                self.staging.make_dropped(channel)
            with self.rendering_together() as render:
                # In this order the list of all projects comes first: whatever has a page is in it.
                for place in sorted(dirty):
                    render(place, dirty[place])
        return outcome

    def _bring_into_channel(
        self, connection: Connection, channel: str, arrival: Arrival, outcome: Outcome, dirty: dict[str, set[str]]
    ) -> None:
        coming = arrival.packages.get(channel, ())
        subdirs = queries.channels(connection).get(channel, [])
        if coming:
            new = [subdir for subdir in arrival.subdirs if subdir not in subdirs]
            rows = [{"channel": channel, "subdir": subdir} for subdir in new]
            insert_missing(connection, tables.conda_channels, rows)
            _add(dirty, {f"{channel}/{subdir}": () for subdir in new})
        known = queries.packages(connection, channel, removed=True)
        done = self._publish_packages(connection, channel, coming, known, IMPORT, INTAKE)
        for conflict in done.refused.values():
            raise conflict
        names = {one.name.rpartition("/")[2]: one.name for one in coming}
        outcome.published += [f"{channel}/{names[name]}" for name in done.new]
        replaced = replace_records(connection, channel, known, arrival.records.get(channel, {}))
        _add(dirty, done.dirty)
        _add(dirty, dict.fromkeys(replaced, ()))

    def _mark_files(
        self, connection: Connection, arrival: Arrival, outcome: Outcome, dirty: dict[str, set[str]]
    ) -> None:
        """Yank what is yanked outside, and take back what the last bundle said; a yank of the inside itself stays."""
        marks: list[Event] = []
        for project in sorted({*arrival.before.yanked, *arrival.after.yanked}):
            before, after = arrival.before.yanked.get(project, {}), arrival.after.yanked.get(project, {})
            for name, file in queries.files(connection, project, names={*before, *after}).items():
                if file.origin not in (INTAKE, IMPORT):
                    continue
                if (what := _changed(file.yanked, before.get(name), after.get(name))) is not None:
                    event = Event(what, IMPORT, now(), project=project, version=file.version, file=name)
                    marks.append(_about(event, file.sha256, after.get(name)))
        outcome.marked += len(marks)
        _add(dirty, dict.fromkeys(self._write_down(connection, marks), ()))

    def _mark_packages(
        self, connection: Connection, arrival: Arrival, outcome: Outcome, dirty: dict[str, set[str]]
    ) -> None:
        """The same in channels."""
        marks: list[Event] = []
        for channel in sorted({*arrival.before.withheld, *arrival.after.withheld}):
            before, after = arrival.before.withheld.get(channel, {}), arrival.after.withheld.get(channel, {})
            for name, package in queries.packages(connection, channel).items():
                if not package.upstream:
                    continue
                if (what := _changed(package.withheld, before.get(name), after.get(name))) is not None:
                    event = Event(what, IMPORT, now(), channel=_place(package), version=package.version)
                    marks.append(_about(event, package.sha256, after.get(name), package.file))
        outcome.marked += len(marks)
        _add(dirty, dict.fromkeys(self._write_down(connection, marks), ()))


def _changed(now_: str | None, before: str | None, after: str | None) -> str | None:
    """The event that makes a file what the outside says of it; None if it is, or if the inside has its own reason."""
    if now_ == after or now_ not in (None, before):
        return None
    if after is not None:
        return YANK
    return UNYANK if now_ is not None else None


def _about(event: Event, sha256: str, reason: str | None, file: str | None = None) -> Event:
    known = {**event.__dict__, "sha256": sha256, "reason": reason, "file": file or event.file}
    return Event(**known)


def _deny(connection: Connection, arrival: Arrival) -> None:
    """What the outside denies, beside what the inside does; what it denied before and does not now is over."""
    current = queries.denied(connection)
    wanted = {
        project: {
            version: said
            for version, said in versions.items()
            if arrival.before.denied.get(project, {}).get(version) != said
        }
        for project, versions in current.items()
    }
    for project, versions in arrival.after.denied.items():
        wanted[project] = {**versions, **wanted.get(project, {})}
    wanted = {project: versions for project, versions in wanted.items() if versions}
    if wanted != current:
        replace_denied(connection, wanted)


def _event(arrival: Arrival, outcome: Outcome, who: str) -> Event:
    after = arrival.after
    what = (
        f"bundle {after.number} ({after.manifest}): {len(outcome.published)} files published, {outcome.marked} marked"
    )
    return Event(IMPORT, who, now(), reason=what)


def _imported(connection: Connection) -> Imported:
    raw = queries.remembered(connection, _REMEMBERED)
    if raw is None:
        return Imported()
    known: dict[str, Any] = json.loads(raw)
    denied = {
        project: {version: (sentence, tuple(about)) for version, (sentence, about) in versions.items()}
        for project, versions in known["denied"].items()
    }
    return Imported(**{**known, "denied": denied})


def _places(arrival: Arrival) -> set[str]:
    """Everything that may look another way."""
    projects: set[str] = {one.name.project for one in (*arrival.public, *arrival.internal)}
    projects |= {*arrival.before.yanked, *arrival.after.yanked}
    channels = {*arrival.packages, *arrival.records, *arrival.before.withheld, *arrival.after.withheld}
    return {*projects, "denied", *(f"{channel}/{subdir}" for channel in channels for subdir in arrival.subdirs)}


def _add(dirty: dict[str, set[str]], more: Mapping[str, Iterable[str]]) -> None:
    for place, fresh in more.items():
        dirty.setdefault(place, set()).update(fresh)


def _place(package: PublishedPackage) -> str:
    return f"{package.channel}/{package.subdir}"

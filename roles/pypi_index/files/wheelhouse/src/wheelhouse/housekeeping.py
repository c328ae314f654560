"""What is removed when it is old: nightly builds by rule, copies of public files, the quarantine, sets of earlier runs.

All of it can be asked for without being done. A release goes as `remove` has it go, with an event.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

from packaging.version import Version
from sqlalchemy import Connection

from wheelhouse.config import Retention, Settings
from wheelhouse.index import queries
from wheelhouse.index.permissions import covers
from wheelhouse.index.projection import INTAKE
from wheelhouse.index.queries import PublishedFile
from wheelhouse.index.transaction import Index
from wheelhouse.intake import lock
from wheelhouse.store.downloads import Cache

WHO = "housekeeping"
_DAY = 86_400
RELEASE, CACHED, QUARANTINED, SET = "release", "cached file", "quarantined file", "intake set"

Old = tuple[Path, float, int]
"""A file, the time that its age goes by, and its bytes."""


@dataclass(frozen=True)
class Removal:
    """Something that goes."""

    kind: str
    name: str
    size: int
    """Bytes."""
    why: str
    """For people."""
    remove: Callable[[], object]


def plan(index: Index, settings: Settings, now: float | None = None) -> list[Removal]:
    """What goes of what is published, and of what is known of it, as things are: the same on every gateway."""
    now = time.time() if now is None else now
    return [*_releases(index, settings.retention), *_sets(index, settings, now)]


def plan_here(index: Index, settings: Settings, cache: Cache, now: float | None = None) -> list[Removal]:
    """What goes of what this machine alone has."""
    now = time.time() if now is None else now
    return [*_cached(index, settings, cache, now), *_quarantined(index, settings, now)]


def _releases(index: Index, rules: Iterable[Retention]) -> Iterator[Removal]:
    """Old pre-releases. What a lock on the shelf names stays, and so does the newest release of each project."""
    rules = list(rules)
    if not rules:
        return
    with index.database.read() as connection:
        named = _named(queries.intake_lock(connection), *_texts_of_sets(connection))
        projects = queries.projects(connection)
        for project in projects:
            mine = [rule for rule in rules if covers([rule.projects], project)]
            if not mine:
                continue
            releases: dict[Version, list[PublishedFile]] = {}
            for file in queries.files(connection, project).values():
                releases.setdefault(Version(file.version), []).append(file)
            gone: set[Version] = set()
            for rule in mine:
                for version in _old(releases, rule):
                    if version not in gone and (project, version) not in named:
                        gone.add(version)
                        yield _release(index, project, version, releases[version], rule)


def _old(releases: dict[Version, list[PublishedFile]], rule: Retention) -> list[Version]:
    """The versions that a rule has go, but for what else keeps them."""
    newest = max(releases)
    matching = [
        version
        for version, files in releases.items()
        if version.is_prerelease
        and any(fnmatchcase(text, rule.versions) for text in (str(version), version.public))
        and not any(file.origin == INTAKE for file in files)
    ]
    return [version for version in sorted(matching, reverse=True)[rule.keep :] if version != newest]


def _release(index: Index, project: str, version: Version, files: list[PublishedFile], rule: Retention) -> Removal:
    why = f"of {rule.versions} of {rule.projects}, the newest {rule.keep} are kept"
    return Removal(
        RELEASE,
        f"{project} {version}",
        sum(file.size for file in files),
        why,
        partial(index.remove, project, str(version), f"housekeeping: {why}", WHO),
    )


def _texts_of_sets(connection: Connection) -> list[str | None]:
    return [queries.set_text(connection, name) for name in queries.sets(connection)]


def _named(*locks: str | None) -> set[tuple[str, Version | str]]:
    """The releases that locks name."""
    closures = [closure for text in locks for closure in lock.parse(text).closures.values() if not closure.channel]
    return {(pin.project, pin.version) for closure in closures for pin in closure.pins}


def _cached(index: Index, settings: Settings, cache: Cache, now: float) -> Iterator[Removal]:
    def last_asked(project: str) -> float:
        try:
            return (index.site.locks / "asked" / project).stat().st_mtime
        except OSError:
            return 0.0

    old = _over(cache.used(last_asked), settings.cache_days, settings.cache_size or 0, now)
    for path, size, why in old:
        yield Removal(CACHED, f"{path.parent.name}/{path.name}", size, why, partial(path.unlink, missing_ok=True))


def _quarantined(index: Index, settings: Settings, now: float) -> Iterator[Removal]:
    old = _over(index.staging.quarantined(), settings.quarantine_days, settings.quarantine_size, now)
    for path, size, why in old:
        yield Removal(QUARANTINED, path.name, size, why, partial(path.unlink, missing_ok=True))


def _over(files: list[Old], days: int, most: int, now: float) -> Iterator[tuple[Path, int, str]]:
    """Of files, oldest first, those that are too old, and as many more as there are too many bytes."""
    total = sum(size for _, _, size in files)
    for path, at, size in files:
        if days and at < now - days * _DAY:
            why = f"older than {days} days"
        elif most and total > most:
            why = f"all of them have more than {most} bytes"
        else:
            return
        total -= size
        yield path, size, why


def _sets(index: Index, settings: Settings, now: float) -> Iterator[Removal]:
    """Sets of earlier runs. The newest one and the one in force stay."""
    if not settings.set_days:
        return
    with index.database.read() as connection:
        earlier = queries.sets(connection)[:-1]
        in_force = queries.rollback(connection)
        sizes = {name: len(queries.set_text(connection, name) or "") for name in earlier}
    oldest = f"{datetime.fromtimestamp(now, UTC) - timedelta(settings.set_days):%Y%m%dT%H%M%SZ}"
    for name, size in sizes.items():
        if name < oldest and not (in_force and in_force.to == name):
            why = f"older than {settings.set_days} days"
            yield Removal(SET, name, size, why, partial(index.forget_sets, [name]))

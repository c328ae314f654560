"""Questions about what is published, each about the rows as one transaction sees them: see `Database.read`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from simple_repository.model import File
from sqlalchemy import Connection, Row, Select, func, select

from wheelhouse.index import tables
from wheelhouse.index.database import gateway_of, own_key
from wheelhouse.index.events import IMPORT, PUBLISH, instant
from wheelhouse.index.projection import INTAKE, simple

NEVER_REPLACED = "a published file is never replaced: raise the version and build again."
RESTRICTED = "restricted"
"""Where it is remembered what is restricted: whoever renders goes by it, with whatever configuration."""
Denied = dict[str, dict[str, tuple[str, tuple[str, ...]]]]
"""Project -> version -> why, as a sentence; and what an exception may name."""


@dataclass(frozen=True)
class PublishedFile:
    """A file of a project, as its row has it."""

    project: str
    file: str
    version: str
    size: int
    """Bytes."""
    sha256: str
    """Hex."""
    metadata_sha256: str | None
    """Of the core metadata beside it; wheels only."""
    requires_python: str | None
    title: str | None
    """The project's name as its author spells it, where that is another way."""
    summary: str | None
    who: str
    origin: str | None
    at: str
    """When it was published here, like `Event.time`."""
    uploaded: str | None
    """When it was upstream."""
    findings: tuple[str, ...]
    yanked: str | None
    """The reason, "" for none; None if it is not yanked."""
    removed: str | None
    """The reason; None while it is published."""
    missing: bool
    """Whether its bytes are gone."""
    provenance: str | None = None
    """Where its attestations are served."""

    @property
    def is_listed(self) -> bool:
        """Whether it is on its project's page."""
        return self.removed is None and not self.missing

    @property
    def published_at(self) -> datetime:
        """When it was published here, aware."""
        return instant(self.at)

    @property
    def offered_at(self) -> datetime:
        """When the world could first have it: what its page says, and the time of the file that is served."""
        return instant(self.uploaded or self.at)

    @property
    def simple(self) -> File:
        """As the simple index lists it."""
        return simple(self.__dict__)


@dataclass(frozen=True)
class PublishedPackage:
    """A conda package, as its row has it."""

    channel: str
    subdir: str
    file: str
    version: str | None
    size: int | None
    sha256: str
    who: str
    origin: str | None
    at: str
    uploaded: str | None
    record: Mapping[str, Any] | None
    """What repodata.json says of it; None if nobody knows."""
    upstream: bool
    withheld: str | None
    inside: tuple[tuple[str, str], ...]
    scripts: tuple[str, ...] | None
    removed: str | None
    missing: bool

    @property
    def published_at(self) -> datetime:
        """When it was published here, aware: the time of the file that is served."""
        return instant(self.at)

    @property
    def name(self) -> str:
        """With its subdir."""
        return f"{self.subdir}/{self.file}"

    @property
    def is_listed(self) -> bool:
        """Whether it is in its subdir's index."""
        return self.record is not None and self.removed is None and self.withheld is None and not self.missing


@dataclass(frozen=True)
class RollbackRow:
    """The set that is in force."""

    to: str
    since: str
    by: str


# Projects


def projects(connection: Connection, *, removed: bool = False) -> list[str]:
    """Names of all that have published files, sorted; with `removed` also of those that had some once."""
    table = tables.projects
    wanted = select(table.c.name).order_by(table.c.name)
    if not removed:
        wanted = wanted.where(table.c.files > 0)
    return list(connection.execute(wanted).scalars())


def is_known(connection: Connection, project: str) -> bool:
    """Whether anything of this (normalised) name was ever published."""
    table = tables.projects
    return connection.execute(select(table.c.id).where(table.c.name == project)).first() is not None


def is_published(connection: Connection, project: str) -> bool:
    """Whether it has files that are listed."""
    table = tables.projects
    wanted = select(table.c.id).where(table.c.name == project, table.c.listed > 0)
    return connection.execute(wanted).first() is not None


def spokesman(connection: Connection, project: str) -> str | None:
    """The version that speaks for a project, rather not yanked, rather no pre-release; None without files."""
    table = tables.projects
    return connection.execute(select(table.c.version).where(table.c.name == project, table.c.listed > 0)).scalar()


def releases(connection: Connection, project: str) -> list[bytes]:
    """The sort keys of the project's versions that have files, the highest first."""
    table = tables.files
    mine = (table.c.project == project) & table.c.removed.is_(None) & ~table.c.missing
    wanted = select(table.c.version_key).where(mine).distinct().order_by(table.c.version_key.desc())
    return list(connection.execute(wanted).scalars())


def files(
    connection: Connection,
    project: str,
    *,
    names: Iterable[str] | None = None,
    version_key: bytes | None = None,
    lowest: bytes | None = None,
    removed: bool = False,
) -> dict[str, PublishedFile]:
    """The project's published files by name, missing ones among them: all, or those with some names or of a version.

    Or those of a version and of all higher ones, the `lowest`.

    With `removed` all that ever were.
    """
    table = tables.files
    wanted = select(*_FILE_COLUMNS).where(table.c.project == project).order_by(table.c.file)
    if names is not None:
        wanted = wanted.where(table.c.file.in_(list(names)))
    if version_key is not None:
        wanted = wanted.where(table.c.version_key == version_key)
    if lowest is not None:
        wanted = wanted.where(table.c.version_key >= lowest)
    if not removed:
        wanted = wanted.where(table.c.removed.is_(None))
    return {row.file: _file(row) for row in connection.execute(wanted)}


def file(connection: Connection, project: str, filename: str) -> PublishedFile | None:
    """One file, removed or not; None if nothing was ever published under this name."""
    table = tables.files
    wanted = select(*_FILE_COLUMNS).where(table.c.project == project, table.c.file == filename)
    row = connection.execute(wanted).first()
    return _file(row) if row else None


def jobs(connection: Connection, project: str) -> dict[str, dict[str, str]]:
    """File name -> the CI job that published it, see `Event.job`, of those files of a project that one did."""
    wanted = (
        select(tables.files.c.file, tables.events.c.job)
        .join(tables.events, tables.events.c.id == tables.files.c.event)
        .where(tables.files.c.project == project, tables.events.c.job.is_not(None))
    )
    return {row.file: json.loads(row.job) for row in connection.execute(wanted)}


def is_own(connection: Connection, project: str) -> bool:
    """Whether anybody but the intake published a file of it that is still there: it is the company's."""
    table = tables.projects
    return bool(connection.execute(select(table.c.own).where(table.c.name == project)).scalar())


def own_projects(connection: Connection) -> set[str]:
    """All of these."""
    table = tables.projects
    return set(connection.execute(select(table.c.name).where(table.c.own > 0)).scalars())


def objection(connection: Connection, place: str, filename: str, sha256: str) -> str | None:
    """Why a file may not have its name, as a sentence: another one was published under it, here or gone since.

    `place` is its project, or its channel and subdir.
    """
    known = _digest(connection, place, filename)
    if known in (None, sha256):
        return None
    return f"{filename} was published before with other contents; {NEVER_REPLACED}"


def imported_bytes(connection: Connection) -> set[str]:
    """SHA-256 of all files and conda packages that came by bundles and are published."""
    found: set[str] = set()
    for table in (tables.files, tables.conda_packages):
        mine = (table.c.who == IMPORT) & table.c.removed.is_(None)
        found |= set(connection.execute(select(table.c.sha256).where(mine)).scalars())
    return found


def known_names(connection: Connection, place: str) -> dict[str, str]:
    """File name -> SHA-256 (hex) of all that was ever published of a project, or in a subdir of a channel."""
    return {row.file: row.sha256 for row in connection.execute(_names(place))}


def last_uploads(connection: Connection) -> dict[str, str]:
    """Login name -> when that person last published something, like `Event.time`."""
    table = tables.events
    by_people = (table.c.event == PUBLISH) & (func.coalesce(table.c.origin, "") != INTAKE)
    wanted = select(table.c.who, func.max(table.c.time)).where(by_people).group_by(table.c.who).order_by(table.c.who)
    return dict(connection.execute(wanted).all())


# Conda


def channels(connection: Connection) -> dict[str, list[str]]:
    """All channels with their subdirs, sorted."""
    table = tables.conda_channels
    found: dict[str, list[str]] = {}
    for row in connection.execute(select(table).order_by(table.c.channel, table.c.subdir)):
        found.setdefault(row.channel, []).append(row.subdir)
    return found


def packages(connection: Connection, channel: str, *, removed: bool = False) -> dict[str, PublishedPackage]:
    """The channel's packages by name (with subdir), withheld and missing ones among them."""
    table = tables.conda_packages
    wanted = select(table).where(table.c.channel == channel).order_by(table.c.subdir, table.c.file)
    if not removed:
        wanted = wanted.where(table.c.removed.is_(None))
    return {f"{row.subdir}/{row.file}": _package(row) for row in connection.execute(wanted)}


def own_packages(connection: Connection) -> set[str]:
    """Names of conda packages that somebody else than the intake published, in whatever channel."""
    table = tables.conda_packages
    own = func.coalesce(table.c.origin, "") != INTAKE
    found = connection.execute(select(table.c.file).where(table.c.removed.is_(None), own)).scalars()
    return {name.rsplit("-", 2)[0] for name in found}


# What the intake and the pass-through remember


def was_quarantined(connection: Connection, sha256: str | None, reason: str | None) -> bool:
    """Whether it was written down that this file was kept back for this reason."""
    table = tables.quarantined
    wanted = select(table.c.id).where(table.c.sha256 == sha256, table.c.reason == reason)
    return connection.execute(wanted.limit(1)).first() is not None


def remembered(connection: Connection, key: str) -> str | None:
    """The text that is kept under a name; None if there is none."""
    return connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == key)).scalar() or None


def restricted(connection: Connection) -> tuple[str, ...]:
    """Patterns of names that are in no list which everybody is given, see `Changes.restrict`."""
    key = own_key(gateway_of(connection), RESTRICTED)
    return tuple(json.loads(remembered(connection, key) or "[]"))


def intake_lock(connection: Connection) -> str | None:
    """What the list came to, as TOML; None before the first run."""
    return connection.execute(select(tables.intake_lock.c.lock)).scalar()


def sets(connection: Connection) -> list[str]:
    """Names of the sets that are kept, oldest first."""
    names = tables.intake_sets.c.name
    return list(connection.execute(select(names).order_by(names)).scalars())


def set_text(connection: Connection, name: str) -> str | None:
    """The lock of a set, as TOML; None if it is not kept."""
    table = tables.intake_sets
    return connection.execute(select(table.c.lock).where(table.c.name == name)).scalar()


def rollback(connection: Connection) -> RollbackRow | None:
    """The set that was put back, if any."""
    row = connection.execute(select(tables.intake_rollback)).first()
    return RollbackRow(row.to, row.since, row.by) if row else None


def denied(connection: Connection, projects: Iterable[str] | None = None) -> Denied:
    """Project -> version -> (sentence, what an exception may name) of all that is denied, or of some projects."""
    table = tables.denied_releases
    wanted = select(table).order_by(table.c.project, table.c.version)
    if projects is not None:
        wanted = wanted.where(table.c.project.in_(list(projects)))
    found: Denied = {}
    for row in connection.execute(wanted):
        found.setdefault(row.project, {})[row.version] = row.sentence, tuple(json.loads(row.about))
    return found


def denied_mark(connection: Connection) -> str:
    """A text that is another one after each change of `denied`."""
    table = tables.meta
    return connection.execute(select(table.c.value).where(table.c.key == "denied")).scalar() or ""


def served(connection: Connection, project: str) -> dict[str, str]:
    """File name, also of metadata -> SHA-256 (hex) that clients were given."""
    table = tables.served_files
    wanted = select(table.c.file, table.c.sha256).where(table.c.project == project)
    return dict(connection.execute(wanted).all())


_FILE_COLUMNS = [tables.files.c[field.name] for field in fields(PublishedFile)]


def _file(row: Row[Any]) -> PublishedFile:
    known = row._asdict()
    known["findings"] = tuple(json.loads(known["findings"] or "[]"))
    return PublishedFile(**known)


def _package(row: Row[Any]) -> PublishedPackage:
    known = {field.name: getattr(row, field.name) for field in fields(PublishedPackage)}
    known["record"] = None if row.record is None else json.loads(row.record)
    known["inside"] = tuple((name, version) for name, version in json.loads(row.inside or "[]"))
    known["scripts"] = None if row.scripts is None else tuple(json.loads(row.scripts))
    return PublishedPackage(**known)


def _names(place: str) -> Select[Any]:
    """File names and SHA-256 of all that were ever published in a place."""
    channel, slash, subdir = place.partition("/")
    if slash:
        table = tables.conda_packages
        return select(table.c.file, table.c.sha256).where(table.c.channel == channel, table.c.subdir == subdir)
    return select(tables.files.c.file, tables.files.c.sha256).where(tables.files.c.project == place)


def _digest(connection: Connection, place: str, filename: str) -> str | None:
    names = _names(place)
    row = connection.execute(names.where(names.selected_columns.file == filename)).first()
    return str(row.sha256) if row else None

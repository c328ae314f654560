"""Questions about what is published, each about the rows as one transaction sees them: see `Database.read`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from simple_repository.model import File
from sqlalchemy import Connection


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

    @property
    def is_listed(self) -> bool:
        """Whether it is on its project's page."""
        return self.removed is None and not self.missing

    @property
    def published_at(self) -> datetime:
        """When it was published here, aware."""
        raise NotImplementedError

    @property
    def offered_at(self) -> datetime:
        """When the world could first have it: what its page says, and the time of the file that is served."""
        raise NotImplementedError

    @property
    def simple(self) -> File:
        """As the simple index lists it."""
        raise NotImplementedError


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


def projects(connection: Connection) -> list[str]:
    """Names of all that have published files, sorted."""
    raise NotImplementedError


def is_known(connection: Connection, project: str) -> bool:
    """Whether anything of this (normalised) name was ever published."""
    raise NotImplementedError


def files(connection: Connection, project: str, *, removed: bool = False) -> dict[str, PublishedFile]:
    """The project's published files by name, missing ones among them; with `removed` all that ever were."""
    raise NotImplementedError


def file(connection: Connection, project: str, filename: str) -> PublishedFile | None:
    """One file, removed or not; None if nothing was ever published under this name."""
    raise NotImplementedError


def is_own(connection: Connection, project: str) -> bool:
    """Whether anybody but the intake published a file of it that is still there: it is the company's."""
    raise NotImplementedError


def own_projects(connection: Connection) -> set[str]:
    """All of these."""
    raise NotImplementedError


def objection(connection: Connection, place: str, filename: str, sha256: str) -> str | None:
    """Why a file may not have its name, as a sentence: another one was published under it, here or gone since.

    `place` is its project, or its channel and subdir.
    """
    raise NotImplementedError


def known_names(connection: Connection, place: str) -> dict[str, str]:
    """File name -> SHA-256 (hex) of all that was ever published of a project, or in a subdir of a channel."""
    raise NotImplementedError


# Conda


def channels(connection: Connection) -> dict[str, list[str]]:
    """All channels with their subdirs, sorted."""
    raise NotImplementedError


def packages(connection: Connection, channel: str, *, removed: bool = False) -> dict[str, PublishedPackage]:
    """The channel's packages by name (with subdir), withheld and missing ones among them."""
    raise NotImplementedError


def own_packages(connection: Connection) -> set[str]:
    """Names of conda packages that somebody else than the intake published, in whatever channel."""
    raise NotImplementedError


# What the intake and the pass-through remember


def was_quarantined(connection: Connection, sha256: str | None, reason: str | None) -> bool:
    """Whether it was written down that this file was kept back for this reason."""
    raise NotImplementedError


def intake_lock(connection: Connection) -> str | None:
    """What the list came to, as TOML; None before the first run."""
    raise NotImplementedError


def sets(connection: Connection) -> list[str]:
    """Names of the sets that are kept, oldest first."""
    raise NotImplementedError


def set_text(connection: Connection, name: str) -> str | None:
    """The lock of a set, as TOML; None if it is not kept."""
    raise NotImplementedError


def rollback(connection: Connection) -> RollbackRow | None:
    """The set that was put back, if any."""
    raise NotImplementedError


def denied(
    connection: Connection, projects: Iterable[str] | None = None
) -> dict[str, dict[str, tuple[str, tuple[str, ...]]]]:
    """Project -> version -> (sentence, what an exception may name) of all that is denied, or of some projects."""
    raise NotImplementedError


def denied_mark(connection: Connection) -> str:
    """A text that is another one after each change of `denied`."""
    raise NotImplementedError


def served(connection: Connection, project: str) -> dict[str, str]:
    """File name, also of metadata -> SHA-256 (hex) that clients were given."""
    raise NotImplementedError

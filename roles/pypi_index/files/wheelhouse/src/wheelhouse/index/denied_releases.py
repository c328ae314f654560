"""Releases of public projects that the intake has refused.

What was refused is not let in by another way either, see `upstream_routes`. A release stays refused until a run that
looks at it finds nothing against it any more, or an exception is granted for it.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from wheelhouse.formats.distribution import BadDistribution, parse_filename
from wheelhouse.index import queries
from wheelhouse.index.database import Database
from wheelhouse.index.transaction import Index


@dataclass(frozen=True)
class Refused:
    """One release."""

    sentence: str
    """Why."""
    about: tuple[str, ...] = ()
    """What an exception may name: checks and advisories. None of it passes by itself, as a release's youth does."""


Releases = Mapping[str, Mapping[str, Refused]]
"""Project -> version -> why."""


def load(database: Database) -> Releases:
    """What the last run said."""
    with database.read() as connection:
        return {
            project: {version: Refused(*one) for version, one in versions.items()}
            for project, versions in queries.denied(connection).items()
        }


def save(index: Index, releases: Releases) -> bool:
    """Remember it instead of what was said before; False if that is the same."""
    return index.deny(
        {
            project: {version: (one.sentence, tuple(one.about)) for version, one in versions.items()}
            for project, versions in releases.items()
        }
    )


def of(versions: Mapping[str, Refused], filename: str) -> str | None:
    """Why a file of a project may not be had, as a sentence; None if it may."""
    if not versions:
        return None
    try:
        wanted = parse_filename(filename).version
    except BadDistribution:
        # An egg or an installer of long ago. What it is a release of cannot be told, and nothing takes it.
        return f"{filename} is of a form that is not let in."
    for version, one in versions.items():
        try:
            if Version(version) == wanted:
                return f"{filename} was refused by the intake: {one.sentence}"
        except InvalidVersion:
            continue
    return None


class Watched:
    """The same for a server, which asks often: what is denied is read again when it was changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._seen: str | None = None
        self._releases: Releases = {}

    def current(self) -> Releases:
        """Those of now. The same object as long as nothing has changed."""
        with self._lock:
            with self._database.read() as connection:
                seen = queries.denied_mark(connection)
            if seen != self._seen:
                self._seen, self._releases = seen, load(self._database)
            return self._releases

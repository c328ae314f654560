"""What is published, as the intake asks for it: public projects, which it brought in, and the company's own."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from wheelhouse.index import queries
from wheelhouse.index.queries import PublishedFile, PublishedPackage
from wheelhouse.index.transaction import Index
from wheelhouse.store.base import blob

WHO = "intake"
"""`Event.who` and `Event.origin` of what this part of the program does."""


class Published:
    """The rows of now. Safe for many threads."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def public_projects(self) -> list[str]:
        """Names of all projects with files of which the intake brought in every one, sorted."""
        with self._index.database.read() as connection:
            own = queries.own_projects(connection)
            return [name for name in queries.projects(connection) if name not in own]

    def own_projects(self) -> set[str]:
        """Names of those of which somebody else published a file that is still there."""
        with self._index.database.read() as connection:
            return queries.own_projects(connection)

    def is_own(self, project: str) -> bool:
        """Whether a project is one of these."""
        with self._index.database.read() as connection:
            return queries.is_own(connection, project)

    def files(self, project: str) -> dict[str, PublishedFile]:
        """The project's files that installers are shown, by name."""
        with self._index.database.read() as connection:
            return {name: file for name, file in queries.files(connection, project).items() if file.is_listed}

    def objection(self, place: str, filename: str, sha256: str) -> str | None:
        """Why a file may not have its name; `place` is its project, or its channel and subdir."""
        with self._index.database.read() as connection:
            return queries.objection(connection, place, filename, sha256)

    def was_quarantined(self, sha256: str, reason: str) -> bool:
        """Whether it was written down that a file was kept back for this reason."""
        with self._index.database.read() as connection:
            return queries.was_quarantined(connection, sha256, reason)

    def packages(self, channel: str) -> dict[str, PublishedPackage]:
        """The packages of a channel that came from upstream, by name with subdir, withheld ones among them."""
        with self._index.database.read() as connection:
            found = queries.packages(connection, channel)
        return {name: package for name, package in found.items() if package.upstream and not package.missing}

    def own_packages(self) -> set[str]:
        """Names of the company's own conda packages, in whichever channel."""
        with self._index.database.read() as connection:
            return queries.own_packages(connection)

    @contextlib.contextmanager
    def bytes_of(self, sha256: str) -> Iterator[Path]:
        """The bytes with this SHA-256 as a file to be read; raises `NotFound`, OSError."""
        key = blob(sha256)
        if path := self._index.store.path(key):
            yield path
            return
        with self._index.store.open(key) as stream, self._index.staging.receive(stream) as copy:
            yield copy

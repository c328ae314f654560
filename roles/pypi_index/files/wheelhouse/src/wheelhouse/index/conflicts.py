"""Why a file may not be published under its name: another one has, or ever had, that name or another spelling of it.

A name never comes back with other bytes, even if its file was removed: whoever installed it before keeps it for good,
and lock files have its hash.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from wheelhouse.errors import Conflict
from wheelhouse.formats.distribution import BadDistribution, FileName, parse_filename
from wheelhouse.formats.validation import Checked
from wheelhouse.index import tables
from wheelhouse.index.projection import batches
from wheelhouse.index.queries import NEVER_REPLACED
from wheelhouse.index.version_keys import version_key


@dataclass(frozen=True)
class Known:
    """A file that was published."""

    name: FileName
    sha256: str
    """Hex."""
    is_published: bool
    """Whether it is now."""
    is_missing: bool = False
    """Whether its bytes are gone."""


Releases = dict[tuple[str, bytes], list[Known]]
"""Project and sort key of a version -> all files that were ever published of it, the oldest first."""


def releases(connection: Connection, names: Iterable[FileName]) -> Releases:
    """What is known of the releases that files of these names are of."""
    versions: dict[str, set[bytes]] = {}
    for name in names:
        versions.setdefault(name.project, set()).add(version_key(name.version))
    found: Releases = {(project, key): [] for project, keys in versions.items() for key in keys}
    for project, keys in versions.items():
        for some in batches(keys):
            for row in connection.execute(_OF_VERSIONS, {"project_": project, "keys": some}):
                if parsed := _parsed(row.file):
                    known = Known(parsed, row.sha256, row.removed is None, row.missing)
                    found[project, bytes(row.version_key)].append(known)
    return found


def published(known: Releases, name: FileName) -> Known | None:
    """The file that is published under a name."""
    for other in _of_release(known, name):
        if other.is_published and other.name.filename == name.filename:
            return other
    return None


def publish(known: Releases, checked: Checked) -> None:
    """Let a file be known as published."""
    name = checked.distribution.name
    others = [other for other in _of_release(known, name) if other.name.filename != name.filename]
    known[name.project, version_key(name.version)] = [*others, Known(name, checked.distribution.hashes["sha256"], True)]


def reject(known: Releases, checked: Checked, *, allow_second_sdist: bool) -> None:
    """Raise `Conflict` if another file has the name; the same bytes under the same name are none.

    A second source distribution of a version is one unless it is allowed: installers choose one of them by rules of
    their own, and who reviewed the first would get the other. Old releases from elsewhere have both.
    """
    name = checked.distribution.name
    alike = _of_release(known, name)
    for other in alike:
        if other.name.filename != name.filename:
            continue
        if other.sha256 != checked.distribution.hashes["sha256"]:
            when = "already exists on the shelf" if other.is_published else "was published before"
            raise Conflict(f"{name.filename} {when} with other contents; {NEVER_REPLACED}")
        if other.is_published:
            return
    for other in alike:
        if other.name.filename == name.filename:
            continue
        if other.name.identity == name.identity:
            where = "already exists on the shelf" if other.is_published else "was published before"
            raise Conflict(
                f"{name.filename} is the same distribution as {other.name.filename}, which {where}; {NEVER_REPLACED}"
            )
        if name.kind == other.name.kind == "sdist" and not allow_second_sdist:
            raise Conflict(
                f"{name.filename} is a second source distribution beside {other.name.filename}, which was published"
                " before: a version has one, so raise the version and build again."
            )


def _of_release(known: Releases, name: FileName) -> list[Known]:
    return known[name.project, version_key(name.version)]


_OF_VERSIONS = (
    select(*(tables.files.c[name] for name in ("file", "version_key", "sha256", "removed", "missing")))
    .where(
        tables.files.c.project == bindparam("project_"),
        tables.files.c.version_key.in_(bindparam("keys", expanding=True)),
    )
    .order_by(tables.files.c.event)
)


def _parsed(filename: str) -> FileName | None:
    try:
        return parse_filename(filename)
    except BadDistribution:
        return None

"""Why a file may not be published under its name: another one has, or ever had, that name or another spelling of it.

A name never comes back with other bytes, even if its file was removed: whoever installed it before keeps it for good,
and lock files have its hash.
"""

from collections.abc import Iterator
from functools import lru_cache

from sqlalchemy import Connection, select

from wheelhouse.errors import Conflict
from wheelhouse.formats.distribution import BadDistribution, FileName, parse_filename
from wheelhouse.formats.validation import Checked
from wheelhouse.index import tables
from wheelhouse.index.queries import NEVER_REPLACED, objection
from wheelhouse.index.version_keys import version_key


def reject(connection: Connection, checked: Checked, *, allow_second_sdist: bool) -> None:
    """Raise `Conflict` if another file has the name; the same bytes under the same name are none.

    A second source distribution of a version is one unless it is allowed: installers choose one of them by rules of
    their own, and who reviewed the first would get the other. Old releases from elsewhere have both.
    """
    name = checked.distribution.name
    digest = checked.distribution.hashes["sha256"]
    sentence = objection(connection, name.project, name.filename, digest)
    alike = list(_alike(connection, name))
    if any(other.filename == name.filename and is_listed for other, is_listed in alike):
        if sentence:
            raise Conflict(f"{name.filename} already exists on the shelf with other contents; {NEVER_REPLACED}")
        return
    if sentence:
        raise Conflict(sentence)
    for other, is_listed in alike:
        if other.filename == name.filename:
            continue
        if other.identity == name.identity:
            where = "already exists on the shelf" if is_listed else "was published before"
            raise Conflict(
                f"{name.filename} is the same distribution as {other.filename}, which {where}; {NEVER_REPLACED}"
            )
        if name.kind == other.kind == "sdist" and not allow_second_sdist:
            raise Conflict(
                f"{name.filename} is a second source distribution beside {other.filename}, which was published before:"
                " a version has one, so raise the version and build again."
            )


def _alike(connection: Connection, name: FileName) -> Iterator[tuple[FileName, bool]]:
    """All that was ever published of the same version, and whether it is now."""
    table = tables.files
    same = (table.c.project == name.project) & (table.c.version_key == version_key(name.version))
    for row in connection.execute(select(table.c.file, table.c.removed).where(same).order_by(table.c.event)):
        if parsed := _parsed(row.file):
            yield parsed, row.removed is None


@lru_cache(2**12)
def _parsed(filename: str) -> FileName | None:
    try:
        return parse_filename(filename)
    except BadDistribution:
        return None

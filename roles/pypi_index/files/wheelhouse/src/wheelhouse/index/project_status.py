"""What is to be known of a project as a whole (PEP 792): `archived` or `deprecated`. All others are active."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select

from wheelhouse.errors import Conflict
from wheelhouse.index import tables
from wheelhouse.index.database import upsert

ACTIVE, ARCHIVED, DEPRECATED = "active", "archived", "deprecated"
STATUSES = (ARCHIVED, DEPRECATED, ACTIVE)
_FIND = select(tables.project_statuses.c.status, tables.project_statuses.c.reason).where(
    tables.project_statuses.c.project == bindparam("project_")
)


@dataclass(frozen=True)
class Status:
    """Of one project."""

    status: str
    reason: str | None
    """What people are told to do instead."""


def find(connection: Connection, project: str) -> Status | None:
    """That of a project; None if it is active."""
    row = connection.execute(_FIND, {"project_": project}).first()
    return Status(row.status, row.reason) if row else None


def put(connection: Connection, project: str, status: str, reason: str | None) -> None:
    """Have a project be so."""
    table = tables.project_statuses
    if status == ACTIVE:
        connection.execute(delete(table).where(table.c.project == project))
    else:
        upsert(connection, table, [{"project": project, "status": status, "reason": reason}])


def closed(connection: Connection, projects: Iterable[str]) -> dict[str, Conflict]:
    """Why those of these projects that are archived take no new files."""
    found = {project: find(connection, project) for project in set(projects)}
    return {
        project: Conflict(f"{project} is archived and takes no new files{f': {one.reason}' if one.reason else ''}.")
        for project, one in found.items()
        if one and one.status == ARCHIVED
    }

"""The provenance of files: attestations that came with them, kept as they came, see `formats.attestation`."""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy import Connection, select, update

from wheelhouse.errors import Conflict
from wheelhouse.formats.distribution import FileName
from wheelhouse.index import tables
from wheelhouse.index.database import Database, upsert
from wheelhouse.index.events import now
from wheelhouse.index.gateways import mark_dirty
from wheelhouse.index.projection import batches, note_provenance, remake_pieces

PLACE = "integrity"
"""Where it is served, as at PyPI: `/integrity/<project>/<version>/<file>/provenance`."""
_ADDRESS = "address"
"""Where it is remembered which address of the index the pages have been made with."""


@dataclass(frozen=True)
class Provenance:
    """What a file has."""

    document: str
    """JSON, as PEP 740 has it."""
    index_url: str
    """Of this index: pages have the whole address."""


def address(index_url: str, project: str, version: str, filename: str) -> str:
    """Where the provenance of a file is served."""
    parts = (quote(part, safe="") for part in (project, version, filename))
    return f"{index_url}/{PLACE}/{'/'.join(parts)}/provenance"


def keep(connection: Connection, name: FileName, provenance: Provenance) -> set[str]:
    """Keep that of a file which is published in the same transaction, or was before; returns what is dirty now.

    Raises `Conflict` where there is another one.
    """
    table = tables.provenance
    mine = table.c.project == name.project, table.c.file == name.filename
    known = connection.execute(select(table.c.document).where(*mine)).scalar()
    if known == provenance.document:
        return set()
    if known is not None:
        raise Conflict(
            f"{name.filename} was published with other attestations, and those of a file are never replaced."
        )
    row = {"project": name.project, "file": name.filename, "document": provenance.document, "at": now()}
    upsert(connection, table, [row])
    served = address(provenance.index_url, name.project, str(name.version), name.filename)
    return note_provenance(connection, name.project, {name.filename: served})


def find(connection: Connection, project: str, version: str, filename: str) -> str | None:
    """The document of a file that is published; None if there is none."""
    table, files = tables.provenance, tables.files
    wanted = (
        select(table.c.document)
        .join(files, (files.c.project == table.c.project) & (files.c.file == table.c.file))
        .where(files.c.project == project, files.c.file == filename, files.c.version == version)
        .where(files.c.removed.is_(None))
    )
    return connection.execute(wanted).scalar()


def documents(connection: Connection, project: str, names: Collection[str]) -> dict[str, str]:
    """File name -> document, of those of these files of a project that have one."""
    table = tables.provenance
    found: dict[str, str] = {}
    for some in batches(names):
        wanted = select(table.c.file, table.c.document).where(table.c.project == project, table.c.file.in_(some))
        found |= {row.file: row.document for row in connection.execute(wanted)}
    return found


def readdress(database: Database, index_url: str) -> bool:
    """Have pages name this address of the index, which is another one than before; whether they have to be rendered."""
    with database.read() as connection:
        known = connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == _ADDRESS)).scalar()
    if known == index_url:
        return False
    with database.change_alone() as connection:
        files = tables.files
        wanted = select(files.c.project, files.c.version, files.c.file).where(files.c.provenance.is_not(None))
        rows = connection.execute(wanted).all()
        for row in rows:
            mine = (files.c.project == row.project) & (files.c.file == row.file)
            connection.execute(update(files).where(mine).values(provenance=address(index_url, *row)))
        projects = {row.project for row in rows}
        remake_pieces(connection, projects)
        mark_dirty(connection, projects)
        upsert(connection, tables.meta, [{"key": _ADDRESS, "value": index_url}])
    return bool(rows)

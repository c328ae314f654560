"""All rows of one database in another one, as `migrate-store` and `backup` take them from a server, or to one.

What is a gateway's own, or is made again by rendering, stays behind. Whatever was copied is read again and compared.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, Table, func, insert, select, text

from wheelhouse.errors import Conflict, Damaged
from wheelhouse.index import tables
from wheelhouse.progress import progress

_LEFT = {tables.dirty, tables.gateways, tables.turns}
COPIED: tuple[Table, ...] = tuple(table for table in tables.metadata.sorted_tables if table not in _LEFT)
_AT_ONCE = 1000


@dataclass(frozen=True)
class Content:
    """What a table has."""

    rows: int
    digest: str
    """SHA-256 (hex) of all of them, in the order of their keys."""


def copy(source: Connection, target: Connection) -> Mapping[str, Content]:
    """Copy all rows into a database that has none, in the target's transaction; returns what each table has.

    Nobody changes the source meanwhile, or it is one view of it. Raises `Conflict` where rows are, `Damaged` if the
    target has other ones than were copied.
    """
    taken = [table.name for table in COPIED if table is not tables.meta and _count(target, table)]
    if taken:
        raise Conflict(f"The database is not empty: there are rows in {', '.join(taken)}.")
    target.execute(tables.meta.delete())
    copied = {}
    for table in COPIED:
        total = _count(source, table)
        shown = progress(_rows(source, table), total, f"copy {table.name}", "row")
        copied[table.name] = _each(shown, lambda some, table=table: target.execute(insert(table), some))  # type: ignore[misc]
        if (found := content(target, table)) != copied[table.name]:
            raise Damaged(
                f"{table.name} has {found.rows} rows after {copied[table.name].rows} were copied, or not the same."
            )
    _go_on_numbering(target)
    return copied


def content(connection: Connection, table: Table) -> Content:
    """What a table has."""
    return _each(_rows(connection, table), lambda _: None)


def _each(rows: Iterable[Mapping[str, Any]], act: Callable[[list[dict[str, Any]]], object]) -> Content:
    """Do something with rows, some at a time."""
    digest, number, some = hashlib.sha256(), 0, list[dict[str, Any]]()
    for row in rows:
        values = {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()}
        digest.update(repr(list(values.values())).encode(errors="surrogatepass") + b"\n")
        number += 1
        some.append(values)
        if len(some) == _AT_ONCE:
            act(some)
            some = []
    if some:
        act(some)
    return Content(number, digest.hexdigest())


def _rows(connection: Connection, table: Table) -> Iterator[Mapping[str, Any]]:
    """In the order of their keys, byte for byte."""
    columns = [column for column in table.columns if column is not tables.events.c.tx]  # which is one server's own
    wanted = select(*columns).order_by(*table.primary_key.columns).execution_options(yield_per=_AT_ONCE)
    for row in connection.execute(wanted).mappings():
        yield dict(row)


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar() or 0


def _go_on_numbering(target: Connection) -> None:
    """Have what is inserted from now on numbered behind what was copied; a SQLite does so by itself."""
    if target.dialect.name == "sqlite":
        return
    for table in COPIED:
        for column in table.primary_key.columns:
            if isinstance(column.type, (BigInteger, Integer)) and column.autoincrement is True:
                last = target.execute(select(func.max(column))).scalar()
                if last:
                    target.execute(
                        text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)"),
                        {"table": table.name, "column": column.name, "last": last},
                    )

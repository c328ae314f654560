"""The tables of a new database as the steps of `migrations` make them, without taking the steps for each test again.

They are read from the first database that the steps were taken in, so they are never other ones. The steps themselves
are for test_migrations.py, and for every program that a test starts.
"""

import functools
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text
from wheelhouse import config
from wheelhouse.index import migrations
from wheelhouse.index.database import Database

from . import postgresql

take_steps = migrations.upgrade
_made: list[str] = []
"""Statements that make them."""
_rows: list[tuple[str, list[tuple[Any, ...]]]] = []
"""What is in them: (statement, parameters)."""


def upgrade(connection: Connection) -> None:
    """As `migrations.upgrade`, sooner."""
    if connection.dialect.name != "sqlite" or connection.execute(text("SELECT 1 FROM sqlite_schema")).first():
        take_steps(connection)
    elif not _made:
        take_steps(connection)
        _read(connection)
    else:
        for statement in _made:
            connection.exec_driver_sql(statement)
        for statement, rows in _rows:
            connection.exec_driver_sql(statement, rows)


@functools.cache
def template(socket: str) -> str:
    """The name of a database in a PostgreSQL that has them, for others to be made from."""
    settings = postgresql.create(socket)
    with tempfile.TemporaryDirectory() as directory:
        postgresql.configure(Path(directory), settings)
        database = Database(Path(directory), *config.database(Path(directory)))
        with database.change_alone() as connection:
            take_steps(connection)
        database.close()
    return settings["name"]


def _read(connection: Connection) -> None:
    # "shadow" are those that a table for searching makes itself
    kinds = {row.name: row.type for row in connection.execute(text("PRAGMA table_list"))}
    for row in connection.execute(text("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")):
        if kinds.get(row.name) != "shadow" and not row.name.startswith("sqlite_"):
            _made.append(row.sql)
    for name, kind in kinds.items():
        if kind == "table" and not name.startswith("sqlite_"):
            rows = [tuple(row) for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')]
            if rows:
                _rows.append((f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(rows[0]))})', rows))

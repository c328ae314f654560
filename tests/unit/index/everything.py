"""All that an index has, to be put back as it was: its shelf, its rows, and the bytes that a server keeps for it."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from psycopg import sql
from wheelhouse import config
from wheelhouse.store.s3 import S3Store

from . import postgresql
from .second_gateway import Second

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
_SEQUENCES = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"


class Everything:
    """As it is now, of the index that the program finds by its environment; nobody may be at work on it."""

    def __init__(self, root: Path, second: Second | None = None) -> None:
        """`second` is the gateway beside it, which begins anew each time."""
        self._root = root
        self._shelf = Path(tempfile.mkdtemp(prefix=f"{root.name}-", dir=root.parent)) / "saved"
        self._second = second
        directory = Path(os.environ["WHEELHOUSE_CONFIG"])
        _copy(root, self._shelf)
        database = directory / "database.json"
        self._rows = Rows(json.loads(database.read_text())) if database.exists() else None
        settings = config.read_store(directory)
        self._objects = Objects(S3Store(settings)) if settings else None

    def put_back(self) -> None:
        if self._second:
            with self._second.away():
                self._put_back()
        else:
            self._put_back()

    def _put_back(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        _copy(self._shelf, self._root)
        if self._rows:
            self._rows.put_back()
        if self._objects:
            self._objects.put_back()


class Rows:
    """Those of a PostgreSQL."""

    def __init__(self, settings: postgresql.Settings) -> None:
        self._settings = settings
        self._tables: dict[str, bytes] = {}
        self._next: dict[str, tuple[int, bool]] = {}
        with postgresql.connected(settings) as connection:
            for (name,) in connection.execute(_TABLES).fetchall():
                copying = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(name))
                with connection.cursor().copy(copying) as rows:
                    self._tables[name] = b"".join(bytes(piece) for piece in rows)
            for (name,) in connection.execute(_SEQUENCES).fetchall():
                asked = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(name))
                self._next[name] = connection.execute(asked).fetchone() or (1, False)

    def put_back(self) -> None:
        with postgresql.connected(self._settings) as connection, connection.transaction():
            connection.execute("SET LOCAL session_replication_role = replica")  # rows come before those they refer to
            names = sql.SQL(", ").join(map(sql.Identifier, self._tables))
            connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(names))
            for name, content in self._tables.items():
                copying = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))
                with connection.cursor().copy(copying) as rows:
                    rows.write(content)
            for name, (value, is_called) in self._next.items():
                connection.execute("SELECT setval(%s::regclass, %s, %s)", [name, value, is_called])


class Objects:
    """Those that a server keeps; they may have gone or come, and are never changed."""

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self._objects: dict[str, bytes] = {}
        for stat in store.list(""):
            with store.open(stat.key) as stream:
                self._objects[stat.key] = stream.read()

    def put_back(self) -> None:
        there = {stat.key for stat in self._store.list("")}
        for key in there - self._objects.keys():
            self._store.delete(key)
        for key in self._objects.keys() - there:
            with tempfile.NamedTemporaryFile() as file:
                file.write(self._objects[key])
                file.flush()
                self._store.create(key, Path(file.name))


def _copy(source: Path, target: Path) -> None:
    """With the links between the store and what is served."""
    subprocess.run(["cp", "-a", source, target], check=True)

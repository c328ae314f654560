"""A PostgreSQL as Debian has it, thrown away afterwards; and a database in it for each test that wants one."""

import contextlib
import json
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from debian_images import image_with

Settings = dict[str, str]
SERVER = "WHEELHOUSE_TEST_POSTGRESQL"
"""A directory with the socket of a server, in whose databases tests are to work instead of SQLite."""
_START = """\
set -e
bin=$(ls -d /usr/lib/postgresql/*/bin)
install -d -o postgres -g postgres /data
chmod 0777 /socket
as="setpriv --reuid=postgres --regid=postgres --clear-groups"
$as $bin/initdb --pgdata=/data --auth=trust --encoding=UTF8 --locale=C
exec $as $bin/postgres -D /data -c listen_addresses= -c unix_socket_directories=/socket -c fsync=off
"""


class Unavailable(Exception):
    """There is no Docker engine here."""


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The directory of its socket; raises `Unavailable`."""
    image = image_with("postgresql")
    if not image:
        raise Unavailable
    name = f"wheelhouse-test-postgresql-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as socket:
        run = ["docker", "run", "--rm", "--detach", "--name", name, "--network", "none"]
        run += ["--volume", f"{socket}:/socket"]
        subprocess.run([*run, "--tmpfs", "/data", image, "sh", "-c", _START], check=True, capture_output=True)
        try:
            _wait(socket, ["docker", "logs", name])
            yield socket
        finally:
            subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)


def create(socket: str) -> Settings:
    """What `database.json` says of a new and empty database."""
    name = f"test_{uuid.uuid4().hex}"
    _command(socket, f"CREATE DATABASE {name}")
    return {"host": socket, "name": name, "username": "postgres"}


@contextlib.contextmanager
def database(socket: str) -> Iterator[Settings]:
    """The same, gone after the block."""
    settings = create(socket)
    yield settings
    _command(socket, f"DROP DATABASE {settings['name']} WITH (FORCE)")


def configure(directory: Path, settings: Settings | None) -> None:
    """Have the program find it; None is for a SQLite in the shelf."""
    if settings:
        path = directory / "database.json"
        path.write_text(json.dumps(settings))
        path.chmod(0o640)


def connected(settings: Settings) -> "psycopg.Connection[tuple[Any, ...]]":
    """A connection of somebody else's."""
    return psycopg.connect(host=settings["host"], dbname=settings["name"], user=settings["username"], autocommit=True)


def empty(settings: Settings | None) -> None:
    """Take everything out of a database, of which nobody else has a connection; None is one in a shelf."""
    if settings:
        with connected(settings) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")


def _command(socket: str, command: str) -> None:
    with psycopg.connect(host=socket, user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(command.encode())


def _wait(socket: str, logs: list[str]) -> None:
    """Until it answers. It is stopped and started once while it is made."""
    for _ in range(600):
        with contextlib.suppress(psycopg.OperationalError):
            if list(Path(socket).iterdir()):
                psycopg.connect(host=socket, user="postgres", dbname="postgres").close()
                return
        time.sleep(0.2)
    raise AssertionError(subprocess.run(logs, capture_output=True, text=True, check=False).stderr)

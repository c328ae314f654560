"""A PostgreSQL as Debian has it, thrown away afterwards; and a database in it for each test that wants one."""

import contextlib
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
from debian_images import image_with

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


@contextlib.contextmanager
def database(socket: str) -> Iterator[str]:
    """The address of a new and empty database, as the program takes it."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(host=socket, user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield f"postgresql+psycopg://postgres@/{name}?host={socket}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def empty(url: str | None) -> None:
    """Take everything out of a database, of which nobody else has a connection; None is one in a shelf."""
    if url:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")


def _wait(socket: str, logs: list[str]) -> None:
    """Until it answers. It is stopped and started once while it is made."""
    for _ in range(600):
        with contextlib.suppress(psycopg.OperationalError):
            if list(Path(socket).iterdir()):
                psycopg.connect(host=socket, user="postgres", dbname="postgres").close()
                return
        time.sleep(0.2)
    raise AssertionError(subprocess.run(logs, capture_output=True, text=True, check=False).stderr)

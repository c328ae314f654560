"""A PostgreSQL of Debian's, thrown away afterwards; and a database in it for each test that wants one."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from memory import in_memory

Settings = dict[str, str]
SERVER = "WHEELHOUSE_TEST_POSTGRESQL"
"""A directory with the socket of a server, in whose databases tests are to work instead of SQLite."""
_PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), default=Path("postgres")).parent
IS_THERE = shutil.which("initdb", path=str(_PROGRAMS)) is not None
_START = 120.0
"""Seconds after which it is given up."""


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The directory of its socket."""
    directory = Path(tempfile.mkdtemp(dir=in_memory()))
    user, log = _owner(), directory / "log"
    try:
        shutil.chown(directory, user)
        run = {"user": user, "cwd": "/", "stderr": subprocess.STDOUT} if os.geteuid() == 0 else {"cwd": "/"}
        make = [_PROGRAMS / "initdb", f"--pgdata={directory}/data", "--auth=trust", "--username=postgres"]
        make += ["--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, **run)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": directory,
            "fsync": "off",
            "max_connections": 200,
        }
        command = [_PROGRAMS / "postgres", "-D", f"{directory}/data"]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, start_new_session=True, **run)
        try:
            _wait(directory, process, log)
            yield str(directory)
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(_START)
    finally:
        shutil.rmtree(directory)


def _owner() -> str:
    """Who it runs as: it refuses to be root."""
    return "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def create(socket: str, template: str = "template1") -> Settings:
    """What `database.json` says of a new database, by default an empty one."""
    name = f"test_{uuid.uuid4().hex}"
    _command(socket, f"CREATE DATABASE {name} TEMPLATE {template}")
    return {"host": socket, "name": name, "username": "postgres"}


@contextlib.contextmanager
def database(socket: str, template: str = "template1") -> Iterator[Settings]:
    """The same, gone after the block."""
    settings = create(socket, template)
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


def _wait(socket: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Until it answers."""
    give_up = time.monotonic() + _START
    while True:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(host=str(socket), user="postgres", dbname="postgres").close()
            return
        assert time.monotonic() < give_up and process.poll() is None, log.read_text()
        time.sleep(0.05)

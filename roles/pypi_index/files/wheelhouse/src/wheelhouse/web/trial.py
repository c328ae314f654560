"""A new version of the program tried on a copy of what it is to work on, before anybody depends on it.

The database is copied while others use it, and the configuration is read. The rest is the trial's own: a scratch
directory, an account, a project. The program is started as in its container, and asked as its clients ask it.
"""

import base64
import contextlib
import hashlib
import http.client
import io
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import bcrypt
from sqlalchemy import create_engine

from wheelhouse import read_rights
from wheelhouse.config import database
from wheelhouse.errors import Damaged, Full, Rejected, WheelhouseError
from wheelhouse.index import migrations
from wheelhouse.web import handover

_DATABASE = Path("state", "index.sqlite")
_SETTINGS = Path(sys.prefix, "gunicorn.conf.py")
"""How the image starts the program."""
_START = 600.0
"""Seconds after which a program that does not answer is given up; it may have tables to change."""
_ROOM = 64 * 2**20
"""Bytes that are needed beside those of the database, twice: what is changed is written to its log first."""
_BUSY = 60.0
_WHEEL = b"Wheel-Version: 1.0\nGenerator: trial\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True)
class Outcome:
    """What a trial that went well came to."""

    tables_before: str | None
    """The revision of the tables that were copied; None for a shelf without any."""
    tables: str
    """Their revision after this version was started."""
    is_readable_before: bool
    """Whether the program that works on them now can go on when they have changed: whether there is a way back."""

    def lines(self) -> list[str]:
        """The same for people."""
        if self.tables_before in (None, self.tables):
            changed = f"The tables of the index stay as they are ({self.tables})."
        elif self.is_readable_before:
            changed = (
                f"The tables of the index change from {self.tables_before} to {self.tables}. The earlier version can"
                " read them: it can be installed again."
            )
        else:
            changed = (
                f"The tables of the index change from {self.tables_before} to {self.tables}. The earlier version cannot"
                " read them: the way back is a backup."
            )
        return [changed, "A wrong password was refused, a right one accepted, and a file was published."]


class Failed(WheelhouseError):
    """The new version does not work on what is there."""


def run(shelf: Path, config: Path, settings: Path = _SETTINGS) -> Outcome:
    """Try this version on copies; nothing else changes.

    `settings` is gunicorn's configuration. Raises `Failed`, `Full`, `Rejected`, `TooNew`, OSError.
    """
    if database(config)[0]:
        raise Rejected("The trial works on a copy of a SQLite only, and database.json names a server.")
    above = shelf / "incoming"
    with tempfile.TemporaryDirectory(prefix="trial-", dir=above if above.is_dir() else None) as scratch:
        place = Path(scratch)
        before = _copy(shelf / _DATABASE, place / "shelf" / _DATABASE)
        probe = _Probe.new()
        _configure(config, place / "config", probe)
        with _started(place, settings) as socket:
            probe.try_out(socket, place / "shelf")
        after = _revision(place / "shelf" / _DATABASE)
        if after is None:
            raise Failed("The program works without the tables of the index.")
        is_readable = before is None or before == after or migrations.is_readable_from(before)
        return Outcome(before, after, is_readable)


def _copy(live: Path, copy: Path) -> str | None:
    """Copy the database as it is at one moment; the revision of its tables. Raises `Full`, `Damaged`, `TooNew`."""
    copy.parent.mkdir(parents=True)
    if not live.exists():
        return None
    needed = 2 * live.stat().st_size + _ROOM
    if (room := shutil.disk_usage(copy.parent).free) < needed:
        raise Full(
            f"The trial needs {needed // 2**20} MiB for a copy of the database, and the disk has {room // 2**20} MiB."
        )
    try:
        with (
            contextlib.closing(sqlite3.connect(f"file:{live}?mode=ro", uri=True, timeout=_BUSY)) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise Damaged(f"The database cannot be copied: {error}.") from error
    return _revision(copy, is_earlier=True)


def _revision(database: Path, *, is_earlier: bool = False) -> str | None:
    """The revision of a database's tables. Of an earlier one it is checked that this program can use them."""
    engine = create_engine(f"sqlite:///{database}")
    try:
        with engine.connect() as connection:
            if is_earlier:
                migrations.is_current(connection)
            return migrations.revision(connection)
    finally:
        engine.dispose()


def _configure(live: Path, copy: Path, probe: "_Probe") -> None:
    """The current configuration, with an account for the trial and without an upstream."""
    copy.mkdir(mode=0o700)
    try:
        settings = json.loads((live / "config.json").read_text())
        settings["publishes"][probe.user] = [probe.project]
        accounts = (live / "htpasswd").read_text()
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"config.json cannot be read: {error}.") from error
    settings |= {"upstream": "closed"}
    (copy / "config.json").write_text(json.dumps(settings))
    if (live / read_rights.FILE).exists():
        rights = (live / read_rights.FILE).read_text()
        (copy / read_rights.FILE).write_text(f"{rights}reads {probe.user} *\n")
    (copy / "htpasswd").write_text(f"{accounts.rstrip()}\n{probe.user}:{probe.hashed}\n".lstrip())


@contextlib.contextmanager
def _started(place: Path, settings: Path) -> Iterator[Path]:
    """The program at work in the directory; the socket that it listens at."""
    log = place / "log"
    with tempfile.TemporaryDirectory(prefix="trial-") as short:  # a socket's name has at most 107 letters
        socket = Path(short) / "index.sock"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("WHEELHOUSE_", "GUNICORN_"))
        } | {
            "WHEELHOUSE_SHELF": str(place / "shelf"),
            "WHEELHOUSE_CONFIG": str(place / "config"),
            "WHEELHOUSE_CACHE": str(place / "cache"),
            "WHEELHOUSE_LISTEN": f"unix:{socket}",
        }
        with log.open("wb") as said:
            program = subprocess.Popen(_command(settings), stdout=said, stderr=said, env=environment, cwd=place)
        try:
            end = time.monotonic() + _START
            while not handover.is_answered(socket):
                if program.poll() is not None or time.monotonic() > end:
                    raise Failed(f"The program does not start: {_last_words(log)}")
                time.sleep(0.1)
            try:
                yield socket
            except (OSError, http.client.HTTPException) as error:
                raise Failed(f"The program does not answer ({error}): {_last_words(log)}") from error
        finally:
            program.terminate()
            try:
                program.wait(90)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()


def _command(settings: Path) -> Sequence[str]:
    return (
        sys.executable,
        "-m",
        "gunicorn",
        "--config",
        str(settings),
        "--workers",
        "1",
        "wheelhouse.web.app:application()",
    )


def _last_words(log: Path) -> str:
    """The end of what the program said, without gunicorn's account of its own doings."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip() and "[INFO]" not in line]
    return " ".join(line.strip() for line in lines[-3:])[-500:] or "it says nothing."


@dataclass(frozen=True)
class _Probe:
    """Somebody who exists in the trial alone, and what they publish."""

    user: str
    password: str
    hashed: str
    project: str

    @classmethod
    def new(cls) -> "_Probe":
        """One with a name that nobody has."""
        name = f"trial-{secrets.token_hex(8)}"
        password = secrets.token_urlsafe(24)
        return cls(name, password, bcrypt.hashpw(password.encode(), bcrypt.gensalt(10)).decode(), f"wheelhouse-{name}")

    def try_out(self, socket: Path, shelf: Path) -> None:
        """Log in and publish; raises `Failed`, OSError, HTTPException."""
        self._expect(handover.ask(socket, "GET", "/health"), HTTPStatus.OK, "is not well")
        self._expect(handover.ask(socket, "GET", "/"), HTTPStatus.OK, "does not show its front page")
        content = _wheel(self.project)
        refused = self._upload(socket, content, secrets.token_urlsafe(24))
        self._expect(refused, HTTPStatus.UNAUTHORIZED, "does not refuse a wrong password")
        self._expect(self._upload(socket, content, self.password), HTTPStatus.OK, "does not take an upload")
        page = shelf / "simple" / self.project / "index.json"
        try:
            listed = {file["filename"]: file["hashes"]["sha256"] for file in json.loads(page.read_bytes())["files"]}
            served = (shelf / "packages" / self.project / _filename(self.project)).read_bytes()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Failed(f"The program took an upload, and its page cannot be read: {error}.") from error
        if served != content or listed != {_filename(self.project): hashlib.sha256(content).hexdigest()}:
            raise Failed("The program took an upload, and its page does not list it, or not with its hash.")

    def _upload(self, socket: Path, content: bytes, password: str) -> tuple[int, str]:
        boundary = secrets.token_hex(16)
        parts = [(":action", None, b"file_upload"), ("content", _filename(self.project), content)]
        body = b"".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
            + (f'; filename="{filename}"'.encode() if filename else b"")
            + b"\r\n\r\n"
            + value
            + b"\r\n"
            for name, filename, value in parts
        )
        login = base64.b64encode(f"{self.user}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": f"multipart/form-data; boundary={boundary}"}
        return handover.ask(socket, "POST", "/", body + f"--{boundary}--\r\n".encode(), headers)

    def _expect(self, answer: tuple[int, str], wanted: HTTPStatus, otherwise: str) -> None:
        status, text = answer
        if status != wanted:
            raise Failed(f"The program {otherwise}: it answers {status}, {' '.join(text.split())[:200]}")


def _filename(project: str) -> str:
    return f"{project.replace('-', '_')}-1.0-py3-none-any.whl"


def _wheel(project: str) -> bytes:
    """A package with nothing in it."""
    name = project.replace("-", "_")
    members = {
        f"{name}.py": b"",
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n".encode(),
        f"{name}-1.0.dist-info/WHEEL": _WHEEL,
    }
    record = f"{name}-1.0.dist-info/RECORD"
    lines = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},{len(content)}"
        for path, content in members.items()
    ]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in {**members, record: "\n".join([*lines, f"{record},,", ""]).encode()}.items():
            archive.writestr(path, content)
    return packed.getvalue()

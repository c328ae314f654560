"""Several gateways on one machine: a shelf and a configuration each, one PostgreSQL, and one directory with the bytes.

A gateway that `lives` has a process that follows the others, as the program's workers have, to be stopped and killed.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wheelhouse.index.database import Database
from wheelhouse.index.follower import Follower
from wheelhouse.index.opening import open_index
from wheelhouse.index.tokens import Tokens
from wheelhouse.index.transaction import Index

from . import postgresql
from .durable_changes import publish
from .samples import SETTINGS, Wheel

CONTEXT = multiprocessing.get_context("fork")
PATIENCE = 60.0
"""Seconds for what takes no time, on a machine that is busy."""


@dataclass
class Gateway:
    """One of them."""

    name: str
    root: Path
    """Of the shelf."""
    config: Path
    processes: list[Any] = field(default_factory=list)

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """What the program finds by its environment is this gateway."""
        before = dict(os.environ)
        os.environ.update(
            WHEELHOUSE_CONFIG=str(self.config),
            WHEELHOUSE_SHELF=str(self.root),
            WHEELHOUSE_CACHE=str(self.root.with_name(f"cache-{self.name}")),
        )
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def open(self) -> Index:
        with self.here():
            return open_index(self.root)

    def start(self) -> None:
        """Have it follow the others; returns once it does."""
        self.open().database.close()
        process = CONTEXT.Process(target=self._run, daemon=True)
        process.start()
        self.processes.append(process)
        reached = self.root / "state/reached"
        before = reached.stat().st_mtime_ns if reached.exists() else 0
        until(lambda: reached.exists() and reached.stat().st_mtime_ns > before)

    def _run(self) -> None:
        index = self.open()
        tokens = Tokens(index.database)
        Follower(index, lambda: tokens.refresh({"ada"})).run()

    def send(self, what: signal.Signals) -> None:
        """Kill, stop or continue what follows."""
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, what)
            if what == signal.SIGKILL:
                process.join()
        if what == signal.SIGKILL:
            self.processes.clear()

    def listed(self, project: str = "acme-tools") -> set[str]:
        """The files that its page shows."""
        try:
            page = json.loads((self.root / "simple" / project / "index.json").read_text())
        except FileNotFoundError:
            return set()
        return {file["filename"] for file in page["files"]}


def make(directory: Path, name: str, settings: postgresql.Settings) -> Gateway:
    """A new one. All that are made in a directory have their bytes in one place, as in an object store."""
    config = directory / f"config-{name}"
    config.mkdir(parents=True)
    (config / "config.json").write_text(json.dumps({**SETTINGS, "gateway": name}))
    (config / "htpasswd").write_text("")
    postgresql.configure(config, settings)
    root = directory / f"shelf-{name}"
    root.mkdir()
    (directory / "blobs").mkdir(exist_ok=True)
    (root / "blobs").symlink_to(directory / "blobs")
    return Gateway(name, root, config)


def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def disconnect(database: Database) -> None:
    """Have the server end all connections that the programs have to a database, as one that is stopped does."""
    with database.server.session() as connection:  # type: ignore[union-attr]
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def stop_between_changes(gateway: Gateway, database: Database) -> None:
    """Have what follows stand still while it holds no lock of the database."""
    busy = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND state <> 'idle' AND pid <> pg_backend_pid()"
    )
    with database.server.session() as connection:  # type: ignore[union-attr]

        def is_between() -> bool:
            gateway.send(signal.SIGSTOP)
            row = connection.execute(busy).fetchone()
            if row and row[0] == 0:
                return True
            gateway.send(signal.SIGCONT)
            return False

        until(is_between)


def upload(index: Index, version: str = "1.0", **changes: Any) -> str:
    """Publish a wheel of acme-tools; returns its name."""
    wheel = Wheel(version=version, **changes)
    publish(index, wheel)
    return wheel.filename

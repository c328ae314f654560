"""A second gateway beside the one that a test works on: it follows, and shows in the end what the rows say.

It joins once the first has made its tables, so that a test finds them as it expects them.
"""

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import psycopg
from memory import in_memory
from psycopg.errors import UndefinedTable
from wheelhouse.errors import TooNew
from wheelhouse.index import queries
from wheelhouse.index.follower import Follower
from wheelhouse.index.opening import open_index
from wheelhouse.store_settings import ObjectStore

from . import children, postgresql, seaweed, served

WANTED = "WHEELHOUSE_TEST_SECOND_GATEWAY"
"""Set if there is to be one."""
NAME = "second"
_PATIENCE = 120.0


class Second:
    """That gateway, seen from the test's process."""

    def __init__(self, directory: Path, settings: postgresql.Settings, store: ObjectStore | None) -> None:
        self._root, self._config, self._settings = directory / "shelf", directory / "config", settings
        self._process: BaseProcess | None = None
        self._config.mkdir()
        (self._config / "config.json").write_text(json.dumps({"gateway": NAME}))
        (self._config / "htpasswd").write_text("")
        postgresql.configure(self._config, settings)
        seaweed.configure(self._config, store)

    def start(self) -> None:
        self._root.mkdir()
        self._process = children.start(self._run)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.join()
            self._process = None

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """It is no more for the block, and begins anew afterwards."""
        self.stop()
        shutil.rmtree(self._root)
        yield
        with contextlib.suppress(UndefinedTable), postgresql.connected(self._settings) as connection:
            connection.execute("DELETE FROM gateways WHERE name = %s", [NAME])
            connection.execute("DELETE FROM dirty WHERE gateway = %s", [NAME])
        self.start()

    def agrees(self) -> None:
        """Assert that it comes to show what the rows say, if the test has made any."""
        if not _has_tables(self._settings):
            return
        self.catches_up()
        with _at(self._root, self._config):
            index = open_index(self._root)
            with index.database.read() as connection:
                projects = {name: queries.files(connection, name) for name in queries.projects(connection)}
            index.database.close()
        listed = {name: {one.file: one for one in files.values() if one.is_listed} for name, files in projects.items()}
        wrong = list(served.pages(self._root, {name: files for name, files in listed.items() if files}))
        assert not wrong, wrong[:20]

    def catches_up(self) -> None:
        """Wait until it has rendered all that was changed."""
        give_up = time.monotonic() + _PATIENCE
        while not self._is_done():
            assert time.monotonic() < give_up, "the second gateway is behind"
            time.sleep(0.02)

    def _is_done(self) -> bool:
        with postgresql.connected(self._settings) as connection:
            known = connection.execute("SELECT 1 FROM gateways WHERE name = %s", [NAME]).fetchone()
            return bool(known) and not connection.execute("SELECT 1 FROM dirty WHERE gateway = %s", [NAME]).fetchone()

    def _run(self) -> None:
        """In a process of its own."""
        with _at(self._root, self._config):
            while not _has_tables(self._settings):
                time.sleep(0.02)
            # a program that cannot read the tables ends, and is started again
            while True:
                with contextlib.suppress(TooNew):
                    index = open_index(self._root)
                    break
                time.sleep(0.02)
            Follower(index, lambda: None).run()


@contextlib.contextmanager
def following(settings: postgresql.Settings | None, store: ObjectStore | None) -> Iterator[Second | None]:
    """It follows for the block; None if tests are to have one gateway."""
    if not (settings and os.environ.get(WANTED)):
        yield None
        return
    with tempfile.TemporaryDirectory(dir=in_memory()) as directory:
        second = Second(Path(directory), settings, store)
        second.start()
        try:
            yield second
        finally:
            second.stop()


def _has_tables(settings: postgresql.Settings) -> bool:
    """Whether the first gateway is there."""
    with contextlib.suppress(psycopg.Error), postgresql.connected(settings) as connection:
        return bool(connection.execute("SELECT 1 FROM gateways WHERE name <> %s", [NAME]).fetchone())
    return False


@contextlib.contextmanager
def _at(root: Path, config: Path) -> Iterator[None]:
    """The program finds this shelf and this configuration."""
    before = dict(os.environ)
    os.environ.update(WHEELHOUSE_SHELF=str(root), WHEELHOUSE_CONFIG=str(config))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

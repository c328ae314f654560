"""`wheelhouse trial`: a version that works on a copy of the database says so, and one that does not leaves no trace."""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wheelhouse import cli
from wheelhouse.errors import Full, Rejected, TooNew
from wheelhouse.index import migrations
from wheelhouse.index.opening import open_index
from wheelhouse.web import trial

from . import postgresql
from .durable_changes import publish
from .samples import Wheel

SETTINGS = Path(__file__).parents[3] / "roles/pypi_index/files/wheelhouse/gunicorn.conf.py"

SOURCE = Path(cli.__file__).parents[1]

pytestmark = pytest.mark.usefixtures("environment")


@pytest.fixture(autouse=True)
def the_program_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(SOURCE))


@pytest.fixture
def on_sqlite(database: object) -> None:
    if database:
        pytest.skip("the trial copies SQLite alone")


def everything(*places: Path) -> dict[Path, tuple[int, bytes]]:
    """What is in directories, but for the locks and logs that each opening of a database makes.

    Of a database it is the rows: when they go from its log into its file is SQLite's own affair.
    """
    return {
        path: (path.stat().st_mode, rows_of(path) if path.suffix == ".sqlite" else path.read_bytes())
        for place in places
        for path in place.rglob("*")
        if path.is_file() and path.suffix not in (".lock", ".sqlite-shm", ".sqlite-wal")
    }


def rows_of(path: Path) -> bytes:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump()).encode()


def a_settings_file(directory: Path, more: str) -> Path:
    """gunicorn's configuration of a version with something else in it."""
    file = directory / "gunicorn.conf.py"
    file.write_text(SETTINGS.read_text() + more)
    return file


@pytest.mark.usefixtures("on_sqlite")
def test_a_version_that_works(root: Path, config: Path) -> None:
    publish(open_index(root), Wheel())
    before = everything(root, config)
    outcome = trial.run(root, config, SETTINGS)
    assert outcome == trial.Outcome(migrations.HEAD, migrations.HEAD, is_readable_before=True)
    assert everything(root, config) == before
    assert list((root / "incoming").glob("trial-*")) == []


@pytest.mark.usefixtures("on_sqlite")
def test_the_command(root: Path, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    open_index(root)
    run = trial.run
    monkeypatch.setattr(trial, "run", lambda shelf, settings: run(shelf, settings, SETTINGS))
    assert cli.main(["trial", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "tables_before": migrations.HEAD,
        "tables": migrations.HEAD,
        "is_readable_before": True,
    }
    assert cli.main(["trial"]) == 0
    assert "a file was published" in capsys.readouterr().out


@pytest.mark.usefixtures("on_sqlite")
def test_a_shelf_without_a_database(root: Path, config: Path) -> None:
    (root / "incoming").mkdir(parents=True)
    assert trial.run(root, config, SETTINGS).tables_before is None


@pytest.mark.usefixtures("on_sqlite")
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("raise SystemExit('it is of no use')", "does not start: it is of no use"),
        (
            "from wheelhouse.index.transaction import Index\nIndex.publish = lambda *_, **__: []",
            "took an upload, and its page cannot be read",
        ),
        (
            "from wheelhouse.config import Settings\nSettings.knows = lambda *_: False",
            "does not take an upload: it answers 401",
        ),
        (
            "from wheelhouse.config import Settings\nSettings.knows = lambda *_: True",
            "does not refuse a wrong password: it answers 200",
        ),
        (
            "from wheelhouse.index import opening\n"
            "def _fails(*_): raise OSError(28, 'No space left on device')\n"
            "opening.migrations.is_current = lambda _: False\nopening.migrations.upgrade = _fails",
            "No space left on device",
        ),
    ],
    ids=["does not start", "loses files", "knows nobody", "knows everybody", "cannot change the tables"],
)
def test_a_version_that_does_not(root: Path, config: Path, tmp_path: Path, broken: str, said: str) -> None:
    publish(open_index(root), Wheel())
    before = everything(root, config)
    with pytest.raises(trial.Failed, match=said):
        trial.run(root, config, a_settings_file(tmp_path, f"\n{broken}\n"))
    assert everything(root, config) == before
    assert list((root / "incoming").glob("trial-*")) == []


@pytest.mark.usefixtures("on_sqlite")
def test_tables_of_a_later_version(root: Path, config: Path) -> None:
    index = open_index(root)
    with sqlite3.connect(root / "state" / "index.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('oldest reader', '9999')")
    index.database.close()
    with pytest.raises(TooNew, match=r"9999, which this one, made for .* cannot read"):
        trial.run(root, config, SETTINGS)


@pytest.mark.usefixtures("on_sqlite")
def test_no_room_for_a_copy(root: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_index(root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
    with pytest.raises(Full, match="needs 64 MiB for a copy of the database, and the disk has 0 MiB"):
        trial.run(root, config, SETTINGS)


@pytest.mark.usefixtures("on_sqlite")
def test_settings_that_this_version_refuses(root: Path, config: Path, configure: Callable[..., None]) -> None:
    open_index(root)
    configure(minimum_age="a week")
    with pytest.raises(trial.Failed, match="minimum_age"):
        trial.run(root, config, SETTINGS)


def test_a_database_elsewhere(root: Path, config: Path) -> None:
    postgresql.configure(config, {"host": "/nowhere", "name": "index", "username": "it"})
    with pytest.raises(Rejected, match="SQLite"):
        trial.run(root, config, SETTINGS)


def test_what_people_are_shown() -> None:
    def said(before: str | None, after: str, *, is_readable: bool) -> str:
        return trial.Outcome(before, after, is_readable).lines()[0]

    assert "stay as they are (0002)" in said("0002", "0002", is_readable=True)
    assert "stay as they are (0002)" in said(None, "0002", is_readable=True)
    assert "can be installed again" in said("0001", "0002", is_readable=True)
    assert "the way back is a backup" in said("0001", "0002", is_readable=False)

"""`wheelhouse backup` of several gateways: the rows of their database, in a SQLite that one host can go on with."""

import shutil
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.index import backup

from . import gateways, postgresql
from .samples import Wheel


@pytest.fixture
def is_sqlite(database: object) -> None:
    if database:
        pytest.skip("has a server of its own")


def test_a_copy_of_the_rows_and_the_bytes_make_an_index(
    is_sqlite: None, socket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied, again, alone = tmp_path / "copy", tmp_path / "again", tmp_path / "config"
    copied.mkdir()
    with postgresql.database(socket) as settings:
        gateway = gateways.make(tmp_path, "one", settings)
        index = gateway.open()
        name = gateways.upload(index)
        page = (gateway.root / "simple" / "acme-tools" / "index.html").read_bytes()
        with gateway.here():
            assert cli.main(["backup", str(copied)]) == 0
            assert cli.main(["backup", "--check", str(copied)]) == 0
            gateways.upload(index, "2.0")
        index.database.close()
    (again / "state").mkdir(parents=True)
    shutil.copytree(tmp_path / "blobs", again / "blobs")
    shutil.copy(copied / backup.FILE, again / "state" / "index.sqlite")
    shutil.copytree(gateway.config, alone, ignore=shutil.ignore_patterns("database.json"))
    monkeypatch.setenv("WHEELHOUSE_SHELF", str(again))
    monkeypatch.setenv("WHEELHOUSE_CONFIG", str(alone))
    assert cli.main(["reindex", "--from-start"]) == 0
    assert (again / "simple" / "acme-tools" / "index.html").read_bytes() == page
    assert (again / "packages" / "acme-tools" / name).read_bytes() == Wheel().build()


def test_bytes_that_are_gone_are_named(
    is_sqlite: None, socket: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with postgresql.database(socket) as settings:
        gateway = gateways.make(tmp_path, "one", settings)
        index = gateway.open()
        name = gateways.upload(index)
        (tmp_path / "copy").mkdir()
        with gateway.here():
            assert cli.main(["backup", str(tmp_path / "copy")]) == 0
            for path in [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]:
                path.unlink()
            assert cli.main(["backup", "--check", str(tmp_path / "copy")]) == 1
        index.database.close()
    assert f"The bytes of acme-tools {name} are not in the store." in capsys.readouterr().err


def test_a_copy_that_was_stopped_leaves_the_one_before(is_sqlite: None, socket: str, tmp_path: Path) -> None:
    copied = tmp_path / "copy"
    copied.mkdir()
    with postgresql.database(socket) as settings:
        gateway = gateways.make(tmp_path, "one", settings)
        index = gateway.open()
        gateways.upload(index)
        backup.copy(index.database, index.store, copied)
        before = (copied / backup.FILE).read_bytes()
        (copied / f"{backup.FILE}.new").write_bytes(b"half of it")
        gateways.disconnect(index.database)
        backup.copy(index.database, index.store, copied)
        index.database.close()
    assert sorted(path.name for path in copied.iterdir()) == ["backup.json", "index.sqlite"]
    assert len((copied / backup.FILE).read_bytes()) == len(before)

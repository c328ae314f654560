"""`wheelhouse backup`: a copy of the database that can be restored, made while people publish."""

import json
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.index import backup
from wheelhouse.store.base import blob

from .journal import journal
from .samples import Client, Wheel, sdist

WHEEL = Wheel().filename


@pytest.fixture(autouse=True)
def is_sqlite(database: object) -> None:
    if database:
        pytest.skip("a server's database has its own tools")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    directory = tmp_path / "copy"
    directory.mkdir()
    return directory


def restore(root: Path, copied: Path, place: Path) -> Path:
    """A shelf of a copy, and of the bytes as they are now."""
    shutil.copytree(root / "blobs", place / "blobs")
    (place / "state").mkdir()
    shutil.copy(copied / backup.FILE, place / "state" / "index.sqlite")
    return place


def test_a_copy_and_the_bytes_make_the_same_shelf(
    client: Client, root: Path, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.upload(WHEEL, Wheel().build()).status == 200
    assert client.upload("acme_tools-1.0.tar.gz", sdist()).status == 200
    assert cli.main(["yank", "acme-tools", "1.0", "--reason", "it is broken", "--by", "ada"]) == 0
    before = journal(root)
    assert cli.main(["backup", str(copied)]) == 0
    assert sorted(path.name for path in copied.iterdir()) == ["backup.json", "index.sqlite"]
    page = (root / "simple" / "acme-tools" / "index.html").read_bytes()
    again = restore(root, copied, tmp_path / "again")
    monkeypatch.setenv("WHEELHOUSE_SHELF", str(again))
    assert cli.main(["backup", "--check", str(copied)]) == 0
    assert cli.main(["reindex", "--from-start"]) == 0
    assert cli.main(["verify", "--from-start"]) == 0
    assert (again / "simple" / "acme-tools" / "index.html").read_bytes() == page
    assert (again / "packages" / "acme-tools" / WHEEL).read_bytes() == Wheel().build()
    assert journal(again)[: len(before)] == before


def test_it_says_what_it_copied(client: Client, root: Path, copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert client.upload(WHEEL, Wheel().build()).status == 200
    assert cli.main(["backup", str(copied)]) == 0
    told = json.loads((copied / backup.MANIFEST).read_text())
    assert (told["events"], told["last_event"], told["files"], told["lost"]) == (1, 1, 2, [])
    assert told["bytes"] == sum(path.stat().st_size for path in (root / "blobs").glob("*/*"))
    assert "1 events and 2 files" in capsys.readouterr().out


def test_bytes_that_went_after_the_copy_are_noticed(
    client: Client, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client.upload(WHEEL, Wheel().build()).status == 200
    assert cli.main(["backup", str(copied)]) == 0
    assert cli.main(["remove", "acme-tools", "1.0", "--reason", "a mistake", "--by", "ada"]) == 0
    assert cli.main(["backup", "--check", str(copied)]) == 1
    assert f"The bytes of acme-tools {WHEEL} are not in the store." in capsys.readouterr().err
    assert cli.main(["backup", str(copied)]) == 0
    assert cli.main(["backup", "--check", str(copied)]) == 0


def test_bytes_that_were_gone_before_are_a_problem_of_the_shelf_and_not_of_the_backup(
    client: Client, root: Path, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client.upload(WHEEL, Wheel().build()).status == 200
    [sha256] = [event["sha256"] for event in journal(root)]
    (root / blob(sha256)).unlink()
    assert cli.main(["backup", str(copied)]) == 1
    assert "The bytes of 1 published files are gone: run reindex." in capsys.readouterr().err
    assert cli.main(["backup", "--check", str(copied)]) == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET who = 'eve' WHERE id = 1",
        "DELETE FROM events WHERE id = 1",
        "INSERT INTO events (event, who, time) VALUES ('verify', 'eve', '2026-01-01T00:00:00.000000Z')",
    ],
)
def test_events_that_are_not_those_that_were_copied_are_noticed(
    client: Client, copied: Path, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    assert client.upload(WHEEL, Wheel().build()).status == 200
    assert cli.main(["backup", str(copied)]) == 0
    with sqlite3.connect(copied / backup.FILE) as connection:
        connection.execute(change)
    assert cli.main(["backup", "--check", str(copied)]) == 1
    assert "The copy has other events than were copied" in capsys.readouterr().err


def test_a_damaged_copy_is_noticed(client: Client, copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert client.upload(WHEEL, Wheel().build()).status == 200
    assert cli.main(["backup", str(copied)]) == 0
    (copied / backup.FILE).write_bytes((copied / backup.FILE).read_bytes()[:-8192])
    assert cli.main(["backup", "--check", str(copied)]) == 1
    assert "wheelhouse: " in capsys.readouterr().err


def test_a_directory_without_a_copy(environment: None, copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["backup", "--check", str(copied)]) == 1
    assert capsys.readouterr().err == f"wheelhouse: There is no backup.json in {copied}.\n"
    assert cli.main(["backup", str(copied / "not there")]) == 1
    assert "is no directory" in capsys.readouterr().err


def test_copies_while_people_publish(client: Client, root: Path, copied: Path) -> None:
    """Each copy is one moment: whatever it names was there before, and nothing waits for it."""
    done = threading.Event()
    answers = []

    def publish() -> None:
        number = 0
        while not done.is_set():
            number += 1
            wheel = Wheel(version=f"1.{number}")
            answers.append(client.upload(wheel.filename, wheel.build()).status)

    thread = threading.Thread(target=publish)
    thread.start()
    counts = []
    try:
        for _ in range(8):
            assert cli.main(["backup", str(copied)]) == 0
            assert cli.main(["backup", "--check", str(copied)]) == 0
            counts.append(json.loads((copied / backup.MANIFEST).read_text())["events"])
    finally:
        done.set()
        thread.join()
    assert set(answers) == {200}
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]

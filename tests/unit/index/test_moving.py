"""`wheelhouse migrate-store`: from one host to several and back, whatever comes in between."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from memory import in_memory
from sqlalchemy import text
from wheelhouse import cli
from wheelhouse.errors import Busy, Conflict, Damaged, Rejected
from wheelhouse.index import copying, events, moving, opening, tables
from wheelhouse.index.tokens import Tokens, Wanted
from wheelhouse.index.transaction import Index
from wheelhouse.store.base import blob

from . import postgresql
from .gateways import Gateway, make, upload
from .killed_run import forked
from .kills import at_every_step, at_random_moments
from .served import disagreements


class Office:
    """One host, whose index may be in its shelf or on a server."""

    def __init__(self, gateway: Gateway, settings: postgresql.Settings) -> None:
        self.gateway = gateway
        self.settings = settings

    def is_alone(self) -> None:
        """The configuration of one host, as before it moves, and after it has come back."""
        (self.gateway.config / "database.json").unlink(missing_ok=True)

    def is_one_of_several(self) -> None:
        postgresql.configure(self.gateway.config, self.settings)

    def run(self, *arguments: str) -> int:
        with self.gateway.here():
            return cli.main(["migrate-store", *arguments])

    def content(self) -> dict[str, copying.Content]:
        """What all tables have, but for what is each host's own."""
        index = self.gateway.open()
        with index.database.read() as connection:
            own = {tables.meta, tables.reports}
            found = {one.name: copying.content(connection, one) for one in copying.COPIED if one not in own}
        index.database.close()
        return found

    def is_as_it_should(self) -> None:
        with self.gateway.here():
            assert disagreements(self.gateway.root) == []


@pytest.fixture
def office(socket: str) -> Iterator[Office]:
    directory = Path(tempfile.mkdtemp(dir=in_memory()))
    with postgresql.database(socket) as settings:
        office = Office(make(directory, "a", settings), settings)
        office.is_alone()
        yield office
    shutil.rmtree(directory)


def fill(index: Index) -> None:
    """A little of everything."""
    for version in ("1.0", "2.0", "3.0"):
        upload(index, version)
    index.yank("acme-tools", "1.0", "broken", "ada")
    index.remove("acme-tools", "2.0", "a mistake", "ada")
    index.set_status("acme-tools", "deprecated", None, "ada")
    index.make_channel("internal", ["noarch"])
    index.deny({"evil": {"1.0": ("It is evil.", ("CVE-1",))}})
    index.save_lock("lock")
    index.keep_set("20260307T093000Z", "text", 5)
    index.note_served("requests", "requests-1.0.tar.gz", "0" * 64)
    Tokens(index.database).create(Wanted("ada", "laptop"), ["acme-*"], "ada")
    index.write_reports({"last-run.json": b"{}", "assets/style.css": b"x"})


@pytest.fixture
def filled(office: Office) -> Office:
    index = office.gateway.open()
    fill(index)
    index.database.close()
    return office


def test_there_and_back(filled: Office, capsys: pytest.CaptureFixture[str]) -> None:
    before = filled.content()
    filled.is_one_of_several()
    assert filled.run() == 0
    assert " rows, and 4 files with " in capsys.readouterr().out
    assert filled.content() == before
    filled.is_as_it_should()
    index = filled.gateway.open()
    assert not index.database.is_sqlite
    upload(index, "4.0")
    with index.database.read() as connection:
        assert [number for number, _ in events.since(connection)] == [*range(1, before["events"].rows + 2)]
    other = make(filled.gateway.root.parent, "b", filled.settings)
    other.open()
    assert other.listed() == filled.gateway.listed() and (other.root / "reports/assets/style.css").exists()
    there = filled.content()

    assert filled.run("--back") == 0
    filled.is_alone()
    assert filled.content() == there
    filled.is_as_it_should()
    index = filled.gateway.open()
    assert index.database.is_sqlite
    upload(index, "5.0")

    filled.is_one_of_several()
    assert filled.run() == 0
    filled.is_as_it_should()
    assert len(filled.gateway.listed()) == 4


def test_the_old_place_takes_no_changes_any_more_and_is_not_opened(filled: Office) -> None:
    running = filled.gateway.open()
    filled.is_one_of_several()
    assert filled.run() == 0
    with pytest.raises(Busy, match="The index is being moved to another database"):
        upload(running, "4.0")
    filled.is_alone()
    with pytest.raises(Rejected, match="The index was moved from this database to another one"):
        filled.gateway.open()
    filled.is_one_of_several()
    gateway = filled.gateway.open()
    assert filled.run("--back") == 0
    with pytest.raises(Busy, match="The index is being moved to another database"):
        upload(gateway, "4.0")
    with pytest.raises(Rejected, match="The index was moved from this database to another one"):
        filled.gateway.open()


def test_what_is_published_while_files_are_copied_comes_along(filled: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    running = filled.gateway.open()
    copy, times = moving._copy_bytes, list[int]()

    def copy_and_publish(*arguments: Any) -> list[str]:
        lost = copy(*arguments)
        times.append(1)
        if len(times) == 1:
            upload(running, "4.0")
        return lost

    monkeypatch.setattr(moving, "_copy_bytes", copy_and_publish)
    filled.is_one_of_several()
    assert filled.run() == 0
    assert "acme_tools-4.0-py3-none-any.whl" in filled.gateway.listed()
    filled.is_as_it_should()


def test_a_kill_at_any_moment_is_mended_by_another_run(filled: Office) -> None:
    at_random_moments(repaired(filled), 100, 20)


@pytest.mark.long
def test_a_kill_at_every_moment_is(filled: Office) -> None:
    at_every_step(repaired(filled), 20)


def repaired(filled: Office) -> Callable[[int], bool]:
    """A run that is killed, and another one."""
    before = filled.content()
    filled.is_one_of_several()
    saved = filled.gateway.root.with_name("saved")
    shutil.copytree(filled.gateway.root, saved, symlinks=True)

    def is_repaired(step: int) -> bool:
        shutil.rmtree(filled.gateway.root)
        shutil.copytree(saved, filled.gateway.root, symlinks=True)
        postgresql.empty(filled.settings)
        killed = forked(step, partial(_succeed, filled.run))
        _succeed(filled.run)
        assert filled.content() == before, step
        filled.is_as_it_should()
        return killed

    return is_repaired


def _succeed(run: Callable[[], int]) -> None:
    assert run() == 0


def test_bytes_that_are_damaged_are_not_moved(filled: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor those that are gone, which is told."""
    index = filled.gateway.open()
    with index.database.read() as connection:
        digest = connection.execute(text("SELECT sha256 FROM files WHERE version = '3.0'")).scalar()
    path = index.store.path(blob(digest))
    assert path
    monkeypatch.setattr(type(index.store), "head", lambda *_: None)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    filled.is_one_of_several()
    with pytest.raises(Damaged, match=f"The bytes of {digest} are damaged"), filled.gateway.here():
        move(filled)
    path.unlink()
    with filled.gateway.here():
        assert move(filled).lost == (digest,)


def move(office: Office) -> moving.Moved:
    source, target, staging = opening.places(office.gateway.root)
    return moving.move(source, target, staging)


def test_a_database_that_has_an_index_is_left_alone(filled: Office) -> None:
    other = make(filled.gateway.root.parent / "other", "b", filled.settings)
    upload(other.open())
    filled.is_one_of_several()
    with pytest.raises(Conflict, match="The database is not empty: there are rows in "), filled.gateway.here():
        move(filled)
    filled.is_alone()
    upload(filled.gateway.open(), "4.0")


def test_a_host_has_no_index_of_its_own_beside_the_one_it_shares(filled: Office) -> None:
    """Nobody who forgot to move it serves an empty one."""
    filled.is_one_of_several()
    with pytest.raises(Rejected, match=r"index.sqlite is an index of this host alone, .* `wheelhouse migrate-store`"):
        filled.gateway.open()


def test_without_a_server_there_is_nowhere_to_go(filled: Office, capsys: pytest.CaptureFixture[str]) -> None:
    assert filled.run() == 1
    assert "has no database.json" in capsys.readouterr().err


def test_nothing_else_is_under_way(filled: Office, capsys: pytest.CaptureFixture[str]) -> None:
    index = filled.gateway.open()
    filled.is_one_of_several()
    with index.database.alone("intake"):
        assert filled.run() == 1
    assert "Another intake is under way." in capsys.readouterr().err

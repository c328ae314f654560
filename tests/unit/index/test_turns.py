"""What one gateway does at a time: who has the turn may lose it, and then changes nothing any more."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.errors import Busy
from wheelhouse.index import queries
from wheelhouse.index.transaction import Index

from . import postgresql
from .gateways import CONTEXT, Gateway, disconnect, make, until, upload


@pytest.fixture
def pair(socket: str, tmp_path: Path) -> Iterator[tuple[Gateway, Gateway]]:
    with postgresql.database(socket) as settings:
        yield make(tmp_path, "a", settings), make(tmp_path, "b", settings)


def is_free(index: Index) -> bool:
    try:
        with index.database.alone("intake"):
            return True
    except Busy as error:
        assert str(error) == "Another intake is under way."
        return False


def test_a_host_that_is_dead_loses_its_turn(pair: tuple[Gateway, Gateway]) -> None:
    one, other = pair
    index = other.open()
    ready = CONTEXT.Event()

    def hold() -> None:
        with one.open().database.alone("intake"):
            ready.set()
            signal.pause()

    holder = CONTEXT.Process(target=hold, daemon=True)
    holder.start()
    assert ready.wait(60)
    assert not is_free(index)
    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join()
    until(lambda: is_free(index))


def test_who_lost_the_turn_to_another_changes_nothing(pair: tuple[Gateway, Gateway]) -> None:
    """A host that was paused, or behind a wall, for as long as the server waits, goes on where it was."""
    first, second = (gateway.open() for gateway in pair)
    with first.database.alone("intake"):
        upload(first)
        disconnect(first.database)
        with second.database.alone("intake"):
            with pytest.raises(Busy, match="This intake lost its turn"):
                upload(first, "2.0")
            upload(second, "3.0")
        with pytest.raises(Busy, match="another one has begun"):
            first.note()
    with second.database.read() as connection:
        found = queries.files(connection, "acme-tools")
    assert {file.version for file in found.values()} == {"1.0", "3.0"}
    upload(first, "4.0")  # which is no part of any intake


def test_who_lost_the_connection_and_not_the_turn_goes_on(pair: tuple[Gateway, Gateway]) -> None:
    first, second = (gateway.open() for gateway in pair)
    with first.database.alone("intake"):
        disconnect(first.database)
        upload(first)
    assert is_free(second)


@pytest.mark.parametrize("is_taken_for_dead", [False, True])
def test_who_is_paused_has_the_turn_until_another_one_has_it(
    pair: tuple[Gateway, Gateway], is_taken_for_dead: bool
) -> None:
    """A process that is stopped keeps it, a host that is stopped loses it after half a minute."""
    one, other = pair
    index = other.open()
    ready, go, lost = CONTEXT.Event(), CONTEXT.Event(), CONTEXT.Event()

    def hold() -> None:
        mine = one.open()
        with mine.database.alone("intake"):
            ready.set()
            go.wait()
            try:
                upload(mine, "2.0")
            except Busy:
                lost.set()

    holder = CONTEXT.Process(target=hold, daemon=True)
    holder.start()
    assert ready.wait(60)
    os.kill(holder.pid or 0, signal.SIGSTOP)
    assert not is_free(index)
    upload(index, "1.0")  # nobody else waits
    if is_taken_for_dead:
        disconnect(index.database)
        assert is_free(index)
    os.kill(holder.pid or 0, signal.SIGCONT)
    go.set()
    holder.join()
    assert (holder.exitcode, lost.is_set()) == (0, is_taken_for_dead)
    with index.database.read() as connection:
        found = {file.version for file in queries.files(connection, "acme-tools").values()}
    assert found == ({"1.0"} if is_taken_for_dead else {"1.0", "2.0"})
    assert is_free(index)


def test_nobody_takes_the_turn_in_the_middle_of_a_change(pair: tuple[Gateway, Gateway]) -> None:
    """Between the look at who has it and the end of the transaction."""
    first, second = (gateway.open() for gateway in pair)
    done = CONTEXT.Event()

    def take() -> None:
        with pair[1].open().database.alone("intake"):
            done.set()

    with first.database.alone("intake"):
        disconnect(first.database)
        with first.database.engine.begin() as connection:
            first.database.server.check_turns(connection)  # type: ignore[union-attr]
            taker = CONTEXT.Process(target=take, daemon=True)
            taker.start()
            assert not done.wait(1)
        assert done.wait(60)
    taker.join()
    assert is_free(second)


def test_housekeeping_of_the_index_is_one_gateways_at_a_time(
    pair: tuple[Gateway, Gateway], capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = pair
    config = one.config / "config.json"
    retention = '"retention": [{"projects": "acme-*", "versions": "*.dev*", "keep": 1}], "upstream"'
    config.write_text(config.read_text().replace('"upstream"', retention, 1))
    index = one.open()
    for number in range(3):
        upload(index, f"1.0.dev{number}")
    refused = index.staging.quarantine / "20200101T000000Z-x.whl"
    refused.write_bytes(b"x")
    with one.here():
        with other.open().database.alone("housekeeping"):
            assert cli.main(["housekeeping"]) == 0
        assert not refused.exists() and capsys.readouterr().out.endswith("1 removed, 1 bytes.\n")
        assert cli.main(["housekeeping"]) == 0
    assert "release acme-tools 1.0.dev0" in capsys.readouterr().out

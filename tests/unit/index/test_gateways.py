"""Several gateways on one PostgreSQL: each shows what any of them was told, and none waits for one that is dead."""

import json
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from memory import in_memory
from sqlalchemy import text
from wheelhouse.errors import Conflict
from wheelhouse.index import downloads, events, follower, gateways, health, queries, tables
from wheelhouse.index.events import VERIFY, Event, now
from wheelhouse.index.gateways import mark_dirty
from wheelhouse.index.health import Health
from wheelhouse.index.machine_tokens import KEY_FILE, MachineTokens, Request
from wheelhouse.index.tokens import LIVE_FILE, Tokens, Wanted
from wheelhouse.index.transaction import Index
from wheelhouse.store.base import blob

from . import postgresql
from .gateways import PATIENCE, Gateway, make, stop_between_changes, until, upload

New = Callable[..., Gateway]


@pytest.fixture
def new(socket: str) -> Iterator[New]:
    """Makes gateways, which share a database and a store."""
    directory, made = Path(tempfile.mkdtemp(dir=in_memory())), list[Gateway]()
    with postgresql.database(socket) as settings:

        def one(name: str, **more: str) -> Gateway:
            made.append(make(directory, name, {**settings, **more}))
            return made[-1]

        yield one
        for gateway in made:
            gateway.send(signal.SIGKILL)
    shutil.rmtree(directory)


def dirty(index: Index) -> set[tuple[str, str]]:
    """(gateway, place) of what waits."""
    with index.database.read() as connection:
        return {(row.gateway, row.place) for row in connection.execute(tables.dirty.select())}


def mark(index: Index) -> None:
    """Have all gateways render a project."""
    with index.database.change("acme-tools") as connection:
        mark_dirty(connection, ["acme-tools"])


def test_what_is_answered_is_shown_by_all(new: New) -> None:
    one, other = new("a").open(), new("b")
    other.start()
    name = upload(one)
    assert other.listed() == {name}
    one.yank("acme-tools", "1.0", "broken", "ada")
    page = json.loads((other.root / "simple/acme-tools/index.json").read_text())
    assert page["files"][0]["yanked"] == "broken"
    assert (other.root / "packages/acme-tools" / name).read_bytes() == (
        one.site.root / "packages/acme-tools" / name
    ).read_bytes()
    one.set_status("acme-tools", "archived", "use another", "ada")
    assert "archived" in (other.root / "simple/acme-tools/index.json").read_text()
    one.remove("acme-tools", "1.0", "a mistake", "ada")
    assert other.listed() == set() and not (other.root / "packages/acme-tools" / name).exists()
    assert dirty(one) == set()


def test_of_one_that_is_dead_nobody_waits(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = new("a").open(), new("b")
    other.start()
    other.send(signal.SIGKILL)
    monkeypatch.setattr(gateways, "LIVE", 0.0)
    monkeypatch.setattr(gateways, "PATIENCE", PATIENCE)
    start = time.monotonic()
    name = upload(one)
    assert time.monotonic() - start < PATIENCE / 2
    assert dirty(one) == {("b", ""), ("b", "acme-tools")} and other.listed() == set()
    other.start()
    until(lambda: other.listed() == {name})


def test_one_that_does_not_render_is_waited_for_and_not_for_ever(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = new("a").open(), new("b")
    other.start()
    other.send(signal.SIGSTOP)
    monkeypatch.setattr(gateways, "LIVE", PATIENCE)
    monkeypatch.setattr(gateways, "PATIENCE", 1.0)
    start = time.monotonic()
    name = upload(one)
    assert 1.0 <= time.monotonic() - start < PATIENCE
    assert other.listed() == set()
    other.send(signal.SIGCONT)
    until(lambda: other.listed() == {name})


def test_a_later_change_of_the_place_does_not_end_the_wait(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row of the place has the mark of the last change; who waits for an earlier one goes on."""
    one, other = new("a").open(), new("b")
    other.start()
    other.send(signal.SIGSTOP)
    monkeypatch.setattr(gateways, "LIVE", PATIENCE)
    monkeypatch.setattr(gateways, "PATIENCE", PATIENCE)
    asked = threading.Semaphore(0)
    monkeypatch.setattr(gateways.time, "sleep", lambda seconds: (asked.release(), threading.Event().wait(seconds)))
    mark(one)
    waiter = threading.Thread(target=gateways.wait_for_others, args=(one.database, ["acme-tools"]))
    waiter.start()
    asked.acquire()
    mark(one)
    for _ in range(3):
        assert asked.acquire(timeout=PATIENCE / 4)
    other.send(signal.SIGCONT)
    waiter.join(PATIENCE / 2)
    assert not waiter.is_alive()


def test_what_it_was_not_told_of_it_finds(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = new("a").open(), new("b")
    with monkeypatch.context() as deaf:
        deaf.setattr(gateways, "NEWS", "nobody")
        other.start()
    monkeypatch.setattr(gateways, "PATIENCE", 0.0)
    name = upload(one)
    until(lambda: other.listed() == {name})


def test_it_is_told_sooner_than_it_looks(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = new("a").open(), new("b")
    with monkeypatch.context() as lazy:
        lazy.setattr(follower, "LOOK_EVERY", 10 * PATIENCE)
        other.start()
    name = upload(one)
    assert other.listed() == {name}


def test_one_process_of_a_gateway_follows_and_another_one_takes_over(new: New) -> None:
    one, other = new("a").open(), new("b")
    other.start()
    second = Gateway(other.name, other.root, other.config)
    thread = threading.Thread(target=second.start)
    thread.start()
    names = {upload(one)}
    assert other.listed() == names
    other.send(signal.SIGKILL)
    names.add(upload(one, "2.0"))
    until(lambda: other.listed() == names)
    thread.join()
    second.send(signal.SIGKILL)


def test_a_new_one_renders_everything(new: New) -> None:
    one = new("a").open()
    name = upload(one)
    one.make_channel("internal", ["noarch"])
    other = new("b")
    index = other.open()
    assert other.listed() == {name} and (other.root / "conda/internal/noarch/repodata.json").exists()
    assert json.loads((other.root / "simple/index.json").read_text())["projects"] == [{"name": "acme-tools"}]
    assert dirty(index) == set()


def test_nothing_is_kept_for_one_that_was_away_for_a_day(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = new("a").open(), new("b")
    other.open().database.close()
    gateways.take_off_dead(one.database)
    with one.database.read() as connection:
        assert set(gateways.known(connection)) == {"a", "b"}
    with monkeypatch.context() as later:
        later.setattr(gateways, "FORGOTTEN", 0.0)
        gateways.take_off_dead(one.database)
    name = upload(one)
    assert dirty(one) == set()
    with one.database.read() as connection:
        assert set(gateways.known(connection)) == {"a"}
    other.open()
    assert other.listed() == {name}


def test_one_that_is_taken_off_while_it_sleeps_renders_everything(new: New) -> None:
    one, other = new("a").open(), new("b")
    other.start()
    stop_between_changes(other, one.database)
    with one.database.change_alone() as connection:
        connection.execute(text("DELETE FROM gateways WHERE name = 'b'"))
    name = upload(one)
    other.send(signal.SIGCONT)
    until(lambda: other.listed() == {name})


def test_a_change_that_is_under_way_while_one_joins_is_not_lost(new: New) -> None:
    one, other = new("a").open(), new("b")
    joining = threading.Thread(target=other.open)
    with one.database.change("acme-late") as connection:
        joining.start()
        waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        until(lambda: connection.execute(waits).scalar())
        mark_dirty(connection, ["acme-late"])
        connection.execute(tables.projects.insert().values(name="acme-late"))
    joining.join()
    with one.database.read() as connection:
        assert set(gateways.known(connection)) == {"a", "b"}
    # It was rendered, or waits: b knew of it.
    with one.database.change("acme-late") as connection:
        mark_dirty(connection, ["acme-late"])
    assert ("b", "acme-late") in dirty(one)


def test_one_name_with_other_bytes_at_the_same_moment(new: New) -> None:
    indexes = [new("a").open(), new("b").open()]
    for number in range(5):
        outcomes: list[str] = []

        def publish(index: Index, content: bytes, number: int = number, outcomes: list[str] = outcomes) -> None:
            try:
                upload(index, f"1.{number}", members={"acme_tools/x.py": content})
                outcomes.append("published")
            except Conflict:
                outcomes.append("refused")

        threads = [
            threading.Thread(target=publish, args=(index, name))
            for index, name in zip(indexes, (b"a", b"b"), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["published", "refused"]
    with indexes[0].database.read() as connection:
        assert len(queries.files(connection, "acme-tools")) == 5


def test_bytes_stay_as_long_as_a_gateway_shows_them(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = new("a").open(), new("b")
    name = upload(one)
    behind = other.open()
    [sha256] = [event["sha256"] for event in journal_of(one)]
    monkeypatch.setattr(gateways, "PATIENCE", 0.0)
    one.remove("acme-tools", "1.0", "a mistake", "ada")
    assert other.listed() == {name} and one.store.head(blob(sha256))
    behind.render_dirty()
    assert other.listed() == set()
    assert one.sweep(everything=True) >= 1 and one.store.head(blob(sha256)) is None


def journal_of(index: Index) -> list[dict[str, Any]]:
    with index.database.read() as connection:
        return [event.__dict__ for _, event in events.since(connection)]


def test_what_is_restricted_is_each_gateways_own_setting(new: New) -> None:
    """While site.yml goes from one to the next, or could not reach one."""
    one, other = new("a").open(), new("b")
    second = other.open()
    upload(one)
    second.render_dirty()
    one.restrict(["acme-*"])
    second.restrict([])
    projects = [json.loads((index.site.root / "simple/index.json").read_text())["projects"] for index in (one, second)]
    assert projects == [[], [{"name": "acme-tools"}]]
    assert dirty(one) == set()


def test_where_copies_came_from_is_each_gateways_own(new: New) -> None:
    one, other = new("a").open(), new("b").open()
    one.note_upstreams("these")
    assert (one.upstreams(), other.upstreams()) == ("these", "")


def test_logs_of_two_gateways_may_have_one_name(new: New) -> None:
    one, other = new("a").open(), new("b").open()
    name = upload(one)
    line = f"{datetime.now(UTC).timestamp()} /packages/acme-tools/{name}\n"
    counted = [downloads.count(index.database, "downloads.log.1", [line]) for index in (one, other, one)]
    assert counted == [1, 1, None]
    with one.database.read() as connection:
        assert downloads.of_project(connection, "acme-tools").total == 2


def test_a_token_that_is_revoked_ends_on_all(new: New) -> None:
    one, other = new("a").open(), new("b")
    other.start()
    tokens = Tokens(one.database)
    token, _ = tokens.create(Wanted("ada", "laptop"), ["acme-*"], "ada")
    until(lambda: (other.root / LIVE_FILE).exists() and token.id in (other.root / LIVE_FILE).read_text())
    tokens.revoke([token.id], "ada")
    until(lambda: token.id not in (other.root / LIVE_FILE).read_text())


@pytest.mark.parametrize("is_other_fresh", [True, False])
def test_one_that_is_behind_leaves_the_balancer_if_another_is_not(
    new: New, monkeypatch: pytest.MonkeyPatch, is_other_fresh: bool
) -> None:
    monkeypatch.setattr(health, "KEPT", 0.0)
    one, _ = new("a").open(), new("b").open()
    state = Health(one)
    assert state.fault() is None
    old = f"{gateways._NOW} - 60000000000"
    with one.database.change("x") as connection:
        for name in ("a",) if is_other_fresh else ("a", "b"):
            connection.execute(
                text(f"INSERT INTO dirty (gateway, place, mark, first) VALUES ('{name}', 'x', {old}, {old})")
            )
    fault = state.fault()
    assert (fault is not None) == is_other_fresh
    assert fault is None or "Pages of this gateway are 60 seconds old" in fault


def test_the_rows_of_others_are_not_ours(new: New) -> None:
    """What one gateway renders says nothing of another one's pages."""
    one, other = new("a").open(), new("b").open()
    with one.database.change("x") as connection:
        mark_dirty(connection, ["acme-x"])
        mark_dirty(connection, ["acme-y"], only_here=True)
    assert dirty(one) == {("a", "acme-x"), ("b", "acme-x"), ("a", "acme-y")}
    one.render_dirty()
    assert dirty(one) == {("b", "acme-x")}
    other.render_dirty()
    assert dirty(one) == set()


def test_reports_are_on_all(new: New) -> None:
    one, other = new("a").open(), new("b")
    other.start()
    one.write_reports({"index.html": b"first", "last-run.json": b"{}"})
    assert (other.root / "reports/index.html").read_bytes() == b"first"
    one.write_reports({"index.html": b"second"})
    third = new("c")
    third.open()
    for gateway in (other, third):
        assert (gateway.root / "reports/index.html").read_bytes() == b"second"
        assert (gateway.root / "reports/last-run.json").read_bytes() == b"{}"
    one.write_reports({"index.html": b"second"})
    assert dirty(one) == set()


def test_machines_are_given_the_same_tokens_by_all(new: New) -> None:
    """By whatever gateway is asked, with nothing in the database that they could be made of."""
    wanted = Request({"ada": ["ws-ada"]})

    def text_by(name: str, password: str) -> str:
        gateway = new(name, password=password)
        answer = MachineTokens(gateway.open().database).settle(wanted, {"ada"}, "it")
        assert not (gateway.root / KEY_FILE).exists()
        return answer.tokens["ada"]["ws-ada"]

    given = text_by("a", "sesame")
    assert text_by("b", "sesame") == given
    assert text_by("c", "another") != given


def test_who_reads_events_one_after_the_other_misses_none(new: New) -> None:
    """The first to take a number is not the first to be done."""
    one, other = new("a").open(), new("b").open()

    def told(number: int = 0) -> list[str]:
        with other.database.read() as connection:
            return [event.who for _, event in events.since(connection, number)]

    with one.database.change("first") as connection:
        events.append(connection, [Event(VERIFY, "first", now())])
        other.note(Event(VERIFY, "second", now()))
        assert told() == []
    assert told() == ["first", "second"]


@pytest.mark.parametrize("off", [-600, 600])
def test_clocks_that_differ_do_not_count(new: New, monkeypatch: pytest.MonkeyPatch, off: int) -> None:
    """Of whether another gateway lives, and of which change came last."""
    one, other = new("a").open(), new("b")
    real = time.time
    with monkeypatch.context() as wrong:
        wrong.setattr(time, "time", lambda: real() + off)
        wrong.setattr(time, "time_ns", lambda: int((real() + off) * 1e9))
        other.start()
        second = other.open()
        names = {upload(second)}
    for version in ("2.0", "3.0"):
        names.add(upload(one, version))
        assert other.listed() == names
    second.remove("acme-tools", "1.0", "a mistake", "ada")
    assert {gateway for gateway, _ in dirty(one)} == {"a"} and len(other.listed()) == 2

"""The journal: written in the transactions that change rows, read by `wheelhouse journal`."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.index import events
from wheelhouse.index.events import PUBLISH, REFUSE, VERIFY, Event, now
from wheelhouse.index.opening import open_index
from wheelhouse.index.transaction import Index

from . import children
from .samples import Client, Wheel

FORGED = 'x\r\n{"event": "publish", "who": "ada"}\u2028\u202eevil\x1b[2J\x00\udc80'
KEPT = FORGED.replace("\0", "\\x00").replace("\udc80", "\\udc80")
"""What no database keeps is escaped."""


def event(number: int, who: str = "ada") -> Event:
    return Event(VERIFY, who, now(), size=number)


def append_many(root: Path, who: str) -> None:
    index = open_index(root)
    for number in range(50):
        index.note(event(number, who))


def read(index: Index, number: int = 0) -> list[Event]:
    with index.database.read() as connection:
        return [event for _, event in events.since(connection, number)]


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    assert cli.main(["journal", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_what_is_written_is_read_back(index: Index) -> None:
    written = [event(1), event(2, "ädä\n"), Event(PUBLISH, "ada", now(), findings=("one", "two"), size=2**40)]
    index.note(*written[:2])
    index.note(*written[2:])
    assert read(index) == written


def test_reading_goes_on_where_it_stopped(index: Index) -> None:
    index.note(event(1), event(2))
    with index.database.read() as connection:
        numbers = [number for number, _ in events.since(connection)]
    index.note(event(3))
    assert [one.size for one in read(index, numbers[0])] == [2, 3]
    assert [one.size for one in read(index, numbers[1])] == [3]


@pytest.mark.usefixtures("environment")
def test_no_event_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "--json") == printed(capsys) == []


def test_many_processes_at_once(index: Index, root: Path) -> None:
    writers = [children.start(partial(append_many, root, name)) for name in "abcd"]
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    found = read(index)
    assert len(found) == 200
    for name in "abcd":
        assert [one.size for one in found if one.who == name] == list(range(50))


def test_each_change_is_an_event(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    wheel = Wheel()
    assert client.upload(wheel.filename, wheel.build()).status == 200
    assert client.upload(wheel.filename, Wheel(members={"x.py": b""}).build()).status == 409
    for command in (["yank", "--reason", "it leaks"], ["unyank"], ["remove", "--reason", "gone"]):
        assert cli.main([command[0], "acme-tools", "1.0", *command[1:], "--by", "carol"]) == 0
    assert cli.main(["verify", "--by", "root"]) == 0
    lines = [json.loads(line) for line in printed(capsys, "--json")]
    kinds = ["publish", "refuse", "yank", "unyank", "remove", "verify"]
    assert [(line["event"], line["who"]) for line in lines] == list(
        zip(kinds, ["ada", "ada", "carol", "carol", "carol", "root"], strict=True)
    )
    for line, shown in zip(lines, printed(capsys), strict=True):
        assert shown.startswith(f"{line['time'][:10]} {line['time'][11:19]}  {line['who']}  {line['event']}")
        assert line.get("reason", "") in shown and line.get("file", "") in shown
    known = {field.name for field in fields(Event)}
    assert all(line.keys() <= known and None not in line.values() for line in lines)
    published = lines[0]
    assert published["origin"] == "192.0.2.7" and published["version"] == "1.0" and published["size"] > 0


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    "field", ["who", "origin", "project", "channel", "version", "name", "summary", "file", "reason"]
)
def test_no_field_forges_a_line(index: Index, capsys: pytest.CaptureFixture[str], field: str) -> None:
    index.note(Event(**{"event": REFUSE, "who": "bob", "time": now(), field: FORGED}))  # type: ignore[arg-type]
    (line,) = printed(capsys, "--json")
    assert line.isascii() and json.loads(line)[field] == KEPT
    (shown,) = printed(capsys)
    assert shown.isprintable()


@contextlib.contextmanager
def following(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "wheelhouse.cli", "journal", "--follow", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as child:
        yield child
        child.kill()


def test_following_it(environment: None, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    index.note(event(1))
    with following("--json") as child:
        assert child.stdout and json.loads(child.stdout.readline())["size"] == 1
        for number in (2, 3):
            index.note(event(number))
            assert json.loads(child.stdout.readline())["size"] == number


def test_a_reader_that_has_seen_enough(environment: None, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    index.note(*(event(number) for number in range(5000)))
    command = f"{sys.executable} -m wheelhouse.cli journal | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 1)

"""The journal: appended to by many, torn by none."""

import json
import multiprocessing
import stat
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.index.events import PUBLISH, Event, Journal, now
from wheelhouse.web.app import application

from .intake import Office
from .samples import Client, Wheel


def event(number: int, who: str = "ada") -> Event:
    return Event(PUBLISH, who, now(), project=f"acme-{number}", size=number)


def append_many(path: Path, who: str) -> None:
    for number in range(100):
        Journal(path).append([event(number, who)])


def test_what_is_appended_is_read_back(journal: Journal) -> None:
    written = [event(1), event(2, "ädä\n"), event(3)]
    journal.append(written[:2])
    journal.append(written[2:])
    assert [event for event, _ in journal.read()] == written


def test_reading_goes_on_where_it_stopped(journal: Journal) -> None:
    journal.append([event(1), event(2)])
    offsets = [offset for _, offset in journal.read()]
    journal.append([event(3)])
    assert [found.size for found, _ in journal.read(offsets[0])] == [2, 3]
    assert [found.size for found, _ in journal.read(offsets[1])] == [3]


def test_no_journal_yet(journal: Journal) -> None:
    assert list(journal.read()) == []


def test_its_mode_lets_the_group_read(journal: Journal, root: Path) -> None:
    journal.append([event(1)])
    assert stat.S_IMODE((root / "journal.jsonl").stat().st_mode) == 0o640


@pytest.mark.parametrize("torn", ['{"event": "publ', '{"event": "publish", "who": "ada"}', "7", '"x"', "{}", "\0\0\0"])
def test_a_torn_line_is_skipped_and_spoils_nothing(journal: Journal, root: Path, torn: str) -> None:
    journal.append([event(1)])
    with (root / "journal.jsonl").open("a") as stream:
        stream.write(torn)
    assert [found.size for found, _ in journal.read()] == [1]
    journal.append([event(2)])
    assert [found.size for found, _ in journal.read()] == [1, 2]


BAD = {
    "time": ["yesterday", "", 7, None, [], "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "2026-01-01"],
    "who": [7, None, {}],
    "file": [7, [], {}],
    "project": [7, []],
    "channel": [7],
    "version": [1.0],
    "sha256": [7, ["x"]],
    "size": ["7", [], 1.5],
    "findings": [7],
    "reason": [7],
    "requires_python": [3],
    "uploaded": ["yesterday", 7],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in BAD.items() for value in values])
def test_a_line_that_is_not_right_ends_nothing(environment: None, root: Path, field: str, value: object) -> None:
    """Not `reindex`, `verify`, an upload, the pages for people; what the lines around it say stays so."""
    wheels = [Wheel(), Wheel(version="2.0")]
    for wheel in wheels:
        assert Client(application()).upload(wheel.filename, wheel.build()).status == 200
        journal = root / "journal.jsonl"
        line = {**json.loads(journal.read_text().splitlines()[-1]), field: value}
        if field != "time":
            line["file" if field != "file" else "version"] = "other-1.0.tar.gz" if field != "file" else "1.0"
        with journal.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
    assert cli.main(["reindex"]) in (0, 1)
    cli.main(["verify"])
    client = Client(application())
    third = Wheel(version="3.0")
    assert client.upload(third.filename, third.build()).status == 200
    assert client.send("GET", "/projects/acme-tools/").status == 200
    page = json.loads((root / "simple/acme-tools/index.json").read_text())
    assert {wheel.filename for wheel in (*wheels, third)} <= {file["filename"] for file in page["files"]}


def test_an_intake_is_not_ended_by_it_either(office: Office) -> None:
    office.publish("alpha")
    office.wants("alpha")
    assert office.run() == 0
    with (office.shelf / "journal.jsonl").open("a") as stream:
        for line in (
            {"event": "publish", "who": "x", "time": "yesterday", "project": "alpha", "file": "alpha-2.0.tar.gz"},
            {"event": "publish", "who": "x", "time": now(), "project": "alpha", "file": "no distribution"},
            *(
                {
                    "event": "publish",
                    "who": "intake",
                    "origin": "intake",
                    "time": now(),
                    "project": "alpha",
                    "file": file,
                }
                for file in (
                    "no distribution",
                    "alpha-1..0.tar.gz",
                    "alpha.whl",
                    "../alpha-3.0.tar.gz",
                    "alpha-3.0.tar.gz",
                )
            ),
            {"event": "publish", "who": "x", "time": "2026-01-01T00:00:00", "project": "alpha", "file": "x-y.whl"},
            {"event": "publish", "who": "x", "time": now(), "channel": "c", "file": "no-package"},
        ):
            stream.write(json.dumps(line) + "\n")
    assert office.run() in (0, 1)
    assert "alpha-1.0-py3-none-any.whl" in office.shelved()
    assert cli.main(["reindex"]) in (0, 1)
    cli.main(["verify"])


def test_many_processes_at_once(journal: Journal, root: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=append_many, args=(root / "journal.jsonl", name)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
        assert writer.exitcode == 0
    read = [found for found, _ in journal.read()]
    assert len(read) == 400
    for name in "abcd":
        assert [found.size for found in read if found.who == name] == list(range(100))

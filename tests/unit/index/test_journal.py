"""The journal: appended to by many, torn by none."""

import multiprocessing
import stat
from pathlib import Path

import pytest
from wheelhouse.journal import PUBLISH, Event, Journal, now


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

"""What one account is refused fills neither the journal nor the disk, and forges nothing."""

import errno
import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from wheelhouse import cli
from wheelhouse.index import intake_changes
from wheelhouse.index.events import REFUSE, Event, line, lines, now, printable
from wheelhouse.index.intake_changes import REFUSED_ONE_BY_ONE as ONE_BY_ONE
from wheelhouse.index.transaction import Index
from wheelhouse.store.staging import Staging
from wheelhouse.web.app import application

from .journal import journal
from .samples import Client, Wheel, metadata, snapshot

WHEEL = Wheel()


def told(root: Path, who: str = "bob") -> list[dict[str, Any]]:
    return [event for event in journal(root, "refuse") if event["who"] == who]


@pytest.fixture(autouse=True)
def bob_publishes_something(configure: Callable[..., None]) -> None:
    """Who may publish nothing at all is refused before there is anything to write down."""
    configure(publishes={"ada": ["acme-*"], "bob": ["bobs-*"]})


def test_many_refusals_are_few_lines(client: Client, root: Path) -> None:
    others = [client, Client(application())]  # as many workers of the server
    for number in range(ONE_BY_ONE * 2):
        assert others[number % 2].upload(WHEEL.filename, WHEEL.build(), user="bob").status == 403
    assert len(told(root)) == ONE_BY_ONE
    assert client.upload("x.txt", b"", user="ada").status == 400
    assert len(told(root, "ada")) == 1, "the other account is told of all the same"


def test_how_many_more_there_were_is_told_once(index: Index, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [3600.0 * 1000]
    monkeypatch.setattr(intake_changes.time, "time", lambda: moment[0])
    event = Event(REFUSE, "bob", now(), "192.0.2.7", file="x.whl", reason="no")
    answers = [index.refuse(event) for _ in range(ONE_BY_ONE + 57)]
    assert answers == [True] * ONE_BY_ONE + [False] * 57
    moment[0] += 3600
    index.refuse(Event(REFUSE, "ada", now(), reason="no"))
    assert [one["reason"] for one in told(root)[ONE_BY_ONE:]] == ["57 more uploads were refused within that hour."]
    index.sum_up_refusals()
    assert len(told(root)) == ONE_BY_ONE + 1
    assert index.refuse(event), "and the next hour begins anew"


def test_a_quiet_hour_is_summed_up_by_whoever_looks_after_the_shelf(
    client: Client, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(ONE_BY_ONE + 3):
        client.upload(WHEEL.filename, WHEEL.build(), user="bob")
    monkeypatch.setattr(intake_changes, "HOUR", 1)
    assert cli.main(["reindex"]) == 0
    assert told(root)[-1]["reason"] == "3 more uploads were refused within that hour."


def test_many_at_once(index: Index, root: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: index.refuse(Event(REFUSE, "bob", now(), reason="no")), range(200)))
    assert len(told(root)) == ONE_BY_ONE


FORGED = 'x\r\n{"event": "publish", "who": "ada"}\u2028\u202eevil\x1b[2J\x00\ud800'


def test_a_refusal_is_one_line_of_ascii_whatever_was_sent(
    client: Client, root: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = FORGED.replace("\ud800", "").replace("\r\n", "").replace("\0", "").replace('"', "")
    assert client.upload(forged + ".whl", b"x", user="bob").status == 400
    described = metadata("acme_tools", extra=f"Summary: {forged}\nLicense-Expression: {forged}\n")
    client.upload(WHEEL.filename, Wheel(metadata=described).build(), name=forged, version=forged)
    capsys.readouterr()
    assert cli.main(["journal", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(journal(root)) and all(line.isascii() and json.loads(line) for line in lines)
    assert all(record.getMessage().isprintable() for record in caplog.records)


@pytest.mark.parametrize(
    "field", ["who", "origin", "project", "channel", "version", "name", "summary", "file", "reason"]
)
def test_no_field_forges_a_line_of_the_journal(field: str) -> None:
    written = line(Event(**{"event": REFUSE, "who": "bob", "time": now(), field: FORGED}))
    assert written.isascii() and "\n" not in written.strip() and "\r" not in written and "\x1b" not in written
    (event,) = lines([written.encode() + b"\n"])
    assert getattr(event, field) == FORGED


def test_what_is_shown_of_somebody_elses_words() -> None:
    shown = printable(FORGED, 1000)
    assert shown.isprintable() and "evil" in shown
    assert printable("x" * 2000, 1000) == "x" * 999 + "…"


def test_a_long_name_and_a_long_reason_are_cut(index: Index, root: Path) -> None:
    index.refuse(Event(REFUSE, "bob", now(), file="f" * 10_000, reason="r" * 100_000))
    assert len(json.dumps(journal(root))) < 2000


def test_no_upload_is_taken_that_the_disk_has_no_room_for(
    client: Client, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.upload(WHEEL.filename, WHEEL.build()).status == 200
    before = snapshot(root)
    monkeypatch.setattr(Staging, "room", lambda _: 100)
    refused = client.upload("acme_tools-1.1-py3-none-any.whl", Wheel(version="1.1").build())
    assert refused.status == 507 and "disk is full" in refused.text and "disk is full" in refused.reason
    assert snapshot(root) == before


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a small disk")
@pytest.mark.parametrize("size", ["1m", "1500k", "2m"])
def test_a_disk_that_fills(environment: None, root: Path, monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    """A real small disk, on which the guard is blind: with bytes, with rows, with pages, whatever comes last."""
    root.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", root]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        monkeypatch.setattr(Staging, "room", lambda _: 2**40)
        client = Client(application())
        wheels = [Wheel(version=f"1.{number}", members={"x.bin": os.urandom(90_000)}) for number in range(30)]
        answers = [client.upload(wheel.filename, wheel.build()) for wheel in wheels]
        assert {answer.status for answer in answers} == {200, 507}
        assert all("disk is full" in answer.text for answer in answers if answer.status == 507)
        assert [one for one in (root / "incoming").iterdir() if one.is_file()] == []
        page = json.loads((root / "simple/acme-tools/index.json").read_text())
        taken = [wheel.filename for wheel, answer in zip(wheels, answers, strict=True) if answer.status == 200]
        assert set(taken) <= {file["filename"] for file in page["files"]}
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)


def test_only_a_full_disk_is_called_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(Index, "publish", broken)
    assert client.upload(WHEEL.filename, WHEEL.build()).status == 500

"""How often files were downloaded: what counts, what is counted once, and who is told."""

import io
import json
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
from wheelhouse import cli
from wheelhouse.index import downloads
from wheelhouse.index.downloads import Downloads
from wheelhouse.index.transaction import Index

from .durable_changes import publish
from .samples import Client, Wheel
from .test_front import shown

TODAY = date(2026, 11, 27)
FILE = "acme_tools-1.0-py3-none-any.whl"


def line(path: str = f"/packages/acme-tools/{FILE}", day: date = TODAY) -> str:
    at = datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC)
    return f"{at.timestamp():.3f} {path}\n"


def totals(index: Index, place: str = "acme-tools") -> dict[str, Downloads]:
    with index.database.read() as connection:
        return downloads.by_file(connection, place, TODAY)


def test_a_log_is_counted_once(index: Index) -> None:
    publish(index, Wheel())
    assert downloads.count(index.database, "log-1", [line(), line()]) == 2
    assert downloads.count(index.database, "log-1", [line(), line()]) is None
    assert downloads.count(index.database, "log-2", [line()]) == 1
    assert totals(index) == {FILE: Downloads(3, 3)}


def test_a_log_that_fails_is_counted_whole_by_the_next_attempt(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(index, Wheel())
    with monkeypatch.context() as broken, pytest.raises(RuntimeError):
        broken.setattr(downloads, "upsert", lambda *_: (_ for _ in ()).throw(RuntimeError("killed")))
        downloads.count(index.database, "log-1", [line()])
    assert totals(index) == {}
    assert downloads.count(index.database, "log-1", [line()]) == 1


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "\n",
        "no line of ours\n",
        "1e400 /packages/acme-tools/x\n",
        "nan /packages/acme-tools/x\n",
        f'1790000000.000 /packages/acme-tools/"{FILE}\n',
        line("/packages/acme-tools/never_published-1.0-py3-none-any.whl"),
        line(f"/packages/another/{FILE}"),
        line(f"/packages/acme-tools/deeper/{FILE}"),
        line(f"/conda/internal/noarch/{FILE}"),
        line("/simple/acme-tools/"),
    ],
)
def test_what_is_no_published_file_counts_nothing(index: Index, odd: str) -> None:
    publish(index, Wheel())
    assert downloads.count(index.database, "log", [odd, line()]) == 1
    assert totals(index) == {FILE: Downloads(1, 1)}


def test_the_last_thirty_days_and_all(index: Index) -> None:
    publish(index, Wheel())
    days = [0, 29, 30, 91, 200]
    downloads.count(index.database, "log", [line(day=TODAY - timedelta(before)) for before in days])
    expected = {FILE: Downloads(2, 5)}
    assert totals(index) == expected
    downloads.sum_up(index.database, TODAY)
    downloads.count(index.database, "late", [line(day=TODAY - timedelta(201))])
    downloads.sum_up(index.database, TODAY)
    assert totals(index) == {FILE: Downloads(2, 6)}
    with index.database.read() as connection:
        assert downloads.by_place(connection, TODAY) == {"acme-tools": Downloads(2, 6)}
        rows = connection.execute(downloads.select(downloads.tables.downloads.c.day)).scalars().all()
    assert sorted(rows) == ["", "2026-10-28", "2026-10-29", "2026-11-27"]


def test_the_project_page_has_them(client: Client, index: Index) -> None:
    publish(index, Wheel())
    assert "Downloads 0 in the last 30 days, 0 in all" in shown(client, "/projects/acme-tools/").text
    downloads.count(index.database, "log", [line(day=datetime.now(UTC).date())] * 1234)
    assert "Downloads 1,234 in the last 30 days, 1,234 in all" in shown(client, "/projects/acme-tools/").text


def test_the_command(client: Client, index: Index, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    publish(index, Wheel())
    for said in ("2", "counted before"):
        log = io.TextIOWrapper(io.BytesIO((line(day=datetime.now(UTC).date()) * 2).encode() + b"\xff\n"))
        monkeypatch.setattr(sys, "stdin", log)
        assert cli.main(["downloads", "--count", "log-1"]) == 0
        assert capsys.readouterr().out.strip() == said
    assert cli.main(["downloads"]) == 0
    assert capsys.readouterr().out.split() == ["30", "days", "in", "all", "2", "2", "acme-tools"]
    assert cli.main(["downloads", "Acme_Tools", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {FILE: {"last_30_days": 2, "total": 2}}

"""An earlier set is put back in both worlds, stays, and is left again."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wheelhouse.intake import rollback

from . import clock, served
from .intake import Office
from .intake_conda import add, advisory, names
from .public_channel import PublicChannel

Week = Callable[[int], None]
FIRST, SECOND = "20260301T093001Z", "20260308T093001Z"
OLD, NEW = "beta-1.0-py3-none-any.whl", "beta-1.1-py3-none-any.whl"


@pytest.fixture
def week() -> Iterator[Week]:
    """Turns the clock to a day of March."""
    yield lambda day: clock.hold(f"2026-03-{day:02}T09:30:00.000000Z")
    clock.let_go()


@pytest.fixture
def two_weeks(office: Office, channel: PublicChannel, week: Week) -> Office:
    """Two runs, the second with news in both worlds."""
    for version in ("1.0", "1.1"):
        week(1 if version == "1.0" else 8)
        office.publish("beta", version)
        add(channel, "gamma", version)
        office.wants("beta", conda=["gamma"])
        assert office.run() == 0
    week(15)
    return office


def offered(office: Office) -> tuple[set[str], set[str]]:
    """What installers choose among: files of the index that are not yanked, and packages of the channel."""
    return office.shelved() - office.yanked(), names(office)


def lasting(office: Office) -> dict[str, bytes]:
    """Everything on the shelf but what is only kept so that it need not be fetched again."""
    return {name: content for name, content in office.content().items() if not name.startswith("quarantine/")}


def test_the_set_of_last_week(two_weeks: Office, channel: PublicChannel, capsys: pytest.CaptureFixture[str]) -> None:
    office = two_weeks
    everything = {OLD, NEW}, {"gamma 1.0", "gamma 1.1"}
    assert offered(office) == everything
    assert office.run("--sets") == 0
    assert capsys.readouterr().out.split()[-2:] == [SECOND, FIRST]
    assert office.run("--rollback", FIRST, "--by", "it") == 1
    sentence = (
        f"The set of {FIRST} was put back by it on 2026-03-15 and stays; `wheelhouse-intake --roll-forward` ends that."
    )
    assert sentence in capsys.readouterr().err
    assert offered(office) == ({OLD}, {"gamma 1.0"})
    assert served.content(office.shelf, "conda/conda-forge/noarch/gamma-1.1-0.conda")
    assert office.report()["rollback"]["sentence"] == sentence
    assert sentence in (office.shelf / "reports/index.html").read_text().replace("&#39;", "'")
    assert {one["status"] for one in office.report()["lines"]} == {"on the shelf"}
    events = [(event["event"], event.get("file"), event["who"]) for event in office.events()][-3:]
    assert events == [
        ("rollback", None, "it"),
        ("yank", NEW, "intake"),
        ("yank", "gamma-1.1-0.conda", "intake"),
    ]
    assert office.events()[-1]["reason"] == f"withdrawn: the set of {FIRST} was put back"

    before = lasting(office)
    office.publish("beta", "1.2")
    add(channel, "gamma", "1.2")
    assert office.run() == 1, "as the weekly run does"
    assert (offered(office), lasting(office)) == (({OLD}, {"gamma 1.0"}), before)
    assert office.run("--sets") == 0
    assert f"{FIRST}  put back\n" in capsys.readouterr().out

    assert office.run("--roll-forward", "--by", "it") == 0
    assert offered(office) == ({OLD, NEW, "beta-1.2-py3-none-any.whl"}, {"gamma 1.0", "gamma 1.1", "gamma 1.2"})
    assert office.report()["rollback"] is None
    assert [event["event"] for event in office.events()].count("roll forward") == 1
    assert office.run("--roll-forward") == 0, "which changes nothing any more"
    assert [event["event"] for event in office.events()].count("roll forward") == 1


@pytest.mark.parametrize(
    ("wanted", "set_"),
    [("2026-03-01", FIRST), ("2026-03-07", FIRST), ("2026-03-08", SECOND), (SECOND, SECOND), ("2027-01-01", SECOND)],
)
def test_by_its_day(two_weeks: Office, wanted: str, set_: str) -> None:
    """The last set of that day, or before."""
    assert two_weeks.run("--rollback", wanted) == 1
    assert two_weeks.report()["rollback"]["to"] == set_


@pytest.mark.parametrize("wanted", ["2026-02-28", "yesterday", "", "../lock"])
def test_there_is_no_such_set(two_weeks: Office, capsys: pytest.CaptureFixture[str], wanted: str) -> None:
    before = two_weeks.content()
    assert two_weeks.run("--rollback", wanted or " ") == 1
    assert f"; there are {FIRST}, {SECOND}." in capsys.readouterr().err
    assert two_weeks.content() == before


def test_what_is_held_against_a_release_stays(two_weeks: Office, tmp_path: Path) -> None:
    """A rollback brings back nothing that is vulnerable, and neither does its end."""
    office = two_weeks
    assert office.run("--rollback", FIRST) == 1
    for project in ("beta", "gamma"):
        advisory(tmp_path / "osv", project, "1.1")
    policy = {"verdicts": {"vulnerability": "block"}, "advisories": str(tmp_path / "osv")}
    office.wants("beta", conda=["gamma"], **policy)
    assert office.run() == 1
    assert offered(office) == (set(), {"gamma 1.0"}), "no Python is in gamma"
    assert office.run("--roll-forward") == 0
    assert offered(office) == ({NEW}, {"gamma 1.0", "gamma 1.1"})


def test_a_line_that_is_newer(two_weeks: Office) -> None:
    two_weeks.publish("delta")
    two_weeks.wants("beta", "delta", conda=["gamma"])
    assert two_weeks.run("--rollback", SECOND) == 1
    assert f"'pypi: delta' is not in the set of {SECOND}, which was put back." in two_weeks.last_run()["problems"]
    assert two_weeks.shelved() == {OLD, NEW}


def test_the_newest_sets_are_kept(two_weeks: Office, week: Week, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each run that changed something."""
    monkeypatch.setattr(rollback, "KEPT", 2)
    assert two_weeks.run() == 0
    assert [row["name"] for row in two_weeks.rows()["intake_sets"]] == [FIRST, SECOND]
    two_weeks.publish("beta", "1.2")
    assert two_weeks.run() == 0
    assert [row["name"] for row in two_weeks.rows()["intake_sets"]] == [SECOND, "20260315T093001Z"]
    assert json.loads((two_weeks.shelf / "reports/last-run.json").read_text())["outcome"] == "done"

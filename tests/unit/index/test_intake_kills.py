"""Killed anywhere, `wheelhouse intake` leaves nothing that half works, whatever is done next.

A plain run makes it as if nothing had been. The clock is held still, so that "the same" means every row and every byte
of the shelf: files, pages, events, quarantine, reports.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from wheelhouse import cli
from wheelhouse.web.app import application

from . import clock, kills, served
from .everything import Everything
from .intake import Office
from .killed_run import NOW, forked, intake
from .samples import Client, Wheel

OWN = Wheel("acme_tools")


@pytest.fixture
def list_of_three(office: Office) -> Iterator[Office]:
    """A closure of four releases, one that shares a project with it, and one that is kept back."""
    clock.hold(NOW)
    office.publish("alpha", needs=["beta", "gamma"])
    office.publish("beta", needs=["gamma", "delta"])
    for name in ("gamma", "delta", "epsilon"):
        office.publish(name)
    office.publish("tainted", needs=["delta"], says={"yanked": "it eats files"})
    office.wants("alpha", "epsilon", "tainted==1.0")
    yield office
    clock.let_go()


def check_closures(root: Path) -> None:
    """Whatever installers can choose, everything it needs can be chosen as well, and is there."""
    pages = {path.parent.name: json.loads(path.read_text()) for path in (root / "simple").glob("*/index.json")}
    listed = {name for name, page in pages.items() if page["files"]}
    for name in sorted(listed):
        for file in pages[name]["files"]:
            path = f"packages/{name}/{file['filename']}"
            described = (served.content(root, f"{path}.metadata") or b"").decode()
            needs = [line[15:] for line in described.splitlines() if line.startswith("Requires-Dist: ")]
            assert described and {Requirement(need).name for need in needs} <= listed
            assert len(served.content(root, path) or b"") == file["size"]


def whole_run(office: Office) -> dict[str, object]:
    """What a run that nobody kills makes of an empty shelf."""
    assert office.run() == 1
    assert len(office.shelved()) == 5
    return office.content()


def upload() -> None:
    Client(application()).upload(OWN.filename, OWN.build())


ANOTHER: tuple[Callable[[], object], ...] = (
    upload,
    lambda: cli.main(["yank", "delta", "1.0", "--reason", "it eats files"]),
    lambda: cli.main(["remove", "gamma", "1.0", "--reason", "it eats files"]),
    lambda: cli.main(["reindex"]),
)
"""What somebody may do before the next run. Some of it finds nothing to be done on, depending on the kill."""


def is_repaired(office: Office, nothing: Everything, step: int, expected: dict[str, object]) -> bool:
    """Kill a run on an empty shelf at one of its steps, and do another; False if it has no such step."""
    nothing.put_back()
    interrupted = forked(step, intake)
    if interrupted:
        check_closures(office.shelf)
        assert office.run() == 1
    found = office.content()
    different = {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}
    assert {name: (found.get(name), expected.get(name)) for name in sorted(different)} == {}, step
    assert served.disagreements(office.shelf) == [], step
    return interrupted


def is_served_right(office: Office, nothing: Everything, step: int) -> bool:
    """Kill a run in the same way, do something else, and look at what is served; False if it has no such step."""
    nothing.put_back()
    if not forked(step, intake):
        return False
    ANOTHER[step % len(ANOTHER)]()
    cli.main(["reindex", "--new"])  # as the timer does
    assert served.disagreements(office.shelf) == [], step
    office.run()
    assert served.disagreements(office.shelf) == [], step
    return True


def test_killed_at_random_moments(list_of_three: Office, nothing: Everything) -> None:
    expected = whole_run(list_of_three)
    kills.at_random_moments(lambda step: is_repaired(list_of_three, nothing, step, expected), many=160, least=40)


def test_something_else_after_a_kill(list_of_three: Office, nothing: Everything) -> None:
    kills.at_random_moments(lambda step: is_served_right(list_of_three, nothing, step), many=160, least=40)


@pytest.mark.long
def test_killed_at_every_step(list_of_three: Office, nothing: Everything) -> None:
    expected = whole_run(list_of_three)
    kills.at_every_step(lambda step: is_repaired(list_of_three, nothing, step, expected), least=40)


@pytest.mark.long
def test_something_else_after_every_kill(list_of_three: Office, nothing: Everything) -> None:
    kills.at_every_step(lambda step: is_served_right(list_of_three, nothing, step), least=40)

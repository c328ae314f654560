"""Killed anywhere, `wheelhouse intake` leaves nothing that half works, and a plain run makes it as if nothing had been.

The clock is held still, so that "the same" means every byte of the shelf: files, pages, journal, quarantine, reports.
"""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from wheelhouse import publishing
from wheelhouse.intake import publish

from .intake import Office
from .test_kills import killed_at

NOW = "2026-03-07T09:30:00.000000Z"
RANDOM_MOMENTS = 6


@pytest.fixture
def list_of_three(office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A closure of four releases, one that shares a project with it, and one that is kept back."""
    monkeypatch.setattr(publishing, "now", lambda: NOW)
    monkeypatch.setattr(publish, "now", lambda: NOW)
    office.publish("alpha", needs=["beta", "gamma"])
    office.publish("beta", needs=["gamma", "delta"])
    for name in ("gamma", "delta", "epsilon"):
        office.publish(name)
    office.publish("tainted", needs=["delta"], says={"yanked": "it eats files"})
    office.wants("alpha", "epsilon", "tainted==1.0")
    return office


def check_closures(root: Path) -> None:
    """Whatever installers can choose, everything it needs can be chosen as well, and is there."""
    pages = {path.parent.name: json.loads(path.read_text()) for path in (root / "simple").glob("*/index.json")}
    listed = {name for name, page in pages.items() if page["files"]}
    for name in listed:
        for file in pages[name]["files"]:
            described = root / "packages" / name / f"{file['filename']}.metadata"
            needs = [line[15:] for line in described.read_text().splitlines() if line.startswith("Requires-Dist: ")]
            assert {Requirement(need).name for need in needs} <= listed
            assert (root / "packages" / name / file["filename"]).stat().st_size == file["size"]


def runs_killed_at(office: Office, choose: Callable[[int], list[int]], capfd: pytest.CaptureFixture[str]) -> int:
    """Kill runs at the chosen of all their steps; returns the number of steps."""
    shelf = office.shelf
    assert office.run() == 1
    expected = office.content()
    assert len(office.shelved()) == 5
    empty = 0
    while killed_at_fresh(office, 2**empty):
        empty += 1
    low, high = 2 ** (empty - 1), 2**empty
    while high - low > 1:  # how many steps a whole run has
        middle = (low + high) // 2
        low, high = (middle, high) if killed_at_fresh(office, middle) else (low, middle)
    for step in choose(low):
        assert killed_at_fresh(office, step)
        check_closures(shelf)
        assert office.run() == 1
        assert office.content() == expected, step
    capfd.readouterr()
    return low


def killed_at_fresh(office: Office, step: int) -> bool:
    shutil.rmtree(office.shelf)
    return killed_at(step, lambda: os._exit(0 if office.run() == 1 else 1))


def test_killed_at_random_moments(list_of_three: Office, capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random()
    seed = chance.randrange(2**32)
    print(f"seed {seed}")
    chance.seed(seed)
    steps = runs_killed_at(
        list_of_three, lambda count: chance.sample(range(1, count + 1), min(count, RANDOM_MOMENTS)), capfd
    )
    assert steps > 40, "the hook saw the changes"


@pytest.mark.long
def test_killed_at_every_step(list_of_three: Office, capfd: pytest.CaptureFixture[str]) -> None:
    runs_killed_at(list_of_three, lambda count: list(range(1, count + 1)), capfd)

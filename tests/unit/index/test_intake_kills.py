"""Killed anywhere, `wheelhouse intake` leaves nothing that half works, and a plain run makes it as if nothing had been.

The clock is held still, so that "the same" means every byte of the shelf: files, pages, journal, quarantine, reports.
"""

import json
import os
import shutil
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from wheelhouse.index import transaction
from wheelhouse.intake import publish, rollback

from . import kills
from .intake import Office
from .test_kills import killed_at

NOW = "2026-03-07T09:30:00.000000Z"


@pytest.fixture
def list_of_three(office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A closure of four releases, one that shares a project with it, and one that is kept back."""
    monkeypatch.setattr(transaction, "now", lambda: NOW)
    for module in (publish, rollback):
        monkeypatch.setattr(module, "now", lambda: NOW)
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
    for name in sorted(listed):
        for file in pages[name]["files"]:
            described = root / "packages" / name / f"{file['filename']}.metadata"
            needs = [line[15:] for line in described.read_text().splitlines() if line.startswith("Requires-Dist: ")]
            assert {Requirement(need).name for need in needs} <= listed
            assert (root / "packages" / name / file["filename"]).stat().st_size == file["size"]


def whole_run(office: Office) -> dict[str, bytes]:
    """What a run that nobody kills makes of an empty shelf."""
    assert office.run() == 1
    assert len(office.shelved()) == 5
    return office.content()


def is_repaired(office: Office, step: int, expected: dict[str, bytes]) -> bool:
    """Kill a run on an empty shelf at one of its steps, and do another; False if it has no such step."""
    shutil.rmtree(office.shelf)
    interrupted = killed_at(step, lambda: os._exit(0 if office.run() == 1 else 1))
    if interrupted:
        check_closures(office.shelf)
        assert office.run() == 1
    found = office.content()
    different = {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}
    assert {name: (found.get(name), expected.get(name)) for name in sorted(different)} == {}, step
    return interrupted


def test_killed_at_random_moments(list_of_three: Office) -> None:
    expected = whole_run(list_of_three)
    kills.at_random_moments(lambda step: is_repaired(list_of_three, step, expected), many=160, least=40)


@pytest.mark.long
def test_killed_at_every_step(list_of_three: Office) -> None:
    expected = whole_run(list_of_three)
    kills.at_every_step(lambda step: is_repaired(list_of_three, step, expected), least=40)

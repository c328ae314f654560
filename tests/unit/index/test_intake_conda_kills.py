"""Killed anywhere, a run leaves no half of a closure in a channel's indexes, whatever is done next.

A plain run makes it as if nothing had been: the same shelf, row for row and bit for bit.
"""

from collections.abc import Callable

import pytest
from wheelhouse import cli
from wheelhouse.store import foreign

from . import kills, served
from .conda_samples import CondaPackage
from .everything import Everything
from .intake import Office
from .intake_conda import add, listed
from .killed_run import forked, intake
from .public_channel import PublicChannel


@pytest.fixture
def list_of_three(office: Office, channel: PublicChannel, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A closure over two subdirs, one that shares a package with it, and one that is kept back."""
    monkeypatch.setattr(foreign, "QUIET", 0.0)
    add(channel, "alpha", subdir="linux-64", depends=("beta", "gamma"))
    add(channel, "beta", depends=("gamma",), says={"constrains": ["epsilon >0"]})
    add(channel, "gamma", subdir="linux-64")
    add(channel, "delta", depends=("gamma",))
    add(channel, "tainted", depends=("gamma",), says={"license": "see file"})
    office.wants(conda=["alpha", "delta", "tainted"], licences=["MIT"])
    return office


CLOSURES = {
    "linux-64/alpha-1.0-0.conda",
    "linux-64/gamma-1.0-0.conda",
    "noarch/beta-1.0-0.conda",
    "noarch/delta-1.0-0.conda",
}


def check_indexes(office: Office) -> None:
    """The index of a subdir has all of the closures or nothing, with upstream's records, and the files are there."""
    offered = listed(office)
    for subdir in ("linux-64", "noarch"):
        complete = {name for name in CLOSURES if name.startswith(subdir)}
        assert {name for name in offered if name.startswith(subdir)} in (set(), complete)
    for name, record in offered.items():
        assert len(served.content(office.shelf, f"conda/conda-forge/{name}") or b"") == record["size"]
        assert ("constrains" in record) == (record["name"] == "beta")


def whole_run(office: Office) -> dict[str, object]:
    """What a run that nobody kills makes of an empty shelf."""
    assert not forked(0, intake)
    assert {*listed(office)} == CLOSURES
    return lasting(office)


def lasting(office: Office) -> dict[str, object]:
    """Everything on the shelf but the numbers of transactions."""
    return {name: content for name, content in office.content().items() if name != "rows of dirty"}


def is_repaired(office: Office, nothing: Everything, step: int, expected: dict[str, object]) -> bool:
    """Kill a run on an empty shelf at one of its steps, and do another; False if it has no such step."""
    nothing.put_back()
    interrupted = forked(step, intake)
    if interrupted:
        check_indexes(office)
        forked(0, intake)
    found = lasting(office)
    different = {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}
    assert {name: (found.get(name), expected.get(name)) for name in sorted(different)} == {}, step
    assert served.disagreements(office.shelf) == [], step
    return interrupted


OTHER = CondaPackage("acme-hello")


def drop(office: Office) -> None:
    """Copy a package of the company's own in."""
    directory = office.shelf / "drop/conda/conda-forge"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / OTHER.filename).write_bytes(OTHER.build_it())


ANOTHER: tuple[Callable[[Office], object], ...] = (
    drop,
    lambda office: cli.main(["reindex"]),
    lambda office: cli.main(["channel", "conda-forge", "internal"]),
)
"""What somebody may do before the next run."""


def is_served_right(office: Office, nothing: Everything, step: int) -> bool:
    """Kill a run in the same way, do something else, and look at what is served; False if it has no such step."""
    nothing.put_back()
    if not forked(step, intake):
        return False
    ANOTHER[step % len(ANOTHER)](office)
    cli.main(["reindex", "--new"])  # as the timer does, half a minute later
    assert served.disagreements(office.shelf) == [], step
    assert {*listed(office)} & CLOSURES in (set(), CLOSURES), step
    assert cli.main(["verify"]) == 0
    forked(0, intake)
    assert served.disagreements(office.shelf) == [], step
    assert {*listed(office)} >= CLOSURES
    return True


def test_killed_at_random_moments(list_of_three: Office, nothing: Everything) -> None:
    expected = whole_run(list_of_three)
    kills.at_random_moments(lambda step: is_repaired(list_of_three, nothing, step, expected), many=120, least=30)


def test_something_else_after_a_kill(list_of_three: Office, nothing: Everything) -> None:
    kills.at_random_moments(lambda step: is_served_right(list_of_three, nothing, step), many=120, least=30)


@pytest.mark.long
def test_something_else_after_every_kill(list_of_three: Office, nothing: Everything) -> None:
    kills.at_every_step(lambda step: is_served_right(list_of_three, nothing, step), least=30)


@pytest.mark.long
def test_killed_at_every_step(list_of_three: Office, nothing: Everything) -> None:
    expected = whole_run(list_of_three)
    kills.at_every_step(lambda step: is_repaired(list_of_three, nothing, step, expected), least=30)

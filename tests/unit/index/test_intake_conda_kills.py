"""Killed anywhere, a run leaves no half of a closure in a channel's indexes, and a plain run makes it as if nothing had
been: the same shelf, bit for bit.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest
from wheelhouse import cli
from wheelhouse.index import dropbox

from . import kills
from .intake import Office
from .intake_conda import add, listed
from .public_channel import PublicChannel


@pytest.fixture
def list_of_three(office: Office, channel: PublicChannel, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A closure over two subdirs, one that shares a package with it, and one that is kept back."""
    monkeypatch.setattr(dropbox, "QUIET", 0.0)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    add(channel, "alpha", subdir="linux-64", depends=("beta", "gamma"))
    add(channel, "beta", depends=("gamma",), says={"constrains": ["epsilon >0"]})
    add(channel, "gamma", subdir="linux-64")
    add(channel, "delta", depends=("gamma",))
    add(channel, "tainted", depends=("gamma",), says={"license": "see file"})
    office.wants(conda=["alpha", "delta", "tainted"], licences=["MIT"])
    return office


def run(step: int = 0) -> bool:
    """Run it, killed before a change; False if it got through before that."""
    done = subprocess.run([sys.executable, "-m", "index.killed_run", str(step)], capture_output=True, check=False)
    assert done.returncode in (1, -9), done.stderr.decode()
    return done.returncode == -9


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
        assert (office.shelf / "conda/conda-forge" / name).stat().st_size == record["size"]
        assert ("constrains" in record) == (record["name"] == "beta")


def whole_run(office: Office) -> dict[str, bytes]:
    """What a run that nobody kills makes of an empty shelf."""
    assert not run()
    assert {*listed(office)} == CLOSURES
    return lasting(office)


def lasting(office: Office) -> dict[str, bytes]:
    """Everything on the shelf but pages that `reindex` writes for an index without projects, and the journal.

    In the journal, kills leave word of what `reindex` did.
    """
    return {
        name: content
        for name, content in office.content().items()
        if not name.startswith("simple/") and name != "journal.jsonl"
    }


def is_repaired(office: Office, step: int, expected: dict[str, bytes]) -> bool:
    """Kill a run on an empty shelf at one of its steps, and do another; False if it has no such step."""
    shutil.rmtree(office.shelf)
    interrupted = run(step)
    if interrupted and (office.shelf / "conda/conda-forge").is_dir():
        check_indexes(office)
        if step % 2:  # as the timer does, half a minute later
            assert cli.main(["reindex"]) == 0
            check_indexes(office)
            assert {*listed(office)} in (set(), CLOSURES)
            assert cli.main(["verify"]) == 0
    if interrupted:
        run()
    found = lasting(office)
    journal = (office.shelf / "journal.jsonl").read_text()
    published = ["alpha-1.0-0.conda", "gamma-1.0-0.conda", "beta-1.0-0.conda", "delta-1.0-0.conda"]
    assert re.findall(r'"publish".*"file": "([^"]+)"', journal) == published
    different = {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}
    assert {name: (found.get(name), expected.get(name)) for name in sorted(different)} == {}, step
    return interrupted


def test_killed_at_random_moments(list_of_three: Office) -> None:
    expected = whole_run(list_of_three)
    kills.at_random_moments(lambda step: is_repaired(list_of_three, step, expected), many=120, least=30)


@pytest.mark.long
def test_killed_at_every_step(list_of_three: Office) -> None:
    expected = whole_run(list_of_three)
    kills.at_every_step(lambda step: is_repaired(list_of_three, step, expected), least=30)

"""Copying a file into drop/ is a way to publish it: nobody has to do anything more, and what is wrong goes aside.

Who copies into packages/ by habit gets the same, and until it is checked nobody is served it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from company import eventually
from index.samples import Wheel
from shelf import PLACE, Shelf
from testinfra.host import Host

pytestmark = pytest.mark.usefixtures("as_in_the_inventory")

MOST = 120  # seconds


@dataclass(frozen=True)
class Copied:
    """A file that root has copied in."""

    wheel: Wheel
    place: str
    mode: str
    at: float


@pytest.fixture(scope="module")
def copied(shelf: Shelf, version: str) -> dict[str, Copied]:
    """Good ones, put where people put them, by root with root's own modes; and bad ones."""
    spoilt = Wheel("acme_spoilt", version, record=lambda lines: lines[1:])
    copies = {
        "flat": (Wheel("acme_flat", version), "drop/", "0644"),
        "in a directory": (Wheel("acme_placed", version), "drop/dist/", "0644"),
        "readable by root alone": (Wheel("acme_private", version), "drop/", "0600"),
        "by habit": (Wheel("acme_habit", version), "packages/", "0644"),
        "in a directory of another name": (Wheel("acme_elsewhere", version), "packages/Acme_Else/", "0644"),
        "spoilt": (spoilt, "drop/acme-spoilt/", "0644"),
    }
    done = {}
    for name, (wheel, directory, mode) in copies.items():
        shelf.put(directory + wheel.filename, wheel.build(), mode)
        done[name] = Copied(wheel, directory + wheel.filename, mode, time.time())
    shelf.put(f"drop/notes-{version}.txt", b"where I was\n")
    return done


@pytest.fixture
def nobody_looks(index: Host) -> Iterator[None]:
    """The timer is off, so that whatever is served is served without having been looked at."""
    index.check_output("systemctl stop wheelhouse-incoming.timer wheelhouse-incoming.service")
    yield
    index.check_output("systemctl start wheelhouse-incoming.timer")


@pytest.mark.parametrize("place", ["drop/", "packages/", "packages/acme-unseen/", "packages/acme-seen/"])
def test_nothing_is_served_before_it_was_checked(
    index: Host, gateway, shelf: Shelf, version: str, nobody_looks, place: str
) -> None:
    seen = Wheel("acme_seen", version)
    assert gateway.upload(seen.filename, seen.build()).status == 200
    assert gateway.ask(f"/packages/acme-seen/{seen.filename}").status == 200
    wheel = Wheel("acme_unseen", f"{version}.{len(place)}")
    shelf.put(f"{place}{wheel.filename}", wheel.build())
    for path in (f"/{place}{wheel.filename}", f"/packages/acme-unseen/{wheel.filename}"):
        assert gateway.ask(path).status in (403, 404), path
    index.check_output("systemctl start wheelhouse-incoming.service")
    assert gateway.ask(f"/packages/acme-unseen/{wheel.filename}").status == 200


def test_links_and_pipes_are_not_taken(index: Host, gateway, version: str, nobody_looks) -> None:
    name = f"acme_linked-{version}-py3-none-any.whl"
    for make in (f"ln -s {PLACE}/../config/htpasswd", "mkfifo"):
        index.check_output(f"{make} {PLACE}/drop/{name}")
        index.run("timeout 60 systemctl start wheelhouse-incoming.service")
        assert not index.file(f"{PLACE}/drop/{name}").exists
        assert gateway.ask(f"/packages/acme-linked/{name}").status == 404
    index.check_output("systemctl reset-failed wheelhouse-incoming.service")


def test_somebody_looks_every_minute(index: Host) -> None:
    timer = index.service("wheelhouse-incoming.timer")
    assert timer.is_enabled and timer.is_running


@pytest.mark.parametrize(
    "how", ["flat", "in a directory", "readable by root alone", "by habit", "in a directory of another name"]
)
def test_a_good_file_can_be_installed_without_anybody_doing_anything(
    office, gateway, shelf, index, copied, how
) -> None:
    wheel = copied[how].wheel
    project = wheel.name.replace("_", "-")
    page = f"/simple/{project}/"
    eventually(
        lambda: wheel.filename in gateway.ask(page, headers={"Accept": "text/html"}).text,
        f"{wheel.filename} is listed",
        int(copied[how].at + MOST - time.time()),
    )
    python = "venv-copied/bin/python"
    office.succeed_as(
        "leo",
        f"test -d venv-copied || uv venv -q venv-copied; uv pip install -q --reinstall --python {python} {project}=={wheel.version}",
    )
    published = index.file(f"{PLACE}/packages/{project}/{wheel.filename}")
    assert published.user == "wheelhouse" and published.mode == 0o644
    assert [e["event"] for e in shelf.journal() if e.get("file") == wheel.filename] == ["publish"]


def reasons(index: Host, name: str) -> list[dict]:
    found = index.run(f"cat {PLACE}/quarantine/*-{name}.reason.json").stdout
    return [json.loads(found)] if found else []


def test_a_spoilt_file_goes_aside_with_the_reason(index: Host, gateway, copied) -> None:
    spoilt = copied["spoilt"]
    name = spoilt.wheel.filename
    eventually(lambda: bool(reasons(index, name)), f"{name} is in the quarantine", int(spoilt.at + MOST - time.time()))
    (why,) = reasons(index, name)
    assert "in the wheel and not in RECORD" in why["reason"] and why["found"] == spoilt.place
    assert not index.file(f"{PLACE}/{spoilt.place}").exists
    for path in (spoilt.place, f"packages/acme-spoilt/{name}"):
        assert gateway.ask(f"/{path}").status == 404


def test_what_is_no_package_goes_aside_too(index: Host, copied, version) -> None:
    name = f"notes-{version}.txt"
    eventually(lambda: bool(reasons(index, name)), f"{name} is in the quarantine", MOST)
    (why,) = reasons(index, name)
    assert "neither a wheel" in why["reason"]


def test_a_look_that_finds_nothing_is_cheap_and_fails_nothing(index: Host, shelf: Shelf, copied) -> None:
    before = shelf.snapshot()
    index.check_output("systemctl start wheelhouse-incoming.service")
    assert shelf.snapshot() == before
    assert index.run("systemctl is-failed wheelhouse-incoming.service").stdout.strip() != "failed"

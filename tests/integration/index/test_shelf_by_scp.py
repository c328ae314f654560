"""Copying a file into packages/ is a way to publish it: nobody has to do anything more, and what is wrong goes aside."""

from __future__ import annotations

import json
import time
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
        "flat": (Wheel("acme_flat", version), "", "0644"),
        "in its project's directory": (Wheel("acme_placed", version), "acme-placed/", "0644"),
        "readable by root alone": (Wheel("acme_private", version), "acme-private/", "0600"),
        "in a directory of another name": (Wheel("acme_elsewhere", version), "Acme_Else/", "0644"),
        "spoilt": (spoilt, "acme-spoilt/", "0644"),
    }
    done = {}
    for name, (wheel, directory, mode) in copies.items():
        shelf.put(directory + wheel.filename, wheel.build(), mode)
        done[name] = Copied(wheel, directory + wheel.filename, mode, time.time())
    shelf.put(f"notes-{version}.txt", b"where I was\n")
    return done


def test_somebody_looks_every_minute(index: Host) -> None:
    timer = index.service("wheelhouse-arrivals.timer")
    assert timer.is_enabled and timer.is_running


@pytest.mark.parametrize(
    "how", ["flat", "in its project's directory", "readable by root alone", "in a directory of another name"]
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
    assert "in the wheel and not in RECORD" in why["reason"] and why["found"] == f"packages/{spoilt.place}"
    assert not index.file(f"{PLACE}/packages/{spoilt.place}").exists
    assert gateway.ask(f"/packages/{spoilt.place}").status == 404


def test_what_is_no_package_goes_aside_too(index: Host, copied, version) -> None:
    name = f"notes-{version}.txt"
    eventually(lambda: bool(reasons(index, name)), f"{name} is in the quarantine", MOST)
    (why,) = reasons(index, name)
    assert "neither a wheel" in why["reason"]


def test_a_look_that_finds_nothing_is_cheap_and_fails_nothing(index: Host, shelf: Shelf, copied) -> None:
    before = shelf.snapshot()
    index.check_output("systemctl start wheelhouse-arrivals.service")
    assert shelf.snapshot() == before
    assert index.run("systemctl is-failed wheelhouse-arrivals.service").stdout.strip() != "failed"

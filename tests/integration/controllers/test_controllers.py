"""The office is set up by another release of ansible-core than the one in .venv."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from ansible.release import __version__
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.controller import SUPPORTED
from company import NAME, ROOT, STATE

OLDEST, NEWEST = SUPPORTED[0], SUPPORTED[-1]
RELEASE = os.environ.get("WHEELHOUSE_CONTROLLER") or (OLDEST if __version__.startswith(f"{NEWEST}.") else NEWEST)


def run(*arguments: str) -> str:
    """What ansible-playbook of that release printed; it has to succeed."""
    done = subprocess.run(
        [ROOT / "demo" / "controller", RELEASE, "-i", "inventories/demo", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(done.stdout)  # which pytest shows where a test fails
    assert done.returncode == 0
    return done.stdout


def complaints(output: str) -> list[str]:
    """Warnings and deprecations, but for those of the collection that the demo deserves: its vault, its adversaries."""
    said = [line for line in output.splitlines() if re.match(r"\[(WARNING|DEPRECATION WARNING|ERROR)\]", line)]
    return [
        line
        for line in said
        if not re.match(rf"\[WARNING\]: (mallory[a-z-]*: |{re.escape(STATE.name)}/vault\.json holds )", line)
    ]


@pytest.fixture(scope="module")
def first_run() -> str:
    """The office, with the adversaries and the access card that the other scenarios need."""
    return run("molecule/converge.yml")


def test_it_is_the_release_that_was_asked_for() -> None:
    version = run("--version").splitlines()[0]
    assert re.fullmatch(rf"ansible-playbook \[core {re.escape(RELEASE)}\.\d+\]", version)


def test_a_first_installation(first_run: str) -> None:
    recap = first_run.rpartition("PLAY RECAP")[2]
    assert len(re.findall(r"failed=0 ", recap)) == len(re.findall(r"ok=[1-9]", recap)) >= 4, recap
    assert re.search(r"wheelhouse-index .*changed=[1-9]\d", recap), f"{NAME} was set up before:\n{recap}"
    assert complaints(first_run) == []


def test_a_second_run_changes_nothing(first_run: str) -> None:
    second = run("site.yml")
    recap = second.rpartition("PLAY RECAP")[2]
    assert recap.count("changed=0 ") == recap.count("ok=") >= 3, recap
    assert complaints(second) == []

"""Everybody of a team has a server of their own, at their own address, with their own token; nothing of it needs help."""

from __future__ import annotations

import itertools
import json
import subprocess
import time

import pytest
from colleagues import LIMITS, Team, settle, tasks_of
from company import SUFFIX, eventually

HOST = f"wheelhouse-jupyter{SUFFIX}"


def test_servers_start_when_they_are_wanted(team: Team) -> None:
    """All at once, each with a notebook on a real kernel; before that nobody's takes any memory."""
    team.host.check_output("systemctl stop 'jupyterlab@*.service'")
    assert {team.state(name) for name in team.names} == {"inactive"}
    said = team.everybody(lambda name: team.cells(name, "import getpass; print(getpass.getuser(), 6 * 7)"))
    assert said == {name: f"{name} 42\n" for name in team.names}
    assert {team.state(name) for name in team.names} == {"active"}


def test_a_server_answers_to_its_own_token_alone(team: Team) -> None:
    pairs = list(itertools.product(team.names, repeat=2))
    expected = [200 if owner == bearer else 403 for owner, bearer in pairs]
    assert team.statuses(pairs) == expected


def test_another_run_changes_nothing(team: Team) -> None:
    before = team.everybody(team.main_process)
    again = settle(len(team.names), LIMITS)
    assert again.changed == 0, again.output
    assert team.everybody(team.main_process) == before


@pytest.mark.long
def test_a_run_takes_as_many_tasks_for_fifty_as_for_one(team: Team, capsys: pytest.CaptureFixture[str]) -> None:
    took: dict[int, int] = {}
    try:
        for size in (50, 10, 1):
            settle(size, LIMITS)
            start = time.monotonic()
            again = settle(size, LIMITS)
            assert again.changed == 0, again.output
            took[size] = tasks_of(again)
            with capsys.disabled():
                print(f"{size} people: {took[size]} tasks, {time.monotonic() - start:.1f} s")
        assert len(set(took.values())) == 1, took
    finally:
        settle(len(team.names), LIMITS)


def test_a_killed_server_is_back_without_help(team: Team) -> None:
    victim, *others = team.names
    team.cells(victim, "pass")
    before = team.everybody(team.main_process)
    team.host.check_output("kill -KILL %s", before[victim])
    assert team.cells(victim, "print(1)") == "1\n"
    after = team.everybody(team.main_process)
    assert after[victim] != before[victim]
    assert {name: after[name] for name in others} == {name: before[name] for name in others}


def test_a_terminated_server_is_back_without_help(team: Team) -> None:
    name = team.names[0]
    team.host.check_output("systemctl stop jupyterlab@%s", name)
    assert json.loads(team.run_as(name, "jupyter-status").stdout)["state"] == "idle"
    assert team.cells(name, "print(1)") == "1\n"


def test_a_restart_of_the_host_needs_nobody(team: Team) -> None:
    tokens = team.everybody(team.token)
    subprocess.run(["docker", "restart", "--time", "60", HOST], check=True, capture_output=True)
    eventually(lambda: team.host.run("systemctl is-system-running").stdout.strip() == "running", "the host has booted")
    assert team.everybody(team.token) == tokens
    said = team.everybody(lambda name: team.cells(name, "print(1)"))
    assert set(said.values()) == {"1\n"}


@pytest.mark.long
def test_what_is_idle_stops_and_work_does_not(team: Team) -> None:
    """The setting here is one minute. A server with a kernel, and the variables in it, stays."""
    keeps, *others = team.names
    kernel = team.cells(keeps, "answer = 42", kernel="kept").strip()
    eventually(lambda: {team.state(name) for name in others} == {"inactive"}, "idle servers have stopped", seconds=240)
    assert team.state(keeps) == "active"
    assert team.cells(keeps, "print(answer)", kernel=kernel) == "42\n"
    assert team.cells(others[0], "print(1)") == "1\n"

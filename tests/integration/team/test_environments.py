"""Virtualenvs of the role `virtualenv` as kernels: a new lock is there for the next notebook, and the running one keeps its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from company import Run, play
from kernels import run_cells

PLAYBOOK = Path(__file__).with_name("environments.yml")
SHARED = {"path": "/opt/acme/forecasts", "kernel": "Acme forecasts", "mode": "0755"}
OWN = {"path": "~/envs/own", "owner": "ada", "kernel": "My own"}
UV, AWAY = "/usr/local/bin/uv", "/usr/local/bin/uv.away"
# from the environment's packages, at the moment it is run
VERSION = "import importlib; print(importlib.import_module('idna.package_data').__version__)"


def settle(*environments: dict, check: bool = True) -> Run:
    return play(PLAYBOOK, "--extra-vars", json.dumps({"virtualenv_environments": list(environments)}), check=check)


def locked(environment: dict, *requirements: str, **more: str) -> dict:
    return environment | {"requirements": ["ipykernel", *requirements]} | more


@pytest.fixture(scope="module")
def forecasts(office) -> Iterator[dict]:
    """An environment that two people share as a kernel."""
    environment = locked(SHARED, "idna==3.6")
    settle(environment)
    yield environment
    settle(SHARED | {"state": "absent"}, OWN | {"state": "absent"})


@pytest.mark.long
def test_everybody_can_use_a_shared_one_as_a_kernel(office, forecasts) -> None:
    for name in ("ada", "leo"):
        assert run_cells(office, name, VERSION, spec="acme-forecasts") == "3.6\n"


@pytest.mark.long
def test_a_second_run_changes_nothing(forecasts) -> None:
    assert settle(forecasts).changed == 0


def test_a_changed_lock_leaves_the_kernel_that_runs_alone(office, jupyter, forecasts) -> None:
    kernel = run_cells(office, "ada", "answer = 42", kernel="kept", spec="acme-forecasts").strip()
    # twice: the build that the kernel runs on is not even the one before
    for version in ("3.7", "3.10"):
        run = settle(locked(SHARED, f"idna=={version}"))
        assert f"- idna {version}" in run.output and "removed:" in run.output
    # only now does the kernel load the package
    assert run_cells(office, "ada", VERSION, kernel=kernel) == "3.6\n"
    assert run_cells(office, "ada", VERSION, spec="acme-forecasts") == "3.10\n"
    builds = jupyter.check_output("ls -d /opt/acme/.forecasts.*").split()
    assert len(builds) == 3, builds


@pytest.mark.long
def test_a_lock_that_cannot_be_installed_changes_nothing(office, jupyter, forecasts) -> None:
    before = jupyter.check_output("readlink /opt/acme/forecasts; ls -A /opt/acme")
    run = settle(locked(SHARED, "idna==0.0.404"), check=False)
    assert run.rc != 0 and "the one before stays in use" in run.output
    assert jupyter.check_output("readlink /opt/acme/forecasts; ls -A /opt/acme") == before


def test_a_build_that_fails_its_check_is_not_used(jupyter, forecasts) -> None:
    before = jupyter.check_output("readlink /opt/acme/forecasts; ls -A /opt/acme")
    run = settle(locked(SHARED, "idna==3.8", check="import sys; sys.exit('no forecasts today')"), check=False)
    assert run.rc != 0 and "no forecasts today" in run.output
    assert jupyter.check_output("readlink /opt/acme/forecasts; ls -A /opt/acme") == before


@pytest.mark.long
def test_one_without_ipykernel_is_no_kernel(forecasts) -> None:
    run = settle(SHARED | {"requirements": ["idna==3.9"]}, check=False)
    assert run.rc != 0 and "has no ipykernel" in run.output


@pytest.mark.long
def test_ones_own_is_for_oneself_and_can_do_without_uv(office, jupyter, forecasts) -> None:
    jupyter.check_output(f"mv {UV} {AWAY} && mv /opt/wheelhouse/uv /opt/wheelhouse/uv.away")
    try:
        settle(locked(OWN, "idna==3.6"), forecasts)
    finally:
        jupyter.check_output(f"mv {AWAY} {UV}; mv /opt/wheelhouse/uv.away /opt/wheelhouse/uv")
    assert run_cells(office, "ada", VERSION, spec="my-own") == "3.6\n"
    assert jupyter.file("/home/ada/.local/share/jupyter/kernels/my-own/kernel.json").user == "ada"
    assert not jupyter.file("/home/leo/.local/share/jupyter/kernels/my-own").exists


@pytest.mark.long
def test_taken_away_it_is_no_kernel_any_more(jupyter, forecasts) -> None:
    assert settle(SHARED | {"state": "absent"}).changed == 1
    assert not jupyter.file("/usr/local/share/jupyter").exists
    assert jupyter.run("ls -A /opt/acme").stdout == ""

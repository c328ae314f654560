# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What the modules offboard and virtualenvs report to the roles accounts, virtualenv and package_client."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import leaving_people, virtualenv_builds
from ansible_collections.wheelhouse.onboarding.plugins.modules import offboard, virtualenvs

from .conftest import RunModule


def test_names_without_an_account_and_members_are_reported(
    run_module: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role creates the missing accounts, and takes members who are not in the list for removed users."""
    groups = {leaving_people.HERE: ["ada", "leo"], leaving_people.FORMER: []}
    monkeypatch.setattr(leaving_people, "members", lambda group: groups[group])
    answer = run_module(offboard, names=["root", "nemo-x"], state="back", check_mode=True)
    assert (answer["missing"], answer["members"], answer["changed"]) == (["nemo-x"], ["ada", "leo"], False)


@pytest.mark.parametrize("path", ["venv", "~venv", "/", "~/", "//x"])
def test_an_environment_has_a_usable_path(run_module: RunModule, path: str) -> None:
    answer = run_module(virtualenvs, environments=[{"path": "/opt/a"}, {"path": path}])
    assert answer["failed"] and not answer["environments"], "nothing is built"
    assert answer["msg"] == (
        f'virtualenv_environments[].path is "{path}"; write an absolute path, or one that begins with ~/.'
    )


def test_an_environment_is_there_once(run_module: RunModule) -> None:
    same = [{"path": "/opt/a"}, {"path": "/opt/a", "owner": "nemo-x"}, {"path": "/opt/a"}]
    answer = run_module(virtualenvs, environments=same)
    assert answer["failed"] and answer["msg"] == "virtualenv_environments has /opt/a of root twice; keep one of them."


@pytest.mark.skipif(os.geteuid() != 0, reason="environments of root are built by root")
def test_the_task_fails_with_each_fault_once_all_were_tried(run_module: RunModule, tmp_path: Path) -> None:
    paths = [f"{tmp_path}/a", f"{tmp_path}/b"]  # below /tmp, where others can write
    answer = run_module(virtualenvs, environments=[{"path": path} for path in paths])
    assert answer["failed"] and all(f"name the `owner` of {path}" in answer["msg"] for path in paths)
    assert [one["path"] for one in answer["environments"]] == paths and not list(tmp_path.iterdir())


def test_uv_is_used_before_its_command_is_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """package_client builds uv and the tools that are made with it in one task, and links the commands afterwards."""
    uv = tmp_path / "uv"
    uv.write_text("")
    uv.chmod(0o755)
    commands: list[list[str]] = []
    monkeypatch.setattr(virtualenv_builds, "UV", (str(tmp_path / "link"), str(uv)))
    monkeypatch.setattr(virtualenv_builds, "run", lambda command, *_: commands.append(command))
    virtualenv_builds.install(str(tmp_path / "build"), "python3", "idna==3.6")
    assert [command[:2] for command in commands] == [[str(uv), "venv"], [str(uv), "pip"]]

"""What comes back by itself after a host was switched off and on. Last, since it interrupts everybody."""

from __future__ import annotations

import subprocess

import pytest
from company import eventually


@pytest.mark.parametrize("role", ["index", "jupyter", "workstation"])
def test_a_host_comes_back(office, role) -> None:
    name = office.access["hosts"][role]
    subprocess.run(["docker", "stop", "--time", "60", name], check=True, capture_output=True)
    subprocess.run(["docker", "start", name], check=True, capture_output=True)
    host = office.host(role)
    eventually(
        lambda: host.run("systemctl is-system-running").stdout.strip() == "running",
        f"{name} has booted without a failed unit",
    )


def test_everybody_can_work_again(office) -> None:
    command = "uv venv -q --clear venv-again && uv pip install --no-cache --python venv-again/bin/python idna"
    eventually(lambda: office.run_as("leo", command).rc == 0, "leo installs a package")


def test_jupyter_answers_again(office) -> None:
    eventually(lambda: office.run_as("ada", "jupyter-tunnel --no-browser").rc == 0, "ada opens Jupyter")

"""What comes back by itself after a host was switched off and on. Last, since it interrupts everybody."""

from __future__ import annotations

import subprocess
from urllib.parse import urlsplit

import pytest
from company import eventually
from kernels import STATUS, script


def switch(verb: str, name: str) -> None:
    patience = ["--time", "60"] if verb == "stop" else []
    subprocess.run(["docker", verb, *patience, name], check=True, capture_output=True)


def test_a_tunnel_comes_back_with_its_host(office, workstation) -> None:
    """The address that is open in the browser answers again, and nobody has done anything for it."""
    address = urlsplit(office.succeed_as("ada", "jupyter-tunnel --no-browser").strip())
    ask = script(STATUS, address.netloc, f"/api/contents?{address.query}")
    name = office.access["hosts"]["jupyter"]
    switch("stop", name)
    try:
        assert office.run_as("ada", ask).rc != 0
        eventually(
            lambda: "trying to come back" in office.run_as("ada", "jupyter-tunnel --status").stdout,
            "its status says so",
        )
    finally:
        switch("start", name)
    eventually(lambda: office.run_as("ada", ask).stdout.startswith("200"), "the page answers again")


@pytest.mark.parametrize("role", ["index", "jupyter", "workstation"])
def test_a_host_comes_back(office, role) -> None:
    name = office.access["hosts"][role]
    switch("stop", name)
    switch("start", name)
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

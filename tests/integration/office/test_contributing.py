"""What CONTRIBUTING.md has a contributor type where an office runs."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass

import pytest
from company import ROOT


@dataclass(frozen=True)
class Contributor:
    """Types commands in this checkout; WHEELHOUSE_DEMO says which office they are about."""

    def as_written(self, command: str) -> str:
        # nothing of a make that runs these tests
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-8000:]
        return done.stdout


@pytest.fixture
def contributor(office) -> Contributor:
    return Contributor()


def test_a_role_on_its_hosts(contributor) -> None:
    """It applies nothing else, and since all is set up it changes nothing."""
    output = contributor.as_written("make role R=package_client")
    recap = output.rpartition("PLAY RECAP")[2]
    assert "wheelhouse-workstation" in recap and "wheelhouse-index" not in recap
    assert set(re.findall(r"changed=(\d+)", recap)) == {"0"}
    assert "package_client : " in output and "corporate_proxy : " not in output


@pytest.mark.long
def test_a_check_of_a_role(contributor) -> None:
    output = contributor.as_written('make role R="package_client --check --diff"')
    assert "failed=0" in output


def test_one_test_of_the_office(contributor) -> None:
    assert " passed" in contributor.as_written("make integration T=tests/integration/office/test_network.py")

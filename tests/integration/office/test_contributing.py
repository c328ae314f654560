"""What CONTRIBUTING.md has a contributor type while an office runs."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from company import ROOT

pytestmark = pytest.mark.long


class Contributor:
    """Somebody in this checkout, whose shell knows nothing of a make that runs these tests."""

    def as_written(self, command: str) -> str:
        """Type a command of CONTRIBUTING.md; what it prints."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        done = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def contributor(office) -> Contributor:
    return Contributor()


def test_one_role_on_the_hosts(contributor: Contributor) -> None:
    recap = contributor.as_written("make role R=package_client").rpartition("PLAY RECAP")[2]
    assert "wheelhouse-workstation" in recap
    assert recap.count("changed=0") == recap.count("ok=")
    said = contributor.as_written('make role R="package_client --check --diff"')
    assert "failed=0" in said.rpartition("PLAY RECAP")[2]


def test_one_test_of_an_office(contributor: Contributor) -> None:
    said = contributor.as_written("make integration T=tests/integration/office/test_network.py")
    assert re.search(r"[1-9]\d* passed", said)

"""The commands of CONTRIBUTING.md, in a checkout of their own; those that need hosts run in the scenario `default`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Contributor:
    """Somebody with a fresh checkout, whose shell knows nothing of the tools or of a make that runs these tests."""

    checkout: Path

    def as_written(self, command: str, activated: bool = False) -> str:
        """Type a command, perhaps after `. .venv/bin/activate`; what it prints."""
        return self.run(f". .venv/bin/activate && {command}" if activated else command)

    def run(self, command: str, succeeds: bool = True) -> str:
        kept = {name: value for name, value in os.environ.items() if name.startswith("WHEELHOUSE_") or name == "HOME"}
        names = {"GIT_AUTHOR_NAME": "ada", "GIT_COMMITTER_NAME": "ada", "EMAIL": "ada@acme.example"}
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.checkout,
            env=kept | names | {"PATH": "/usr/local/bin:/usr/bin:/bin", "PRE_COMMIT_HOME": f"{self.checkout}/.cache"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) == succeeds, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def contributor(tmp_path_factory: pytest.TempPathFactory) -> Contributor:
    checkout = tmp_path_factory.mktemp("checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in names:
        if name and (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name)
    (checkout / ".venv").symlink_to(ROOT / ".venv")
    contributor = Contributor(checkout)
    contributor.run("git init --quiet && git add --all && git commit --quiet --message Checkout")
    return contributor


def passed(output: str) -> int:
    return sum(int(number) for number in re.findall(r"(\d+) passed", output))


def test_one_unit_test(contributor: Contributor) -> None:
    assert passed(contributor.as_written("make unit T=tests/unit/plugins/test_no_proxy.py")) > 30


@pytest.mark.long
def test_unit_tests_by_their_name(contributor: Contributor) -> None:
    output = contributor.as_written('make unit T="tests/unit/plugins -k netrc"')
    assert passed(output) > 10
    assert "deselected" in output


def test_git_refuses_what_the_checks_find(contributor: Contributor) -> None:
    contributor.as_written(". .venv/bin/activate")
    contributor.as_written("pre-commit install", activated=True)
    commit = "git add --all && git commit --message Change"
    program = contributor.checkout / "tests" / "tools" / "new.py"
    program.write_text("import os\n")
    output = contributor.run(commit, succeeds=False)
    assert "`os` imported but unused" in output
    program.write_text('"""Nothing."""\n')
    output = contributor.run(commit)
    assert "Passed" in output
    assert "mypy" not in output

"""Every program answers `--help`: what it does, how it is called, in plain English, and without doing anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from wheelhouse import cli

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("demo", "roles/*/files", "roles/*/files/doctor", "roles/onboarding_bundle/files/posix", "tests/tools", ".ci")
# {program: why it has no help of its own}
WITHOUT = {
    "demo/canaries.sh": "Ansible sends it to the hosts",
    "demo/conda-installer.sh": "has the interface of Miniforge's installer, as far as the role uses it",
    "roles/corporate_proxy/files/user-environment": "systemd runs it, without arguments",
    "roles/jupyter_host/files/kernel-launcher": "hands its arguments to ipykernel",
    "roles/jupyter_host/files/start-server": "hands its arguments to JupyterLab",
    "roles/onboarding_bundle/files/posix/uninstall.sh": "the same as install.sh --uninstall, which has it",
    "tests/tools/sanity.py": "hands its arguments to ansible-test",
    "tests/tools/type_checks.py": "hands its arguments to mypy",
}
INDEX = (
    "backup channel check-config downloads export health housekeeping import intake journal mark metrics reindex"
    " remove report status take-over token trial unyank verify yank"
)
UNCLEAR = re.compile(
    r"\b(anew|lest|of before|of now|who left|let (?:in|out)|brought in|kept back|tells?|told"
    r"|nobody|somebody|everybody|whoever)\b",
    re.IGNORECASE,
)


def programs() -> Iterator[str]:
    for place in PLACES:
        for path in sorted(ROOT.glob(f"{place}/*")):
            text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
            if text.startswith("#!") or '\nif __name__ == "__main__":' in text:
                yield str(path.relative_to(ROOT))


PROGRAMS = list(programs())


def help_of(name: str, directory: Path) -> subprocess.CompletedProcess[str]:
    first = (ROOT / name).read_text(encoding="utf-8").split("\n", 1)[0]
    is_shell = first.startswith("#!") and "python" not in first
    # where programs that are installed side by side find each other
    path = ":".join(str(ROOT / place) for place in ("plugins/module_utils", "tests/unit", "tests/tools"))
    return subprocess.run(
        [*(first[2:].split() if is_shell else [sys.executable]), str(ROOT / name), "--help"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def check(text: str, name: str) -> None:
    """What a person can go by."""
    assert len(text.split()) >= 8, text
    assert name in text, "how it is called"
    assert UNCLEAR.findall(text) == [], text


def test_programs_are_found() -> None:
    assert len(PROGRAMS) > 20
    assert set(PROGRAMS) >= WITHOUT.keys(), "stale entries"


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in WITHOUT])
def test_help(name: str, tmp_path: Path) -> None:
    done = help_of(name, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    check(done.stdout, name.rpartition("/")[2])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["", *INDEX.split()])
def test_help_of_the_index_program(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*command.split(), "--help"])
    assert ended.value.code == 0
    check(capsys.readouterr().out, f"wheelhouse {command}".strip())

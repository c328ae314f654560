"""After all of the above, the adversaries on the hosts have gained nothing, and IT is told what they are up to."""

from __future__ import annotations

import time
from pathlib import Path

from adversaries import NAMES, gains
from company import ROOT, play

PATIENCE = 60
"""Seconds that the doctor has for a person. It has more by default, and waits for each of the adversaries that long."""


def test_the_doctor_names_them_and_looks_at_everybody_else(tmp_path: Path) -> None:
    """Profiles that wait for ever, a home that cannot be entered, a shell whose start is a pipe."""
    playbook = (ROOT / "playbooks" / "doctor.yml").read_text(encoding="utf-8")
    for line, sooner in (
        ("import_playbook: preflight.yml\n", "import_playbook: wheelhouse.onboarding.preflight\n"),
        (
            "wheelhouse.onboarding.doctor_reports:\n",
            f"wheelhouse.onboarding.doctor_reports:\n        seconds: {PATIENCE}\n",
        ),
    ):
        assert playbook.count(line) == 1
        playbook = playbook.replace(line, sooner)
    (tmp_path / "doctor.yml").write_text(playbook, encoding="utf-8")
    start = time.monotonic()
    run = play(tmp_path / "doctor.yml", check=False)
    assert time.monotonic() - start < 15 * 60
    said = " ".join(run.output.split())
    assert {name for name in NAMES if f"{name}: the doctor did not run here" in said} >= {
        "mallory",
        "mallory-fifos",
        "mallory-locked",
    }
    assert "ada: the doctor did not run here" not in said and "leo: the doctor did not run here" not in said


def test_the_adversaries_have_gained_nothing() -> None:
    assert gains() == []

"""After all of the above, the adversaries on the hosts have gained nothing, and IT is told what they are up to."""

from __future__ import annotations

import time

from adversaries import NAMES, gains
from company import site


def test_the_doctor_names_them_and_looks_at_everybody_else() -> None:
    """Profiles that wait for ever, a home that cannot be entered, a shell whose start is a pipe."""
    start = time.monotonic()
    run = site(playbook="doctor", check=False)
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

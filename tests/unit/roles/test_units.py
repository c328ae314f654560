"""Units of systemd: what root runs in them owes nothing to what a person can write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROLES = Path(__file__).resolve().parents[3] / "roles"
UNITS = sorted(
    path
    for kind in ("service", "socket", "timer", "path", "target", "conf")
    for end in ("", ".j2")
    for path in [*ROLES.glob(f"*/files/**/*.{kind}{end}"), *ROLES.glob(f"*/templates/**/*.{kind}{end}")]
    if re.search(r"^\[(Unit|Service|Socket)\]", path.read_text(), re.MULTILINE)
)
HOME = re.compile(r"/home\b|/root\b|%h\b|~|_homes\b")


def lines_of(unit: Path, *settings: str) -> list[str]:
    """The values of settings of a unit."""
    return re.findall(rf"^(?:{'|'.join(settings)})=(.*)$", unit.read_text(), re.MULTILINE)


def name_of(unit: Path) -> str:
    return str(unit.relative_to(ROLES))


def test_there_are_units() -> None:
    assert "jupyter_host/templates/jupyterlab@.service.j2" in map(name_of, UNITS)


@pytest.mark.parametrize("unit", UNITS, ids=name_of)
def test_no_variable_comes_from_where_a_person_can_write(unit: Path) -> None:
    told = lines_of(unit, "Environment", "EnvironmentFile", "PassEnvironment", "ExecSearchPath")
    assert [line for line in told if HOME.search(line)] == []


@pytest.mark.parametrize("unit", [unit for unit in UNITS if "@" in unit.name and ".service" in unit.name], ids=name_of)
def test_a_persons_unit_runs_as_the_person(unit: Path) -> None:
    assert lines_of(unit, "User") == ["%i"]


@pytest.mark.parametrize("unit", [unit for unit in UNITS if "%i" in lines_of(unit, "User")], ids=name_of)
def test_no_command_runs_as_root_in_a_persons_unit(unit: Path) -> None:
    """`+` and `!` take the user and the sandbox away, and leave what the unit's Environment= says."""
    assert [line for line in lines_of(unit, r"Exec\w+") if re.match(r"[-@:|]*[+!]", line)] == []

"""`make role` runs the plays of site.yml with one role, and needs no list of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from apply_role import plays_of, role_of

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "tools" / "apply_role.py"
# of workstations and Jupyter hosts the first, of laptops the second, of enroll.yml and fleet.yml the third
PART_OF_OTHERS = {"virtualenv", "onboarding_bundle", "fleet"}
ROLES = sorted({path.name for path in (ROOT / "roles").iterdir()} - PART_OF_OTHERS)


def hosts_of(role: str) -> list[str]:
    return [play["hosts"] for play in plays_of(role)]


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_play_that_parses(role: str, tmp_path: Path) -> None:
    plays = plays_of(role)
    assert plays
    for play in plays:
        entries = [*play.get("roles", []), *play.get("tasks", [])]
        assert [role_of(entry) for entry in entries if "block" not in entry] == [role] * len(entries)
    (tmp_path / "role.yml").write_text(yaml.safe_dump(plays))
    command = ["ansible-playbook", "--syntax-check", "-i", "inventories/demo", str(tmp_path / "role.yml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_its_hosts_take_part() -> None:
    assert hosts_of("index_gateway") == ["index_hosts"]
    [hosts] = hosts_of("jupyter_host")
    assert "jupyter_hosts" in hosts and "workstations" not in hosts and "index_hosts" not in hosts
    assert not any("index_hosts" in hosts for hosts in hosts_of("package_client"))


def test_what_site_yml_sets_counts() -> None:
    """Variables that go with an import are those of its plays."""
    [play] = plays_of("pypi_index")
    assert any(name.startswith("pypi_index_") for name in play["vars"])
    assert play["any_errors_fatal"] is True


def test_another_name_is_refused_with_those_there_are() -> None:
    done = subprocess.run([sys.executable, PROGRAM, "pip"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no role 'pip'" in done.stderr
    assert ", ".join(ROLES) in done.stderr

"""A wrong inventory is told at once, whole, and before any host is touched: these hosts do not exist."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "inventories" / "example"
SECRET = "s3cr3t-sentinel"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A copy of the example, to be spoilt."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "acme"))


def spoil(inventory: Path, **settings) -> None:
    """Overwrite shared settings; ansible reads the files of a directory in alphabetical order."""
    (inventory / "group_vars" / "all" / "zz_spoilt.yml").write_text(yaml.safe_dump(settings))


def preflight(inventory: Path) -> tuple[int, str]:
    """The exit code of site.yml and what it printed, white space folded."""
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(ROOT / "site.yml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_all_faults_are_told_at_once(inventory: Path) -> None:
    people = yaml.safe_load((inventory / "group_vars" / "all" / "people.yml").read_text())["wheelhouse_people"]
    people[0]["index_password"] = SECRET + "\n"
    people[1]["name"] = "ada"
    people[1]["workstations"] = ["ws-nobody.acme.example"]
    spoil(
        inventory,
        wheelhouse_index_url=None,
        wheelhouse_proxy={"regions": {"europe": "proxy.acme.example"}},
        wheelhouse_people=people,
    )

    code, said = preflight(inventory)

    assert code != 0
    for fault in (
        "wheelhouse_index_url",
        "wheelhouse_proxy.regions.europe",
        "wheelhouse_people[ada].index_password",
        "wheelhouse_people[1].name",
        "ws-nobody.acme.example",
    ):
        assert fault in said, fault
    assert SECRET not in said


def test_an_unknown_group_is_told(inventory: Path) -> None:
    (inventory / "more.yml").write_text(yaml.safe_dump({"workstatons": {"hosts": {"ws-9.acme.example": None}}}))
    code, said = preflight(inventory)
    assert code != 0
    assert "workstatons" in said and "workstations" in said


def test_no_host_is_touched(inventory: Path) -> None:
    """A host that Ansible tries to reach shows as unreachable, or with gathered facts."""
    spoil(inventory, wheelhouse_index_url="http://packages.acme.example")
    code, said = preflight(inventory)
    assert code != 0
    assert "unreachable=1" not in said and "Gathering Facts" not in said
    assert "ssh" not in said.lower().replace("ssh_public_key", "")


def test_the_example_itself_is_sound(inventory: Path) -> None:
    """It gets past the check, to the first host, which does not exist."""
    _, said = preflight(inventory)
    assert "The inventory needs a change" not in said
    assert "unreachable=1" in said

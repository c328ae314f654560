"""All files name the same releases of ansible-core and of collections, and others are refused in a sentence."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils import controller
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.controller import SUPPORTED
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[2]
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
# of the packages ansible 12.0.0, 12.3.0, 13.8.0 and 14.5.0
BROUGHT = {
    "ansible.windows": ["3.2.0", "3.3.0", "3.6.1", "3.8.0"],
    "community.crypto": ["3.0.3", "3.0.5", "3.2.2", "3.5.0"],
    "community.docker": ["4.7.0", "4.8.5", "5.2.1", "5.4.0"],
    "community.general": ["11.2.1", "11.4.2", "12.6.2", "13.5.0"],
}


def next_minor(release: str) -> str:
    major, minor = release.split(".")
    return f"{major}.{int(minor) + 1}"


@pytest.mark.parametrize("version", ["2.19.0", "2.19.14", "2.20.10", "2.21.5", "2.21.0rc1"])
def test_supported_versions(version: str) -> None:
    assert controller.version_fault(version) is None


@pytest.mark.parametrize("version", ["2.17.14", "2.18.19", "2.22.0", "2.22.0.dev0", "2.2.1", "3.0.0"])
def test_other_versions(version: str) -> None:
    fault = controller.version_fault(version)
    assert fault and fault.startswith(f"This run uses ansible-core {version}, and wheelhouse.onboarding supports ")
    assert "2.19, 2.20 and 2.21. Install one of these" in fault


def test_the_playbooks_say_so(tmp_path: Path) -> None:
    """By an ansible-core that takes itself for another."""
    (tmp_path / "sitecustomize.py").write_text("import ansible.release\nansible.release.__version__ = '2.18.19'\n")
    done = subprocess.run(
        ["ansible-playbook", "-i", "inventories/example", "playbooks/preflight.yml"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2
    assert "This run uses ansible-core 2.18.19, and wheelhouse.onboarding supports 2.19, 2.20 and 2.21." in said
    assert "Traceback" not in said


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert controller.library_fault(has_index=True) is None
    monkeypatch.setattr(controller, "find_spec", lambda name: None)
    fault = controller.library_fault(has_index=True)
    assert fault and "The Python library bcrypt is missing" in fault and "python3 -m pip install bcrypt" in fault
    assert controller.library_fault(has_index=False) is None


def test_the_collection_says_the_same() -> None:
    required = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))["requires_ansible"]
    assert required == f">={SUPPORTED[0]}.0,<{next_minor(SUPPORTED[-1])}.0"


def test_the_lock_has_the_oldest_and_the_newest() -> None:
    """ansible-core as pip takes it with Python 3.11, and with any later one."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    wanted = [one for one in map(Requirement, groups["tools"]) if one.name == "ansible-core"]
    assert {(str(one.specifier), str(one.marker)) for one in wanted} == {
        (f"<{next_minor(SUPPORTED[0])},>={SUPPORTED[0]}", 'python_version < "3.12"'),
        (f"<{next_minor(SUPPORTED[-1])},>={SUPPORTED[-1]}", 'python_version >= "3.12"'),
    }
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    locked = re.findall(r"^ansible-core==(\d+\.\d+)\.\d+ ; python_full_version (<|>=) '3.12'", lock, re.MULTILINE)
    assert locked == [(SUPPORTED[0], "<"), (SUPPORTED[-1], ">=")]


def test_there_is_a_controller_of_each() -> None:
    directory = ROOT / "tests/controllers"
    assert sorted(path.stem for path in directory.glob("*.txt")) == list(SUPPORTED)
    for release in SUPPORTED:
        assert f"\nansible-core=={release}." in (directory / f"{release}.txt").read_text(encoding="utf-8")


def plugins_with_a_licence() -> list[Path]:
    """Those whose licence ansible-test looks at."""
    return [path for kind in ("lookup", "modules") for path in (ROOT / "plugins" / kind).glob("[!_]*.py")]


def test_sanity_knows_each() -> None:
    """What is excused is the same for all, and nothing but the licence of each module and lookup."""
    directory = ROOT / "tests/sanity"
    assert sorted(path.name for path in directory.iterdir()) == [f"ignore-{release}.txt" for release in SUPPORTED]
    names = sorted(f"plugins/{path.parent.name}/{path.name}" for path in plugins_with_a_licence())
    lines = [f"{name} validate-modules:missing-gplv3-license # this collection's licence is MIT" for name in names]
    for release in SUPPORTED:
        assert (directory / f"ignore-{release}.txt").read_text(encoding="utf-8").splitlines() == lines


def test_documentation_says_the_same() -> None:
    text = (ROOT / "docs/installation.md").read_text(encoding="utf-8")
    assert f"{', '.join(SUPPORTED[:-1])} or {SUPPORTED[-1]}" in text
    assert f"'{controller.PACKAGES}'" in text


@pytest.mark.parametrize("name", GALAXY["dependencies"])
def test_collections_of_each_ansible_are_admitted(name: str) -> None:
    """So that ansible-galaxy replaces none of them."""
    allowed = SpecifierSet(GALAXY["dependencies"][name])
    assert [version for version in BROUGHT[name] if version not in allowed] == []
    manifest = files(f"ansible_collections.{name}") / "MANIFEST.json"
    version = json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"]
    assert version in BROUGHT[name], f"{name} {version} is what the tests use"


def test_requirements_are_the_dependencies() -> None:
    listed = yaml.safe_load((ROOT / "requirements.yml").read_text(encoding="utf-8"))
    assert {one["name"]: one["version"] for one in listed["collections"]} == GALAXY["dependencies"]


def test_an_execution_environment_gets_what_plugins_import() -> None:
    definition = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text(encoding="utf-8"))
    wanted = (ROOT / definition["dependencies"]["python"]).read_text(encoding="utf-8")
    assert re.findall(r"^[\w.-]+", wanted, re.MULTILINE) == ["bcrypt"]

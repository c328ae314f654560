"""What the repository promises as a whole, where that can be checked by looking at its files."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from ansible import constants
from ansible.parsing.plugin_docs import read_docstring
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pip._internal.models.index import PyPI, TestPyPI

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
FILTERS = sorted(path.stem for path in (ROOT / "plugins" / "filter").glob("[!_]*.py"))
PLAYBOOKS = [ROOT / "site.yml", *sorted((ROOT / "playbooks").glob("*.yml"))]

TOP_LEVEL = {
    *("galaxy.yml", "site.yml", "meta", "roles", "playbooks", "inventories", "plugins", "molecule", "tests", "docs"),
    *("README.md", "CHANGELOG.md", "SECURITY.md", "changelogs", "CONTRIBUTING.md", "LICENSE"),
    *("Makefile", "ansible.cfg", "pyproject.toml", "requirements.txt", "requirements.yml"),
    *("demo", "examples"),
}


@cache
def repository_files() -> tuple[Path, ...]:
    """What is committed, or would be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def lines_with(pattern: re.Pattern) -> list[str]:
    found = []
    for path in repository_files():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        found += [f"{path.relative_to(ROOT)}:{number}" for number, line in enumerate(lines, 1) if pattern.search(line)]
    return found


def public_registries() -> set[str]:
    """The servers that the tools of this machine would ask, by the tools' own word."""
    hosts = {PyPI.netloc, PyPI.file_storage_domain, TestPyPI.netloc, TestPyPI.file_storage_domain}
    hosts.add(urlsplit(constants.GALAXY_SERVER).netloc)
    for path in [*Path("/etc/apt").glob("*.list"), *Path("/etc/apt").glob("sources.list.d/*")]:
        hosts |= set(re.findall(r"\bhttps?://([\w.-]+)", path.read_text(encoding="utf-8")))
    return {host for host in hosts if "." in host and not re.fullmatch(r"[\d.]+", host)}


def test_no_public_registry_is_named():
    """A closed network has its own; left alone, every tool knows its default."""
    names = "|".join(re.escape(host) for host in sorted(public_registries()))
    assert lines_with(re.compile(rf"(?<![\w.-])(?:{names})(?![\w-])")) == []


def test_no_path_of_a_developers_machine():
    here = {str(ROOT), sys.base_prefix, str(Path.home() / ".pyenv")} - {"/usr", "/usr/local"}
    written = "|".join([*map(re.escape, sorted(here)), "/(?:work)/"])
    assert lines_with(re.compile(rf"(?<![\w.}}~-])(?:{written})")) == []


def test_top_level_is_tidy():
    names = {path.relative_to(ROOT).parts[0] for path in repository_files()}
    assert {name for name in names if not name.startswith(".")} - TOP_LEVEL == set()


def test_there_are_filters_and_playbooks():
    assert FILTERS
    assert len(PLAYBOOKS) > 1


@pytest.mark.parametrize("name", FILTERS)
def test_filter_is_documented(name):
    documented = read_docstring(str(ROOT / "plugins" / "filter" / f"{name}.py"))
    assert documented["doc"]["name"] == name
    assert documented["doc"]["short_description"]
    assert documented["doc"]["description"]
    assert f"wheelhouse.onboarding.{name}" in documented["plainexamples"]
    assert documented["returndocs"], "RETURN is missing"

    module = importlib.import_module(f"ansible_collections.wheelhouse.onboarding.plugins.filter.{name}")
    (function,) = module.FilterModule().filters().values()
    parameters = list(inspect.signature(function).parameters)
    assert ["_input", *parameters[1:]] == list(documented["doc"]["options"])


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_playbook_parses(playbook):
    command = [BIN / "ansible-playbook", "--syntax-check", "-i", "inventories/example", playbook]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_dependencies_are_those_in_use():
    """Nobody installs a collection for nothing, or finds one missing."""
    used = set()
    for path in repository_files():
        if path.suffix == ".yml" and path.relative_to(ROOT).parts[0] in {"roles", "playbooks", "inventories"}:
            text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
            used |= set(re.findall(r"\b((?:ansible|community)\.[a-z_]+)\.[a-z_]+", text))
    assert used - {"ansible.builtin"} == set(GALAXY["dependencies"])


def test_lock_has_what_is_asked_for():
    """`make lock` was run, and took nothing from a server that only this machine knows."""
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    locked: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE):
        locked.setdefault(name, []).append(version)
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    for wanted in map(Requirement, groups["tools"]):
        assert any(version in wanted.specifier for version in locked.get(wanted.name, [])), str(wanted)
    assert "://" not in lock
    assert lock.count("--hash=sha256:") >= len(locked)


def test_nothing_is_fetched_by_name_alone():
    """What the image is built with, and what the CI jobs use, has a hash: a name or a tag can become something else."""
    program = ROOT / "roles/pypi_index/files/wheelhouse"
    lines = (program / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    installs = [command for line in lines for command in line.split("&&") if "pip install" in command]
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or {"--no-build-isolation", "--no-index", "--no-deps"} <= {
            *command.split()
        }
    backend = (program / "build-requirements.txt").read_text(encoding="utf-8")
    (wanted,) = tomllib.loads((program / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert f"{canonicalize_name(Requirement(wanted).name)}{Requirement(wanted).specifier} " in backend
    assert "--hash=sha256:" in backend

    locked = (ROOT / "roles/package_client/files/uv.txt").read_text(encoding="utf-8")
    for path in sorted((ROOT / "examples/ci").glob("*.yml")):
        job = path.read_text(encoding="utf-8")
        assert re.findall(r"uv==[\d.]+", job) == re.findall(r"uv==[\d.]+", locked)
        hashes = re.findall(r"--hash=sha256:\w{64}", job)
        assert hashes
        assert set(hashes) <= set(re.findall(r"--hash=sha256:\w{64}", locked)), (
            "copy them from roles/package_client/files/uv.txt"
        )
        for line in job.splitlines():
            if "pip install" in line:
                assert "--require-hashes" in line
            if "uses:" in line:
                assert re.fullmatch(r" *- uses: [\w/-]+@[0-9a-f]{40}", line)


def test_every_promise_has_its_tests():
    """docs/security.md names a test for each; this says that there is such a test."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", text)
    assert len(named) > 30
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not any(f"def {test}(" in path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob(file))
    ]
    assert missing == []

"""Tags by subject: what each selects in site.yml, and that people.yml and rotate.yml do what the tags select."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
SUBJECTS = {"people", "packages", "services", "secrets"}
PARTS = {"offboard", "base", "index", "clients", "jupyter", "monitoring"}
# A task with one of these modules belongs to the subject.
MODULES = {
    "packages": {"ansible.builtin.apt", "ansible.builtin.dnf", "wheelhouse.onboarding.virtualenvs"},
    "services": {
        "ansible.builtin.systemd_service",
        "community.docker.docker_container",
        "wheelhouse.onboarding.service",
        "wheelhouse.onboarding.jupyter_servers",
    },
}
WRITING = {"ansible.builtin.copy", "ansible.builtin.template", "wheelhouse.onboarding.managed_files"}
# Roles that run for one purpose alone, outside of site.yml.
ALONE = {"onboarding_bundle", "virtualenv"}
TAGGED = sorted(set(ROLES) - ALONE)
# Rare paths, in which everything is done that is needed, whatever its kind.
WHOLE = {"migrate_home.yml", "relay.yml", "px.yml", "windows.yml"}


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it, its tags (!unsafe, !vault) taken for their text."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def tags_of(task: dict) -> set[str]:
    tags = task.get("tags", [])
    return set(tags.split(",") if isinstance(tags, str) else tags)


Found = tuple[Path, dict, frozenset[str]]


def tasks_below(
    path: Path, inherited: frozenset[str] = frozenset(), above: frozenset[Path] = frozenset()
) -> Iterator[Found]:
    """(file, task, tags) of all tasks that a file leads to; what is included has the tags that `apply` names."""
    yield from _tasks_in(yaml.load(path.read_text(encoding="utf-8"), Loader) or [], path, inherited, above | {path})


def _tasks_in(tasks: list[dict], path: Path, inherited: frozenset[str], above: frozenset[Path]) -> Iterator[Found]:
    for task in tasks:
        tags = inherited | tags_of(task)
        for part in ("block", "rescue", "always"):
            yield from _tasks_in(task.get(part, []), path, tags, above)
        for way in ("ansible.builtin.import_tasks", "ansible.builtin.include_tasks"):
            if way in task and "absent" not in path.stem:
                given = task[way] if isinstance(task[way], dict) else {"file": task[way]}
                passed = tags if "import" in way else frozenset(tags_of(given.get("apply", {})))
                # a name that is worked out is one of those written there, or one of few, and none that leads here
                name = re.sub(r"\{\{.*?\}\}", "*", given["file"])
                written = re.findall(r"'(\w+\.yml)'", given["file"]) or ["apt.yml", "dnf.yml"]
                for other in sorted(set(path.parent.glob(name)) - above):
                    if name not in ("*", "*.yml") or other.name in written:
                        yield from tasks_below(other, passed, above)
        yield path, task, tags


def main_of(role: str) -> list[Found]:
    return list(tasks_below(ROOT / "roles" / role / "tasks" / "main.yml"))


@pytest.mark.parametrize("role", sorted(set(ROLES) - ALONE))
def test_tags_are_those_that_are_documented(role):
    for path, task, tags in main_of(role):
        assert tags <= SUBJECTS | PARTS | {"always"}, f"{path}: {task.get('name')}"


@pytest.mark.parametrize("role", TAGGED)
@pytest.mark.parametrize("subject", MODULES)
def test_a_module_says_what_a_task_is_about(role, subject):
    """Of a role that is set up; to take it away is no matter of subjects."""
    for path, task, tags in main_of(role):
        if MODULES[subject] & set(task) and "absent" not in path.stem and path.name not in WHOLE:
            assert subject in tags, f"{path.relative_to(ROOT)}: {task['name']} is not tagged {subject}"


@pytest.mark.parametrize("role", TAGGED)
def test_what_writes_secrets_is_about_people_or_secrets(role):
    for path, task, tags in main_of(role):
        if "no_log" in task and WRITING & set(task) and "absent" not in path.stem:
            assert tags & {"people", "secrets"}, f"{path.relative_to(ROOT)}: {task['name']}"


@cache
def listed(playbook: str, tags: str = "all") -> dict[str, list[str]]:
    """{role: tasks} that a playbook runs with some tags, without the checks of arguments, which are in all of them."""
    command = [
        "ansible-playbook",
        "-i",
        "inventories/demo",
        "--list-tasks",
        "--tags",
        tags,
        f"playbooks/{playbook}.yml",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[str]] = {}
    for role, name in re.findall(r"^ +wheelhouse\.onboarding\.(\w+) : (.*?)\tTAGS: ", done.stdout, re.MULTILINE):
        if not name.startswith("Validating arguments") and name not in found.setdefault(role, []):
            found[role].append(name)
    return found


@pytest.mark.parametrize("role", TAGGED)
def test_people_does_what_its_tag_selects(role):
    assert listed("people").get(role, []) == listed("site", "people").get(role, [])


# {task that includes a file: what of that file has the tag}, since a list of tasks does not go into them
INCLUDED = {"Set up backups, or remove them": "Write the address and the password of the repository"}


@pytest.mark.parametrize("role", TAGGED)
def test_rotate_does_what_its_tag_selects(role):
    """And creates new secrets besides, which site.yml does not."""
    selected, done = listed("site", "secrets").get(role, []), listed("rotate").get(role, [])
    assert [name for name in selected if INCLUDED.get(name, name) not in done] == []


@pytest.mark.parametrize("subject", sorted(SUBJECTS))
def test_a_subject_is_a_fraction_of_a_run(subject):
    part, whole = (sum(map(len, listed("site", tags).values())) for tags in (subject, "all"))
    assert 0 < part < whole


def test_people_is_a_fraction_of_a_run():
    part, whole = (sum(map(len, listed(playbook).values())) for playbook in ("people", "site"))
    assert part < whole / 2


def test_what_onboarding_needs_is_selected():
    """A new person's account, proxy login, index account, credentials, SSH key, JupyterLab and tunnel."""
    for selected in (listed("people"), listed("site", "people")):
        needed = {"accounts", "corporate_proxy", "pypi_index", "package_client", "jupyter_host", "jupyter_tunnel"}
        assert needed <= selected.keys()

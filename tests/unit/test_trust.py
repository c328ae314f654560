"""Root of one managed host answers as it likes; neither the controller nor other hosts may be the worse for it.

Real runs on this machine: a host is a connection "local", and one that somebody has taken over has a Python that
answers modules with more than was asked.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("roles/*/handlers/*.yml"), *ROOT.glob("playbooks/**/*.yml")]
)
# these run on the controller, and what they say comes from there
OF_THE_CONTROLLER = {f"ansible.builtin.{name}" for name in ("assert", "debug", "fail", "set_fact", "import_role")} | {
    "wheelhouse.onboarding.inventory_check"
}
FACTS = {"package_client_conda_installer": "/etc/shadow", "os_family": "Windows"}


def run(directory: Path, play: list[dict], **environment: str) -> subprocess.CompletedProcess[str]:
    """A play at two hosts, `good` and `bad`, which says of itself what it likes."""
    liar = directory / "python-of-bad"
    liar.write_text(
        f"#!{sys.executable}\n"
        "import json, subprocess, sys\n"
        f"done = subprocess.run([{sys.executable!r}, *sys.argv[1:]], stdin=sys.stdin, capture_output=True, text=True)\n"
        "out = done.stdout\n"
        "if '{' in out:\n"
        "    answer = json.loads(out[out.index('{'):])\n"
        f"    answer['ansible_facts'] = {FACTS!r}\n"
        "    out = json.dumps(answer)\n"
        "sys.stdout.write(out)\n"
        "sys.exit(done.returncode)\n"
    )
    liar.chmod(0o755)
    hosts = {
        "good": {"ansible_python_interpreter": sys.executable},
        "bad": {"ansible_python_interpreter": str(liar)},
    }
    every = {"hosts": hosts, "vars": {"ansible_connection": "local"}}
    (directory / "hosts.yml").write_text(yaml.safe_dump({"all": every}))
    (directory / "play.yml").write_text(yaml.safe_dump(play))
    return subprocess.run(
        ["ansible-playbook", "-i", str(directory / "hosts.yml"), str(directory / "play.yml")],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def tasks(node: object) -> Iterator[dict]:
    """Every task in a file of tasks or a playbook."""
    for task in node if isinstance(node, list) else []:
        yield task
        for part in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks"):
            yield from tasks(task.get(part))


def action(task: Mapping[str, object]) -> str:
    return next((key for key in task if key.count(".") == 2), "")


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it, its tags taken for their text."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def every_task() -> Iterator[tuple[str, dict]]:
    for path in FILES:
        for task in tasks(yaml.load(path.read_text(encoding="utf-8"), Loader)):
            yield f"{path.relative_to(ROOT)}: {task.get('name')}", task


def test_what_a_host_says_of_itself_chooses_no_file_of_the_controller(tmp_path: Path) -> None:
    show = {"ansible.builtin.debug": {"msg": "installer={{ package_client_conda_installer | default('of the role') }}"}}
    play = [{"hosts": "bad", "gather_facts": False, "tasks": [{"ansible.builtin.command": "true"}, show]}]
    assert "installer=of the role" in run(tmp_path, play).stdout
    # Ansible as it comes
    assert "installer=/etc/shadow" in run(tmp_path, play, ANSIBLE_INJECT_FACT_VARS="true").stdout


@pytest.mark.parametrize("value", ["", "inject_facts_as_vars = true\n", "inject_facts_as_vars = false\n"])
def test_playbooks_refuse_settings_that_let_it(tmp_path: Path, value: str) -> None:
    """Before any host is asked: those of the example do not exist."""
    (tmp_path / "ansible.cfg").write_text(f"[defaults]\n{value}")
    done = subprocess.run(
        ["ansible-playbook", "-i", str(ROOT / "inventories" / "example"), str(ROOT / "playbooks" / "site.yml")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = " ".join((done.stdout + done.stderr).split())
    refused = "What a host reports of itself would count before what the inventory says" in said
    assert refused == ("false" not in value)
    assert ("unreachable=1" in said) != refused
    if refused:
        assert f"'inject_facts_as_vars = false' below [defaults] in {tmp_path}/ansible.cfg" in said
        assert "ANSIBLE_INJECT_FACT_VARS=false" in said


def test_all_that_we_ship_says_so() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    files = [ROOT / name for name in listed if name.endswith("ansible.cfg")]
    texts = [path.read_text(encoding="utf-8") for path in files]
    texts += re.findall(r"```ini\n(\[defaults\].*?)```", (ROOT / "docs/installation.md").read_text("utf-8"), re.S)
    assert len(texts) == len(files) + 1
    for text in texts:
        settings = ConfigParser(comment_prefixes="#")
        settings.read_string(text)
        assert settings["defaults"]["inject_facts_as_vars"] == "false"
    assert "ANSIBLE_INJECT_FACT_VARS=false" in (ROOT / "docs/installation.md").read_text(encoding="utf-8")


def test_playbooks_and_inventories_read_facts_where_they_are() -> None:
    """test_variables.py has the same for the roles."""
    own = {
        *("check_mode", "connection", "facts", "host", "inventory_sources", "managed", "play_hosts", "play_hosts_all"),
        *("playbook_python", "python_interpreter", "user", "become", "become_password", "become_method", "port"),
    }
    for folder in ("playbooks", "inventories", "demo", "molecule", "examples"):
        for path in sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in (".yml", ".j2")):
            names = re.findall(r"(?<![\w.'\[/-])ansible_(\w+)", path.read_text(encoding="utf-8"))
            assert {name for name in names if not name.startswith(("ssh_", "collections"))} <= own, path


def test_what_one_host_answers_is_said_of_no_other() -> None:
    """Ansible takes the facts in an answer for facts of all hosts with `run_once`, of another with `delegate_to`."""
    once = {
        where: task
        for where, task in every_task()
        if task.get("run_once") and action(task) not in OF_THE_CONTROLLER and "delegate_to" not in task
    }
    # hosts: index_hosts, which all have the same index
    alike = ("playbooks/directory.yml", "roles/fleet/tasks/publish.yml", "roles/fleet/tasks/step.yml")
    assert [where for where in once if not where.startswith(alike)] == []
    delegated = {where: task for where, task in every_task() if "delegate_to" in task}
    assert len(delegated) > 5
    careless = [
        where
        for where, task in delegated.items()
        if "localhost" not in task["delegate_to"] and task.get("delegate_facts") is not True
    ]
    assert careless == []


def test_facts_of_the_host_that_was_asked_stay_its_own(tmp_path: Path) -> None:
    """What the keyword does, in the Ansible that runs here."""
    ask = {"ansible.builtin.command": "true", "delegate_to": "bad", "run_once": True}
    show = {
        "ansible.builtin.debug": {"msg": "{{ inventory_hostname }}={{ ansible_facts['os_family'] | default('') }}."}
    }
    play = {"hosts": "good", "gather_facts": False, "tasks": [ask | {"delegate_facts": True}, show]}
    assert "good=." in run(tmp_path, [play]).stdout
    play["tasks"] = [ask, show]
    assert "good=Windows." in run(tmp_path, [play]).stdout


def test_no_host_is_asked_about_other_peoples_passwords(tmp_path: Path) -> None:
    """Each new login is tried once, from a host that will have it anyway."""
    path = ROOT / "roles" / "corporate_proxy" / "tasks" / "check_credentials.yml"
    [ask] = [task for task in tasks(yaml.safe_load(path.read_text("utf-8"))) if task["name"].startswith("Try the new")]
    del ask["no_log"]
    # shows what the host would be told
    told = ask.pop("wheelhouse.onboarding.proxy_auth_check")["logins"].replace("}}", "| map(attribute='username') }}")
    machine, leo, ada = (
        {"name": name, "username": name, "password": "of the vault"} for name in ("machine", "leo", "ada")
    )
    logins = {"bad": [machine, leo], "good": [machine, leo, ada]}
    play = {
        "hosts": "bad,good",
        "gather_facts": False,
        "vars": {"logins": logins},
        "tasks": [
            {"ansible.builtin.set_fact": {"__corporate_proxy_changed_logins": "{{ logins[inventory_hostname] }}"}},
            ask | {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }} was told: " + told}},
        ],
    }
    said = run(tmp_path, [play]).stdout.replace("''", "'")
    assert "bad was told: ['machine', 'leo']" in said, said
    assert "good was told: ['ada']" in said, said

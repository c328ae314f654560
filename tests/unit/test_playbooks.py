"""What all playbooks have in common, and what they say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(path for path in (ROOT / "playbooks").glob("**/*.yml") if path.parent.name != "tasks")
PREFLIGHT = ROOT / "playbooks" / "preflight.yml"
# what people call: the rest is in playbooks/parts
ENTRIES = [path for path in PLAYBOOKS if path.parent.name == "playbooks"]
HARMLESS = {f"ansible.builtin.{name}" for name in ("assert", "debug", "fail", "set_fact")}
IMPORT = "ansible.builtin.import_playbook"


def plays(path: Path) -> list[dict]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def imported(path: Path) -> set[Path]:
    """The playbooks that one imports, and those that these import."""
    found: set[Path] = set()
    for play in plays(path):
        if IMPORT in play:
            other = path.parent / play[IMPORT]
            found |= {other, *imported(other)}
    return found


def test_these_are_what_people_call():
    names = {"site", "preflight", "people", "rotate", "doctor", "intake", "report", "bundles", "index_image", "remove"}
    names |= {"backup", "directory", "restore", "status", "export", "import", "upgrade"}
    names |= {"migrate_store", "promote_database", "enroll", "fleet"}
    assert {path.stem for path in ENTRIES} == names


@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: path.stem)
def test_the_inventory_is_validated_first_and_once(path):
    if path != PREFLIGHT:
        assert plays(path)[0].get(IMPORT) == "preflight.yml"
        every = [play[IMPORT] for part in [path, *imported(path)] for play in plays(part) if IMPORT in play]
        # these end with the whole of site.yml
        assert sum(name.endswith("preflight.yml") for name in every) == (
            2 if path.stem in ("upgrade", "migrate_store") else 1
        )


def test_each_part_is_used():
    used = {part.resolve() for path in ENTRIES for part in imported(path)}
    assert {path for path in PLAYBOOKS if path not in ENTRIES} <= used


def test_playbooks_use_no_private_variables_of_roles():
    roles = {path.name for path in (ROOT / "roles").iterdir()}
    private = re.compile(rf"__(?:{'|'.join(sorted(roles))})_\w+")
    assert {path.name: found for path in PLAYBOOKS if (found := private.findall(path.read_text()))} == {}


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: str(path.relative_to(ROOT / "playbooks")))
def test_every_play_says_whether_it_needs_root(path):
    """Any user with sudo can run them; on the controller and on Windows nothing becomes root."""
    for play in plays(path):
        if IMPORT in play:
            continue
        hosts = play["hosts"]
        if "roles" not in play and all(HARMLESS & set(task) for task in play.get("tasks", [])):
            continue  # nothing of it reaches a host
        assert "become" in play, play["name"]
        if "index_image_host" in hosts:
            assert play["become"] == "{{ index_image_host is defined }}"
        elif hosts in ("localhost", "all:localhost") or "windows=true" in hosts:
            assert play["become"] is False, play["name"]
        elif "managed_hosts" in hosts or hosts in ("index_hosts", "jupyter_hosts"):
            assert play["become"] is True, play["name"]
        else:
            assert "windows" in str(play["become"]), f"{play['name']}: {hosts} may have Windows among them"


def test_what_runs_on_the_controller_does_not_become_root():
    for path in sorted(ROOT.glob("roles/*/tasks/*.yml")):
        for task in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
            for step in [task, *task.get("block", [])]:
                if "localhost" in str(step.get("delegate_to", "")):
                    assert step.get("become") not in (None, True), f"{path}: {step['name']}"


def keys_said(directory: Path, facts: str, people: list[dict]) -> str:
    """What the last part of a run says about keys, with `facts` set on the Jupyter host."""
    task = plays(ROOT / "playbooks" / "parts" / "report_people.yml")[0]["tasks"][0]
    play = {"hosts": "workstations", "gather_facts": False, "vars": {"wheelhouse_people": people}, "tasks": [task]}
    hosts = f"[workstations]\nws-1\n[jupyter_hosts]\njup {facts}\n"
    (directory / "play.yml").write_text(yaml.safe_dump([play]))
    (directory / "hosts").write_text(hosts)
    command = ["ansible-playbook", "-i", "hosts", "-c", "local", "play.yml"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True, timeout=60)
    return " ".join(done.stdout.split())


def test_a_key_that_no_jupyter_host_has_been_given(tmp_path):
    people: list[dict] = [
        {"name": "ada", "jupyter": True, "workstations": ["ws-1"]},
        {"name": "leo", "jupyter": True, "workstations": ["ws-1"], "ssh_public_key": "ssh-ed25519 AAAA"},
        {"name": "bob", "workstations": ["ws-1"]},
        {"name": "eve", "jupyter": True, "workstations": ["ws-1"], "state": "absent"},
    ]
    said = keys_said(tmp_path, "", people)
    assert "jup took no part in this run, so a key that was created for ada may not be known there yet." in said
    assert "--limit ws-1,jup" in said
    assert "took no part" not in keys_said(tmp_path, "wheelhouse_reachability={}", people)
    assert "took no part" not in keys_said(tmp_path, "", people[1:])


def test_no_play_says_how_other_hosts_are_reached():
    """A play's variables and keywords also count for tasks that it delegates, before the other host's own."""
    for path in PLAYBOOKS:
        for play in plays(path):
            assert "connection" not in play, path
            assert not {"ansible_python_interpreter", "ansible_connection"} & set(play.get("vars", {})), path


def test_bundles_read_host_keys_with_the_hosts_own_python(tmp_path):
    """This machine stands for the Jupyter host; its Python there leaves a trace."""
    python = tmp_path / "python-of-the-host"
    python.write_text(f'#!/bin/sh\ntouch "{tmp_path}/used"\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    jupyter = {"ansible_connection": "local", "ansible_python_interpreter": str(python)}
    hosts = {"jupyter_hosts": {"hosts": {"jup": jupyter}}, "workstations": {"hosts": {"ws-1": None}}}
    settings = {
        "wheelhouse_index_url": "https://packages.acme.example",
        "wheelhouse_people": [{"name": "ada", "jupyter": True, "laptops": ["linux"]}],
    }
    (tmp_path / "acme" / "group_vars").mkdir(parents=True)
    (tmp_path / "acme" / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": hosts}}))
    (tmp_path / "acme" / "group_vars" / "all.yml").write_text(yaml.safe_dump(settings))
    command = ["ansible-playbook", "-i", str(tmp_path / "acme"), str(ROOT / "playbooks" / "bundles.yml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    # what comes of it depends on whether this machine has a host key
    assert "onboarding_bundle : " in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "used").exists()


@pytest.mark.parametrize("playbook", ["bundles", "index_image"])
def test_files_are_named_from_the_inventory_on_this_machine_too(tmp_path, playbook):
    """The example names the company's CA by `inventory_dir`, which a localhost that is in no inventory has not."""
    file = ROOT / "playbooks" / f"{playbook}.yml"
    [play] = [play for play in plays(file) if "localhost" in str(play.get("hosts"))]
    [finds] = [task for task in play.get("pre_tasks") or play["tasks"] if "inventory_directory" in str(task)]
    shutil.copytree(ROOT / "playbooks" / "tasks", tmp_path / "tasks")
    shows = {"ansible.builtin.debug": {"msg": "the CA is {{ wheelhouse_ca_bundle | default('left out') }}"}}
    shown = {"hosts": "localhost", "become": False, "gather_facts": False, "tasks": [finds, shows]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([shown]))
    inventory = tmp_path / "inventories" / "acme"
    (inventory / "group_vars").mkdir(parents=True)
    (inventory / "hosts.yml").write_text("all: {hosts: {ws-1: }}\n")
    (inventory / "group_vars" / "all.yml").write_text('wheelhouse_ca_bundle: "{{ inventory_dir }}/../files/ca.pem"\n')
    for named in ("inventories/acme", "inventories/acme/hosts.yml"):
        command = ["ansible-playbook", "-i", named, "play.yml"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120)
        assert f"the CA is {inventory}/../files/ca.pem" in done.stdout


def test_a_run_is_few_tasks():
    """Each costs a process on the controller for every host, also where it is skipped. Included files come on top.

    tests/integration/office has the number of a whole run.
    """
    command = ["ansible-playbook", "-i", "inventories/demo", "--list-tasks", "playbooks/site.yml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=600)
    plays = re.split(r"(?m)^(?=  play #)", done.stdout)[1:]
    assert len(plays) > 10
    listed = "".join(play.partition("\n")[2] for play in plays if "(all,!all)" not in play)  # a play without hosts
    begun = re.findall(r"^ +(.+)\tTAGS: ", listed, re.MULTILINE)
    assert 60 < len(begun) <= 135, "\n".join(begun)
    # the preflight validates the variables of all roles, once
    assert not [name for name in begun if "Validating arguments" in name]


def test_groups_that_an_inventory_may_lack_have_a_default():
    """An inventory may have no index host, as docs/publishing.md says, or workstations alone."""
    paths = [*PLAYBOOKS, *(ROOT / "playbooks" / "tasks").glob("*.yml"), *(ROOT / "roles").glob("*/*/*.yml")]
    found = 0
    for path in paths:
        for rest in re.findall(r"groups\['\w+_hosts'\](.{0,12})", path.read_text(encoding="utf-8")):
            found += 1
            assert rest.startswith(" | default("), path
    assert found > 10


@pytest.mark.parametrize("path", ENTRIES, ids=lambda path: path.stem)
def test_a_playbook_about_one_group_alone_needs_it(path):
    """Ansible ends well with 'no hosts matched', and nothing was done."""
    every = [
        play for part in [path, *imported(path)] if part != PREFLIGHT for play in plays(part) if IMPORT not in play
    ]
    hosts = {play["hosts"] for play in every} - {"localhost"}
    needs = (plays(path)[0].get("vars") or {}).get("preflight_needs")
    alone = {
        "index_hosts": "index_hosts",
        "{{ groups | wheelhouse.onboarding.managed_hosts('database_hosts') }}": "database_hosts",
        "{{ groups | wheelhouse.onboarding.managed_hosts('workstations', enrolled=true) }}": "workstations",
    }
    # publishes for hosts that no play of it is for
    expected = {"fleet": ["index_hosts", "enrolled_hosts"]}.get(path.stem)
    assert needs == ([alone[one] for one in hosts] if len(hosts) == 1 and hosts <= alone.keys() else expected)

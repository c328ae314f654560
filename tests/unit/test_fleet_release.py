"""From the inventory to a host: a release is made, wheelhouse-pull takes it, and Ansible can go by what it says."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import trustme
import yaml
from host_programs import install

pytestmark = pytest.mark.skipif(not shutil.which("age"), reason="age is not installed")

ROOT = Path(__file__).resolve().parents[2]
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
# braces that are no template, and what quoting could break
PASSWORD = "S3ntinel {{ 7 * 7 }} '\"\\ \u00e9"
PLAY = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - wheelhouse.onboarding.fleet_release:
        published: []
        tokens: {ada: {ws-ada: whl_ada}}
        directory: /srv/wheelhouse/fleet/files
        serial: 50%
        signing_key: "{{ hostvars['ws-ada'].fleet_signing_key }}"
        signers: "{{ hostvars['ws-ada'].fleet_signers }}"
        version: 0.1.0
      register: made
    - ansible.builtin.copy:
        content: "{{ made | to_json }}"
        dest: "{{ playbook_dir }}/made.json"
        mode: "0600"
    - ansible.builtin.copy:
        src: "{{ made.archive }}"
        dest: "{{ playbook_dir }}/collections.tar.gz"
        mode: "0600"
"""


def run(*arguments: object, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    known = os.environ | {"ANSIBLE_INJECT_FACT_VARS": "false", "ANSIBLE_NOCOLOR": "1"} | environment
    command = [str(ANSIBLE), *map(str, arguments)]
    return subprocess.run(command, cwd=directory, env=known, capture_output=True, text=True, check=False)


def make_key(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)], check=True)
    return path.with_name(f"{path.name}.pub").read_text().strip()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fleet")


@pytest.fixture(scope="module")
def host(place: Path) -> ModuleType:
    """wheelhouse-pull on a host that was enrolled."""
    path = install("fleet/files/wheelhouse-pull", place)
    text = path.read_text()
    for original, own in (("/etc/wheelhouse/fleet", "config"), ("/var/lib/wheelhouse/fleet", "state")):
        text = text.replace(f'Path("{original}")', f'Path("{place / own}")')
    path.write_text(text)
    path.chmod(0o755)
    (place / "config").mkdir()
    loader = SourceFileLoader("wheelhouse_pull", str(path))
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(place: Path, host: ModuleType) -> dict[str, Any]:
    """The release for an inventory with two enrolled hosts."""
    inventory = place / "inventory"
    inventory.mkdir()
    (place / "ca.pem").write_bytes(trustme.CA().cert_pem.bytes())
    groups = {
        "workstations": {"hosts": {"ws-ada": {}, "ws-leo": {}, "ws-mia": {}}},
        "jupyter_hosts": {"hosts": {"jup": {"ansible_host": "192.0.2.5"}}},
        "canaries": {"hosts": {"ws-leo": {}}},
        "enrolled_hosts": {
            "hosts": {
                "ws-ada": {"fleet_key": host.public_key("ws-ada")},
                "ws-leo": {"fleet_key": make_key(place / "leo")},
            }
        },
    }
    signer = make_key(place / "release")
    variables: dict[str, Any] = {
        "wheelhouse_index_url": "https://packages.acme.example",
        "wheelhouse_ca_bundle": str(place / "ca.pem"),
        "wheelhouse_proxy": {"regions": {"europe": "proxy.acme.example:3128"}, "no_proxy": [".acme.example"]},
        "fleet_signing_key": str(place / "release"),
        "fleet_signers": [signer],
        "jupyter_tunnel_host_keys": {"jup": signer},
        "package_client_tools": "{{ ['uv', 'twine'] }}",
        "backup_password": "S3ntinel-backup",
        "vault_everything": "S3ntinel-vault",
        "wheelhouse_people": [
            {
                "name": "ada",
                "workstations": ["ws-ada"],
                "jupyter": True,
                "index_password": "S3ntinel-ada-index",
                "proxy_username": "EMEA\\ada",
                "proxy_password": "{{ ada_proxy }}",
            },
            {"name": "leo", "workstations": ["ws-leo"], "index_password": "S3ntinel-leo-index"},
        ],
    }
    (inventory / "hosts.yml").write_text(yaml.safe_dump(groups))
    (inventory / "group_vars").mkdir()
    (inventory / "group_vars/all.yml").write_text(yaml.safe_dump(variables))
    with (inventory / "group_vars/all.yml").open("a") as file:
        file.write(f"ada_proxy: !unsafe {json.dumps(PASSWORD)}\n")
    (place / "play.yml").write_text(PLAY)
    done = run("-i", inventory, "play.yml", directory=place)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((place / "made.json").read_text())
    return found


def test_each_step_is_signed_and_names_no_host(made: dict[str, Any]) -> None:
    assert [step["release"]["share"] for step in made["steps"]] == [0, 50, 100]
    (canary,) = made["steps"][0]["release"]["canaries"]
    assert made["names"][canary] == "ws-leo"
    assert sorted(made["names"].values()) == ["ws-ada", "ws-leo"]
    assert "ws-" not in json.dumps(made["steps"])
    assert [line.split()[0] for line in made["reporters"]] == ["ws-ada", "ws-leo"]
    for file in made["files"]:
        assert hashlib.sha256(file["content"].encode()).hexdigest() == Path(file["path"]).name
    assert "S3ntinel" not in json.dumps(made)


def take(host: ModuleType, place: Path, made: dict[str, Any]) -> dict[str, Any]:
    """What `wheelhouse-pull --list` says once the release is in place."""
    release = place / "state/release-1"
    if not release.exists():
        release.mkdir(parents=True)
        identity = next(key for key, name in made["names"].items() if name == "ws-ada")
        digest = made["steps"][0]["release"]["hosts"][identity]["sha256"]
        content = next(file["content"] for file in made["files"] if file["path"].endswith(digest))
        (release / "host.age").write_text(content)
        (place / "state/current").symlink_to("release-1")
    found: dict[str, Any] = host.inventory()
    return found


def test_a_host_gets_what_is_for_it(host: ModuleType, place: Path, made: dict[str, Any]) -> None:
    found = take(host, place, made)
    variables = found["all"]["vars"]
    text = json.dumps(found)
    assert text.count("S3ntinel") == 1
    (ada, leo) = variables["wheelhouse_people"]
    assert ada["proxy_password"] == {"__ansible_unsafe": PASSWORD} and leo == {"name": "leo"}
    assert variables["package_client_people"] == [{"name": "ada", "index_token": "whl_ada"}]
    assert variables["package_client_tools"] == ["uv", "twine"]
    assert variables["jupyter_tunnel_addresses"] == {"jup": "192.0.2.5"}
    assert Path(variables["wheelhouse_ca_bundle"]).read_text() == (place / "ca.pem").read_text()
    assert not {"fleet_signing_key", "fleet_key", "backup_password", "ada_proxy", "vault_everything"} & set(variables)


def test_ansible_reads_every_value_as_it_was_written(host: ModuleType, place: Path, made: dict[str, Any]) -> None:
    take(host, place, made)
    play = "- hosts: ws-ada\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug:\n        msg: '{{ x }}'\n"
    expression = "wheelhouse_people[0].proxy_password | b64encode"
    (place / "read.yml").write_text(play.replace("{{ x }}", "{{ " + expression + " }}"))
    done = run("-i", place / "wheelhouse-pull", "read.yml", directory=place)
    assert base64.b64encode(PASSWORD.encode()).decode() in done.stdout, done.stdout + done.stderr


def test_the_preflight_accepts_it_with_the_collections_of_the_release(
    host: ModuleType, place: Path, made: dict[str, Any]
) -> None:
    """And site.yml can be read with nothing but these."""
    take(host, place, made)
    (place / "collections").mkdir()
    subprocess.run(["tar", "-xf", place / "collections.tar.gz", "-C", place / "collections"], check=True)
    assert not list((place / "collections").rglob("tests"))
    playbooks = place / "collections/ansible_collections/wheelhouse/onboarding/playbooks"
    (place / "scratch").mkdir()
    own = host.environment(str(place / "scratch"), place / "collections")
    arguments = ("-i", place / "wheelhouse-pull", "--limit", "ws-ada")
    done = run(*arguments, playbooks / "preflight.yml", directory=place, **own)
    assert done.returncode == 0 and "ok=1" in done.stdout, done.stdout + done.stderr
    done = run(
        *arguments, "--list-tasks", playbooks / "site.yml", playbooks / "parts/fleet.yml", directory=place, **own
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for task in (
        "package_client : Write people's credentials for the index",
        "fleet : Enroll the host",
        "Note when it",
    ):
        assert task in done.stdout

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Archives for laptops, and what the way from a laptop or a workstation to a Jupyter host needs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.filter import (
    bundle_setting_faults,
    laptop_hosts,
    ssh_host_keys,
    tunnel_rules,
)
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils import laptop_bundles, laptop_checks, ssh_tunnels

ROLE = Path(__file__).resolve().parents[3] / "roles" / "onboarding_bundle"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqhC3KTnDrgHu0Pqvkbl9oRHxTHQXbVYzbFUC1tTcyR"
PEM = "-----BEGIN CERTIFICATE-----\nQWNtZQ==\n-----END CERTIFICATE-----"
COMPANY = laptop_bundles.Company(
    index_url="https://packages.acme.example",
    proxy="proxy.acme.example:3128",
    no_proxy=[".acme.example"],
    hosts={
        "one": {"address": "192.0.2.1", "host_key": f"{KEY} root@one"},
        "two": {"address": "two", "host_key": ""},
    },
    conda_channels=["internal"],
    contact="it@acme.example",
    certificates=[PEM],
    public_certificates="-----BEGIN CERTIFICATE-----\nUHVibGlj\n-----END CERTIFICATE-----\n",
)
ADA: dict[str, Any] = {"name": "ada", "laptops": ["windows", "linux", "macos"], "proxy_username": "EMEA\\ada"}
JUPYTER = ADA | {"jupyter": True, "jupyter_host": "two"}


def made(*people: dict[str, Any], company: laptop_bundles.Company = COMPANY, **more: str) -> dict[str, Any]:
    """{name of the archive: {file: content}, or None for one to be removed}."""
    found = {}
    for archive in laptop_bundles.archives(people, company, ROLE, "/srv", **more):
        files = None if archive.get("state") == "absent" else {one["name"]: one["content"] for one in archive["files"]}
        found[archive["path"].removeprefix("/srv/")] = files
    return found


def test_there_is_an_archive_for_each_system_and_no_other() -> None:
    leo, eve = {"name": "leo", "laptops": ["linux"]}, {"name": "eve", "laptops": ["linux"], "state": "absent"}
    found = made(ADA, leo, eve)
    assert {name for name, files in found.items() if files} == {
        *("ada-windows.zip", "ada-linux.tar.gz", "ada-macos.tar.gz"),
        "leo-linux.tar.gz",
    }
    assert set(found) >= {"eve-linux.tar.gz", "leo-windows.zip"}, "others are removed"
    assert not any(made(ADA, leo, state="absent").values())


def test_programs_may_be_run_and_lie_in_a_folder() -> None:
    _windows, linux, _macos = laptop_bundles.archives([JUPYTER], COMPANY, ROLE, "/srv")
    modes = {one["name"]: one["mode"] for one in linux["files"]}
    assert linux["folder"] == "ada-linux"
    runs = {name for name, mode in modes.items() if mode == "0755"}
    assert runs == {"install.sh", "uninstall.sh", "bin/jupyter-tunnel"}


def test_the_host_of_a_persons_jupyterlab_comes_first() -> None:
    files = made(JUPYTER)
    assert json.loads(files["ada-linux.tar.gz"]["jupyter-tunnel.json"]) == {"hosts": ["two", "one"]}
    assert files["ada-windows.zip"]["ssh_config"].splitlines()[1] == "Host jupyter two"
    assert files["ada-linux.tar.gz"]["known_hosts"] == f"one {KEY}\n", "a key that is not known is not trusted"
    assert "ssh_config" not in made(ADA)["ada-linux.tar.gz"]


def test_windows_gets_its_own_ends_of_lines_where_it_reads_files() -> None:
    files = made(JUPYTER)["ada-windows.zip"]
    for name, content in files.items():
        bare = re.findall(r"(?<!\r)\n", content)
        assert bool(bare) == (name in ("ssh_config", "known_hosts")), name


def test_settings_of_the_windows_program_are_those_of_the_person() -> None:
    first = made(JUPYTER)["ada-windows.zip"]["setup.js"].split(";\r\n", 1)[0]
    settings = json.loads(first.removeprefix("var settings = "))
    assert settings["environment"]["HTTPS_PROXY"] == "http://proxy.acme.example:3128"
    sha1 = hashlib.sha1(b"Acme").hexdigest()
    assert settings["certificates"] == [{"file": "company-ca-1.crt", "sha1": sha1}]
    assert 20000 <= settings["jupyter_port"] < 30000 and settings["sessions"] == ["wheelhouse-two", "wheelhouse-one"]


def test_without_a_proxy_nothing_speaks_of_one() -> None:
    files = made(ADA, company=dataclasses.replace(COMPANY, proxy=""))
    assert "proxy_username=''" in files["ada-linux.tar.gz"]["settings"]
    assert "proxy" not in files["ada-windows.zip"]["install.cmd"].lower()
    assert "ca-bundle.pem" not in files["ada-windows.zip"], "without a proxy, conda trusts the system's store"
    assert 'ssl_verify: "truststore"' in files["ada-windows.zip"]["condarc"]


def test_conda_on_windows_gets_a_store_of_its_own_behind_a_proxy() -> None:
    files = made(ADA)["ada-windows.zip"]
    assert files["ca-bundle.pem"].count("BEGIN CERTIFICATE") == 2
    assert "ca-bundle.pem" in files["condarc"]


def test_a_shell_reads_the_settings_as_they_are(tmp_path: Path) -> None:
    odd = dataclasses.replace(COMPANY, contact="it (help) it's")
    text = made(ADA, company=odd)["ada-linux.tar.gz"]["settings"]
    (tmp_path / "settings").write_text(text)
    command = '. "$1"; printf "%s\\n" "$name" "$proxy_username" "$contact" "$conda_channels" "$has_ca" "$has_jupyter"'
    done = subprocess.run(
        ["sh", "-c", command, "sh", tmp_path / "settings"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["ada", "EMEA\\ada", "it (help) it's", "internal conda-forge", "yes", ""]


def test_a_registry_file_escapes_what_it_must() -> None:
    text = laptop_bundles.registry({"HKEY_CURRENT_USER\\X": {"path": 'C:\\a "b"', "port": 22}})
    assert text.splitlines()[2:] == ["[HKEY_CURRENT_USER\\X]", '"path"="C:\\\\a \\"b\\""', '"port"=dword:00000016']


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"index_url": ""}, "index_url is not set"),
        ({"ca_bundle": "/srv/ca.pem"}, "holds no PEM certificate"),
        ({"contact": "<b>"}, "contact is <b>"),
        ({"jupyter_hosts": {"one": {"host_key": "x"}}}, "host_key of one in onboarding_bundle_jupyter_hosts"),
    ],
)
def test_a_fault_is_a_sentence(changed: dict[str, Any], words: str) -> None:
    settings = {"index_url": "https://x.example", "contact": "it@x", "jupyter_hosts": {"one": {"host_key": KEY}}}
    assert list(laptop_checks.setting_faults(settings, 0)) == []
    (fault,) = bundle_setting_faults.bundle_setting_faults_filter(settings | changed, "no certificate")
    assert words in fault
    assert not bundle_setting_faults.bundle_setting_faults_filter(settings | {"ca_bundle": "x"}, PEM)


# --- the way to a Jupyter host


def test_host_keys_are_given_or_gathered() -> None:
    facts = {"ssh_host_key_ed25519_public": KEY.split()[1], "ssh_host_key_ed25519_public_keytype": "ssh-ed25519"}
    hostvars: dict[str, dict[str, Any]] = {
        "one": {"ansible_facts": facts},
        "two": {"ansible_facts": {}},
        "three": {},
        "four": {"ansible_facts": facts},
    }
    keys = ssh_host_keys.ssh_host_keys_filter(["one", "two", "three", "four", "five"], hostvars, {"four": "ssh-x y\n"})
    assert keys == {"one": KEY, "two": "", "three": "", "four": "ssh-x y", "five": ""}


def test_laptops_reach_hosts_at_the_given_address() -> None:
    hosts = {"one": {"address": "a.example", "host_key": KEY}, "two": {}, "three": {}}
    found = laptop_hosts.laptop_hosts_filter(hosts, {"two": {"ansible_host": "192.0.2.2"}})
    assert [host["address"] for host in found.values()] == ["a.example", "192.0.2.2", "three"]
    assert [host["host_key"] for host in found.values()] == [KEY, "", ""]


def test_rules_are_for_people_with_an_account() -> None:
    accounts = {"ada": ["x", "1000", "1000"], "leo": ["x", "1001", "1001"], "bob": ["x", "1002", "1002"]}
    text = tunnel_rules.tunnel_rules_filter(["leo", "ada", "nemo", "ada"], accounts)
    assert "127.64.3.232 . 1000," in text and "127.64.3.233 . 1001," in text and "1002" not in text
    assert text.count(". 0,") == 1 and "127.64.3.233 . 0\n" in text, "and root's"
    assert "elements" not in tunnel_rules.tunnel_rules_filter([], accounts)


def test_the_addresses_are_those_of_the_command() -> None:
    """Otherwise a person's tunnel would be at an address that is not theirs."""
    text = (ROLE.parent / "jupyter_tunnel/files/jupyter-tunnel").read_text()
    assert "os.getuid() % (1 << 22)" in text and "{64 + (number >> 16)}" in text
    assert ssh_tunnels.tunnel_address(1000 + 4194304) == ssh_tunnels.tunnel_address(1000) == "127.64.3.232"


def test_input_of_another_kind_is_refused() -> None:
    for call in (
        lambda: ssh_host_keys.ssh_host_keys_filter("one", {}, {}),
        lambda: laptop_hosts.laptop_hosts_filter({"one": None}, {}),
        lambda: tunnel_rules.tunnel_rules_filter("ada", {}),
        lambda: bundle_setting_faults.bundle_setting_faults_filter([]),
    ):
        with pytest.raises(AnsibleFilterError):
            call()

"""What IT does on other days, from the same directory."""

from __future__ import annotations

import json
import re
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from acme import NEWCOMERS, Administration
from company import ROOT, vault
from terminal import Said
from written import Login


@pytest.fixture(scope="module", autouse=True)
def _is_set_up(first_run: Said) -> None:
    pass


# how the index answers ada with the password that it reads
ASK = """
import base64, sys, urllib.error as e, urllib.request as u
login = base64.b64encode(b"ada:" + sys.stdin.buffer.read()).decode()
try:
    print(u.urlopen(u.Request("https://packages.acme.example/simple/", headers={"Authorization": "Basic " + login})).status)
except e.HTTPError as answer:
    print(answer.code)
"""


def test_some_hosts(it: Administration) -> None:
    said = it.as_written(
        "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.site --tags clients"
        " --limit workstations"
    )
    assert "wheelhouse-workstation" in said.text.rpartition("PLAY RECAP")[2]
    it.as_written(
        "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.site --tags clients"
        " -e wheelhouse_serial=10 -e wheelhouse_max_fail_percentage=20"
    )


def test_one_screen(it: Administration) -> None:
    assert (
        "on this machine."
        in it.as_written("ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.status").text
    )


def test_a_new_person(it: Administration, root_of: dict[str, Login]) -> None:
    """dora comes, and is offboarded by a word in her entry."""
    workstation = root_of["workstation"]
    dora = {"name": "dora", "workstations": ["wheelhouse-workstation"]}
    others = [{"name": name, "workstations": ["wheelhouse-workstation"]} for name in NEWCOMERS]
    it.inventory.write_people([*others, dora])
    it.as_written("ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.people")
    assert workstation.run("su - dora -c true").code == 0
    it.inventory.write_people([*others, dora | {"state": "absent"}])
    it.as_written("ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.people")
    assert workstation.run("su - dora -c true").code != 0


def replace_in_vault(it: Administration, old: str, new: str) -> None:
    """IT edits the vault, with an editor that types nothing else."""
    editor = {**it.environment, "EDITOR": f"sed -i 's/{old}/{new}/'"}
    replace(it, environment=editor).as_written(
        "ansible-vault edit inventories/acme/group_vars/all/vault.yml",
        answers=[("Vault password: ", it.inventory.vault_password)],
    )


def test_a_changed_password(it: Administration, root_of: dict[str, Login]) -> None:
    """IT writes another into the vault; the one before is refused, and ada's tools, which have neither, go on."""
    old, new = it.inventory.passwords["vault_ada_index"], "another battery horse"
    replace_in_vault(it, old, new)
    try:
        said = it.as_written("ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.rotate")
        assert "New at the index: the passwords of ada." in said.words
        assert new not in said.text
        root = root_of["workstation"]
        token = root.succeed("sed -n 's/^machine packages.acme.example .* password //p' ~ada/.netrc").strip()
        answers = [root.run(f"python3 -c '{ASK}'", text=one).text for one in (old, new, token)]
        assert answers == ["401\n", "200\n", "200\n"] and token.startswith("whl_")
    finally:
        # as the other tests know it, with new tokens and a new certificate
        replace_in_vault(it, new, old)
        said = it.as_written(
            "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.rotate"
            " -e rotate_jupyter_tokens=all -e rotate_index_tokens=all -e rotate_certificate=true"
        )
    assert "New at the index: the passwords of ada." in said.words
    assert re.search("New tokens for the index: [a-z, -]*ada on wheelhouse-workstation", said.words)
    assert re.search("New tokens for the JupyterLabs of [a-z, -]*ada, [a-z, -]*leo", said.words)
    assert "The index has a new certificate." in said.words


def test_a_leaked_password(it: Administration, root_of: dict[str, Login]) -> None:
    """The index refuses it at once, and takes the new one, which ada's tools do not have yet."""
    old, new = it.inventory.passwords["vault_ada_index"], "yet another battery horse"
    root = root_of["workstation"]
    replace_in_vault(it, old, new)
    try:
        it.as_written(
            "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.rotate --limit index_hosts"
            " -e rotate_immediately=true"
        )
        assert [root.run(f"python3 -c '{ASK}'", text=password).text for password in (old, new)] == ["401\n", "200\n"]
    finally:
        replace_in_vault(it, new, old)
        it.as_written("ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.rotate")
    assert root.run(f"python3 -c '{ASK}'", text=old).text == "200\n"


def test_the_doctor_for_everybody(it: Administration) -> None:
    # whether it finds something is up to people's homes (office/test_doctor.py); it says so on each host
    said = it.as_written(
        "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.doctor", code=None
    )
    findings = said.text.count("Everything works for everyone here.") + said.text.count(
        "__summary.failures | length == 0"
    )
    assert findings == 2, said.text
    assert said.text.rpartition("PLAY RECAP")[2].count("unreachable=0") >= 2


def test_bundles(it: Administration) -> None:
    it.as_written("ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.bundles")
    bundles = it.directory / "inventories" / "acme-bundles"
    assert {path.name for path in bundles.iterdir()} >= {"ada-linux.tar.gz", "grace-windows.zip", "grace-macos.tar.gz"}
    assert {"install.cmd"} <= {Path(name).name for name in zipfile.ZipFile(bundles / "grace-windows.zip").namelist()}
    with tarfile.open(bundles / "ada-linux.tar.gz") as packed:
        # with the company's CA, which the inventory names from its own directory
        assert {"ada-linux/install.sh", "ada-linux/ca.pem"} <= set(packed.getnames())


def test_the_image_as_a_file(it: Administration) -> None:
    it.as_written(
        "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.index_image"
        " -e pypi_index_image_archive=$PWD/wheelhouse-index.tar"
    )
    it.run("docker image rm wheelhouse-index:0.1.0")
    with tarfile.open(it.directory / "wheelhouse-index.tar") as packed:
        manifest = packed.extractfile("manifest.json")
        assert manifest and json.load(manifest)[0]["RepoTags"] == ["wheelhouse-index:0.1.0"]
    (it.directory / "wheelhouse-index.tar").unlink()


def test_an_upgrade(it: Administration) -> None:
    said = it.as_written("ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.upgrade").text
    assert "the package index runs 0.1.0, and this collection is 0.1.0. The program is the same in both." in " ".join(
        said.split()
    )
    assert "a file was published in the trial" in " ".join(said.split())


def test_advisories_are_carried_over(it: Administration, root_of: dict[str, Login]) -> None:
    advisories = sorted((ROOT / "demo" / "osv").glob("*.json"))
    with zipfile.ZipFile(it.directory / "all.zip", "w") as packed:
        for path in advisories:
            packed.write(path, path.name)
    root_of["index"].succeed("rm -f /srv/wheelhouse/intake/osv/*.json")
    it.as_written(
        "ansible index_hosts -i inventories/acme --ask-vault-pass -b -m ansible.builtin.apt"
        ' -a "name=unzip update_cache=true"'
    )
    it.as_written(
        "ansible index_hosts -i inventories/acme --ask-vault-pass -b -m ansible.builtin.unarchive"
        ' -a "src=all.zip dest=/srv/wheelhouse/intake/osv owner=root mode=u=rwX,go=rX"'
    )
    there = root_of["index"].succeed("stat --format '%n %U %a' /srv/wheelhouse/intake/osv/*.json").splitlines()
    assert there == [f"/srv/wheelhouse/intake/osv/{path.name} root 644" for path in advisories]


def test_what_to_look_for_after_an_attack(root_of: dict[str, Login]) -> None:
    workstation = root_of["workstation"]
    assert "systemd" in workstation.as_written("ps -eo user,pid,lstart,cmd").text
    workstation.as_written("find / -xdev -nouser", code=None)
    assert "jupyterlab@" in root_of["jupyter"].as_written("systemd-analyze security").text
    root_of["jupyter"].as_written("systemctl restart jupyterlab@ada")


def test_people_leave(it: Administration, root_of: dict[str, Login]) -> None:
    """bob without an entry, eve by a word in hers: who is meant is said."""
    it.inventory.write_people([{"name": "eve", "state": "absent"}])
    said = it.as_written(
        "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.people"
        " -e wheelhouse_offboard=bob,eve"
    )
    assert [name for name in NEWCOMERS if f"{name}: the home /home/{name} stays" not in said.words] == []
    assert root_of["workstation"].run("su - bob -c true").code != 0


def test_vault_of_the_tests_is_as_it_was(it: Administration) -> None:
    assert it.inventory.passwords["vault_ada_index"] == vault()["ada_index"]

"""From a checkout and an empty directory to an office that works, with what the README says and nothing else."""

from __future__ import annotations

from pathlib import Path

from acme import Administration
from company import ROOT
from cryptography import x509
from terminal import Said
from written import Login

PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


def test_the_collection_that_is_used_is_the_one_that_was_installed(it: Administration) -> None:
    listed = it.run("ansible-galaxy collection list wheelhouse.onboarding")
    assert listed.text.count("wheelhouse.onboarding") == 1
    assert f"{it.environment['HOME']}/.ansible/collections/ansible_collections" in listed.text
    # the work is done elsewhere than in a checkout
    assert not {"galaxy.yml", "playbooks", "roles", "plugins"} & {path.name for path in Path(it.directory).iterdir()}


def test_passwords_are_in_no_file_in_clear(it: Administration) -> None:
    vault = it.inventory.directory / "group_vars/all/vault.yml"
    assert vault.read_text().startswith("$ANSIBLE_VAULT;")
    found = it.run(f"grep -rlF -e '{it.inventory.passwords['vault_ada_index']}' inventories")
    assert (found.code, found.text) == (1, "")


def test_a_ca_of_ones_own_can_sign(it: Administration) -> None:
    files = it.inventory.directory.parent / "files"
    assert (files / "acme-ca.key").read_text().startswith("$ANSIBLE_VAULT;")
    made = x509.load_pem_x509_certificates((files / "acme-ca.pem").read_bytes())[0]
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_the_inventory_is_right(it: Administration) -> None:
    said = it.as_written("ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.preflight")
    assert "failed=0" in said.text


def test_one_that_is_wrong_is_told(it: Administration) -> None:
    file = it.inventory.directory / "group_vars/all/company.yml"
    right = file.read_text()
    file.write_text(right + "pypi_index_reservd: [acme-*]\n")
    try:
        said = it.as_written(
            "ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.preflight", code=2
        )
    finally:
        file.write_text(right)
    assert "pypi_index_reserved" in said.words


def test_every_playbook_is_found_by_its_name(it: Administration) -> None:
    names = " ".join(f"wheelhouse.onboarding.{name}" for name in PLAYBOOKS)
    check = f"ansible-playbook -i inventories/acme --ask-vault-pass --syntax-check {names}"
    assert it.succeed(check).count("playbook: ") == len(PLAYBOOKS)


def test_the_run_sets_the_office_up(first_run: Said, ada: Login) -> None:
    assert "Everyone was served" in first_run.words
    assert ada.succeed("command -v uv poetry pipx twine conda wheelhouse-doctor").count("/usr/local/bin/") == 6


def test_check_mode_after_it_finds_nothing(it: Administration, first_run: Said) -> None:
    said = it.as_written(
        "ansible-playbook -i inventories/acme --ask-vault-pass --check --diff wheelhouse.onboarding.site"
    )
    recap = said.text.rpartition("PLAY RECAP")[2]
    assert recap.count("changed=0") == recap.count("ok="), recap
    assert not [name for name, secret in it.inventory.passwords.items() if secret in said.text]


def test_roles_and_filters_have_documentation(it: Administration) -> None:
    roles = it.as_written("ansible-doc -t role -l wheelhouse.onboarding")
    names = sorted(path.name for path in (ROOT / "roles").iterdir())
    assert [name for name in names if f"wheelhouse.onboarding.{name}" not in roles.text] == []
    said = it.as_written("ansible-doc -t role wheelhouse.onboarding.ROLE", real={"ROLE": names[0]})
    assert f"{names[0]}_state" in said.text
    assert "RFC 3986" in it.as_written("ansible-doc -t filter wheelhouse.onboarding.proxy_url").text

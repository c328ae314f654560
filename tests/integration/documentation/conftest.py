"""Acme, which does what the documentation says: its IT, its people, and the hosts' root."""

from __future__ import annotations

import os

import pytest
from acme import Administration, Inventory, checkout, desk_of_it
from company import ROOT, STATE, SUFFIX, Office
from terminal import Said
from written import Desk, Login

DOCKER = """#!/bin/bash
words=()
for word; do
    case $word in wheelhouse-proxy | wheelhouse-index | wheelhouse-jupyter | wheelhouse-workstation) word+=SUFFIX ;; esac
    words+=("$word")
done
export PATH="${PATH#*:}"
exec docker "${words[@]}"
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to `make test-long` what needs a run of `site`; the way up to there is tested always."""
    for item in items:
        if "first_run" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="session")
def it(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Administration:
    """IT has installed the collection and made an inventory."""
    base = tmp_path_factory.mktemp("it")
    for name in ("checkout", "home", "work"):
        (base / name).mkdir()
    checkout(base / "checkout")
    environment = desk_of_it(base / "home")
    developer = Desk(base / "checkout", environment)
    developer.as_written("ansible-galaxy collection build")
    developer.as_written("ansible-galaxy collection install wheelhouse-onboarding-*.tar.gz")

    inventory = Inventory(base / "work" / "inventories" / "acme")
    desk = Administration(base / "work", environment, inventory)
    desk.as_written("mkdir -p inventories/files")
    desk.as_written(
        "cp -r ~/.ansible/collections/ansible_collections/wheelhouse/onboarding/inventories/example inventories/acme"
    )
    desk.as_written("cp ~/.ansible/collections/ansible_collections/wheelhouse/onboarding/ansible.cfg .")
    new = [
        ("New Vault password: ", inventory.vault_password),
        ("Confirm New Vault password: ", inventory.vault_password),
    ]
    desk.as_written(
        'openssl req -x509 -newkey rsa:4096 -sha256 -nodes -days 3650 -subj "/CN=Acme CA"'
        " -keyout inventories/files/acme-ca.key -out inventories/files/acme-ca.pem"
    )
    desk.as_written("ansible-vault encrypt inventories/files/acme-ca.key", answers=new)
    inventory.fill_in()
    desk.as_written("ansible-vault encrypt inventories/acme/group_vars/all/vault.yml", answers=new)
    return desk


@pytest.fixture(scope="session")
def first_run(it: Administration) -> Said:
    """What `site` said."""
    return it.as_written("ansible-playbook -i inventories/acme --ask-vault-pass wheelhouse.onboarding.site")


@pytest.fixture(scope="session")
def ada(office: Office, first_run: Said) -> Login:
    login = Login(office.access["hosts"]["workstation"], "ada")
    login.succeed("rm -rf documented && mkdir documented")
    return login


@pytest.fixture(scope="session")
def leo(office: Office, first_run: Said) -> Login:
    login = Login(office.access["hosts"]["workstation"], "leo")
    login.succeed("rm -rf documented && mkdir documented")
    return login


@pytest.fixture(scope="session")
def root_of(office: Office, first_run: Said) -> dict[str, Login]:
    """Root on each host."""
    return {role: Login(container) for role, container in office.access["hosts"].items()}


@pytest.fixture(scope="session")
def demo_desk(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Somebody's terminal in a checkout in which they have run `make demo`.

    The demo's containers have names without a suffix: here, a `docker` on the PATH puts the suffix of these hosts behind them.
    """
    place = tmp_path_factory.mktemp("demo")
    (place / ".demo").symlink_to(STATE)
    (place / ".venv").symlink_to(ROOT / ".venv")
    docker = place / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER.replace("SUFFIX", SUFFIX))
    docker.chmod(0o755)
    environment = os.environ | {"PATH": f"{docker.parent}:{os.environ['PATH']}"}
    return Desk(place, environment)

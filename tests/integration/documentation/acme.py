"""Acme's IT: a machine with Ansible and nothing of ours, and what they write into their copy of the example inventory."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from adversaries import entries
from company import INVENTORY, ROOT, STATE, SUFFIX, vault
from terminal import Answers, Said
from written import Desk

GALAXY = "ansible_collections"
# whom Acme has beside the people of the demo
NEWCOMERS = ("bob", "eve")
MARK = "# what Acme has written\n"


def desk_of_it(home: Path) -> dict[str, str]:
    """The environment of somebody who has Ansible, the collections that ours depends on, and a home of their own.

    No Galaxy is asked: the virtualenv's own collections lie where one would have put them. Ours, which is installed in the
    virtualenv as well, is out of sight.
    """
    place = home / ".ansible" / "collections" / GALAXY
    place.mkdir(parents=True)
    there = Path(sysconfig.get_path("purelib")) / GALAXY
    for namespace in {
        name.partition(".")[0] for name in yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"]
    }:
        (place / namespace).symlink_to(there / namespace)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANSIBLE_", "MOLECULE_", "WHEELHOUSE_"))
    }
    return kept | {
        "HOME": str(home),
        "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false",
        "ANSIBLE_NOCOLOR": "1",
        "PAGER": "cat",
    }


def checkout(directory: Path) -> None:
    """A checkout of the collection, with what is not committed yet and without what is ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in listed.split("\0"):
        if name and (ROOT / name).is_file():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, directory / name)


def demo(name: str) -> dict[str, Any]:
    """A file of the demo's inventory, whose values are Acme's as well."""
    values: dict[str, Any] = yaml.safe_load((INVENTORY / name).read_text())
    return values


class Inventory:
    """`inventories/acme`, which was copied from the example; Acme changes what is different there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.vault_password = secrets.token_urlsafe(12)
        self.passwords = {f"vault_{name}": password for name, password in vault().items()}
        self.passwords |= {f"vault_{name}_index": secrets.token_urlsafe(12) for name in (*NEWCOMERS, "grace")}

    def change(self, name: str, **values: object) -> None:
        """Write these values over those of a file."""
        file = self.directory / name
        was = yaml.safe_load(file.read_text()) if file.is_file() else {}
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(MARK + yaml.safe_dump(was | values, sort_keys=False, allow_unicode=True))

    def fill_in(self) -> None:
        """What a company has to write, for the hosts of these tests."""
        files = self.directory.parent / "files"
        images = json.loads((STATE / "images.json").read_text())
        # beside the CA that the tutorial has made
        with (files / "acme-ca.pem").open("a") as bundle:
            bundle.write((STATE / "trust.pem").read_text())
        shutil.copy(STATE / "ca.pem", files / "signing-ca.pem")
        shutil.copy(STATE / "ca.key", files / "signing-ca.key")
        (files / "index.tar.gz").symlink_to(images["index_archive"])
        machine_ca = (STATE / "machine-ca.pem").read_text()
        (files / "machine-ca.pem").write_text(machine_ca)

        hosts = yaml.safe_load((self.directory / "hosts.yml").read_text())["all"]["children"]
        for group in ("index_hosts", "jupyter_hosts", "workstations"):
            name = f"wheelhouse-{group.removesuffix('_hosts').removesuffix('s')}"
            hosts[group]["hosts"] = {name: {"ansible_host": f"{name}{SUFFIX}"}}
        reached = {"ansible_connection": "community.docker.docker", "ansible_python_interpreter": "/usr/bin/python3"}
        self.change("hosts.yml", all={"vars": reached, "children": hosts})

        company = demo("group_vars/all/company.yml")
        same = ("wheelhouse_index_url", "wheelhouse_contact", "wheelhouse_proxy", "wheelhouse_proxy_username",
                "wheelhouse_index_username", "wheelhouse_conda_channels", "package_client_conda_other_channels",
                "wheelhouse_audits")  # fmt: skip
        self.change(
            "group_vars/all/company.yml",
            **{name: company[name] for name in same},
            ansible_user="root",
            wheelhouse_ca_bundle="{{ inventory_dir }}/../files/acme-ca.pem",
            wheelhouse_skipped_people="report",
            package_client_tools=["uv", "poetry", "pipx", "twine"],
            # where the image is built, its parts are there from the one that the index has
            pypi_index_ca_bundle="{{ inventory_dir }}/../files/machine-ca.pem" if machine_ca else "",
            pypi_index_base_image=f"debian:{images['index'].partition(':')[2].partition('-')[0]}",
        )
        conda = json.loads((STATE / "conda.json").read_text())
        self.change(
            "group_vars/workstations.yml",
            package_client_conda_installer=conda["installer"],
            package_client_conda_installer_sha256=conda["sha256"],
        )
        index = demo("group_vars/index_hosts.yml")
        del index["index_gateway_certificate"], index["index_gateway_private_key"]
        self.change(
            "group_vars/index_hosts.yml",
            **index
            | {
                "pypi_index_image": images["index"],
                "pypi_index_image_archive": "{{ inventory_dir }}/../files/index.tar.gz",
                "index_gateway_certificate_source": "company_ca",
                "index_gateway_ca_certificate": "{{ inventory_dir }}/../files/signing-ca.pem",
                "index_gateway_ca_private_key": "{{ inventory_dir }}/../files/signing-ca.key",
                "index_gateway_certificate_names": ["DNS:localhost"],
            },
        )
        self.write_people([{"name": name, "workstations": ["wheelhouse-workstation"]} for name in NEWCOMERS])
        example = self.directory / "group_vars/all/vault.yml"
        chosen = {name: secrets.token_urlsafe(12) for name in yaml.safe_load(example.read_text())}
        self.passwords = chosen | self.passwords
        example.write_text(yaml.safe_dump(self.passwords))

    def write_people(self, others: list[dict[str, Any]]) -> None:
        """The people of the demo, grace of the example, and these."""
        people = [person | {} for person in demo("group_vars/all/company.yml")["acme_people"]]
        for person in people:
            for key in ("index_password", "proxy_password"):
                if key in person:
                    person[key] = person[key].replace("demo_vault.", "vault_")
            if person["name"] == "ada":
                person["laptops"] = ["linux"]
        people.append({"name": "grace", "laptops": ["windows", "macos"], "index_password": "{{ vault_grace_index }}"})
        adversaries = [
            entry | {"index_password": "{{ vault_mallory_index }}", "proxy_password": "{{ vault_mallory_proxy }}"}
            for entry in (entries() if SUFFIX else [])
        ]
        self.change("group_vars/all/people.yml", wheelhouse_people=people + adversaries + others)


@dataclass(frozen=True)
class Administration(Desk):
    """IT's terminal, in the directory that has `inventories/acme`."""

    inventory: Inventory

    def run(self, command: str, where: str = "", text: str = "", answers: Answers = ()) -> Said:
        """The vault's password is typed where it is asked for."""
        asked = [("Vault password: ", self.inventory.vault_password)] if "--ask-vault-pass" in command else []
        return super().run(command, where, text, [*asked, *answers])

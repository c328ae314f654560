"""Each inventory of wrong_inventories.yml is told what is wrong with it, and good ones are told nothing."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.vars.manager import VariableManager
from ansible_collections.wheelhouse.onboarding.plugins.action.inventory_check import role_specs
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_check import check_inventory
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_files import (
    inventory_files,
    variable_files,
)
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "inventories" / "example"
WRONG = yaml.safe_load((Path(__file__).parent / "wrong_inventories.yml").read_text(encoding="utf-8"))
SPECS = role_specs()


def check(inventory: Path, **extra: object) -> tuple[list[str], list[str]]:
    """What the action plugin says of an inventory and what is behind -e, by Ansible's own reading of it."""
    loader = DataLoader()
    manager = InventoryManager(loader=loader, sources=[str(inventory)])
    variables = VariableManager(loader=loader, inventory=manager)
    raw = {
        host.name: variables.get_vars(host=host, include_hostvars=False)
        | {"inventory_dir": str(inventory), "groups": manager.get_groups_dict(), **extra}
        for host in manager.get_hosts()
    }
    templar = Templar(loader=loader)

    def template(known: Mapping[str, Any], value: object) -> object:
        templar.available_variables = known
        return templar.template(value)

    return check_inventory(
        raw=raw,
        groups=manager.get_groups_dict(),
        template=template,
        specs=SPECS,
        files=[*inventory_files([inventory]), *variable_files([inventory])],
        decrypted=lambda path: path.read_text(encoding="utf-8"),
        sources=[inventory],
        extra=extra,
    )


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A copy of the example, to be spoilt."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "acme"))


def spoil(inventory: Path, change: dict) -> None:
    path = inventory / change.get("in", "hosts.yml")
    path.parent.mkdir(exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if "replace" in change:
        assert text.count(change["replace"]) == 1, f"{change['replace']!r} is not once in {path.name}"
        text = text.replace(change["replace"], change["with"])
    else:
        text += f"\n{change['with']}\n"
    path.write_text(text, encoding="utf-8")


def make_certificate(
    directory: Path,
    days: int = 90,
    names: tuple[str, ...] = ("packages.acme.example",),
    key: str = "own",
    form: str = "",
) -> str:
    """Write index.pem and index.key, as the table's `certificate` says; the last day of the certificate."""
    own, another = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.now(UTC)

    def certificate(of: ec.EllipticCurvePrivateKey) -> str:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "packages.acme.example")])
        builder = x509.CertificateBuilder(name, name, of.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=400)).not_valid_after(now + timedelta(days=days))
        kinds = [x509.IPAddress(ip_address(one)) if one[0].isdigit() else x509.DNSName(one) for one in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(kinds), False) if kinds else builder
        return builder.sign(own, SHA256()).public_bytes(Encoding.PEM).decode()

    pem = "".join(map(certificate, (another, own))) if form == "upside-down" else certificate(own)
    cipher = BestAvailableEncryption(b"x") if key == "passphrase" else NoEncryption()
    text = (another if key == "another" else own).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, cipher).decode()
    directory.mkdir()
    (directory / "index.pem").write_text(cut_off(pem) if form == "half" else pem)
    (directory / "index.key").write_text(cut_off(text) if key == "half" else text)
    return str((now + timedelta(days=days)).date())


def key_lines(inventory: Path) -> list[str]:
    """What of the key nobody is to see."""
    return [line for line in (inventory.parent / "files" / "index.key").read_text().splitlines() if "-----" not in line]


def cut_off(pem: str) -> str:
    lines = pem.splitlines(keepends=True)
    return "".join([*lines[:2], lines[-1]])


def test_there_are_enough():
    assert len(WRONG) >= 60
    assert len({change["wrong"] for change in WRONG}) == len(WRONG)


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change["wrong"])
def test_a_wrong_inventory(inventory, change):
    spoil(inventory, change)
    day = make_certificate(inventory.parent / "files", **change["certificate"]) if "certificate" in change else ""
    faults, warnings = check(inventory)
    for key, said in (("told", faults), ("warned", warnings)):
        for sentence in change.get(key, []):
            wanted = sentence.replace("{here}", str(inventory)).replace("{day}", day)
            assert any(wanted in one for one in said), said
    assert faults or change.get("warned")
    assert "certificate" not in change or not any(line in str(faults) for line in key_lines(inventory))
    # one mistake is not told in ten sentences
    assert len(faults) <= len(change["told"]) + 2, faults
    assert all(fault.endswith((".", "?")) and "\n" not in fault for fault in faults)


def test_the_example_is_right(inventory):
    faults, warnings = check(inventory)
    assert faults == []
    assert len(warnings) == 2 and "vault.yml holds the passwords of the example" in warnings[1]
    assert "'self_signed', and wheelhouse_ca_bundle is not set, so that no client trusts the index" in warnings[0]


def ca_file(path: Path, name: str = "Acme CA", days: tuple[int, int] = (-400, 90), ca: bool | None = True) -> str:
    """Write a certificate of this name, good from the one day to the other; its path."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer = subject if ca else x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Acme CA")])
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now + timedelta(days=days[0])).not_valid_after(now + timedelta(days=days[1]))
    builder = builder.add_extension(x509.BasicConstraints(ca=bool(ca), path_length=None), True)
    path.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    return str(path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, ""),
        ({"days": (-400, -1)}, "in which the certificate of 'Acme CA' has expired, on "),
        ({"days": (2, 90)}, "in which the certificate of 'Acme CA' is not good before "),
        ({"ca": False, "name": "srv"}, "in which the certificate of 'srv' is a server's and no CA's"),
    ],
)
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another"])
@pytest.mark.parametrize("name", ["wheelhouse_ca_bundle", "index_gateway_ca_certificate"])
def test_the_companys_ca(inventory, tmp_path, name, beside, change, told):
    """What nobody can trust is a fault; where there is another one beside it, a warning."""
    other = Path(ca_file(tmp_path / "other.pem")).read_text()
    bundle = Path(ca_file(tmp_path / "ca.pem", **change))
    bundle.write_text(bundle.read_text() + (other if beside else ""))
    make_certificate(inventory.parent / "files")
    values = {
        "wheelhouse_ca_bundle": str(tmp_path / "other.pem"),
        "index_gateway_ca_certificate": str(tmp_path / "other.pem"),
        "index_gateway_ca_private_key": str(inventory.parent / "files" / "index.key"),
        name: str(bundle),
    }
    change_source = {"replace": "certificate_source: self_signed", "with": "certificate_source: company_ca"}
    spoil(inventory, {"in": "group_vars/index_hosts.yml", **change_source})
    spoil(inventory, {"in": "group_vars/all/zz.yml", "with": yaml.safe_dump(values)})
    faults, warnings = check(inventory)
    said = [text for text in (warnings if beside else faults) if text.startswith(f"{name} is '{bundle}', in which")]
    assert len(said) == bool(told) and told in "".join(said), (faults, warnings)


def test_a_ca_that_clients_do_not_have(inventory, tmp_path):
    make_certificate(inventory.parent / "files")
    values = {
        "wheelhouse_ca_bundle": ca_file(tmp_path / "one.pem", name="The proxy's CA"),
        "index_gateway_ca_certificate": ca_file(tmp_path / "two.pem"),
        "index_gateway_ca_private_key": str(inventory.parent / "files" / "index.key"),
    }
    change_source = {"replace": "certificate_source: self_signed", "with": "certificate_source: company_ca"}
    spoil(inventory, {"in": "group_vars/index_hosts.yml", **change_source})
    spoil(inventory, {"in": "group_vars/all/zz.yml", "with": yaml.safe_dump(values)})
    _faults, warnings = check(inventory)
    assert any("has the certificate of 'Acme CA', which is not in wheelhouse_ca_bundle" in text for text in warnings)


@pytest.mark.parametrize(("mode", "told"), [(0o600, "nobody but you may read it"), (0o640, "encrypt it with")])
def test_secrets_from_a_file_in_clear(inventory, mode, told):
    """As the demo has them: a lookup of a file, which is no vault."""
    path = inventory.parent / "vault.json"
    path.write_text(json.dumps({"ada": "of the four winds, ada"}))
    path.chmod(mode)
    lookup = "{{ lookup('ansible.builtin.file', our_directory ~ '/vault.json') | from_json }}"
    values = {"our_directory": str(inventory.parent), "our_vault": lookup, "vault_ada_index": "{{ our_vault.ada }}"}
    spoil(inventory, {"in": "group_vars/all/zz.yml", "with": yaml.safe_dump(values)})
    faults, warnings = check(inventory)
    said = [text for text in (warnings if mode == 0o600 else faults) if "vault.json" in text]
    assert len(said) == 1 and told in said[0]
    assert faults == ([] if mode == 0o600 else said)


@pytest.mark.parametrize("names", [("packages.acme.example",), ("a.example", "*.acme.example")])
def test_a_certificate_that_is_right(inventory, names):
    change = next(change for change in WRONG if change.get("certificate"))
    spoil(inventory, change)
    make_certificate(inventory.parent / "files", names=names)
    faults, warnings = check(inventory)
    assert faults == []
    assert [warning for warning in warnings if "certificate" in warning] == []


def test_secrets_in_an_inventory_of_lines(inventory):
    (inventory / "more.ini").write_text(
        "[workstations]\nws-9 corporate_proxy_username=x corporate_proxy_password='of our own'\n"
        "[all:vars]\nour_own=x\n#vault_password=x\nwheelhouse_proxy_password={{ vault_machines_proxy }}\n"
    )
    [fault] = check(inventory)[0]
    assert "more.ini holds passwords in clear (corporate_proxy_password): encrypt it" in fault


def test_braces_that_are_meant(inventory):
    """`!unsafe` before it, or a reference: both give the password as it stands there."""
    spoil(
        inventory,
        {
            "in": "group_vars/all/vault.yml",
            "replace": '"staple and paper clip"',
            "with": "!unsafe 'staple {{ and }} {# paper #} clip'",
        },
    )
    faults, _warnings = check(inventory)
    assert [fault for fault in faults if "in clear" not in fault] == []


def test_an_index_whose_address_is_an_ip(inventory):
    text = "{wheelhouse_index_url: 'https://192.0.2.7', index_gateway_certificate_names: ['IP:192.0.2.7']}"
    spoil(inventory, {"in": "group_vars/all/zz.yml", "with": text})
    faults, warnings = check(inventory)
    assert faults == []
    assert any("'https://192.0.2.7', an IP address, and pip from 24.2 on cannot verify" in text for text in warnings)


@pytest.mark.parametrize(("text", "is_right"), [("true", True), ("yes", True), ("False", True), ("later", False)])
def test_what_people_write_behind_e_is_text(inventory, text, is_right):
    """`-e package_transfer_apply=true`, which docs/air-gap.md says, hands on a string."""
    spoil(inventory, {"in": "group_vars/all/zz.yml", "with": f"package_transfer_apply: '{text}'"})
    faults, _warnings = check(inventory)
    wrong = "package_transfer_apply is 'later', a string: write true or false, without quotes."
    assert faults == ([] if is_right else [wrong])


def test_what_is_only_known_later_is_not_wrong(inventory):
    spoil(
        inventory,
        {
            "in": "group_vars/all/zz.yml",
            "with": "corporate_proxy_region: \"{{ 'europe' if ansible_facts['x'] == 1 else 'pacific' }}\"\n"
            'jupyter_host_new_tokens: "{{ jupyter_host_people }}"\n'
            'our_own: "{{ undefined_thing }}"\n',
        },
    )
    assert check(inventory)[0] == []


def test_facts_that_roles_set_are_known(inventory):
    """A cache of facts, or a second playbook in the same run, has them."""
    facts = [
        *("wheelhouse_removed_users", "wheelhouse_reachability", "wheelhouse_hosts_on_old_credentials"),
        *("wheelhouse_ssh_public_keys", "accounts_removal"),
        *("jupyter_host_carried", "jupyter_host_rotated", "package_client_credentials_current", "virtualenv_changed"),
        *("pypi_index_changed_accounts", "index_gateway_given_certificate", "corporate_proxy_changed_accounts"),
    ]
    spoil(inventory, {"in": "group_vars/all/zz.yml", "with": yaml.safe_dump(dict.fromkeys(facts, "x"))})
    assert check(inventory)[0] == []


def test_faults_of_one_reason_are_told_once(inventory):
    people = (inventory / "group_vars" / "all" / "vault.yml").read_text(encoding="utf-8")
    names = [line.partition(":")[0] for line in people.splitlines() if line.startswith("vault_")]
    spoil(
        inventory,
        {
            "in": "group_vars/all/zz.yml",
            "with": "".join(f"{name}: \"{{{{ lookup('ansible.builtin.file', '/nowhere') }}}}\"\n" for name in names),
        },
    )
    faults, _warnings = check(inventory)
    assert len(faults) == 1 and "more) cannot be worked out:" in faults[0], faults


def test_a_large_company_is_checked_in_seconds(inventory):
    """200 people and 200 hosts; a machine that is busy with other tests gets some more time."""
    names = [f"ws-{number}.acme.example" for number in range(200)]
    (inventory / "more.yml").write_text(yaml.safe_dump({"workstations": {"hosts": dict.fromkeys(names)}}))
    person = {"jupyter": True, "publishes": ["acme-*"], "proxy_username": "x"}
    people = [
        {**person, "name": f"person{number}", "workstations": [name]}
        | {key: f"{{{{ vault_{key}_{number} }}}}" for key in ("index_password", "proxy_password")}
        for number, name in enumerate(names)
    ]
    vault = {
        f"vault_{key}_{n}": "of the four winds" for n in range(200) for key in ("index_password", "proxy_password")
    }
    (inventory / "group_vars" / "all" / "people.yml").write_text(yaml.safe_dump({"wheelhouse_people": people}))
    spoil(inventory, {"in": "group_vars/all/vault.yml", "with": yaml.safe_dump(vault)})
    (inventory / "host_vars").mkdir()
    for name in names:
        region = {"corporate_proxy_region": "{{ region }}", "region": "europe"}
        (inventory / "host_vars" / f"{name}.yml").write_text(yaml.safe_dump(region))
    begun = time.process_time()
    faults, _warnings = check(inventory)
    assert faults == []
    assert time.process_time() - begun < 15


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("ansible_become_pass: hunter two", "ansible_become_pass"),
        ("ansible_ssh_pass: hunter two", "ansible_ssh_pass"),
        ("backup_environment: {AWS_SECRET_ACCESS_KEY: hunter-two}", "AWS_SECRET_ACCESS_KEY"),
        ("backup_environment: {RESTIC_REST_PASSWORD: hunter-two}", "RESTIC_REST_PASSWORD"),
        ("Our_Own_Password: hunter two", "Our_Own_Password"),
        ("backup_repository: rest:https://ada:hunter-two@backup.acme.example/wheelhouse", "backup_repository"),
    ],
)
def test_secrets_in_clear_of_every_kind(inventory, text, key):
    (inventory / "group_vars" / "all" / "zz.yml").write_text(text)
    faults, _warnings = check(inventory)
    assert [fault for fault in faults if f"zz.yml holds passwords in clear ({key}): encrypt it" in fault], faults
    assert "hunter" not in str(faults)


def test_the_inventory_of_the_readme(tmp_path):
    """As it stands there, with hosts, a CA and a password beside it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    settings = text.partition("## A short inventory")[2].partition("```yaml\n")[2].partition("```")[0]
    assert "wheelhouse_people:" in settings
    place = tmp_path / "acme"
    (place / "group_vars" / "all").mkdir(parents=True)
    names = {"index_hosts": "index", "jupyter_hosts": "jupyter", "workstations": "ws-ada"}
    hosts = {group: {"hosts": {f"{name}.acme.example": None}} for group, name in names.items()}
    (place / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": hosts}}))
    (place / "group_vars" / "all" / "main.yml").write_text(settings)
    (place / "group_vars" / "all" / "vault.yml").write_text("vault_ada_index: correct horse battery\n")
    files = tmp_path / "files"
    files.mkdir()
    ca_file(files / "acme-ca.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    (files / "acme-ca.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    faults, warnings = check(place)
    faults = [fault for fault in faults if "is not the key of the certificate" not in fault]
    assert faults == []
    assert [warning for warning in warnings if "passwords of the example" not in warning] == []

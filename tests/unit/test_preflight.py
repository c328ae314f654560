"""A wrong inventory is told at once, whole, and before any host is touched: these hosts do not exist."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from plugins.test_wrong_inventories import make_certificate

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "inventories" / "example"
SECRET = "s3cr3t-sentinel"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A copy of the example, to be spoilt."""
    return Path(shutil.copytree(EXAMPLE, tmp_path / "acme"))


def spoil(inventory: Path, **settings) -> None:
    """Overwrite shared settings; ansible reads the files of a directory in alphabetical order."""
    (inventory / "group_vars" / "all" / "zz_spoilt.yml").write_text(yaml.safe_dump(settings))


def preflight(inventory: Path, *options: str, playbook: str = "site.yml") -> tuple[int, str]:
    """The exit code of a playbook and what it printed, white space folded."""
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(ROOT / playbook), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_all_faults_are_told_at_once(inventory: Path) -> None:
    people = yaml.safe_load((inventory / "group_vars" / "all" / "people.yml").read_text())["wheelhouse_people"]
    people[0]["index_password"] = SECRET + "\n"
    people[1]["name"] = "ada"
    people[1]["workstations"] = ["ws-nobody.acme.example"]
    spoil(
        inventory,
        wheelhouse_index_url=None,
        wheelhouse_proxy={"regions": {"europe": "proxy.acme.example"}},
        wheelhouse_people=people,
    )

    code, said = preflight(inventory)

    assert code != 0
    for fault in (
        "wheelhouse_index_url",
        "wheelhouse_proxy.regions.europe",
        "wheelhouse_people[ada].index_password",
        "wheelhouse_people[1].name",
        "ws-nobody.acme.example",
    ):
        assert fault in said, fault
    assert SECRET not in said


def test_an_unknown_group_is_told(inventory: Path) -> None:
    (inventory / "more.yml").write_text(yaml.safe_dump({"workstatons": {"hosts": {"ws-9.acme.example": None}}}))
    code, said = preflight(inventory)
    assert code != 0
    assert "workstatons" in said and "workstations" in said


def test_no_host_is_touched(inventory: Path) -> None:
    """A host that Ansible tries to reach shows as unreachable, or with gathered facts."""
    spoil(inventory, wheelhouse_index_url="http://packages.acme.example")
    code, said = preflight(inventory)
    assert code != 0
    assert "unreachable=1" not in said and "Gathering Facts" not in said
    assert "ssh" not in said.lower().replace("ssh_public_key", "")


def test_the_example_itself_is_sound(inventory: Path) -> None:
    """It gets past the check, to the first host, which does not exist."""
    _, said = preflight(inventory)
    assert "The inventory needs a change" not in said
    assert "unreachable=1" in said


def test_a_vault_that_is_encrypted_is_read(inventory: Path, tmp_path: Path) -> None:
    """No word of it where it is right; what is wrong in it is told by name, and without the password."""
    vault = inventory / "group_vars" / "all" / "vault.yml"
    (tmp_path / "password").write_text("the vault's own")
    secrets = yaml.safe_load(vault.read_text())

    def said_of(values: dict) -> str:
        vault.write_text(yaml.safe_dump(values))
        options = ["--vault-password-file", str(tmp_path / "password")]
        subprocess.run(["ansible-vault", "encrypt", *options, str(vault)], check=True, capture_output=True, timeout=60)
        return preflight(inventory, *options, playbook="playbooks/preflight.yml")[1]

    said = said_of(secrets)
    assert "failed=0" in said
    # that the example's certificate has to be given to clients
    assert said.count("WARNING") == said.count("[WARNING]: index_gateway_certificate_source is 'self_signed'") == 1
    said = said_of(secrets | {"vault_bob_index": "x7Q", "vault_ada_index": SECRET + "{# #}"})
    assert "wheelhouse_people[bob].index_password has fewer than 12 characters" in said
    assert "wheelhouse_people[ada].index_password comes from vault_ada_index, which has '{#' in it" in said
    assert "x7Q" not in said and SECRET not in said


def test_single_values_that_are_encrypted(inventory: Path, tmp_path: Path) -> None:
    """Braces in them stay what they are, in all versions of Ansible."""
    (tmp_path / "password").write_text("the vault's own")
    options = ["--vault-password-file", str(tmp_path / "password")]
    encrypt = ["ansible-vault", "encrypt_string", *options, "--name", "vault_bob_index", "a{# b #}c {{ d and more"]
    text = subprocess.run(encrypt, check=True, capture_output=True, text=True, timeout=60).stdout
    (inventory / "group_vars" / "all" / "zz.yml").write_text(text)
    assert preflight(inventory, *options, playbook="playbooks/preflight.yml")[0] == 0
    code, said = preflight(inventory, playbook="playbooks/preflight.yml")
    assert code != 0 and "wheelhouse_people[bob].index_password cannot be worked out: " in said


def test_a_key_in_a_vault_is_held_against_the_certificate(inventory: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("the vault's own")
    options = ["--vault-password-file", str(tmp_path / "password")]
    spoil(
        inventory,
        index_gateway_certificate_source="given",
        index_gateway_certificate=str(tmp_path / "files" / "index.pem"),
        index_gateway_private_key=str(tmp_path / "files" / "index.key"),
    )
    index_hosts = inventory / "group_vars" / "index_hosts.yml"
    index_hosts.write_text(index_hosts.read_text().replace("index_gateway_certificate_source: self_signed", ""))
    for key, wanted in (("own", ""), ("another", "which is not the key of the certificate in index_gateway_certif")):
        shutil.rmtree(tmp_path / "files", ignore_errors=True)
        make_certificate(tmp_path / "files", days=20, key=key)
        encrypt = ["ansible-vault", "encrypt", *options, str(tmp_path / "files" / "index.key")]
        subprocess.run(encrypt, check=True, capture_output=True, timeout=60)
        code, said = preflight(inventory, *options, playbook="playbooks/preflight.yml")
        assert (code != 0) == bool(wanted) and wanted in said, said
        assert "which expires soon, on 20" in said


def test_an_inventory_without_a_host_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all: {}\n")
    code, said = preflight(tmp_path / "hosts.yml")
    assert code != 0
    assert "There is no host in any of the groups index_hosts, jupyter_hosts, workstations: put one in." in said
    assert "wheelhouse_people is not set" in said


def test_a_slip_on_the_command_line(inventory: Path) -> None:
    code, said = preflight(inventory, "-e", "rotate_certifcate=true", playbook="playbooks/rotate.yml")
    assert code != 0 and "did you mean rotate_certificate?" in said


def test_limit_leaves_nothing_out(inventory: Path) -> None:
    """What is wrong elsewhere is told, too: the index goes by the same list of people."""
    (inventory / "host_vars").mkdir()
    (inventory / "host_vars" / "ws-bob.acme.example.yml").write_text("corporate_proxy_relay_port: 0\n")
    code, said = preflight(inventory, "--limit", "jupyter.acme.example")
    assert code != 0 and "corporate_proxy_relay_port is 0: write a port" in said


@pytest.mark.parametrize(("playbook", "accepted"), [("playbooks/index_image.yml", True), ("site.yml", False)])
def test_an_archive_may_be_missing_where_the_run_writes_it(
    inventory: Path, tmp_path: Path, playbook: str, accepted: bool
) -> None:
    archive = f"pypi_index_image_archive={tmp_path}/wheelhouse-index.tar"
    options = ("--tags", "always", "--extra-vars", f"pypi_index_image_source=archive {archive}")
    code, said = preflight(inventory, *options, playbook=playbook)
    assert ("which is no file on this machine" not in said) is accepted
    assert (code == 0) is accepted


def test_an_inventory_without_an_index_host(inventory: Path) -> None:
    """As docs/publishing.md says, where somebody else runs the index; but a report on an index needs one."""
    hosts = inventory / "hosts.yml"
    hosts.write_text(hosts.read_text().replace("        index.acme.example:\n", "        {}\n"))
    (inventory / "group_vars" / "index_hosts.yml").unlink()
    code, said = preflight(inventory, playbook="playbooks/preflight.yml")
    assert code == 0, said
    code, said = preflight(inventory, playbook="playbooks/report.yml")
    assert code != 0
    assert (
        "There is no host in the group index_hosts, and this playbook is about one: put it in, or run it with" in said
    )


def test_options_behind_e(inventory: Path) -> None:
    code, said = preflight(
        inventory, "-e", "form=latest", "-e", "rotate_immediately=ture", playbook="playbooks/rotate.yml"
    )
    assert code != 0
    assert "'form', given with -e, is no option, and nothing reads it: did you mean from?" in said
    assert "rotate_immediately is 'ture': write true, or leave it out." in said


def test_settings_behind_e(inventory: Path) -> None:
    """One that the inventory does not even mention, and whose name is like that of an option."""
    for path in inventory.rglob("*.yml"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "wheelhouse_offboard_max" not in line))
    code, said = preflight(inventory, "-e", "{wheelhouse_offboard_max: 0}", playbook="playbooks/preflight.yml")
    assert code == 0, said

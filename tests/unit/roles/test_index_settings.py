"""What the roles of the index host have to agree on: taken from the variables of pypi_index, or the same constant."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.engine_settings import STORE_PORT

ROLES = Path(__file__).parents[3] / "roles"
PROGRAM = ROLES / "pypi_index/files/wheelhouse"
OTHERS = ("index_gateway", "conda_channel", "package_intake", "package_transfer", "fleet")
# {constant of another role: constant of pypi_index}
CONSTANTS = {
    "__conda_channel_container": "__pypi_index_container",
    "__fleet_index_account": "__pypi_index_account",
    "__fleet_index_container": "__pypi_index_container",
    "__index_gateway_group": "__pypi_index_account",
    "__index_gateway_program": "__pypi_index_socket",
    "__package_intake_account": "__pypi_index_account",
    "__package_intake_index_container": "__pypi_index_container",
    "__package_transfer_account": "__pypi_index_account",
    "__package_transfer_index_container": "__pypi_index_container",
}


def variables(role: str, folder: str = "vars") -> dict[str, Any]:
    return dict(yaml.safe_load((ROLES / role / folder / "main.yml").read_text(encoding="utf-8")))


def test_constants_are_the_same() -> None:
    index = variables("pypi_index")
    found = {name: value for role in OTHERS for name, value in variables(role).items() if name in CONSTANTS}
    assert found == {name: index[constant] for name, constant in CONSTANTS.items()}


@pytest.mark.parametrize("role", OTHERS)
def test_settings_that_are_left_out_have_the_same_default(role: str) -> None:
    """A default of pypi_index is not visible in another role."""
    index = variables("pypi_index", "defaults")
    text = (ROLES / role / "vars/main.yml").read_text(encoding="utf-8")
    taken = re.findall(r"\{\{ (pypi_index_\w+) \| default\('([^']*)'\) \}\}", text)
    assert dict(taken) == {name: index[name] for name, _default in taken}
    assert "pypi_index_directory" in dict(taken)


def test_no_other_role_names_the_directory_itself() -> None:
    for path in ROLES.glob("*/[dtv]*/**/*"):
        if path.is_file() and "/srv/wheelhouse" in path.read_text(encoding="utf-8", errors="replace"):
            lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "/srv/wheelhouse" in line]
            assert all("pypi_index_directory" in line for line in lines), f"{path}: {lines}"


def test_the_program_listens_where_the_gateway_asks() -> None:
    socket = variables("pypi_index")["__pypi_index_socket"]
    assert f'"unix:{socket}"' in (PROGRAM / "src/wheelhouse/web/handover.py").read_text(encoding="utf-8")
    assert str(Path(socket).parent) in (PROGRAM / "Dockerfile").read_text(encoding="utf-8")


def files_of(task: dict[str, Any]) -> list[dict[str, str]]:
    files: list[dict[str, str]] | str = task.get("wheelhouse.onboarding.managed_files", {}).get("files", [])
    return task["vars"]["__pypi_index_files_written"] if isinstance(files, str) else files


def test_the_index_has_no_login_at_the_proxy_unless_it_fetches() -> None:
    """The intake has a copy of its own: what the index's container can read, its visitors may get at one day."""
    mounted = (ROLES / "package_intake/templates/wheelhouse-intake.j2").read_text(encoding="utf-8")
    assert '"$directory/intake:/intake:ro"' in mounted
    for role, tasks, directory in (
        ("pypi_index", "configuration", "{{ pypi_index_directory }}/config"),
        ("package_intake", "network", "{{ __package_intake_config }}"),
    ):
        files = {
            Path(one["path"]).name: str(one.get("state"))
            for task in yaml.safe_load((ROLES / role / f"tasks/{tasks}.yml").read_text(encoding="utf-8"))
            for one in files_of(task)
            if one["path"].startswith(f"{directory}/")
        }
        assert {"proxy.env", "ca.pem"} <= files.keys()
        if role == "pypi_index":
            assert "'present' if __pypi_index_goes_out | bool else 'absent'" in files["proxy.env"]
            variables = yaml.safe_load((ROLES / role / "vars/main.yml").read_text(encoding="utf-8"))
            asks_others = "pypi_index_upstream == 'cached' or pypi_index_publishers | length > 0"
            assert variables["__pypi_index_goes_out"] == f"{{{{ {asks_others} }}}}"


def test_balancers_connect_to_the_port_that_gateways_have_for_them() -> None:
    balanced = variables("index_gateway")["__index_gateway_balanced_port"]
    assert variables("index_balancer")["__index_balancer_gateway_port"] == balanced


def test_gateways_look_for_the_store_at_its_port() -> None:
    assert variables("index_store")["__index_store_port"] == STORE_PORT

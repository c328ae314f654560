# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Releases for enrolled hosts: what each is given, in which steps they are rolled out, and when a rollout stops."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.wheelhouse.onboarding.plugins.filter.enrolled_hosts import enrolled_hosts
from ansible_collections.wheelhouse.onboarding.plugins.filter.fleet_progress import fleet_progress
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils import fleet_inventory, fleet_release

PEOPLE: list[dict[str, Any]] = [
    {
        "name": "ada",
        "workstations": ["ws-ada", "ws-lab"],
        "jupyter": True,
        "publishes": ["acme-*"],
        "index_password": "S3ntinel-ada-index",
        "proxy_username": "EMEA\\ada",
        "proxy_password": "S3ntinel-ada-proxy",
        "ssh_public_key": "ssh-ed25519 AAAA ada",
    },
    {
        "name": "leo",
        "workstations": ["ws-leo"],
        "index_password": "S3ntinel-leo-index",
        "proxy_username": "EMEA\\leo",
        "proxy_password": "S3ntinel-leo-proxy",
    },
    {"name": "bob", "state": "absent", "workstations": ["ws-ada"], "index_password": "S3ntinel-bob"},
    {"name": "eve", "until": "2020-01-01", "workstations": ["ws-ada"], "proxy_password": "S3ntinel-eve"},
]
TOKENS = {"ada": {"ws-ada": "whl_ada_here", "ws-lab": "S3ntinel-lab"}, "leo": {"ws-leo": "S3ntinel-leo-token"}}
VARIABLES = {"wheelhouse_index_url": "https://packages.acme.example", "wheelhouse_people": PEOPLE}


def given(host: str = "ws-ada", **more: Any) -> dict[str, Any]:
    return fleet_inventory.host_variables(host, VARIABLES | more, TOKENS, ["jup"])


def test_a_host_gets_the_secrets_of_those_who_work_on_it() -> None:
    found = given()
    (ada, *others) = found["wheelhouse_people"]
    assert ada == {
        "name": "ada",
        "workstations": ["ws-ada"],
        "jupyter": True,
        "proxy_username": "EMEA\\ada",
        "proxy_password": "S3ntinel-ada-proxy",
        "ssh_public_key": "ssh-ed25519 AAAA ada",
    }
    assert found["package_client_people"] == [{"name": "ada", "index_token": "whl_ada_here"}]
    assert found["jupyter_tunnel_hosts"] == ["jup"]
    # everyone's name is there, since an account without an entry would stop the run
    assert others == [
        {"name": "leo"},
        {"name": "bob", "state": "absent", "workstations": ["ws-ada"]},
        {"name": "eve", "until": "2020-01-01", "workstations": ["ws-ada"]},
    ]
    assert json.dumps(found).count("S3ntinel") == 1


def test_passwords_are_given_where_they_are_stored() -> None:
    found = given(wheelhouse_store_index_passwords=True)
    assert found["package_client_people"] == [{"name": "ada", "index_password": "S3ntinel-ada-index"}]
    assert json.dumps(found).count("S3ntinel") == 2


def test_who_has_no_token_yet_has_no_login() -> None:
    found = fleet_inventory.host_variables("ws-ada", VARIABLES, {}, [])
    assert found["package_client_people"] == [{"name": "ada"}]


def test_a_machine_whose_homes_are_anothers_has_that_ones_token() -> None:
    assert given(package_client_token_name="ws-lab")["package_client_people"][0]["index_token"] == "S3ntinel-lab"


def test_the_directorys_password_is_the_indexs() -> None:
    ldap = {"bind_password": "S3ntinel-bind"}
    assert "S3ntinel-bind" not in json.dumps(given(wheelhouse_ldap=ldap))
    options: dict[str, Any] = {"package_client_tools": {}, "fleet_signing_key": {}}
    assert fleet_inventory.is_given("package_client_tools", options)
    assert fleet_inventory.is_given("wheelhouse_proxy_password", options)
    for name in ("wheelhouse_ldap", "fleet_signing_key", "vault_ada", "backup_password", "pypi_index_upstreams"):
        assert not fleet_inventory.is_given(name, options), name


def test_a_file_that_a_host_cannot_fetch() -> None:
    assert given(package_client_conda_installer="https://mirror.acme.example/conda.sh")
    with pytest.raises(fleet_inventory.Unsuitable, match="package_client_conda_installer is "):
        given(package_client_conda_installer="/srv/conda.sh")


@pytest.mark.parametrize(
    ("serial", "hosts", "canaries", "expected"),
    [
        ("100%", 50, False, [100]),
        ("100%", 50, True, [0, 100]),
        ("20%", 50, True, [0, 20, 40, 60, 80, 100]),
        ("30%", 50, False, [30, 60, 90, 100]),
        ("10", 50, False, [20, 40, 60, 80, 100]),
        ("10", 5, True, [0, 100]),
        ("1", 0, False, [100]),
    ],
)
def test_the_steps_of_a_rollout(serial: str, hosts: int, canaries: bool, expected: list[int]) -> None:
    assert fleet_release.steps(serial, hosts, canaries) == expected


@pytest.mark.parametrize("serial", ["", "0", "0%", "-5", "many", "5 %%", "[1, 5]"])
def test_a_serial_that_is_none(serial: str) -> None:
    with pytest.raises(fleet_release.ReleaseError, match="write a number of hosts, or a share such as 20%"):
        fleet_release.steps(serial, 10, False)


def test_numbers_only_grow() -> None:
    assert fleet_release.next_number([], 1000.9) == 1000
    assert fleet_release.next_number([None, {"number": 900}], 1000) == 1000
    assert fleet_release.next_number([{"number": 1000}, {"number": 999}], 1000) == 1001
    assert fleet_release.next_number([{"number": 5000}], 1000) == 5001, "the clock is behind"
    with pytest.raises(fleet_release.ReleaseError, match="set this machine's clock"):
        fleet_release.next_number([{"number": 1000 + 86401}], 1000)


RELEASE = {"number": 7, "share": 0, "canaries": ["00000000a"]}
NAMES = {"00000000a": "ws-a", "00000032b": "ws-b", "00000063c": "ws-c"}  # 0, 50 and 99 of 100


def reports(**heartbeats: tuple[int, str]) -> str:
    known = {
        name.replace("_", "-"): {"number": number, "outcome": outcome} for name, (number, outcome) in heartbeats.items()
    }
    return json.dumps({"heartbeats": known})


def test_how_far_a_step_has_come() -> None:
    def found(share: int, report: str) -> dict[str, Any]:
        return fleet_progress({**RELEASE, "share": share}, NAMES, report)

    assert found(0, reports())["silent"] == ["ws-a"]
    assert found(51, reports())["silent"] == ["ws-a", "ws-b"]
    assert found(50, reports())["silent"] == ["ws-a"]
    assert found(100, reports())["silent"] == ["ws-a", "ws-b", "ws-c"]
    step = found(100, reports(ws_a=(7, "ok"), ws_b=(7, "failed"), ws_c=(6, "ok")))
    assert (step["ok"], step["failed"], step["silent"]) == (["ws-a"], ["ws-b"], ["ws-c"])
    for nonsense in ("", "[]", "null", "x"):
        assert found(0, nonsense)["silent"] == ["ws-a"]


@pytest.mark.parametrize(
    ("ok", "failed", "silent", "most", "stop"),
    [
        (1, 0, 0, 10, ""),
        (0, 0, 0, 10, ""),
        (0, 0, 2, 10, "None of"),
        (1, 0, 9, 10, ""),
        (9, 1, 0, 10, ""),
        (8, 1, 1, 10, "failed on 1 of 9 hosts"),
        (0, 1, 0, 99, "failed on 1 of 1 hosts"),
        (1, 1, 0, 0, "failed on 1 of 2 hosts"),
    ],
)
def test_when_a_rollout_stops(ok: int, failed: int, silent: int, most: int, stop: str) -> None:
    found = {
        what: [f"ws-{number}" for number in range(count)]
        for what, count in (("ok", ok), ("failed", failed), ("silent", silent))
    }
    said = fleet_release.verdict(found, most)
    assert stop in said and bool(said) == bool(stop)


def test_the_archive_has_what_a_host_needs_and_no_more(tmp_path: Path) -> None:
    for name in ("roles/x/tasks/main.yml", "plugins/a.py", "plugins/__pycache__/a.pyc", "tests/t.py", ".git/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "galaxy.yml").write_text("version: 1")
    packed = fleet_release.archive({"acme.tools": tmp_path})
    assert fleet_release.archive({"acme.tools": tmp_path}) == packed
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.getnames() == [
            f"ansible_collections/acme/tools/{name}"
            for name in ("galaxy.yml", "plugins/a.py", "roles/x/tasks/main.yml")
        ]


def test_the_list_of_enrolled_hosts() -> None:
    hostvars: dict[str, dict[str, object]] = {
        "ws-a": {"fleet_key": "ssh-ed25519 AAAA a"},
        "ws-b": {"fleet_key": "ssh-ed25519 AAAA b", "fleet_public_key": "ssh-ed25519 BBBB b"},
        "ws-c": {"fleet_key": "ssh-ed25519 AAAA c", "fleet_public_key": ""},
        "ws-d": {"fleet_public_key": "ssh-ed25519 AAAA d"},
        "ws-e": {},
    }
    groups = {"workstations": ["ws-e", "ws-d", "ws-b", "ws-c"], "enrolled_hosts": ["ws-a", "ws-b", "ws-c"]}
    text = enrolled_hosts(hostvars, groups)
    assert text.startswith("# enroll.yml writes this file.")
    assert yaml.safe_load(text) == {
        "enrolled_hosts": {
            "hosts": {
                "ws-a": {"fleet_key": "ssh-ed25519 AAAA a"},
                "ws-b": {"fleet_key": "ssh-ed25519 BBBB b"},
                "ws-d": {"fleet_key": "ssh-ed25519 AAAA d"},
            }
        }
    }


def test_each_host_has_a_key_of_its_own() -> None:
    keys = {"ws-a": "ssh-ed25519 AAAA a", "ws-b": "ssh-ed25519 BBBB b"}
    assert sorted(fleet_release.names_of(keys).values()) == ["ws-a", "ws-b"]
    with pytest.raises(fleet_release.ReleaseError, match="ws-a and ws-c have the same fleet_key"):
        fleet_release.names_of(keys | {"ws-c": "ssh-ed25519 AAAA another comment"})
    with pytest.raises(fleet_release.ReleaseError, match="ws-c is in the group enrolled_hosts without a fleet_key"):
        fleet_release.names_of(keys | {"ws-c": ""})

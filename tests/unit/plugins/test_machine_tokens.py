# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Who has tokens of the index on which machines, and what is written into people's files there."""

from __future__ import annotations

import netrc
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.filter.index_logins import index_logins_filter
from ansible_collections.wheelhouse.onboarding.plugins.filter.index_machines import index_machines_filter
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.client_settings import index_credentials
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.machine_tokens import (
    PLACEHOLDER,
    index_logins,
    index_machines,
)
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.run_reports import rotation_faults, rotation_report

URL = "https://packages.acme.example"
PASSWORD = "S3ntinel-of-Acme"
TOKEN = "whl_" + "b" * 47
GROUPS = {"workstations": ["ws-1", "ws-2", "pc-1"], "jupyter_hosts": ["jup-1", "jup-2"], "windows": ["pc-1"]}
PEOPLE: list[dict[str, Any]] = [
    {"name": "ada", "workstations": ["ws-1", "pc-1"], "jupyter": True, "index_password": PASSWORD},
    {"name": "leo", "workstations": ["ws-2"], "jupyter": True, "jupyter_host": "jup-2", "index_password": PASSWORD},
    {"name": "lin", "workstations": ["ws-2"]},
    {"name": "ci", "index_password": PASSWORD},
    {"name": "eve", "state": "absent", "workstations": ["ws-1"], "index_password": PASSWORD},
    {"name": "noa", "until": "2020-01-01", "workstations": ["ws-1"], "index_password": PASSWORD},
]


def machines(**more: Any) -> dict[str, list[str]]:
    return index_machines(PEOPLE, GROUPS, more.pop("hostvars", {}), **more)


def test_each_machine_on_which_a_person_has_a_home() -> None:
    assert machines() == {"ada": ["jup-1", "ws-1"], "leo": ["jup-2", "ws-2"]}


def test_with_a_directory_everyone_has_an_account() -> None:
    assert machines(directory=True) == {"ada": ["jup-1", "ws-1"], "leo": ["jup-2", "ws-2"], "lin": ["ws-2"]}


def test_who_has_a_stored_password_needs_no_token() -> None:
    assert machines(store_passwords=True) == {}
    assert machines(store_passwords=True, directory=True) == {"lin": ["ws-2"]}


def test_hosts_that_have_their_homes_in_common_are_one_machine() -> None:
    shared = {host: {"package_client_token_name": "homes"} for host in ("ws-1", "jup-1")}
    assert machines(hostvars=shared) == {"ada": ["homes"], "leo": ["jup-2", "ws-2"]}


def test_the_token_of_this_machine() -> None:
    tokens = {"ada": {"ws-1": TOKEN, "jup-1": "another"}}
    assert index_logins(PEOPLE[:4], tokens, "ws-1") == [
        {"name": "ada", "index_token": TOKEN},
        {"name": "leo", "reason": "the index has no account of theirs yet: run this again with the index host"},
        {"name": "lin"},
        {"name": "ci", "reason": "the index has no account of theirs yet: run this again with the index host"},
    ]
    looked = index_logins(PEOPLE[:2], tokens, "ws-1", check_mode=True)
    assert [one["index_token"] for one in looked] == [TOKEN, PLACEHOLDER]
    stored = index_logins(PEOPLE[:3], tokens, "ws-1", directory=True, store_passwords=True, check_mode=True)
    assert stored == [
        {"name": "ada", "index_password": PASSWORD},
        {"name": "leo", "index_password": PASSWORD},
        {"name": "lin", "index_token": PLACEHOLDER},
    ]


def test_no_file_of_a_person_with_a_token_has_the_password(tmp_path: Path) -> None:
    logins = index_logins(PEOPLE[:1], {"ada": {"ws-1": TOKEN}}, "ws-1")
    files = {one["path"]: one for one in index_credentials(logins, URL) if one["owner"] == "ada"}
    (tmp_path / "netrc").write_text(files["~/.netrc"]["content"])
    assert netrc.netrc(tmp_path / "netrc").authenticators("packages.acme.example") == ("ada", "", TOKEN)
    # twine asks for the password, or is given a token for publishing
    assert "username = ada\n" in files["~/.pypirc"]["content"]
    assert "password =" not in files["~/.pypirc"]["content"] and TOKEN not in files["~/.pypirc"]["content"]
    assert PASSWORD not in str(files)


def test_who_has_neither_keeps_what_is_there() -> None:
    assert [one for one in index_credentials([{"name": "leo", "reason": "none"}], URL) if one["owner"] == "leo"] == []


@pytest.mark.parametrize("wrong", [None, "x", [{}], ["ada"]])
def test_wrong_input_is_an_error_of_ansible(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="each with a name"):
        index_machines_filter(wrong, GROUPS, {})
    with pytest.raises(AnsibleFilterError, match="each with a name"):
        index_logins_filter(wrong, {}, "ws-1")


def test_wrong_answers_are_an_error_of_ansible() -> None:
    with pytest.raises(AnsibleFilterError, match="the tokens must be"):
        index_logins_filter(PEOPLE, {"ada": TOKEN}, "ws-1")
    with pytest.raises(AnsibleFilterError, match="until of ada is 'soon'"):
        index_machines_filter([{"name": "ada", "until": "soon"}], GROUPS, {})
    with pytest.raises(AnsibleFilterError, match="groups and hostvars"):
        index_machines_filter(PEOPLE, [], {})


def test_rotation_knows_tokens() -> None:
    people: Any = PEOPLE
    assert rotation_faults("", False, people, "given", "ada,all") == []
    (fault,) = rotation_faults("", False, people, "given", "ada,zoe")
    assert fault.startswith("rotate_index_tokens has zoe, not in wheelhouse_people;")
    facts: Any = {
        "index": {"inventory_hostname": "index"},
        "ws-1": {"inventory_hostname": "ws-1", "package_client_new_tokens": ["ada on ws-1"]},
    }
    assert rotation_report(facts, "index", list(facts)) == ["New tokens for the index: ada on ws-1."]

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The company's directory in an inventory: its settings, and the people that are written from its groups."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.filter.ldap_configuration import ldap_configuration
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory import validate_inventory
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.ldap_settings import ldap_faults
from ansible_collections.wheelhouse.onboarding.plugins.modules import people_from_directory

LDAP: dict[str, object] = {
    "url": "ldaps://ad.acme.example",
    "bind_dn": "cn=search,dc=acme",
    "bind_password": "S3ntinel",
    "user_base": "ou=people,dc=acme",
    "group_base": "ou=groups,dc=acme",
    "groups": [{"name": "python-users"}, {"name": "python-authors", "publishes": ["acme-*"]}],
}


def faults(**changes: object) -> list[str]:
    ldap = {key: value for key, value in (LDAP | changes).items() if value != "(none)"}
    found = validate_inventory({"wheelhouse_ldap": ldap}, {})
    return [fault for fault in found if fault.startswith("wheelhouse_ldap")]


def test_a_right_one():
    assert faults() == faults(url="ldap://ad.acme.example:3890", start_tls=True) == faults(active_directory=True) == []
    assert list(ldap_faults(None)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "ldap://ad"}, "wheelhouse_ldap.url is 'ldap://ad', and passwords would be sent unencrypted"),
        ({"url": "https://ad"}, "wheelhouse_ldap.url is not the address of a directory"),
        ({"url": "ldaps://search:S3ntinel@ad"}, "wheelhouse_ldap.url is not the address of a directory"),
        ({"url": "ldaps://ad:x"}, "wheelhouse_ldap.url is not the address of a directory"),
        ({"start_tls": True}, "wheelhouse_ldap.start_tls is true, and ldaps:// is encrypted already"),
        ({"bind_password": "(none)"}, "wheelhouse_ldap.bind_password is missing"),
        ({"bind_password": ""}, "wheelhouse_ldap.bind_password is empty"),
        ({"groups": []}, "wheelhouse_ldap.groups is empty"),
        ({"groups": [{"publishes": []}]}, "wheelhouse_ldap.groups[0].name is missing"),
        ({"user_bsae": "x"}, "wheelhouse_ldap has the key 'user_bsae'"),
        ({"user_filter": "objectClass=person"}, "wheelhouse_ldap.user_filter is 'objectClass=person'"),
        ({"user_attribute": "uid=*"}, "wheelhouse_ldap.user_attribute is 'uid=*'"),
        ({"group_base": "groups"}, "wheelhouse_ldap.group_base is 'groups'"),
        ({"cache_minutes": 0}, "wheelhouse_ldap.cache_minutes is 0"),
    ],
)
def test_a_sentence_for_what_is_wrong(changes, said):
    found = faults(**changes)
    assert any(fault.startswith(said) for fault in found) and len(found) == 1, found
    assert "S3ntinel" not in "".join(found)


def test_what_the_program_reads():
    people = [{"name": "eve", "state": "absent"}, {"name": "bob", "state": "absent"}, {"name": "ada"}]
    made = ldap_configuration(LDAP | {"cache_minutes": 5, "groups": [{"name": "x", "jupyter": True}]}, people)
    assert made["password"] == "S3ntinel" and "S3ntinel" not in json.dumps(made["settings"])
    assert made["removed"] == "bob\neve\n"
    assert made["settings"]["cache"] == 300 and made["settings"]["user_attribute"] == "uid"
    assert made["settings"]["groups"] == [{"name": "x", "publishes": []}]


def test_an_active_directory_has_other_defaults():
    settings = ldap_configuration(LDAP | {"active_directory": True, "group_filter": "(cn=p*)"}, [])["settings"]
    assert settings["user_attribute"] == "sAMAccountName" and "userAccountControl" in str(settings["user_filter"])
    assert settings["group_filter"] == "(cn=p*)"


@pytest.mark.parametrize(("gateways", "tries"), [(1, 5), (2, 2), (9, 1)])
def test_all_gateways_together_keep_away_from_the_limit(gateways, tries):
    settings = ldap_configuration(LDAP | {"tries": 5}, [], gateways)["settings"]
    assert settings["tries"] == tries


@pytest.mark.parametrize(("ldap", "people"), [("x", []), (LDAP, {}), ({"groups": []}, [])])
def test_what_is_no_directory(ldap, people):
    with pytest.raises(AnsibleFilterError):
        ldap_configuration(ldap, people)


# --- people

GROUPS = [{"name": "users"}, {"name": "science", "jupyter": True}]


@pytest.fixture
def write(run_module, tmp_path: Path):
    """Write the file from the members of groups."""

    def run(members: dict[str, list[str]], **arguments):
        arguments = {"path": str(tmp_path / "people.yml"), "groups": GROUPS, **arguments}
        return run_module(people_from_directory, members=members, **arguments)

    return run


def entries(tmp_path: Path) -> list[dict[str, object]]:
    return yaml.safe_load((tmp_path / "people.yml").read_text())["wheelhouse_directory_people"]


def test_members_become_entries(write, tmp_path):
    done = write({"bob": ["users"], "ada": ["science", "users"]})
    assert done["changed"] and done["joins"] == ["ada", "bob"] and done["leaves"] == []
    assert entries(tmp_path) == [{"name": "ada", "jupyter": True}, {"name": "bob", "jupyter": False}]
    again = write({"ada": ["users", "science"], "bob": ["users"]})
    assert not again["changed"] and again["joins"] == []


def test_who_leaves_keeps_the_entry_and_may_come_back(write, tmp_path):
    write({"bob": ["users"], "ada": ["users"]})
    path = tmp_path / "people.yml"
    path.write_text(path.read_text().replace("name: bob", "name: bob\n  workstations: [ws-bob]"))
    assert write({"ada": ["users"]})["leaves"] == ["bob"]
    assert {"name": "bob", "workstations": ["ws-bob"], "jupyter": False, "state": "absent"} in entries(tmp_path)
    assert write({"ada": ["users"]})["leaves"] == [], "has left already"
    assert write({"ada": ["users"], "bob": ["users"]})["joins"] == ["bob"]
    assert {"name": "bob", "workstations": ["ws-bob"], "jupyter": False} in entries(tmp_path)


def test_a_mass_departure_needs_a_word(write, tmp_path):
    names = [f"p{number}" for number in range(9)]
    write({name: ["users"] for name in names})
    before = entries(tmp_path)
    said = write({name: ["users"] for name in names[4:]})
    assert said["failed"] and "4 people are in none of the groups any more" in said["msg"]
    assert "-e wheelhouse_offboard=p0,p1,p2,p3" in said["msg"] and entries(tmp_path) == before
    assert write({name: ["users"] for name in names[4:]}, confirmed=["p0", "p1"])["failed"]
    assert write({name: ["users"] for name in names[3:]})["leaves"] == names[:3]
    assert write({name: ["users"] for name in names[8:]}, confirmed=names)["leaves"] == names[3:8]


def test_an_empty_directory_means_that_nobody_left(write, tmp_path):
    write({"ada": ["users"]})
    assert "hardly so" in write({}, confirmed=["ada"])["msg"]
    assert entries(tmp_path) == [{"name": "ada", "jupyter": False}]


def test_who_has_an_entry_elsewhere_or_no_login_name_is_left_out(write, tmp_path):
    names = ("ada", "j.doe", "root", "wheelhouse", "bob")
    done = write({name: ["users"] for name in names}, others=["ada"])
    assert [entry["name"] for entry in entries(tmp_path)] == ["bob"]
    assert [sentence.split()[0] for sentence in done["left_out"]] == ["ada", "'j.doe'", "'root'", "'wheelhouse'"]


def test_the_file_keeps_its_mode_and_may_be_the_first_of_its_directory(write, tmp_path):
    place = tmp_path / "group_vars" / "all" / "people.generated.yml"
    assert write({"ada": ["users"]}, path=str(place))["changed"]
    place.chmod(0o640)
    assert write({"ada": ["users"], "bob": ["users"]}, path=str(place))["changed"]
    assert place.stat().st_mode & 0o777 == 0o640 and [one.name for one in place.parent.iterdir()] == [place.name]
    (tmp_path / "file").write_text("")
    refused = write({"ada": ["users"]}, path=str(tmp_path / "file" / "people.yml"))
    assert refused["failed"] and "cannot be" in refused["msg"] and refused["msg"].endswith(".")


def test_check_mode_shows_and_writes_nothing(write, tmp_path):
    done = write({"ada": ["users"]}, check_mode=True)
    assert done["changed"] and "name: ada" in done["diff"]["after"] and not (tmp_path / "people.yml").exists()


@pytest.mark.parametrize("text", ["wheelhouse_directory_people: [1]", "x: [", "- ada", "x: !vault abc"])
def test_a_file_that_cannot_be_read_stays(write, tmp_path, text):
    (tmp_path / "people.yml").write_text(text)
    assert write({"ada": ["users"]})["failed"] and (tmp_path / "people.yml").read_text() == text

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What playbooks work out from the facts of all hosts."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.filter.managed_hosts import managed_hosts_filter
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.run_reports import (
    doctor_summary,
    hosts_on_old_credentials,
    rotation_faults,
    rotation_report,
    skipped_people,
    undelivered_ssh_keys,
)

GROUPS = {"index_hosts": ["index"], "jupyter_hosts": ["jup"], "workstations": ["ws-1", "ws-2", "pc"], "windows": ["pc"]}
PEOPLE: list[Person] = [
    {"name": "ada", "workstations": ["ws-1", "pc"], "jupyter": True},
    {"name": "leo", "workstations": ["ws-2"]},
    {"name": "eve", "workstations": ["ws-2"], "state": "absent"},
]
OFF = {"wheelhouse_reachability": {"unreachable": True}}


def hosts(**facts: dict) -> dict[str, dict]:
    """Facts of all hosts; those that are not named have none."""
    names = ("index", "jup", "ws-1", "ws-2", "pc")
    return {name: {"inventory_hostname": name, **facts.get(name.replace("-", "_"), {})} for name in names}


@pytest.mark.parametrize(
    ("groups", "names", "windows", "pattern"),
    [
        (GROUPS, (), False, ["index_hosts", "jupyter_hosts", "workstations", "!windows"]),
        ({"index_hosts": [], "workstations": []}, (), False, ["index_hosts", "workstations"]),
        (GROUPS, ("workstations",), False, ["workstations", "!windows"]),
        (GROUPS, (), True, ["windows"]),
        # canaries are the first batch, and enrolled hosts pull
        (
            {**GROUPS, "canaries": ["pc", "ws-2"], "enrolled_hosts": ["ws-1"]},
            ("workstations",),
            False,
            ["pc", "ws-2", "workstations", "!windows", "!enrolled_hosts"],
        ),
        ({**GROUPS, "canaries": ["pc", "ws-2"]}, (), True, ["pc", "windows"]),
        ({**GROUPS, "canaries": ["ws-2"]}, ("index_hosts",), False, ["index_hosts", "!windows"]),
        # an empty pattern would be all hosts
        ({}, (), False, ["all", "!all"]),
        ({"windows": []}, ("jupyter_hosts",), False, ["all", "!all"]),
        ({}, (), True, ["all", "!all"]),
    ],
)
def test_the_hosts_of_a_play(groups, names, windows, pattern):
    assert managed_hosts_filter(groups, *names, windows=windows) == pattern


def test_a_group_that_is_misspelt():
    with pytest.raises(AnsibleFilterError, match="unknown group jupyter_host; write some of index_hosts"):
        managed_hosts_filter(GROUPS, "jupyter_host")


def test_which_hosts_still_use_old_passwords():
    def found(changed, **facts):
        return hosts_on_old_credentials(changed, hosts(**facts), GROUPS, PEOPLE, "machines")

    assert found([]) == []
    # ada works on one workstation and has a JupyterLab; Windows is not ours to tell
    assert found(["ada"]) == ["ws-1", "jup"]
    assert found(["eve"]) == []
    # the machines' own account is on all of them
    assert found(["machines"]) == ["ws-1", "ws-2", "jup"]
    done = {"package_client_credentials_current": True}
    assert found(["ada"], ws_1=done) == ["jup"]
    assert found(["ada"], ws_1=done, jup=done) == []
    # one that is off gets them in its next run, one that was left out with --limit counts
    assert found(["ada"], jup=OFF) == ["ws-1"]
    assert found(["ada"], jup={"wheelhouse_reachability": {"changed": False}}) == ["ws-1", "jup"]


def test_what_a_run_replaced():
    names = ["index", "jup", "ws-1"]
    assert rotation_report(hosts(), "index", names) == ["Nothing had to be replaced."]
    facts = hosts(
        index={
            "pypi_index_changed_accounts": ["ada", "leo"],
            "wheelhouse_hosts_on_old_credentials": [],
            "index_gateway_given_certificate": {"changed": True},
            "corporate_proxy_changed_accounts": ["the machines"],
        },
        jup={"jupyter_host_rotated": ["ada"], "corporate_proxy_changed_accounts": ["the machines", "ada"]},
        ws_1=OFF,
    )
    assert rotation_report(facts, "index", names) == [
        "New at the index: the passwords of ada, leo.",
        "The index refuses the old ones.",
        "New at the proxy: the logins of the machines, ada.",
        "New tokens for the JupyterLabs of ada.",
        "The index has a new certificate.",
        "Off, and caught up by their next run: ws-1.",
    ]
    facts["index"]["wheelhouse_hosts_on_old_credentials"] = ["ws-2"]
    assert "were not given the new ones: ws-2. Run this again" in rotation_report(facts, "index", names)[1]


def test_options_of_rotate():
    assert rotation_faults("", False, PEOPLE, "given") == []
    assert rotation_faults(" ada ,", True, PEOPLE, "self_signed") == []
    assert rotation_faults("all", False, PEOPLE, "given") == []
    first, second = rotation_faults("ada,leo", True, PEOPLE, "given")
    assert first.startswith("rotate_jupyter_tokens has leo, without a JupyterLab; write login names")
    assert second.startswith("rotate_certificate is true, but the certificate is given by index_gateway_certificate:")


def test_what_the_doctor_found():
    findings = [
        {"name": "ada", "verdict": "fail", "check": "pip", "sentence": "PIP_INDEX_URL is set.", "remedy": "Unset it."},
        {"name": "leo", "verdict": "warn", "check": "uv", "sentence": 'It is: "old".\n- x', "remedy": "Update it."},
    ]
    assert doctor_summary(findings, [{"name": "eve", "reason": "there is no such account"}]) == {
        "failures": [
            "ada, pip: PIP_INDEX_URL is set. Unset it.",
            "eve: the doctor did not run here: there is no such account.",
        ],
        "warnings": ['leo, uv: It is: "old".\n- x Update it.'],
    }
    assert doctor_summary([], []) == {"failures": [], "warnings": []}


def test_keys_that_no_jupyter_host_has():
    def found(people, **facts):
        return undelivered_ssh_keys(people, hosts(**facts), GROUPS, ["ws-1", "ws-2"])

    waiting = [{"name": "ada", "host": "jup", "workstations": ["ws-1"]}]
    assert found(PEOPLE) == waiting
    assert found(PEOPLE, jup=OFF) == waiting
    assert found(PEOPLE, jup={"wheelhouse_reachability": {}}) == []
    assert found([{**PEOPLE[0], "ssh_public_key": "ssh-ed25519 AAAA"}]) == []
    assert found([{**PEOPLE[0], "state": "absent"}]) == []
    # nothing of hers is in this run
    assert found([{**PEOPLE[0], "workstations": ["ws-9"]}]) == []


def test_people_who_were_skipped():
    one = {"name": "ada", "reason": "the home /home/ada does not exist"}
    assert skipped_people([one, one], "ws-1") == ["ada on ws-1: the home /home/ada does not exist."]


def test_enrolled_hosts_are_enrolled_once_more():
    groups = {**GROUPS, "enrolled_hosts": ["ws-1"]}
    assert managed_hosts_filter(groups, "workstations", enrolled=True) == ["workstations", "!windows"]

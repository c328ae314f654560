# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Keys, homes and settings of people on a Jupyter host."""

from __future__ import annotations

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.jupyter_people import (
    HEADER,
    KEYS,
    KeyFile,
    authorized_keys,
    homes_to_move,
    jupyter_settings_faults,
    who_works_on,
)

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICKmSW9vzRS9J2Oc3h7ORYkKO3qG3BSqbNM0IEcyMEm"
RESTRICTED = "restrict,pty,port-forwarding "


def lines_of(files: list[KeyFile], name: str) -> list[str]:
    """The lines below the header of one person's file."""
    [content] = [file["content"] for file in files if file["path"] == f"{KEYS}/{name}"]
    first, *lines = content.splitlines()
    assert first == HEADER and content.endswith("\n")
    return lines


def test_a_key_stays_where_it_cannot_be_read_this_time():
    """And nobody gets anybody else's."""
    existing = [
        f"{KEYS}/{name}:{RESTRICTED}{KEY}{letter} from-pc-17" for name, letter in (("mallory", "m"), ("zoe", "z"))
    ]
    facts = {"wheelhouse_ssh_public_keys": {"ada": f"{KEY}A ada@pc-17"}, "wheelhouse_ssh_keys_unknown": ["mallory"]}
    files = authorized_keys(
        ["zoe", "ada", "mallory"], {}, [], existing, {"pc-17": facts}, {"pc-17": ["zoe", "ada", "mallory"]}
    )
    assert [file["path"].rpartition("/")[2] for file in files] == ["ada", "mallory", "zoe"]
    assert lines_of(files, "ada") == [f"{RESTRICTED}{KEY}A from-pc-17"]
    assert lines_of(files, "mallory") == [f"{RESTRICTED}{KEY}m from-pc-17"]
    # who was asked, and has none any more
    assert lines_of(files, "zoe") == []


def test_a_workstation_that_takes_no_part_keeps_its_keys():
    existing = [f"{KEYS}/ada:{KEY}A from-pc-1", f"{KEYS}/ada:{KEY}B from-pc-11", f"{KEYS}/leo:{KEY}C from-pc-1"]
    hosts = {"pc-1": {}, "pc-11": {"wheelhouse_ssh_public_keys": {"ada": f"{KEY}D"}}}
    files = authorized_keys(["ada"], {}, ["ada"], existing, hosts, {"pc-11": ["ada"], "pc-1": ["ada", "leo"]})
    assert lines_of(files, "ada") == [f"{KEY}A from-pc-1", f"{KEY}D from-pc-11"]


def test_nobody_brings_options_along():
    brought = {"wheelhouse_ssh_public_keys": {"ada": f'command="x",permit-open="*:*" {KEY} a comment'}}
    files = authorized_keys(["ada"], {"ada": f" {KEY}G given\n"}, [], [], {"pc": brought}, {"pc": ["ada"]})
    assert lines_of(files, "ada") == [f"{RESTRICTED}{KEY}G given", f"{RESTRICTED}{KEY} from-pc"]


def test_files_of_others_go_if_the_role_wrote_them():
    existing = [f"{KEYS}/leo:{HEADER}", f"{KEYS}/leo:{KEY}", f"{KEYS}/admin:{KEY}", f"{KEYS}/ada:{HEADER}"]
    files = authorized_keys(["ada"], {}, [], existing, {}, {})
    assert files[1:] == [{"path": f"{KEYS}/leo", "state": "absent"}]


def test_homes_that_are_elsewhere():
    hosts = {
        "one": {"wheelhouse_removed_users": ["ada", "leo"]},
        "two": {"wheelhouse_removed_users": ["mia"]},
        "three": {},
    }
    moves = homes_to_move(["ada", "mia"], hosts, ["one", "two", "three"], "two")
    assert moves == [{"name": "ada", "host": "one", "fault": ""}]


def test_a_workstation_brings_no_key_of_somebody_who_does_not_work_there():
    """Neither in its answer nor by what the file has from before: root of it gives any answer."""
    brought = {"wheelhouse_ssh_public_keys": {"leo": f"{KEY}L", "ada": f"{KEY}E"}}
    hosts: dict[str, dict] = {"pc-ada": {}, "pc-leo": brought, "pc-off": {}}
    existing = [f"{KEYS}/ada:{KEY}A from-pc-ada", f"{KEYS}/ada:{KEY}E from-pc-off"]
    people: list[Person] = [
        {"name": "ada", "workstations": ["pc-ada"]},
        {"name": "leo", "workstations": ["pc-leo", "pc-off"]},
    ]
    workers = who_works_on(hosts, people, hosts)
    files = authorized_keys(["ada", "leo"], {}, [], existing, hosts, workers)
    assert lines_of(files, "ada") == [f"{RESTRICTED}{KEY}A from-pc-ada"]
    assert lines_of(files, "leo") == [f"{RESTRICTED}{KEY}L from-pc-leo"]


def test_who_works_on_a_workstation_is_what_the_inventory_says():
    people: list[Person] = [
        {"name": "ada", "workstations": ["pc-1"]},
        {"name": "bob", "workstations": ["pc-1"], "state": "absent"},
    ]
    hosts: dict[str, dict] = {"pc-1": {}, "pc-2": {"accounts_people": [{"name": "leo"}]}}
    assert who_works_on(["pc-1", "pc-2", "pc-3"], people, hosts) == {"pc-1": {"ada"}, "pc-2": {"leo"}, "pc-3": set()}


def test_homes_come_to_people_who_are_new_alone():
    """Another host that says it has an account of somebody gets nothing into the home that they work in."""
    hosts = {"one": {"wheelhouse_removed_users": ["ada", "mia", "root"]}, "two": {}}
    existing = [f"{KEYS}/ada:{HEADER}", f"{KEYS}/ada:{KEY}"]
    ada, mia = homes_to_move(["ada", "mia"], hosts, ["one", "two"], "two", existing)
    assert ada["fault"].startswith("one has an account of ada, who has had a JupyterLab here before this run")
    assert mia == {"name": "mia", "host": "one", "fault": ""}
    moves = homes_to_move(["ada", "mia"], hosts, ["one", "two"], "two", existing, "leo, ada")
    assert [move["fault"] for move in moves] == ["", ""]


def test_a_home_that_has_not_arrived_is_still_expected():
    """From the host that was off, or from which it did not come; no more when that host has nothing of the person."""
    off: dict[str, dict] = {"one": {}, "three": {"wheelhouse_removed_users": []}}
    [file] = authorized_keys(["ada"], {}, [], [], off, {}, ["one", "three"])
    assert file["content"] == f"{HEADER}\n# The home is to come from one\n"
    existing = [f"{KEYS}/ada:{line}" for line in file["content"].splitlines()]
    on = {"one": {"wheelhouse_removed_users": ["ada"]}, "three": {"wheelhouse_removed_users": ["ada"]}}
    assert authorized_keys(["ada"], {}, [], existing, on, {}, ["one", "three"]) == [file]
    moves = homes_to_move(["ada"], on, ["one", "two", "three"], "two", existing)
    assert [(move["host"], bool(move["fault"])) for move in moves] == [("one", False), ("three", True)]
    [file] = authorized_keys(["ada"], {}, [], existing, {"one": {"wheelhouse_removed_users": []}}, {}, ["one"])
    assert file["content"] == f"{HEADER}\n"


def test_settings_that_cannot_be_used():
    passwd = {"ada": ["x", "1", "1", "", "/home/ada", "/bin/sh"], "leo": ["x", "2", "2", "", "/srv/leo", "/bin/sh"]}
    assert jupyter_settings_faults(["ada"], {"ada": f"{KEY} comment\n"}, passwd, "/home") == []
    # in check mode on a new host
    assert jupyter_settings_faults(["bob"], {}, None, "/home") == []
    faults = jupyter_settings_faults(["ada", "leo", "bob", "x\n", "a" * 33], {"eve": f"{KEY}\n{KEY}"}, passwd, "/home")
    assert faults[0].startswith("The home /srv/leo is not /home/leo; set jupyter_host_homes")
    assert faults[1].startswith("bob of jupyter_host_people has no account here")
    assert faults[2].startswith("jupyter_host_people has 'x\\n'; write a login name")
    assert faults[3].startswith("jupyter_host_people has 'aaaa")
    assert faults[4].startswith("jupyter_host_ssh_public_keys of eve is no public key; write one line")
    assert len(faults) == 5

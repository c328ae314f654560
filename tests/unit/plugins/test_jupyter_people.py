# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Keys, homes and settings of people on a Jupyter host."""

from __future__ import annotations

from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.jupyter_people import (
    HEADER,
    KEYS,
    KeyFile,
    authorized_keys,
    homes_to_move,
    jupyter_settings_faults,
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
    files = authorized_keys(["zoe", "ada", "mallory"], {}, [], existing, {"pc-17": facts}, ["pc-17"])
    assert [file["path"].rpartition("/")[2] for file in files] == ["ada", "mallory", "zoe"]
    assert lines_of(files, "ada") == [f"{RESTRICTED}{KEY}A from-pc-17"]
    assert lines_of(files, "mallory") == [f"{RESTRICTED}{KEY}m from-pc-17"]
    # who was asked, and has none any more
    assert lines_of(files, "zoe") == []


def test_a_workstation_that_takes_no_part_keeps_its_keys():
    existing = [f"{KEYS}/ada:{KEY}A from-pc-1", f"{KEYS}/ada:{KEY}B from-pc-11", f"{KEYS}/leo:{KEY}C from-pc-1"]
    hosts = {"pc-1": {}, "pc-11": {"wheelhouse_ssh_public_keys": {"ada": f"{KEY}D"}}}
    files = authorized_keys(["ada"], {}, ["ada"], existing, hosts, ["pc-11", "pc-1"])
    assert lines_of(files, "ada") == [f"{KEY}A from-pc-1", f"{KEY}D from-pc-11"]


def test_nobody_brings_options_along():
    brought = {"wheelhouse_ssh_public_keys": {"ada": f'command="x",permit-open="*:*" {KEY} a comment'}}
    files = authorized_keys(["ada"], {"ada": f" {KEY}G given\n"}, [], [], {"pc": brought}, ["pc"])
    assert lines_of(files, "ada") == [f"{RESTRICTED}{KEY}G given", f"{RESTRICTED}{KEY} from-pc"]


def test_files_of_others_go_if_the_role_wrote_them():
    existing = [f"{KEYS}/leo:{HEADER}", f"{KEYS}/leo:{KEY}", f"{KEYS}/admin:{KEY}", f"{KEYS}/ada:{HEADER}"]
    files = authorized_keys(["ada"], {}, [], existing, {}, [])
    assert files[1:] == [{"path": f"{KEYS}/leo", "state": "absent"}]


def test_homes_that_are_elsewhere():
    hosts = {
        "one": {"wheelhouse_removed_users": ["ada", "leo"]},
        "two": {"wheelhouse_removed_users": ["mia"]},
        "three": {},
    }
    assert homes_to_move(["ada", "mia"], hosts, ["one", "two", "three"], "two") == [{"name": "ada", "host": "one"}]


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

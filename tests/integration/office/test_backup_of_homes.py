"""Homes on the Jupyter host are saved, each by its own person, whatever the adversaries have in theirs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from company import SUFFIX
from testinfra.host import Host

REPOSITORY = "/var/backups/wheelhouse"


@pytest.fixture(scope="module")
def outcome(jupyter: Host) -> dict[str, Any]:
    """How a backup of the homes ended; ada has something in hers."""
    jupyter.check_output("runuser -u ada -- sh -c 'echo of ada > /home/ada/saved.txt'")
    run = jupyter.run("systemctl start wheelhouse-backup")
    assert run.rc == 0, jupyter.run("journalctl --no-pager -n 60 -u wheelhouse-backup").stdout
    found: dict[str, Any] = json.loads(jupyter.check_output("cat /var/lib/wheelhouse/runs/backup.json"))
    return found


def test_a_home_comes_back(jupyter: Host, outcome: dict[str, Any]) -> None:
    jupyter.check_output("wheelhouse-backup home ada > /root/ada.tar")
    try:
        jupyter.check_output("runuser -u ada -- mkdir /home/ada/restored")
        jupyter.check_output("runuser -u ada -- tar --extract --directory /home/ada/restored < /root/ada.tar")
        assert jupyter.check_output("cat /home/ada/restored/saved.txt") == "of ada"
        assert jupyter.file("/home/ada/restored/saved.txt").user == "ada"
    finally:
        jupyter.check_output("rm -rf /root/ada.tar /home/ada/restored /home/ada/saved.txt")


def test_what_is_wrong_with_a_home_is_named_and_keeps_no_other_from_being_saved(
    jupyter: Host, outcome: dict[str, Any]
) -> None:
    members = jupyter.check_output("getent group wheelhouse-people").rpartition(":")[2].split(",")
    unsaved = [sentence for sentence in outcome["problems"] if "is not saved" in sentence]
    assert outcome["facts"]["homes"] == len(members) - len(unsaved)
    assert not [sentence for sentence in outcome["problems"] if " ada" in sentence or " leo" in sentence]
    if SUFFIX:  # mallory-locked has a home that nobody may enter
        assert [sentence for sentence in unsaved if "mallory-locked" in sentence]
        assert outcome["outcome"] == "problems"


def test_files_of_100_gb_that_are_holes_cost_nothing(jupyter: Host, outcome: dict[str, Any]) -> None:
    assert int(jupyter.check_output("du -s --block-size=1M %s", REPOSITORY).split()[0]) < 1000
    assert outcome["facts"]["home_bytes"] < 2_000_000_000


def test_nothing_is_left_of_the_processes_that_read(jupyter: Host, outcome: dict[str, Any]) -> None:
    assert jupyter.run("systemctl list-units --no-legend --all 'wheelhouse-backup-home-*'").stdout.strip() == ""

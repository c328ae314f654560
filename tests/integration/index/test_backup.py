"""Backups of the index on a real host: the services, the drill, and a restore under a running index."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from company import eventually, site
from gateway import Gateway
from index.samples import Wheel
from shelf import PLACE, Shelf
from testinfra.host import Host

RUNS = "/var/lib/wheelhouse/runs"


def outcome(index: Host, job: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(index.check_output("cat %s", f"{RUNS}/{job}.json"))
    return found


def start(index: Host, unit: str) -> None:
    started = index.run("systemctl start %s.service", unit)
    assert started.rc == 0, index.run("journalctl --no-pager -n 40 -u %s", unit).stdout


@pytest.fixture(scope="module")
def saved(index: Host, gateway: Gateway, shelf: Shelf, version: str) -> str:
    """A version of acme-saved that is in the newest backup."""
    wheel = Wheel("acme_saved", version)
    assert gateway.upload(wheel.filename, wheel.build()).status == 200
    said = site(playbook="backup").output
    assert "files and" in said
    assert "homes" in said
    return version


def test_backup_says_what_it_saved_and_writes_it_down(index: Host, jupyter: Host, saved: str) -> None:
    known = outcome(index, "backup")
    assert known["outcome"] == "ok", known
    assert known["facts"]["files"] > 0
    assert index.file(f"{RUNS}/backup.json").mode == 0o644
    homes = outcome(jupyter, "backup")
    assert homes["outcome"] in ("ok", "problems")
    assert homes["facts"]["homes"] > 0


def test_secrets_are_roots(index: Host, saved: str) -> None:
    for name in ("repository", "password", "settings.json"):
        file = index.file(f"/etc/wheelhouse/backup/{name}")
        assert (file.user, file.mode) == ("root", 0o600), name
    assert index.file("/etc/wheelhouse/backup").mode == 0o700
    assert index.file("/var/backups/wheelhouse").mode == 0o700


def test_the_drill_proves_the_newest_backup_and_leaves_nothing(index: Host, shelf: Shelf, saved: str) -> None:
    events = shelf.journal()
    start(index, "wheelhouse-backup-drill")
    known = outcome(index, "drill")
    assert known["outcome"] == "ok", known
    assert known["facts"]["files"] == outcome(index, "backup")["facts"]["files"]
    assert index.run("ls -d /srv/wheelhouse/drill /srv/wheelhouse/restored-*").stdout == ""
    assert shelf.journal() == events


def test_the_check_reads_a_part(index: Host, saved: str) -> None:
    start(index, "wheelhouse-backup-check")
    assert outcome(index, "check")["outcome"] == "ok"


def test_backups_run_by_themselves(index: Host, saved: str) -> None:
    timers = json.loads(index.check_output("systemctl list-timers --all --output=json"))
    known = {timer["unit"] for timer in timers if timer["next"]}
    assert {f"wheelhouse-backup{part}.timer" for part in ("", "-check", "-drill")} <= known


def test_it_asks_which_backup(shelf: Shelf, saved: str) -> None:
    before = shelf.snapshot()
    asked = site(playbook="restore", check=False)
    assert "Write which backup to restore: -e from=latest" in asked.output
    assert shelf.snapshot() == before


@pytest.mark.long
def test_a_backup_that_is_not_there_changes_nothing(shelf: Shelf, saved: str) -> None:
    before = shelf.snapshot()
    refused = site("--extra-vars", "from=1999-01-01", playbook="restore", check=False)
    assert "which names no backup" in refused.output
    assert shelf.snapshot() == before


@pytest.mark.long
def test_restoring_under_a_running_index(index: Host, gateway: Gateway, shelf: Shelf, saved: str) -> None:
    """People go on installing; what came after the backup is kept aside and named."""
    later = Wheel("acme_saved", f"{saved}.post1")
    assert gateway.upload(later.filename, later.build()).status == 200
    before = shelf.journal()
    statuses, done = set(), threading.Event()
    path = f"/packages/acme-saved/{Wheel('acme_saved', saved).filename}"

    def install() -> None:
        while not done.wait(0.05):
            statuses.add(gateway.ask(path).status)

    reader = threading.Thread(target=install)
    reader.start()
    try:
        said = site("--extra-vars", "from=latest", playbook="restore").output
    finally:
        done.set()
        reader.join()
    [kept] = index.check_output("ls -d /srv/wheelhouse/shelf.before-*").split()
    try:
        assert statuses == {200}
        assert later.filename in said
        assert kept in said
        assert [file["filename"] for file in gateway.page("acme-saved")["files"]] == [
            Wheel("acme_saved", saved).filename
        ]
        assert shelf.journal()[: len(before) - 1] == before[:-1]
        assert index.file(f"{kept}/packages/acme-saved/{later.filename}").exists
        assert index.file(f"{PLACE}/state/index.sqlite").user == "wheelhouse"
        # and it takes uploads again
        assert gateway.upload(later.filename, later.build()).status == 200
        eventually(lambda: len(gateway.page("acme-saved")["files"]) == 2, "the file is listed again")
        assert outcome(index, "restore")["outcome"] == "problems"
    finally:
        index.check_output("rm -r %s", kept)

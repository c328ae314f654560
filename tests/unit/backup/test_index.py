"""Backing up the index, checking the repository, the drill, and the way back; a lost index is in test_repositories."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from index.samples import Wheel

from .conftest import PASSWORD, SOURCES, Host


def wheel(version: str) -> tuple[str, bytes]:
    built = Wheel(version=version)
    return built.filename, built.build()


def publish(host: Host, *versions: str) -> None:
    for version in versions:
        host.publish(*wheel(version))


def tree(directory: Path, *parts: str) -> dict[str, bytes]:
    """{path: content} of files that are served."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for part in parts
        for path in sorted((directory / part).rglob("*"))
        if path.is_file()
    }


SERVED = ("packages", "simple")


def events(host: Host) -> list[dict[str, Any]]:
    return [json.loads(line) for line in host.index("journal", "--json").splitlines()]


@pytest.mark.long
def test_restoring_under_a_running_index_keeps_what_is_newer_aside_and_names_it(host: Host) -> None:
    publish(host, "1.0")
    host.backup("run")
    publish(host, "2.0")
    (host.place / "certificates" / "index.key").write_text("a newer key\n")
    (host.directory / "intake" / "osv" / "GHSA-1.json").write_text("newer")
    told = host.backup("restore", "latest")
    assert "1 files and 0 other changes that the backup has not" in told
    assert f"ada  publish  {wheel('2.0')[0]}" in told
    [kept] = host.directory.glob("shelf.before-*")
    assert str(kept) in told
    assert (kept / "packages" / "acme-tools" / wheel("2.0")[0]).read_bytes() == wheel("2.0")[1]
    assert [json.loads(line)["file"] for line in (kept / "later-events.jsonl").read_text().splitlines()] == [
        wheel("2.0")[0]
    ]
    assert not (host.shelf / "packages" / "acme-tools" / wheel("2.0")[0]).exists()
    assert [path.read_text() for path in (host.place / "certificates").glob("index.key.before-*")] == ["a newer key\n"]
    assert (host.directory / "intake" / "osv" / "GHSA-1.json").read_text() == "newer"
    assert host.outcome("restore")["outcome"] == "problems"
    # Uploads are refused only from here: what takes long was done before.
    asked = [call[:2] for call in host.log() if call[0] == "docker"]
    assert ["docker", "start"] in asked[asked.index(["docker", "stop"]) :]
    assert ["docker", "run"] in asked[: asked.index(["docker", "stop"])]
    after = [call for call in host.log() if call[:2] == ["docker", "run"]][-1]
    assert "journal" in after


def make_gateway(host: Host) -> None:
    """With a database that nobody has. The file has a password."""
    settings = host.directory / "config" / "database.json"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text('{"host": "127.0.0.1", "port": 1, "name": "index", "username": "it", "password": "sesame"}')
    settings.chmod(0o640)


def test_the_database_of_several_gateways_is_saved_and_not_an_older_one_of_this_host(host: Host) -> None:
    """Its shelf may hold an older SQLite, whose backup would prove nothing."""
    publish(host, "1.0")
    make_gateway(host)
    said = host.backup("run", code=1)
    assert "The database cannot be copied" in said and "does not answer" in said and "sesame" not in said
    assert host.outcome("backup")["outcome"] == "failed"
    [run] = [call for call in host.log() if call[:2] == ["docker", "run"]]
    assert run[run.index("--network") + 1] == "host" and f"{host.directory}/config:/config:ro" in run


def test_a_backup_is_not_restored_onto_a_gateway(host: Host) -> None:
    publish(host, "1.0")
    host.backup("run")
    make_gateway(host)
    said = host.backup("restore", "latest", code=1)
    assert "is in a database that it has in common with other gateways" in said and "sesame" not in said
    assert not list(host.directory.glob("shelf.before-*"))


@pytest.mark.long
def test_a_second_backup_adds_what_is_new(host: Host) -> None:
    publish(host, "1.0")
    host.backup("run")
    host.backup("run")
    outcome = host.outcome("backup")
    assert (outcome["outcome"], outcome["problems"]) == ("ok", [])
    assert outcome["last_ok"] == outcome["ended"]
    assert outcome["facts"]["files"] == 2
    files = host.restic("ls", outcome["facts"]["snapshot"]).splitlines()
    assert not [path for path in files if "/simple/" in path or "proxy.env" in path]
    assert [path for path in files if "/blobs/" in path]


@pytest.mark.long
def test_files_that_are_removed_meanwhile_have_it_begun_again(host: Host, hook: Callable[[str, str], None]) -> None:
    publish(host, "1.0", "2.0")
    once = host.place / "once"
    program = f"PYTHONPATH={SOURCES} WHEELHOUSE_SHELF={host.shelf} {sys.executable} -m wheelhouse.cli"
    hook("backup", f"mkdir {once} && {program} remove acme-tools 1.0 --reason old --by ada || true")
    told = host.backup("run")
    assert "Files were removed meanwhile" in told
    assert host.outcome("backup")["facts"]["files"] == 2
    assert len(json.loads(host.restic("snapshots", "--json"))) == 1
    assert "Restored and proven" in host.backup("drill")


@pytest.mark.long
def test_the_drill_proves_events_and_files_and_leaves_nothing(host: Host) -> None:
    publish(host, "1.0")
    host.backup("run")
    assert "Restored and proven" in host.backup("drill")
    outcome = host.outcome("drill")
    assert (outcome["outcome"], outcome["facts"]["events"], outcome["facts"]["files"]) == ("ok", 1, 2)
    assert not (host.directory / "drill").exists()
    assert len(events(host)) == 1  # the index itself knows nothing of it


@pytest.mark.long
def test_a_backup_of_damaged_bytes_fails_the_drill_and_is_not_restored(host: Host) -> None:
    publish(host, "1.0")
    blob = max((host.shelf / "blobs").glob("*/*"), key=lambda path: path.stat().st_size)
    whole = blob.read_bytes()
    with blob.open("r+b") as stream:
        stream.write(b"not")
    host.backup("run")
    told = host.backup("drill", code=1)
    assert wheel("1.0")[0] in told
    outcome = host.outcome("drill")
    assert outcome["outcome"] == "failed"
    assert outcome["last_ok"] is None
    with blob.open("r+b") as stream:
        stream.write(whole)
    assert "nothing on this host has changed" in host.backup("restore", "latest", code=1)
    assert tree(host.shelf, "packages")[f"packages/acme-tools/{wheel('1.0')[0]}"] == whole
    assert not [call for call in host.log() if call[:2] == ["docker", "stop"]]


@pytest.mark.long
def test_a_check_reads_a_part_and_finds_damage(host: Host) -> None:
    publish(host, "1.0")
    host.backup("run")
    assert "Checked: " in host.backup("check")
    assert host.outcome("check")["outcome"] == "ok"
    for pack in (host.repository / "data").rglob("*"):
        if pack.is_file():
            pack.chmod(0o600)
            pack.write_bytes(b"")
    assert "is damaged" in host.backup("check", code=1)
    assert host.outcome("check")["outcome"] == "failed"


@pytest.mark.long
def test_an_index_that_was_lost_does_not_pass_for_the_newest_backup(host: Host) -> None:
    publish(host, "1.0")
    host.backup("run")
    [full] = json.loads(host.restic("snapshots", "--json"))
    shutil.rmtree(host.shelf)
    host.shelf.mkdir()
    host.index("reindex")
    told = host.backup("run")
    assert "fewer than were saved before" in told
    assert host.outcome("backup")["outcome"] == "problems"
    told = host.backup("restore", "latest", code=1)
    assert f"from={full['id'][:8]}" in told
    assert "Restored: 1 events" in host.backup("restore", full["id"][:8])


@pytest.mark.long
def test_a_backup_that_is_not_there(host: Host) -> None:
    publish(host, "1.0")
    host.backup("run")
    for wanted, more in (("latst", ["--dry-run"]), ("deadbeef", []), ("1999-01-01", ["--dry-run"]), ("../x", [])):
        told = host.backup("restore", wanted, *more, code=1)
        assert f"from is '{wanted}', which names no backup: write latest" in told
        assert "1 events, 2 files" in told
    assert not list(host.directory.glob("shelf.before-*"))


@pytest.mark.long
def test_a_day_names_the_last_backup_of_it(host: Host) -> None:
    publish(host, "1.0")
    host.backup("run")
    day = host.outcome("backup")["ended"][:10]
    assert "1 events" in host.backup("restore", day, "--dry-run")


def test_a_wrong_password_is_a_sentence(host: Host) -> None:
    publish(host, "1.0")
    host.backup("run")
    ok = host.outcome("backup")["last_ok"]
    (host.config / "password").write_text("another\n")
    told = host.backup("run", code=1)
    assert "The password does not open the repository" in told
    assert "another" not in told.replace("is another", "")
    outcome = host.outcome("backup")
    assert (outcome["outcome"], outcome["last_ok"]) == ("failed", ok)


@pytest.mark.long
def test_a_repository_whose_disk_is_not_mounted_is_not_made_again(host: Host) -> None:
    publish(host, "1.0")
    host.backup("run")
    host.repository.rename(host.place / "unplugged")
    told = host.backup("run", code=1)
    assert "is its disk mounted?" in told
    assert not host.repository.exists()
    (host.place / "unplugged").rename(host.repository)
    host.backup("run")
    shutil.rmtree(host.repository)
    environment = {**os.environ, "RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(host.repository)}
    subprocess.run(["restic", "init"], env=environment, check=True, capture_output=True)
    assert "is another one than this host has saved to before" in host.backup("run", code=1)


def test_a_server_that_does_not_answer_is_a_sentence_without_its_password(host: Host) -> None:
    (host.config / "repository").write_text("rest:http://it:sesame@127.0.0.1:9/acme\n")
    publish(host, "1.0")
    began = time.monotonic()
    file = host.place / "patience.py"
    file.write_text(
        "import sys\nfrom wheelhouse_backup import cli, restic\nrestic.PROBE_SECONDS = 3\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    command = [sys.executable, str(file), "--config", str(host.config), "run"]
    done = subprocess.run(command, env=host.environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "sesame" not in done.stdout + done.stderr + (host.place / "runs" / "backup.json").read_text()
    assert time.monotonic() - began < 600


@pytest.mark.long
def test_one_run_at_a_time(host: Host, hook: Callable[[str, str], None]) -> None:
    publish(host, "1.0")
    pipe = host.place / "pipe"
    os.mkfifo(pipe)
    hook("backup", f"read -r go < {pipe}")
    command = [sys.executable, "-m", "wheelhouse_backup", "--config", str(host.config), "run"]
    with subprocess.Popen(command, env=host.environment, stdout=subprocess.PIPE, text=True) as running:
        with pipe.open("w") as go:  # opens when the first one has come to the copy
            assert "Another run of wheelhouse-backup is under way" in host.backup("run", code=1)
            assert not (host.place / "runs").exists()
            go.write("go\n")
        running.communicate(timeout=900)
    assert running.returncode == 0
    assert host.outcome("backup")["outcome"] == "ok"


@pytest.mark.long
def test_without_the_container_it_says_what_to_do(host: Host) -> None:
    publish(host, "1.0")
    (host.place / "log.gone").touch()
    assert "is not there, whose program is needed: run site.yml" in host.backup("run", code=1)


@pytest.mark.long
def test_a_drill_without_room_is_a_sentence(host: Host) -> None:
    publish(host, "1.0")
    host.backup("run")
    file = host.place / "no_room.py"
    file.write_text(
        "import os, sys\nfrom wheelhouse_backup import cli, restored\nrestored._MORE = 1e15\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    command = [sys.executable, str(file), "--config", str(host.config), "drill"]
    done = subprocess.run(command, env=host.environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 1
    assert "The snapshot needs" in done.stderr
    assert not (host.directory / "drill").exists()


@pytest.mark.long
@pytest.mark.parametrize("attempt", range(20))
def test_a_backup_in_the_middle_of_twenty_uploads_restores_consistently(host: Host, attempt: int) -> None:
    publish(host, "0.1")
    code = (
        "import sys\nsys.path[:0] = sys.argv[1:3]\nfrom index.samples import Wheel\nfrom wheelhouse import cli\n"
        "from wheelhouse.store import foreign\nforeign.QUIET = 0.0\n"
        "import os, pathlib\ndrop = pathlib.Path(os.environ['WHEELHOUSE_SHELF']) / 'drop'\n"
        "for number in range(1, 21):\n"
        "    wheel = Wheel(version=f'1.{number}')\n"
        "    (drop / wheel.filename).write_bytes(wheel.build())\n"
        "    os.utime(drop / wheel.filename, (1_600_000_000, 1_600_000_000))\n"
        "    assert cli.main(['reindex', '--new', '--by', 'ada']) == 0\n"
        "    print(number, flush=True)\n"
    )
    environment = {**os.environ, "WHEELHOUSE_SHELF": str(host.shelf)}
    command = [sys.executable, "-c", code, str(SOURCES), str(Path(__file__).resolve().parents[1])]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as uploads:
        assert uploads.stdout
        for _ in range(1 + attempt % 7):
            uploads.stdout.readline()
        host.backup("run")
        assert uploads.wait() == 0
    saved = host.outcome("backup")["facts"]["events"]
    assert saved >= 1 + 1 + attempt % 7
    known = events(host)
    host.backup("drill")
    host.backup("restore", "latest")
    assert events(host)[:saved] == known[:saved]
    assert len([1 for event in events(host) if event["event"] == "publish"]) == saved

"""Homes: each is read by a process of its person, and one person's home is never another's problem."""

from __future__ import annotations

import grp
import io
import json
import os
import pwd
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from .conftest import Host

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="processes of other people need root")

GROUP = "wheelhouse-people"
PEOPLE = {"ada": 64001, "leo": 64002, "mallory": 64003}


@pytest.fixture
def homes(host: Host, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Homes of three people, whom only the program under test knows."""
    host.place.chmod(0o755)
    found = {}
    for name, uid in PEOPLE.items():
        home = found[name] = host.place / "home" / name
        home.mkdir(parents=True)
        (home / "work.txt").write_text(f"the work of {name}\n")
        os.chown(home, uid, uid)
        os.chown(home / "work.txt", uid, uid)
        home.chmod(0o700)
    known = {name: [name, "x", PEOPLE[name], PEOPLE[name], "", str(home), "/bin/sh"] for name, home in found.items()}
    (host.place / "sitecustomize.py").write_text(
        "import grp, json, pwd\n"
        f"known = {known!r}\n"
        f"grp.getgrnam = lambda name: grp.struct_group(({GROUP!r}, 'x', 1, list(known)))\n"
        "pwd.getpwnam = lambda name: pwd.struct_passwd(known[name])\n"
    )
    environment = host.environment | {"PYTHONPATH": f"{host.place}:{host.environment['PYTHONPATH']}"}
    monkeypatch.setattr(Host, "environment", property(lambda _: environment))
    host.configure(
        index=None,
        homes={"group": GROUP, "accounts": str(host.place / "directory.json"), "limit": 1_000_000, "timeout": 600},
    )
    return found


def archive(host: Host, person: str) -> tarfile.TarFile:
    done = subprocess.run(
        [sys.executable, "-m", "wheelhouse_backup", "--config", str(host.config), "home", person],
        env=host.environment,
        capture_output=True,
        check=True,
    )
    return tarfile.open(fileobj=io.BytesIO(done.stdout))


def test_each_home_is_saved_whatever_is_in_another(host: Host, homes: dict[str, Path]) -> None:
    """A home with all that has hung or filled a backup before, one that is too large, and one as it should be."""
    mallory = homes["mallory"]
    os.mkfifo(mallory / "pipe")
    (mallory / "passwd").symlink_to("/etc/shadow")
    (mallory / "hard").symlink_to(homes["ada"])
    with (mallory / "sparse").open("wb") as stream:
        stream.truncate(100 * 2**30)
    (mallory / "root's").write_text("not for mallory")  # root's own, 0600
    (mallory / "root's").chmod(0o600)
    (mallory / "\x1b[2J\nname").write_text("x")
    (homes["leo"] / "large").write_bytes(os.urandom(2_000_000))
    (homes["ada"] / ".cache").mkdir()
    (homes["ada"] / ".cache" / "large").write_bytes(os.urandom(2_000_000))
    (homes["ada"] / ".cache").chmod(0o755)
    told = host.backup("run")
    outcome = host.outcome("backup")
    assert outcome["outcome"] == "problems"
    assert outcome["facts"]["homes"] == 2
    [first, second] = sorted(outcome["problems"])
    assert "In the home of mallory there are files that mallory cannot read" in first
    assert "root's" in first
    assert "The home of leo is not saved: it is larger than 1.0 MB (backup_home_limit)" in second
    assert "\x1b" not in told
    with archive(host, "ada") as saved:
        assert sorted(saved.getnames()) == [".", "./work.txt"]
    with archive(host, "mallory") as saved:
        assert saved.getmember("./passwd").issym()
        assert saved.getmember("./pipe").isfifo()
        assert saved.getmember("./sparse").size == 100 * 2**30
        assert "./root's" not in saved.getnames()
    snapshots = json.loads(host.restic("snapshots", "--json"))
    assert sorted(one["paths"] for one in snapshots) == [["/ada.tar"], ["/mallory.tar"]]
    assert json.loads(host.restic("list", "locks", "--json") or "[]") == []


@pytest.mark.long
def test_what_reads_a_home_is_the_person(host: Host, homes: dict[str, Path]) -> None:
    """The archive of ada has what ada may read: root's rights would have read the file."""
    (homes["ada"] / "secret").write_text("root's own")
    (homes["ada"] / "secret").chmod(0o600)
    host.backup("run")
    with archive(host, "ada") as saved:
        assert "./secret" not in saved.getnames()


def test_when_no_home_can_be_saved_the_backup_fails(host: Host, homes: dict[str, Path]) -> None:
    for home in homes.values():
        home.chmod(0o700)
        os.chown(home, 0, 0)
    told = host.backup("run", code=1)
    assert "None of 3 homes is saved." in told
    assert host.outcome("backup")["outcome"] == "failed"


def test_names_are_those_of_the_account_database() -> None:
    """The stand-ins above have the form of the real ones."""
    assert pwd.getpwuid(0).pw_dir
    assert grp.getgrgid(0).gr_mem is not None


def test_homes_of_the_directorys_people_are_saved(host: Host, homes: dict[str, Path]) -> None:
    """They are in no group of the host's; who is gone from the directory has no process that could read the home."""
    uid = PEOPLE["leo"]
    place = Path(host.place)
    known = (place / "sitecustomize.py").read_text()
    (place / "sitecustomize.py").write_text(
        known.replace("list(known)", "['ada']").replace(
            "pwd.getpwnam = lambda name: pwd.struct_passwd(known[name])",
            "pwd.getpwnam = lambda name: pwd.struct_passwd({'ada': known['ada'], 'leo': known['leo']}[name])",
        )
    )
    entry = {"uid": uid, "gid": uid, "home": str(homes["leo"]), "locked": False}
    (place / "directory.json").write_text(json.dumps({"leo": entry, "mallory": entry}))
    host.backup("run")
    assert host.outcome("backup")["facts"]["homes"] == 2
    with archive(host, "leo") as saved:
        assert "./work.txt" in saved.getnames()
    (place / "directory.json").write_text("{")
    host.backup("run", code=1)
    assert "directory.json cannot be read" in host.outcome("backup")["problems"][0]

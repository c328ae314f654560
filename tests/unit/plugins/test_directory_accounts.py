# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""People whose accounts come from the directory: looked up, served and let go, and changed in nothing.

A name service of the test's own stands in for sssd; homes, processes and files are real, of uids that nobody has.
"""

from __future__ import annotations

import json
import os
import pwd
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import (
    account_lookup,
    account_record,
    leaving_files,
    leaving_people,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_roles import role_faults
from ansible_collections.wheelhouse.onboarding.plugins.modules import (
    account_info,
    conflicting_package_sources,
    managed_files,
    offboard,
    ssh_key_pairs,
)
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.removals import removal_plan

from .conftest import RunModule

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else takes root")
UID = 2_000_000_301


class Directory:
    """The accounts that a host gets from elsewhere, and the files that it keeps of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.entries: dict[str, pwd.struct_passwd] = {}

    @property
    def record(self) -> dict[str, dict[str, object]]:
        path = self.place / "lib" / "record.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}

    def add(self, name: str, uid: int = UID, home: str | None = None, answers: str | None = None) -> Path:
        home = str(self.place / "homes" / name) if home is None else home
        self.entries[name] = pwd.struct_passwd((answers or name, "x", uid, uid, "", home, "/bin/zsh"))
        return Path(home)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Directory:
    made = Directory(tmp_path)
    by_name, by_uid = pwd.getpwnam, pwd.getpwuid

    def getpwnam(name: str) -> pwd.struct_passwd:
        return made.entries.get(name) or by_name(name)

    def getpwuid(uid: int) -> pwd.struct_passwd:
        found = next((entry for entry in made.entries.values() if entry.pw_uid == uid), None)
        try:
            return by_uid(uid)
        except KeyError:
            if found is None:
                raise
            return found

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    monkeypatch.setattr(account_record, "RECORD", str(tmp_path / "lib" / "record.json"))
    monkeypatch.setattr(account_lookup, "SKELETON", str(tmp_path / "skel"))
    monkeypatch.setattr(leaving_people, "KEYS", str(tmp_path / "keys"))
    # not those of the machine on which the tests run
    clear = leaving_files.clear_places
    monkeypatch.setattr(leaving_files, "clear_places", lambda uids, until: clear(uids, until, [str(tmp_path / "tmp")]))
    monkeypatch.setattr(leaving_people, "call", lambda argv, seconds=30: (0, "", ""))
    for name in ("homes", "skel", "keys", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "skel" / ".profile").write_text("umask 027\n")
    return made


def serve(run_module: RunModule, *names: str, **options: object) -> dict:
    return run_module(offboard, names=list(names), state="back", source="directory", **options)


@needs_root
def test_a_person_is_served_with_the_account_of_the_directory(run_module: RunModule, directory: Directory) -> None:
    """The home is made as for a first login; the account, and a home that is there, stay as they are."""
    home = directory.add("wh-ada")
    there = directory.add("wh-leo", UID + 1)
    there.mkdir(mode=0o750)
    os.chown(there, UID + 1, UID + 1)
    passwd = Path("/etc/passwd").read_bytes() + Path("/etc/group").read_bytes()

    checked = serve(run_module, "wh-ada", "wh-leo", check_mode=True)
    assert checked["changed"] and not home.exists() and not directory.record

    answer = serve(run_module, "wh-ada", "wh-leo")
    assert not answer.get("failed"), answer
    assert (sorted(answer["names"]), answer["missing"]) == (["wh-ada", "wh-leo"], [])
    assert {"wh-ada", "wh-leo"} <= set(answer["members"])
    assert f"wh-ada: the home {home} is made." in answer["said"]
    for path, mode in ((home, 0o700), (home / ".profile", 0o600)):
        status = path.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (UID, UID, mode)
    assert stat.S_IMODE(there.stat().st_mode) == 0o750 and not list(there.iterdir())
    assert directory.record["wh-ada"] == {"uid": UID, "gid": UID, "home": str(home), "locked": False}
    assert not serve(run_module, "wh-ada", "wh-leo")["changed"]
    assert Path("/etc/passwd").read_bytes() + Path("/etc/group").read_bytes() == passwd


@needs_root
def test_check_mode_works_where_a_run_would_make_the_home(run_module: RunModule, directory: Directory) -> None:
    home = directory.add("wh-ada")
    files = [
        {"owner": "wh-ada", "path": "~/.netrc", "content": "words of a file\n"},
        {"owner": "wh-ada", "path": "~/.condarc", "content": "words of a file\n", "only_if": "exists"},
        {"owner": "wh-ada", "path": "~/.pypirc", "state": "absent"},
    ]
    answer = run_module(managed_files, check_mode=True, files=files)
    assert (answer["paths"], answer["people_skipped"]) == ([str(home / ".netrc")], [])
    keys = run_module(ssh_key_pairs, check_mode=True, people=["wh-ada"], host="ws")
    assert keys["changed"] and not keys["people_skipped"]
    sources = run_module(conflicting_package_sources, check_mode=True, people=["wh-ada"], index_url="https://p.example")
    assert not [one for one in sources["people_skipped"] if one["name"] == "wh-ada"]
    assert not home.exists()
    # and nowhere else
    assert "does not exist" in run_module(managed_files, files=files)["people_skipped"][0]["reason"]


@needs_root
def test_a_home_below_directories_that_do_not_exist_yet(run_module: RunModule, directory: Directory) -> None:
    home = directory.add("wh-ada", home=str(directory.place / "homes" / "acme.example" / "wh-ada"))
    assert not serve(run_module, "wh-ada").get("failed")
    assert (home.parent.stat().st_uid, stat.S_IMODE(home.parent.stat().st_mode)) == (0, 0o755)
    assert home.stat().st_uid == UID


@needs_root
def test_a_home_in_a_directory_of_another_person_is_not_made(run_module: RunModule, directory: Directory) -> None:
    """Who owns it could put a link in the place of what root makes."""
    os.chown(directory.place / "homes", UID + 9, UID + 9)
    directory.add("wh-ada")
    answer = serve(run_module, "wh-ada")
    assert answer["failed"] and not answer["refused"]
    assert "wh-ada has no home: " in answer["msg"] and "has to belong to root" in answer["msg"]


@needs_root
def test_accounts_that_cannot_be_used_change_nothing(
    run_module: RunModule, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.add("wh-ada")
    directory.add("wh-leo", UID + 1, answers="wh-leo@acme.example")
    directory.add("wh-mia", UID + 2, home="/")
    directory.add("wh-noa", 0)
    directory.add("wh-sam", UID + 3, home=str(directory.place / "homes" / "wh-ada"))
    old = directory.add("wh-old", UID + 4)
    old.mkdir()
    os.chown(old, 1001, 1001)
    directory.add("wh-twin", pwd.getpwnam("games").pw_uid)
    (directory.place / "passwd").write_text("root:x:0:0::/root:/bin/sh\nwh-two:x:1002:1002::/home/wh-two:/bin/sh\n")
    monkeypatch.setattr(account_lookup, "PASSWD", str(directory.place / "passwd"))
    names = ["wh-ada", "wh-leo", "wh-mia", "wh-noa", "wh-sam", "wh-old", "wh-twin", "wh-two", "wh-gone"]
    wrong = [*names, "Ada@acme.example", "ACME\\ada"]
    for check_mode in (True, False):
        answer = serve(run_module, *wrong, check_mode=check_mode)
        assert answer["failed"] and not answer["changed"] and not answer["names"]
    assert not directory.record and not (directory.place / "homes" / "wh-ada").exists()
    said = dict(
        zip(
            ("leo", "mia", "noa", "twin", "two", "gone", "mail", "down-level", "shared", "old"),
            answer["refused"],
            strict=True,
        )
    )
    assert said["leo"].startswith("`getent passwd wh-leo` answers for 'wh-leo@acme.example'")
    assert "use_fully_qualified_names = false" in said["leo"]
    assert said["mia"].startswith("The directory gives wh-mia the home '/'") and "fallback_homedir" in said["mia"]
    assert said["noa"].startswith("The directory gives wh-noa the uid 0, which is root's")
    assert "which is also that of games" in said["twin"]
    assert said["two"].startswith("wh-two is in /etc/passwd, and accounts_source is 'directory'")
    assert said["gone"].startswith("wh-gone has no account, and accounts_source is 'directory'")
    assert "`getent passwd wh-gone`" in said["gone"] and "state: absent" in said["gone"]
    assert said["mail"].startswith("accounts_people has 'Ada@acme.example': write 'ada'")
    assert "write 'ada'" in said["down-level"]
    assert said["shared"].startswith("The directory gives wh-ada and wh-sam the same home")
    assert "belongs to the uid 1001" in said["old"] and f"chown -R {UID + 4}:{UID + 4}" in said["old"]
    looked = run_module(account_info, names=wrong, source="directory")
    assert looked["failed"] and looked["faults"] == answer["refused"]
    assert looked["msg"].endswith("Nothing was changed.")


def test_an_account_in_both_places_is_said_to_be(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.add("wh-two")
    (directory.place / "passwd").write_text("wh-two:x:1002:1002::/home/wh-two:/bin/sh\n")
    (directory.place / "nsswitch.conf").write_text("# passwd: ldap\npasswd:  files [!SUCCESS=continue] sss systemd\n")
    monkeypatch.setattr(account_lookup, "PASSWD", str(directory.place / "passwd"))
    monkeypatch.setattr(account_lookup, "SWITCH", str(directory.place / "nsswitch.conf"))
    assert account_lookup.directory_services() == ["sss"]
    asked = []

    def is_in(service: str, name: str) -> bool:
        asked.append((service, name))
        return True

    monkeypatch.setattr(account_lookup, "is_in", is_in)
    [fault] = account_lookup.of_directory(["wh-two"]).faults
    assert fault.startswith("wh-two is in /etc/passwd and in the directory (sss), and accounts_source is 'directory'")
    assert "userdel wh-two" in fault and asked == [("sss", "wh-two")]


def test_a_name_service_is_asked_by_itself() -> None:
    assert account_lookup.is_in("files", "root") and not account_lookup.is_in("files", "wh-no-such-person")
    assert not account_lookup.is_in("wh-no-such-service", "root")


@pytest.fixture
def session(directory: Directory) -> Iterator[subprocess.Popen]:
    """A process of the person's."""
    del directory
    process = subprocess.Popen(
        [sys.executable, "-c", f"import os,time; os.setgroups([]); os.setresuid({UID},{UID},{UID}); time.sleep(300)"]
    )
    until = time.monotonic() + 30
    while Path(f"/proc/{process.pid}").stat().st_uid != UID:
        assert time.monotonic() < until
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()


def keys(directory: Directory, first: str = leaving_people.KEYS_OF_OURS) -> Path:
    path = directory.place / "keys" / "wh-ada"
    path.write_text(f"{first}; more\nssh-ed25519 AAAA ada\n")
    return path


@needs_root
def test_who_leaves_keeps_the_account_and_the_home(
    run_module: RunModule, directory: Directory, session: subprocess.Popen
) -> None:
    """What runs ends, and what the host gave goes; the run says where the account ends."""
    home = directory.add("wh-ada")
    serve(run_module, "wh-ada")
    given = keys(directory)
    (directory.place / "tmp" / "hers").write_text("x")
    os.chown(directory.place / "tmp" / "hers", UID, UID)
    before = home.stat()

    locked = run_module(offboard, names=["wh-ada"], state="locked", seconds=20)
    assert not locked.get("failed"), locked
    assert session.wait(20) < 0 and not given.exists() and not (directory.place / "tmp" / "hers").exists()
    assert directory.record["wh-ada"]["locked"] and "wh-ada" in locked["members"]
    assert not run_module(offboard, names=["wh-ada"], state="locked", seconds=20)["changed"]

    left = run_module(offboard, names=["wh-ada"], state="left", home="remove", seconds=20)
    assert left["names"] == ["wh-ada"] and "wh-ada" not in left["members"] and directory.record == {}
    assert (home.stat().st_uid, home.stat().st_mode) == (UID, before.st_mode) and (home / ".profile").exists()
    assert f"wh-ada: the home {home} stays as it is." in left["said"]
    assert any("disable it there" in sentence for sentence in left["said"])
    assert not run_module(offboard, names=["wh-ada"], state="left", seconds=20)["changed"]


@needs_root
def test_who_is_gone_from_the_directory_is_offboarded_all_the_same(
    run_module: RunModule, directory: Directory, session: subprocess.Popen
) -> None:
    """The account may be deleted there before somebody writes state: absent here: the numbers are known."""
    home = directory.add("wh-ada")
    serve(run_module, "wh-ada")
    (home / ".netrc").write_text("machine packages.acme.example login ada password secret\n")
    os.chown(home / ".netrc", UID, UID)
    del directory.entries["wh-ada"]
    given = keys(directory)
    run_module(offboard, names=["wh-ada"], state="locked", seconds=20)
    assert session.wait(20) < 0 and not given.exists()
    wanted = [{"owner": "wh-ada", "path": "~/.netrc", "state": "absent"}]
    assert run_module(managed_files, files=wanted)["paths"] == [str(home / ".netrc")]
    left = run_module(offboard, names=["wh-ada"], state="left", seconds=20)
    assert "wh-ada: the account has ended in the directory." in left["said"] and directory.record == {}
    assert home.stat().st_uid == UID


@needs_root
def test_who_comes_back_is_served_again(run_module: RunModule, directory: Directory) -> None:
    """As after a last day that was moved."""
    directory.add("wh-ada")
    serve(run_module, "wh-ada")
    run_module(offboard, names=["wh-ada"], state="locked", seconds=20)
    back = serve(run_module, "wh-ada")
    assert back["names"] == ["wh-ada"] and "wh-ada: is back, with the account of the directory." in back["said"]
    assert directory.record["wh-ada"]["locked"] is False
    assert not serve(run_module, "wh-ada")["changed"]


@needs_root
def test_keys_that_the_host_did_not_give_stay(run_module: RunModule, directory: Directory) -> None:
    directory.add("wh-ada")
    serve(run_module, "wh-ada")
    theirs = keys(directory, "# of the administrator")
    run_module(offboard, names=["wh-ada"], state="left", seconds=20)
    assert theirs.exists()


@needs_root
def test_nobody_else_is_hit_whose_uid_it_is_by_now(
    run_module: RunModule, directory: Directory, session: subprocess.Popen
) -> None:
    directory.add("wh-ada")
    serve(run_module, "wh-ada")
    directory.entries["wh-bob"] = directory.entries.pop("wh-ada")
    directory.add("wh-bob")
    answer = run_module(offboard, names=["wh-ada"], state="left", seconds=20)
    assert answer["failed"] and "has the same uid as wh-bob" in answer["msg"]
    assert session.poll() is None


def test_people_of_the_directory_who_are_not_served_are_left_alone(run_module: RunModule, directory: Directory) -> None:
    directory.add("wh-ada")
    answer = run_module(offboard, names=["wh-ada"], state="left")
    assert not answer["changed"] and not answer.get("failed") and "wh-ada" not in answer["members"]


def test_a_damaged_record_is_named(run_module: RunModule, directory: Directory) -> None:
    Path(account_record.RECORD).parent.mkdir()
    Path(account_record.RECORD).write_text('{"wh-ada": 1}')
    for module, arguments in ((account_info, {}), (offboard, {"names": ["wh-ada"]})):
        answer = run_module(module, **arguments)
        assert answer["failed"] and f"{account_record.RECORD} is damaged" in answer["msg"]


def test_accounts_are_looked_up_one_by_one(run_module: RunModule, directory: Directory) -> None:
    """sssd lists none; the answer is in the form of getent."""
    home = directory.add("wh-ada")
    answer = run_module(account_info, names=["wh-ada", "wh-no-such-person"])
    assert answer["accounts"] == {"wh-ada": ["x", str(UID), str(UID), "", str(home), "/bin/zsh"]}
    assert not answer["changed"]


def test_settings_that_the_directory_makes_void() -> None:
    given = {"accounts_source": "directory", "accounts_shell": "/bin/zsh", "accounts_removed_home": "remove"}
    first, second = role_faults(given, False, "")
    assert first.startswith("accounts_shell is '/bin/zsh', and accounts_source is 'directory'")
    assert second.startswith("accounts_removed_home is 'remove', and accounts_source is 'directory'")
    assert not list(role_faults({**given, "accounts_source": "local"}, False, ""))


def test_a_removal_says_what_it_leaves_to_the_directory() -> None:
    hostvars: dict[str, dict[str, object]] = {
        "ws": {"wheelhouse_removed_users": ["ada"], "accounts_source": "directory"}
    }
    sentence = removal_plan(["ws"], hostvars, "keep")[1]
    assert sentence.startswith("ws: takes from ada what it gave them") and "locks" not in sentence


@needs_root
@pytest.mark.parametrize(
    "home",
    [
        *("/", "//", "home/ada", "/root", "/root/ada", "/nonexistent", "/etc/systemd/system/ssh.service.d"),
        *("//etc/ada", "/./etc/ada", "/home/../etc/ada", "/usr/local/lib/ada", "/lib64/ada", "/var/spool/cron/ada"),
        *("/var", "/var/home", "/run/ada", "/dev/shm/ada", "/proc/ada", "/boot/ada", "/opt/wheelhouse/ada"),
        *("/srv/wheelhouse/config", "/var/\n/ada"),
    ],
)
def test_a_home_is_nowhere_where_the_system_reads(run_module: RunModule, directory: Directory, home: str) -> None:
    """Root makes homes that do not exist and hands them over; who writes the directory's entries is not root here."""
    directory.add("wh-ada", home=home)
    answer = serve(run_module, "wh-ada")
    assert answer["failed"] and "The directory gives wh-ada the home " in answer["msg"]
    assert not directory.record


@needs_root
@pytest.mark.parametrize("home", ["home/ada", "home/acme.example/ada", "export/home/ada", "srv/homes/ada", "u/ada"])
def test_homes_may_be_in_other_places(run_module: RunModule, directory: Directory, home: str) -> None:
    directory.add("wh-ada", home=f"/{home}")
    assert not account_lookup.of_directory(["wh-ada"], find=directory.entries.get).faults

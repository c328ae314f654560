# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The modules, each run as Ansible runs it, on real files."""

from __future__ import annotations

import json
import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.wheelhouse.onboarding.plugins.modules import person_files, unread_settings

Run = Callable[..., dict]


@pytest.fixture
def run(capsys) -> Run:
    """Run a module with these arguments; what it reports."""

    def run_module(module, check_mode: bool = False, **arguments) -> dict:
        with patch_module_args(arguments | {"_ansible_check_mode": check_mode}), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run_module


# --- unread_settings


def test_what_is_newer_than_its_product_is_unread(run: Run, tmp_path: Path) -> None:
    certificates, store = tmp_path / "certificates", tmp_path / "store"
    (certificates / "below").mkdir(parents=True)
    (certificates / "a.crt").touch()

    def look() -> dict:
        return run(unread_settings, product=str(store), paths=[str(certificates), str(tmp_path / "none")])

    assert look()["changed"], "there is no product yet"
    store.touch()
    assert (look()["changed"], look()["paths"]) == (False, [])

    def wait_for_the_clock() -> None:
        """Until a change gets another time than the last one: file systems count in some milliseconds."""
        probe = tmp_path / "probe"
        probe.touch()
        while probe.stat().st_ctime <= store.stat().st_ctime:
            probe.touch()

    def is_noticed(path: Path) -> None:
        answer = look()
        assert answer["changed"] and str(path) in answer["paths"]
        store.touch()
        assert not look()["changed"]
        wait_for_the_clock()

    wait_for_the_clock()
    written = certificates / "below" / "b.crt"
    written.write_text("b")
    is_noticed(written)
    os.utime(written, (0, 0))  # as a copying program does that keeps the times
    is_noticed(written)
    written.unlink()
    is_noticed(written.parent)


def test_an_idle_unit_has_nothing_to_read_again(run: Run, tmp_path: Path) -> None:
    answer = run(unread_settings, unit="no-such-unit.service", paths=[str(tmp_path)])
    assert not answer["changed"] and "failed" not in answer


# --- person_files

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another person takes root")


@pytest.fixture
def ada(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a person with an account."""
    nobody = pwd.getpwnam("nobody")
    for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):  # which pytest made for root alone
        directory.chmod(0o755)
    home = tmp_path / "ada"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    entry = pwd.struct_passwd(("ada", "x", nobody.pw_uid, nobody.pw_gid, "", str(home), "/bin/sh"))
    account = person_files.account
    monkeypatch.setattr(person_files, "account", lambda name: entry if name == "ada" else account(name))
    monkeypatch.setattr(os, "initgroups", lambda name, group: os.setgroups([group]))
    return home


@needs_root
def test_a_file_is_written_as_its_owner_and_once(run: Run, ada: Path) -> None:
    wanted = [{"owner": "ada", "path": "~/.config/uv/uv.toml", "content": "secret\n", "mode": "0600"}]
    path = ada / ".config/uv/uv.toml"
    checked = run(person_files, check_mode=True, files=wanted)
    assert (checked["changed"], checked["paths"], path.exists()) == (True, [str(path)], False)
    written = run(person_files, files=wanted)
    assert (written["changed"], written["paths"]) == (True, [str(path)])
    assert "secret" not in json.dumps(written)
    status = path.stat()
    assert (path.read_text(), stat.S_IMODE(status.st_mode), path.owner()) == ("secret\n", 0o600, "nobody")
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700 and path.parent.owner() == "nobody"
    assert not run(person_files, files=wanted)["changed"]
    path.chmod(0o644)
    assert run(person_files, files=wanted)["changed"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [left.name for left in path.parent.iterdir()] == ["uv.toml"], "no partial file stays"
    gone = [{"owner": "ada", "path": "~/.config/uv/uv.toml", "state": "absent"}]
    assert run(person_files, files=gone)["changed"] and not path.exists()
    assert not run(person_files, files=gone)["changed"]


@needs_root
def test_a_link_of_the_person_is_followed_with_their_rights_alone(run: Run, ada: Path, tmp_path: Path) -> None:
    roots = tmp_path / "roots"
    roots.mkdir(0o755)
    (roots / "shadow").write_text("root's\n")
    (roots / "shadow").chmod(0o600)
    (ada / ".netrc").symlink_to(roots / "shadow")
    answer = run(person_files, files=[{"owner": "ada", "path": "~/.netrc", "content": "ada's\n"}])
    assert answer["failed"] and answer["msg"].startswith("As ada: ") and "Permission denied" in answer["msg"]
    assert (roots / "shadow").read_text() == "root's\n"


@needs_root
def test_a_link_to_a_file_of_their_own_stays_one(run: Run, ada: Path) -> None:
    dotfiles = ada / "dotfiles"
    dotfiles.mkdir()
    os.chown(dotfiles, *(ada.stat().st_uid, ada.stat().st_gid))
    (ada / ".netrc").symlink_to(dotfiles / "netrc")
    assert run(person_files, files=[{"owner": "ada", "path": "~/.netrc", "content": "ada's\n"}])["changed"]
    assert (ada / ".netrc").is_symlink() and (dotfiles / "netrc").read_text() == "ada's\n"


@needs_root
def test_faults_are_sentences(run: Run, ada: Path, tmp_path: Path) -> None:
    def says(**wanted) -> str:
        answer = run(person_files, files=[wanted])
        assert answer["failed"]
        return answer["msg"]

    assert says(owner="nemo-x", path="~/.netrc") == "There is no account nemo-x to own ~/.netrc; create it first."
    assert says(owner="ada", path="netrc") == "files[].path is netrc; write ~/... or an absolute path."
    assert "has to belong to root" in says(owner="ada", path=str(ada / "token"))
    assert "does not exist; create it" in says(owner="ada", path=str(tmp_path / "none" / "token"))
    assert run(person_files, check_mode=True, files=[{"owner": "nemo-x", "path": "~/.netrc"}])["changed"]
    gone = [{"owner": "nemo-x", "path": "~/.netrc", "state": "absent"}]
    assert not run(person_files, files=gone)["changed"], "who has left has no files"

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The module archives, run as Ansible runs it; what it wrote is unpacked and verified by other programs."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.wheelhouse.onboarding.plugins.modules import reproducible_archive as archives

FILES = [
    {"name": "install.sh", "content": "#!/bin/sh\n", "mode": "0755"},
    {"name": "README.html", "content": "Grüße\r\n"},
    {"name": "sub/pip.ini", "content": "[global]\r\n"},
]
ends = pytest.mark.parametrize("end", [".zip", ".tar.gz"])


@pytest.fixture
def run(capsys) -> Callable[..., dict]:
    """Run the module with these archives; what it reports."""

    def run_module(*wanted: dict, check_mode: bool = False) -> dict:
        arguments = {"archives": list(wanted), "_ansible_check_mode": check_mode}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            archives.main()
        return json.loads(capsys.readouterr().out)

    return run_module


def unpack(archive: Path, directory: Path) -> None:
    directory.mkdir()
    command: list[str | Path] = ["tar", "xzpf", archive]
    if archive.suffix == ".zip":
        command = [sys.executable, "-m", "zipfile", "-e", archive, directory]
    subprocess.run(command, cwd=directory, check=True)


@ends
@pytest.mark.parametrize("folder", ["", "ada-linux"])
def test_holds_the_files_and_their_sums(run, tmp_path: Path, end: str, folder: str) -> None:
    archive, there = tmp_path / f"ada{end}", tmp_path / "there"
    answer = run({"path": str(archive), "files": FILES, "folder": folder})
    assert (answer["changed"], answer["paths"]) == (True, [str(archive)])
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600

    unpack(archive, there)

    for file in FILES:
        assert (there / folder / file["name"]).read_bytes() == file["content"].encode()
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=there / folder, check=True)
    assert len((there / folder / "SHA256SUMS").read_text().splitlines()) == len(FILES)
    if end == ".tar.gz":
        assert stat.S_IMODE((there / folder / "install.sh").stat().st_mode) == 0o755
        assert stat.S_IMODE((there / folder / "README.html").stat().st_mode) == 0o644


@ends
def test_the_same_files_are_the_same_bytes(run, tmp_path: Path, end: str, monkeypatch) -> None:
    one, two = tmp_path / f"one{end}", tmp_path / f"two{end}"
    run({"path": str(one), "files": FILES})
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    run({"path": str(two), "files": FILES[::-1]})
    assert one.read_bytes() == two.read_bytes()


@ends
def test_is_written_only_when_something_changes(run, tmp_path: Path, end: str) -> None:
    archive = tmp_path / f"ada{end}"
    wanted = {"path": str(archive), "files": FILES}
    assert run(wanted, check_mode=True)["changed"] and not archive.exists()
    assert run(wanted)["changed"]
    before = archive.stat().st_ino
    assert not run(wanted)["changed"]
    assert archive.stat().st_ino == before
    assert run({**wanted, "files": FILES[:2]})["changed"]
    archive.chmod(0o644)
    assert run({**wanted, "files": FILES[:2]})["changed"]
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [archive.name], "no half-written file is left"


def test_absent_deletes_it_and_nothing_else(run, tmp_path: Path) -> None:
    archive, other = tmp_path / "ada.zip", tmp_path / "other.zip"
    archive.touch()
    other.touch()
    gone = {"path": str(archive), "state": "absent"}
    assert run(gone, check_mode=True)["changed"] and archive.exists()
    assert run(gone)["changed"] and not archive.exists() and other.exists()
    assert not run(gone)["changed"]


@pytest.mark.parametrize("name", ["../pip.ini", "/pip.ini", "a//b", "a\\b", "SHA256SUMS", "."])
def test_a_name_that_leads_elsewhere_is_refused(run, tmp_path: Path, name: str) -> None:
    answer = run({"path": str(tmp_path / "ada.zip"), "files": [{"name": name, "content": ""}]})
    assert answer["failed"] and "write a relative path" in answer["msg"]
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_is_told(run, tmp_path: Path) -> None:
    two = [{"name": "pip.ini", "content": ""}, {"name": "PIP.INI", "content": ""}]
    assert "two files of one name" in run({"path": str(tmp_path / "ada.zip"), "files": two})["msg"]
    assert "ends in .zip or .tar.gz" in run({"path": str(tmp_path / "ada.rar")})["msg"]
    nowhere = run({"path": str(tmp_path / "none" / "ada.zip")}, {"path": str(tmp_path / "bob.zip")})
    assert nowhere["failed"] and "No such file or directory" in nowhere["msg"]
    assert nowhere["paths"] == [str(tmp_path / "bob.zip")], "what is wrong with one keeps no other from theirs"

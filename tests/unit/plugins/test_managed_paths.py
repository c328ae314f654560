# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Directories, links and groups of the module managed_files, and what may be in their place."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import homes, system_paths
from ansible_collections.wheelhouse.onboarding.plugins.modules import managed_files

from .conftest import RunModule
from .hostile import everything

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files of root are written by root")

ADA = pwd.getpwnam("nobody")
SERVICE = 9898  # has no account here


@pytest.fixture(autouse=True)
def accounts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = pwd.struct_passwd(("ada", "x", ADA.pw_uid, ADA.pw_gid, "", str(tmp_path / "ada"), "/bin/sh"))
    account = homes.account
    monkeypatch.setattr(managed_files, "account", lambda name: entry if name == "ada" else account(name))
    monkeypatch.setattr(os, "initgroups", lambda name, group: os.setgroups([group]))


@pytest.fixture
def settle(run_module: RunModule):
    def settle(check_mode: bool = False, **options) -> dict:
        answer = run_module(managed_files, check_mode=check_mode, **options)
        assert not answer.get("failed"), answer
        return answer

    return settle


@pytest.fixture
def refusal(run_module: RunModule, tmp_path: Path):
    """Run the module with something that it has to refuse, leaving everything as it is; its sentence."""

    def refusal(but: Path | None = None, **options) -> str:
        before = everything(tmp_path, but=but)
        words = []
        for check_mode in (True, False):
            answer = run_module(managed_files, check_mode=check_mode, **options)
            assert answer["failed"] and everything(tmp_path, but=but) == before
            words.append(answer["msg"])
        assert words[0] == words[1], "check mode says the same"
        return words[0]

    return refusal


def owned(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


# --- all of it


def subject(place: Path, state: str = "present") -> dict:
    """Everything of one program, as a role wants it."""
    return {
        "directories": [
            {"path": f"{place}/opt", "state": state},
            {"path": f"{place}/opt/program", "mode": "0750", "group": str(SERVICE), "state": state},
        ],
        "files": [
            {"path": f"{place}/opt/program/run", "content": "#!/bin/sh\n", "mode": "0755", "state": state},
            {"path": f"{place}/opt/program/config", "content": "setting = 1\n", "group": str(SERVICE), "mode": "0640"}
            | {"state": state},
        ],
        "links": [{"path": f"{place}/opt/run", "target": f"{place}/opt/program/run", "state": state}],
    }


def test_a_program_is_installed_once_and_taken_away_again(settle, tmp_path: Path) -> None:
    paths = [f"{tmp_path}/opt{end}" for end in ("", "/program", "/program/run", "/program/config", "/run")]
    blank = settle(check_mode=True, **subject(tmp_path))
    assert blank["paths"] == paths and not (tmp_path / "opt").exists()
    assert settle(**subject(tmp_path))["paths"] == paths
    opt = tmp_path / "opt"
    assert owned(opt) == (0o755, 0, 0) and owned(opt / "program") == (0o750, 0, SERVICE)
    assert owned(opt / "program/config") == (0o640, 0, SERVICE) and owned(opt / "program/run") == (0o755, 0, 0)
    assert (opt / "run").readlink() == opt / "program/run"
    for check_mode in (True, False):
        assert not settle(check_mode, **subject(tmp_path))["changed"]
    away = [f"{tmp_path}/opt{end}" for end in ("/program/run", "/program/config", "/run", "/program", "")]
    before = everything(tmp_path)
    assert settle(check_mode=True, **subject(tmp_path, "absent"))["paths"] == away
    assert everything(tmp_path) == before
    assert settle(**subject(tmp_path, "absent"))["paths"] == away
    assert everything(tmp_path) == {}
    for check_mode in (True, False):
        assert not settle(check_mode, **subject(tmp_path, "absent"))["changed"]


def test_what_others_put_into_a_directory_keeps_it(settle, tmp_path: Path) -> None:
    settle(**subject(tmp_path))
    (tmp_path / "opt/program/notes").touch()
    for check_mode in (True, False):
        paths = settle(check_mode, **subject(tmp_path, "absent"))["paths"]
        assert f"{tmp_path}/opt/program" not in paths and f"{tmp_path}/opt" not in paths
    assert [path.name for path in (tmp_path / "opt").rglob("*")] == ["program", "notes"]


def test_the_diff_says_what_changes(settle, tmp_path: Path) -> None:
    (tmp_path / "opt").mkdir(0o700)
    directories = [{"path": f"{tmp_path}/opt"}]
    links = [{"path": f"{tmp_path}/opt/run", "target": "program/run"}]
    made, linked = settle(check_mode=True, directories=directories, links=links)["diff"]
    assert made["before"] == "directory of root, group root, mode 0700\n" and made["after"].endswith("mode 0755\n")
    assert (linked["before"], linked["after"]) == ("", "link to program/run\n")


def test_the_diff_of_many_files_that_are_not_shown_is_short(settle, tmp_path: Path) -> None:
    files = [{"path": f"{tmp_path}/{name}", "content": f"secret of {name}\n"} for name in ("one", "two", "three")]
    shown = {"path": f"{tmp_path}/open", "content": "a line\n", "show": True}
    seen, unseen = settle(files=[files[0], shown, *files[1:]])["diff"]
    assert seen["after"] == "a line\n" and unseen["before"] == ""
    lines = [f"(the content of {tmp_path}/{name} is not shown)" for name in ("one", "two", "three")]
    assert unseen["after"].splitlines() == lines
    (unseen,) = settle(files=[one | {"state": "absent"} for one in files])["diff"]
    assert unseen["before"].splitlines() == lines and unseen["after"] == ""


# --- directories


def test_missing_directories_above_are_made_for_root_alone(settle, tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        wanted = [{"path": f"{tmp_path}/a/b/c/", "owner": "ada", "mode": "0700"}]
        settle(check_mode=True, directories=wanted)
        assert settle(directories=wanted)["paths"] == [f"{tmp_path}/a/b/c"]
    finally:
        os.umask(umask)
    assert owned(tmp_path / "a") == owned(tmp_path / "a/b") == (0o755, 0, 0)
    assert owned(tmp_path / "a/b/c") == (0o700, ADA.pw_uid, ADA.pw_gid)
    assert not settle(directories=wanted)["changed"]


def test_a_directory_is_closed_until_it_belongs_to_its_owner(
    settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    chown = os.fchown

    def look(descriptor: int, uid: int, gid: int) -> None:
        seen.append(oct(stat.S_IMODE(os.fstat(descriptor).st_mode)))
        chown(descriptor, uid, gid)

    monkeypatch.setattr(os, "fchown", look)
    settle(directories=[{"path": f"{tmp_path}/spool", "owner": "ada", "mode": "0777"}])
    assert seen == ["0o700"] and owned(tmp_path / "spool")[0] == 0o777


def test_a_run_that_was_killed_between_two_steps_is_repaired(
    settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [{"path": f"{tmp_path}/spool", "owner": "ada", "mode": "0750"}]
    for step in ("fchown", "fchmod"):
        with monkeypatch.context() as patch, pytest.raises(InterruptedError):
            patch.setattr(os, step, Mock(side_effect=InterruptedError))
            system_paths.make_directory(f"{tmp_path}/spool", ADA.pw_uid, ADA.pw_gid, 0o750, False)
    assert settle(directories=wanted)["changed"] and owned(tmp_path / "spool") == (0o750, ADA.pw_uid, ADA.pw_gid)


def test_a_link_of_roots_to_another_disk_is_a_directory(settle, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(0o700)
    (tmp_path / "data").symlink_to("disk")
    wanted = {
        "directories": [{"path": f"{tmp_path}/data"}],
        "files": [{"path": f"{tmp_path}/data/a", "content": "words\n"}],
    }
    assert settle(**wanted)["paths"] == [f"{tmp_path}/data", f"{tmp_path}/data/a"]
    assert owned(tmp_path / "disk")[0] == 0o755 and (tmp_path / "disk/a").read_text() == "words\n"
    assert (tmp_path / "data").is_symlink() and not settle(**wanted)["changed"]
    gone = {option: [one | {"state": "absent"} for one in entries] for option, entries in wanted.items()}
    assert settle(**gone)["paths"] == [f"{tmp_path}/data/a"]
    assert (tmp_path / "data").is_dir(), "the link is the administrator's"


def test_a_link_of_a_persons_is_not_followed(refusal, tmp_path: Path) -> None:
    """Such as stays where a directory was once open to everybody."""
    (tmp_path / "roots").mkdir()
    (tmp_path / "data").symlink_to("roots")
    (tmp_path / "file").symlink_to("roots/shadow")
    for name in ("data", "file"):
        os.chown(tmp_path / name, ADA.pw_uid, ADA.pw_gid, follow_symlinks=False)
    words = refusal(directories=[{"path": f"{tmp_path}/data", "mode": "0700"}])
    assert words == f"{tmp_path}/data is a link that belongs to {ADA.pw_name}; remove it."
    words = refusal(files=[{"path": f"{tmp_path}/file", "content": "words\n"}])
    assert words == f"{tmp_path}/file is a link that belongs to {ADA.pw_name}; remove it."


def test_a_link_to_where_others_write_is_not_followed(refusal, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "data").symlink_to("open/data")
    (tmp_path / "file").symlink_to("open/file")
    assert f"{tmp_path}/open has to belong to root" in refusal(directories=[{"path": f"{tmp_path}/data"}])
    assert f"{tmp_path}/open has to belong to root" in refusal(
        files=[{"path": f"{tmp_path}/file", "content": "words\n"}]
    )


OTHERS: dict[str, Callable[[Path], object]] = {
    "a FIFO": lambda path: os.mkfifo(path, 0o666),
    "a file": lambda path: path.touch(),
    "a link": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_directory_is_refused_and_nothing_is_written(kind: str, refusal, tmp_path: Path) -> None:
    OTHERS[kind](tmp_path / "opt")
    words = refusal(
        directories=[{"path": f"{tmp_path}/opt"}, {"path": f"{tmp_path}/none/x", "owner": "nemo-x", "state": "absent"}],
        files=[{"path": f"{tmp_path}/other", "content": "words\n"}],
    )
    assert f"{tmp_path}/opt is {kind} and not a directory; move it away." in words


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_directory_is_not_removed(kind: str, settle, tmp_path: Path) -> None:
    OTHERS[kind](tmp_path / "opt")
    assert not settle(directories=[{"path": f"{tmp_path}/opt", "state": "absent"}])["changed"]
    assert os.path.lexists(tmp_path / "opt")


def test_a_persons_directory_does_not_become_roots(refusal, tmp_path: Path) -> None:
    """What is in it could be links, to where root writes next."""
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "config").symlink_to("/etc/passwd")
    os.chown(tmp_path / "opt", ADA.pw_uid, ADA.pw_gid)
    words = refusal(directories=[{"path": f"{tmp_path}/opt"}], files=[{"path": f"{tmp_path}/opt/config"}])
    assert words == f"{tmp_path}/opt belongs to {ADA.pw_name}; move it away."


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_nothing_is_made_where_others_write(mode: int, refusal, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(mode)
    words = f"{tmp_path}/open has to belong to root and be writable by nobody else, to hold {tmp_path}/open/x."
    assert refusal(directories=[{"path": f"{tmp_path}/open/x"}]) == words
    assert refusal(links=[{"path": f"{tmp_path}/open/x", "target": "/"}]) == words
    assert refusal(files=[{"path": f"{tmp_path}/open/x"}]) == words


def test_a_directory_that_the_same_task_closes_is_no_fault_in_check_mode(settle, tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    wanted = {
        "directories": [{"path": f"{tmp_path}/open"}],
        "files": [{"path": f"{tmp_path}/open/x", "content": "words\n"}],
    }
    for check_mode in (True, False):
        assert settle(check_mode, **wanted)["paths"] == [f"{tmp_path}/open", f"{tmp_path}/open/x"]


def test_what_lies_in_an_accounts_own_directory_is_made_by_that_account(settle, refusal, tmp_path: Path) -> None:
    wanted = [
        {"path": f"{tmp_path}/shelf", "owner": str(SERVICE)},
        {"path": f"{tmp_path}/shelf/drop", "owner": str(SERVICE), "mode": "0700"},
    ]
    assert settle(check_mode=True, directories=wanted)["changed"]
    assert settle(directories=wanted)["paths"] == [f"{tmp_path}/shelf", f"{tmp_path}/shelf/drop"]
    assert owned(tmp_path / "shelf/drop") == (0o700, SERVICE, SERVICE)
    assert not settle(directories=wanted)["changed"]
    roots = tmp_path / "roots"
    roots.mkdir(0o700)
    (tmp_path / "shelf/link").symlink_to(roots)
    os.chown(tmp_path / "shelf/link", SERVICE, SERVICE, follow_symlinks=False)
    elsewhere = f"link in {tmp_path}/shelf/link is a link that belongs to the uid {SERVICE}; remove it."
    for owner in (str(SERVICE), "root"):
        assert refusal(directories=[{"path": f"{tmp_path}/shelf/link/x", "owner": owner}]) == elsewhere
    assert refusal(files=[{"path": f"{tmp_path}/shelf/link/x"}]) == elsewhere
    words = refusal(directories=[{"path": f"{tmp_path}/shelf/link", "owner": str(SERVICE)}])
    assert words == f"{tmp_path} has to belong to the uid {SERVICE} and be writable by nobody else, to hold {roots}."
    assert "has to belong to root" in refusal(directories=[{"path": f"{tmp_path}/shelf/mine"}]), "for root"
    gone = [one | {"state": "absent"} for one in wanted[1:]]
    assert settle(directories=gone)["paths"] == [f"{tmp_path}/shelf/drop"]


def test_a_directory_of_an_account_that_does_not_exist_yet(settle, refusal, run_module, tmp_path: Path) -> None:
    for more in ({"owner": "nemo-x"}, {"group": "nemo-x"}):
        wanted = {"directories": [{"path": f"{tmp_path}/opt", **more}], "files": [{"path": f"{tmp_path}/opt/a"}]}
        assert settle(check_mode=True, **wanted)["paths"] == [f"{tmp_path}/opt", f"{tmp_path}/opt/a"]
        answer = run_module(managed_files, **wanted)
        assert answer["failed"] and "nemo-x" in answer["msg"] and "create it first" in answer["msg"]
        assert everything(tmp_path) == {}
        assert not settle(directories=[wanted["directories"][0] | {"state": "absent"}])["changed"]


def test_a_path_is_absolute(refusal) -> None:
    assert refusal(directories=[{"path": "opt"}]) == "directories[].path is opt; write an absolute path."
    assert refusal(links=[{"path": "~/x", "target": "/"}]) == "links[].path is ~/x; write an absolute path."
    assert "links[].target of /x is missing" in refusal(links=[{"path": "/x"}])
    assert "leave them out" in refusal(files=[{"path": "~/x", "owner": "ada", "group": "0"}])


# --- links


def test_a_link_is_replaced_in_one_step(settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "uv"
    path.symlink_to("old")
    unlink = os.unlink
    monkeypatch.setattr(os, "unlink", lambda *_, **__: pytest.fail("the link is away for a moment"))
    assert settle(links=[{"path": str(path), "target": "new"}])["paths"] == [str(path)]
    monkeypatch.setattr(os, "unlink", unlink)
    assert str(path.readlink()) == "new" and [left.name for left in tmp_path.iterdir()] == ["uv"]
    os.chown(path, ADA.pw_uid, ADA.pw_gid, follow_symlinks=False)
    assert settle(links=[{"path": str(path), "target": "new"}])["changed"] and owned(path)[1:] == (0, 0)


@pytest.mark.parametrize("kind", ["a FIFO", "a file", "a directory"])
def test_only_a_link_is_replaced_or_removed(kind: str, settle, refusal, tmp_path: Path) -> None:
    {**OTHERS, "a directory": lambda path: path.mkdir()}[kind](tmp_path / "uv")
    words = refusal(links=[{"path": f"{tmp_path}/uv", "target": "new"}])
    assert words == f"{tmp_path}/uv is {kind} and not a link; move it away."
    assert not settle(links=[{"path": f"{tmp_path}/uv", "state": "absent"}])["changed"]
    assert os.path.lexists(tmp_path / "uv")


def test_a_link_that_leads_elsewhere_is_somebody_elses(settle, tmp_path: Path) -> None:
    (tmp_path / "uv").symlink_to("theirs")
    gone = {"path": f"{tmp_path}/uv", "target": "ours", "state": "absent"}
    assert not settle(links=[gone])["changed"] and (tmp_path / "uv").is_symlink()
    gone.pop("target")
    assert settle(links=[gone])["changed"] and not (tmp_path / "uv").is_symlink()


# --- validation


def test_a_file_that_its_reader_rejects_is_not_put_in_place(settle, run_module: RunModule, tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    wanted = {"path": str(path), "content": "{}\n", "validate": "python3 -m json.tool %s /dev/null"}
    assert settle(files=[wanted])["changed"] and not settle(files=[wanted])["changed"]
    for command, words in (
        ("python3 -m json.tool %s /dev/null", f"{path}: python3 rejects its new content: "),
        ("no-such-program %s", f"{path}: it cannot be checked with no-such-program (FileNotFoundError)."),
    ):
        answer = run_module(managed_files, files=[wanted | {"content": "{no json\n", "validate": command}])
        assert answer["failed"] and answer["msg"].startswith(words) and not answer["changed"]
        assert path.read_text() == "{}\n" and [left.name for left in tmp_path.iterdir()] == [path.name]


# --- copies


def test_a_copy_follows_its_file_and_goes_with_it(settle, tmp_path: Path) -> None:
    source, copy = tmp_path / "proxy.env", tmp_path / "copy"
    wanted = {"files": [{"path": str(copy), "copy_of": str(source), "mode": "0640", "group": str(SERVICE)}]}
    assert settle(**wanted)["paths"] == [] and not copy.exists(), "no file, no copy"
    source.write_bytes("HTTP_PROXY=http://ada:s3cret@proxy\xff\n".encode("latin-1"))
    checked = settle(check_mode=True, **wanted)
    assert checked["paths"] == [str(copy)] and not copy.exists()
    answer = settle(**wanted)
    assert copy.read_bytes() == source.read_bytes() and owned(copy) == (0o640, 0, SERVICE)
    assert "s3cret" not in str(checked) + str(answer)
    assert settle(**wanted)["paths"] == []
    source.write_text("HTTP_PROXY=http://proxy\n")
    assert settle(**wanted)["paths"] == [str(copy)] and copy.read_text() == source.read_text()
    source.unlink()
    assert settle(check_mode=True, **wanted)["paths"] == [str(copy)] and copy.exists()
    assert settle(**wanted)["paths"] == [str(copy)] and not copy.exists()


def test_nothing_is_copied_that_another_account_may_change(refusal, tmp_path: Path) -> None:
    copy, source = tmp_path / "copy", tmp_path / "theirs"
    source.write_text("A=1\n")
    files = [{"path": str(copy), "copy_of": str(source)}]
    os.chown(source, ADA.pw_uid, ADA.pw_gid)
    assert "has to be a file that belongs to root" in refusal(files=files)
    os.chown(source, 0, 0)
    link = tmp_path / "link"
    link.symlink_to(source)
    assert "has to be a file that belongs to root" in refusal(files=[files[0] | {"copy_of": str(link)}])
    assert "write an absolute path" in refusal(files=[files[0] | {"copy_of": "theirs"}])
    home = tmp_path / "ada"
    home.mkdir()
    (home / "file").write_text("A=1\n")
    os.chown(home, ADA.pw_uid, ADA.pw_gid)
    assert "has to belong to root" in refusal(files=[files[0] | {"copy_of": str(home / "file")}])
    assert "are for absolute paths" in refusal(files=[{"path": "~/a", "owner": "ada", "copy_of": str(source)}])

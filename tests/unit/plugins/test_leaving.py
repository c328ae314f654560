# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What ends the processes of somebody who left, and removes their files: on real ones, of uids that nobody has."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import leaving_files, leaving_processes

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming somebody else takes root")

LEAVER, SUBUID, COLLEAGUE = 2_000_000_001, 2_000_010_005, 2_000_000_002
RESTLESS = """
import os, signal, sys, time
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
if os.fork(): os._exit(0)
end = time.monotonic() + 120
while time.monotonic() < end:
    if os.fork(): os._exit(0)
    os.setsid()
"""
WARLIKE = """
import os, signal, time
end = time.monotonic() + 120
while time.monotonic() < end:
    for number in (signal.SIGSTOP, signal.SIGKILL):
        try: os.kill(-1, number)
        except OSError: pass
    time.sleep(0.001)
"""


def start(uid: int, program: str) -> int:
    """Run a program as somebody, in this interpreter, since it may be where only root can read; its process number."""
    child = os.fork()
    if child == 0:
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in range(3):
                os.dup2(null, descriptor)
            os.setsid()
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            exec(program, {})
        finally:
            os._exit(1)
    return child


def end(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


@pytest.fixture
def uids(tmp_path: Path) -> leaving_processes.Uids:
    subuids = tmp_path / "subuid"
    subuids.write_text(f"other:1:9\nleo:{SUBUID - 5}:100\nbroken\n")
    return leaving_processes.Uids("leo", LEAVER, str(subuids))


@pytest.fixture
def colleague() -> Iterator[int]:
    process = start(COLLEAGUE, "import time; time.sleep(300)")
    yield process
    end(process)


def survivors() -> list[list[str]]:
    lines = subprocess.run(
        ["ps", "-e", "--no-headers", "-o", "uid,stat,args"], check=True, capture_output=True, text=True
    )
    found = [line.split(None, 2) for line in lines.stdout.splitlines()]
    return [line for line in found if line[0] in (str(LEAVER), str(SUBUID)) and not line[1].startswith("Z")]


@needs_root
@pytest.mark.parametrize(
    "programs", [[RESTLESS] * 6, [WARLIKE] * 2, [RESTLESS] * 3 + [WARLIKE]], ids=["restless", "warlike", "both"]
)
def test_nothing_survives_and_nobody_else_is_hit(uids, colleague, programs) -> None:
    started = [start(LEAVER, program) for program in programs]
    started.append(start(SUBUID, "import time; time.sleep(300)"))
    try:
        time.sleep(1)
        assert survivors()
        seen, alive = leaving_processes.end_all(uids, 30)
        assert alive == [] and seen
        time.sleep(1)
        assert survivors() == []
        assert os.waitpid(colleague, os.WNOHANG) == (0, 0), "somebody else's goes on"
        assert os.getresuid() == (0, 0, 0)
    finally:
        for process in started:
            end(process)


@needs_root
def test_what_comes_again_and_again_is_named(uids) -> None:
    """A supervisor of root's starts it; the answer comes in time, with what is left."""
    supervisor = os.fork()
    if supervisor == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            if os.fork() == 0:
                os.setresuid(LEAVER, LEAVER, LEAVER)
                time.sleep(60)
                os._exit(0)
            time.sleep(0.01)
    try:
        time.sleep(0.3)
        _seen, alive = leaving_processes.end_all(uids, 2)
        assert alive and alive[0].parent == supervisor
    finally:
        os.kill(supervisor, signal.SIGKILL)
        os.waitpid(supervisor, 0)
        leaving_processes.end_all(uids, 10)


def test_root_is_never_struck() -> None:
    with pytest.raises(ValueError, match="root"):
        leaving_processes.strike(0, 65000)
    with pytest.raises(ValueError, match="root"):
        leaving_processes.strike(65000, 0)


def test_subuids_are_theirs_and_those_of_others_are_not(uids) -> None:
    assert LEAVER in uids and SUBUID in uids
    assert COLLEAGUE not in uids and 5 not in uids and 0 not in uids


# --- files


def cleared(top: Path, mine=lambda status: True, seconds: float = 60) -> leaving_files.Cleared:
    descriptor = os.open(top, leaving_files.DIRECTORY)
    try:
        return leaving_files.clear(descriptor, str(top), mine, time.monotonic() + seconds)
    finally:
        os.close(descriptor)


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A directory to clear, and one of others that links in it lead to."""
    top, others = tmp_path / "top", tmp_path / "others"
    top.mkdir()
    others.mkdir()
    (others / "plan").write_text("shared")
    (tmp_path / "further" / "below").mkdir(parents=True)  # not `/`: were a link followed, the machine would be gone
    (tmp_path / "further" / "below" / "file").write_text("shared")
    (top / "team").symlink_to(others)
    (top / "below").mkdir()
    (top / "below" / "up").symlink_to(tmp_path / "further")
    (top / "below" / "hard").hardlink_to(others / "plan")
    os.mkfifo(top / "fifo")
    (top / os.fsdecode(b"\xff\n")).write_text("odd")
    return top, others


def test_links_are_not_followed(places) -> None:
    top, others = places
    assert cleared(top) == {"removed": 6, "left": []}
    assert list(top.iterdir()) == [] and (others / "plan").read_text() == "shared"
    assert (others.parent / "further" / "below" / "file").read_text() == "shared"


def test_depth_does_not_matter(tmp_path: Path) -> None:
    here = os.open(tmp_path, leaving_files.DIRECTORY)
    for _ in range(5000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", leaving_files.DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert cleared(tmp_path) == {"removed": 5000, "left": []}


def test_what_takes_too_long_is_told(places) -> None:
    assert cleared(places[0], seconds=-1) == {"removed": 0, "left": ["the rest, for which there was no time"]}


@needs_root
def test_only_what_is_theirs_goes(tmp_path: Path) -> None:
    for path, owner in (("a/mine", LEAVER), ("a/hers", COLLEAGUE), ("mine/mine", LEAVER), ("mine2/hers", COLLEAGUE)):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("")
        os.chown(tmp_path / path, owner, owner)
    for name in ("mine", "mine2"):
        os.chown(tmp_path / name, LEAVER, LEAVER)
    done = cleared(tmp_path, lambda status: status is not None and status.st_uid == LEAVER)
    assert done["removed"] == 3 and done["left"] == [f"{tmp_path}/mine2 (Directory not empty)"]
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "a",
        "a/hers",
        "mine2",
        "mine2/hers",
    ]


@needs_root
def test_no_mount_is_entered(places) -> None:
    """A bind mount is on the same device."""
    top, others = places
    (top / "below" / "mounted").mkdir()
    mounted = subprocess.run(["mount", "--bind", others, top / "below" / "mounted"], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        assert f"{top}/below/mounted (something is mounted there)" in cleared(top)["left"]
        assert (others / "plan").read_text() == "shared"
    finally:
        subprocess.run(["umount", top / "below" / "mounted"], check=True)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "leo"
    home.mkdir(mode=0o755)
    (home / "notes").write_text("mine")
    for path in (home, home / "notes"):
        os.chown(path, LEAVER, LEAVER)
    return home


@needs_root
def test_a_home_is_closed_as_it_is_and_given_back(home: Path) -> None:
    assert leaving_files.close_home(str(home), LEAVER, LEAVER) == "closed"
    status = home.stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode), (home / "notes").stat().st_uid) == (0, 0o700, LEAVER)
    assert leaving_files.close_home(str(home), LEAVER, LEAVER) == "closed"
    assert leaving_files.open_again(str(home), LEAVER, LEAVER)
    assert home.stat().st_uid == LEAVER and not leaving_files.open_again(str(home), LEAVER, LEAVER)


@needs_root
@pytest.mark.parametrize(("owner", "mode"), [(COLLEAGUE, 0o700), (0, 0o700), (0, 0o755)])
def test_the_home_of_somebody_else_is_left_alone(home: Path, owner: int, mode: int) -> None:
    """Such as that of root, should an account have it."""
    os.chown(home, owner, owner)
    home.chmod(mode)
    assert leaving_files.close_home(str(home), LEAVER, LEAVER) == owner
    with pytest.raises(PermissionError):
        leaving_files.open_again(str(home), LEAVER, LEAVER)
    assert (home.stat().st_uid, stat.S_IMODE(home.stat().st_mode)) == (owner, mode)


@needs_root
def test_a_link_in_place_of_a_home_leads_nowhere(home: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(home)
    os.lchown(link, LEAVER, LEAVER)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        leaving_files.close_home(str(link), LEAVER, LEAVER)
    assert home.stat().st_uid == LEAVER


@needs_root
def test_work_apart_is_that_persons_and_ends_in_time(home: Path) -> None:
    assert leaving_files.apart(os.geteuid, 10, LEAVER, LEAVER) == LEAVER
    with pytest.raises(PermissionError):
        leaving_files.apart(lambda: Path("/etc/shadow").read_text(), 10, LEAVER, LEAVER)
    with pytest.raises(leaving_files.TooLong):
        leaving_files.apart(lambda: time.sleep(60), 0.2, LEAVER, LEAVER)


@needs_root
def test_a_home_that_heeds_no_root_is_dealt_with_by_the_person(home: Path) -> None:
    """As on a file server that gives root no rights: in a process of the person's uid, which needs no account."""
    (home / "dark").mkdir()
    (home / "dark" / "file").write_text("")
    for path in (home / "dark" / "file", home / "dark"):
        os.chown(path, LEAVER, LEAVER)
    (home / "dark").chmod(0)

    def close() -> str | int:
        return leaving_files.close_home(str(home), LEAVER, LEAVER, by_person=True)

    assert leaving_files.apart(close, 10, LEAVER, LEAVER) == "closed"
    assert (home.stat().st_uid, stat.S_IMODE(home.stat().st_mode)) == (LEAVER, 0o700)
    emptied = leaving_files.apart(
        lambda: leaving_files.empty_home(str(home), time.monotonic() + 10), 20, LEAVER, LEAVER
    )
    assert emptied == {"removed": 3, "left": []} and list(home.iterdir()) == []

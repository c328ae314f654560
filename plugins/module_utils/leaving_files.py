# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What a person leaves on a host, for modules that run as root, once nothing of theirs runs any more.

Everything goes by open directories: no link is followed, no mount is entered, and it does not matter how deep it is.
"""

from __future__ import annotations

import json
import os
import select
import signal
import stat
import time
from collections.abc import Callable, Container, Iterable
from typing import Literal, TypedDict, TypeVar

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# where everybody may leave something, and where services keep something for everybody
PLACES = (
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/dev/mqueue",
    "/run/lock",
    "/run/screen",
    "/run/user",
    "/var/crash",
    "/var/mail",
    "/var/spool",
)
LISTED = 5  # of what could not be removed


Result = TypeVar("Result")  # of what can be written as JSON


class Cleared(TypedDict):
    """What came of deleting: how many went, and a sentence for what did not, of at most LISTED."""

    removed: int
    left: list[str]


class TooLong(Exception):
    """Something did not end in its time."""


def apart(work: Callable[[], Result], seconds: float, uid: int | None = None, gid: int = 0) -> Result:
    """What `work()` returns, called in a process of its own that is ended after `seconds`; it has to fit into JSON.

    With `uid`, that process has become this uid and `gid`, whether or not there is an account.
    Raises TooLong, and OSError for what `work` could not do.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer: dict[str, object] = {"fault": [0, "the process was stopped"]}
        try:
            os.close(reader)
            if uid is not None:
                os.setgroups([])
                os.setresgid(gid, gid, gid)
                os.setresuid(uid, uid, uid)
            answer = {"result": work()}
        except OSError as exc:
            answer = {"fault": [exc.errno or 0, exc.strerror or str(exc)]}
        except BaseException as exc:
            answer = {"fault": [0, f"{type(exc).__name__}: {exc}"]}
        finally:
            with os.fdopen(writer, "wb") as stream:
                stream.write(json.dumps(answer).encode())
            os._exit(0)
    os.close(writer)
    until, received, ended = time.monotonic() + seconds, b"", False
    while not ended and select.select([reader], [], [], max(0, until - time.monotonic()))[0]:
        piece = os.read(reader, 65536)
        received, ended = received + piece, not piece
    os.close(reader)
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, os.WNOHANG)  # one that waits for a file server that is away cannot be waited for
        raise TooLong
    os.waitpid(child, 0)
    said = json.loads(received or b'{"fault": [0, "the process ended without a word"]}')
    if "fault" in said:
        raise OSError(*said["fault"])
    result: Result = said["result"]
    return result


def shown(path: str) -> str:
    """A path as it can be told, whatever bytes are in it."""
    return path.encode("utf-8", "backslashreplace").decode()


def _mount(descriptor: int) -> str:
    """The number of the mount that an open file is on. Bind mounts of the same file system differ in it."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="utf-8") as stream:
        return next(line.split()[1] for line in stream if line.startswith("mnt_id:"))


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


class _Level:
    """A directory that is being cleared: its name in the one above, and what is still to be looked at."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.identity = _identity(os.fstat(descriptor))
        self.names = os.listdir(descriptor)


def clear(top: int, path: str, mine: Callable[[os.stat_result | None], bool], until: float) -> Cleared:
    """Delete what is below the open directory `top` and of which `mine(status)` is true.

    The status is None of what cannot be looked at.
    One directory is open at a time.
    """
    mount, here = _mount(top), os.open(".", DIRECTORY, dir_fd=top)
    # what is mounted is not even looked at, since the one who serves it may never answer
    mounted = {point for point, _kind, _options in mounts()}
    mounted_names = {os.path.basename(point) for point in mounted}
    levels, removed = [_Level(path, here)], 0
    left: list[str] = []

    def note(name: str, why: str | None) -> None:
        if len(left) < LISTED:
            above = [level.name for level in levels] if len(levels) < 20 else [path, "..."]
            left.append(f"{shown(os.path.join(*above, name))} ({why})")

    try:
        while levels:
            if time.monotonic() > until:
                left.append("the rest, for which there was no time")
                break
            level = levels[-1]
            if level.names:
                name = level.names.pop()
                if name in mounted_names and os.path.join(*[level.name for level in levels], name) in mounted:
                    if mine(None):
                        note(name, "something is mounted there")
                    continue
                status = None
                try:
                    status = os.stat(name, dir_fd=here, follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        below = _enter(here, name, status, mount)
                        if below is None:
                            if mine(status):
                                note(name, "something is mounted there")
                            continue
                        os.close(here)
                        here = below
                        levels.append(_Level(name, here))
                    elif mine(status):
                        os.unlink(name, dir_fd=here)
                        removed += 1
                except FileNotFoundError:
                    continue
                except OSError as exc:
                    if mine(status):
                        note(name, exc.strerror)
                continue
            levels.pop()
            if not levels:
                break
            above = os.open("..", DIRECTORY, dir_fd=here)
            was, here = os.fstat(here), _replaced(here, above)
            if _identity(os.fstat(here)) != levels[-1].identity:
                left.append(f"{shown(levels[0].name)} (somebody moves directories in it)")
                break
            if mine(was):
                try:
                    if _identity(os.stat(level.name, dir_fd=here, follow_symlinks=False)) == _identity(was):
                        os.rmdir(level.name, dir_fd=here)
                        removed += 1
                except FileNotFoundError:
                    pass
                except OSError as exc:
                    note(level.name, exc.strerror)
    finally:
        os.close(here)
    return {"removed": removed, "left": left}


def _enter(here: int, name: str, status: os.stat_result, mount: str) -> int | None:
    """The directory `name`, open; None where something is mounted on it."""
    if os.geteuid() != 0 and status.st_uid == os.geteuid() and status.st_mode & 0o700 != 0o700:
        os.chmod(name, 0o700, dir_fd=here)
    below = os.open(name, DIRECTORY, dir_fd=here)
    if _mount(below) == mount:
        return below
    os.close(below)
    return None


def _replaced(old: int, new: int) -> int:
    os.close(old)
    return new


def clear_places(uids: Container[int], until: float, places: Iterable[str] = PLACES) -> Cleared:
    """Delete what belongs to the person in the places of everybody; like `clear`."""
    removed = 0
    left: list[str] = []
    for path in sorted({os.path.realpath(place) for place in places}):
        try:
            top = os.open(path, DIRECTORY)
        except OSError:
            continue
        try:
            cleared = clear(top, path, lambda status: status is not None and status.st_uid in uids, until)
        finally:
            os.close(top)
        removed, left = removed + cleared["removed"], left + cleared["left"]
    return {"removed": removed, "left": left}


def open_home(path: str) -> int:
    """The directory of a home, open; a link in its place counts only where root made it."""
    if os.path.islink(path) and os.lstat(path).st_uid == 0:
        path = os.path.realpath(path)
    return os.open(path, DIRECTORY)


def _is_closed(status: os.stat_result, gid: int) -> bool:
    """Whether a home was closed here: it is root's, and its group still says whose it was."""
    return status.st_uid == 0 and status.st_gid == gid != 0 and stat.S_IMODE(status.st_mode) == 0o700


def close_home(path: str, uid: int, gid: int, by_person: bool = False) -> Literal["closed"] | int:
    """Nobody but root gets into the home: its directory becomes root's, and what is in it stays as it is.

    `closed`, or the uid of somebody else who owns it. By the person, on a file server that heeds no root, nobody else
    gets in from then on.
    """
    descriptor = open_home(path)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != uid:
            return "closed" if _is_closed(status, gid) else status.st_uid
        os.fchmod(descriptor, 0o700)
        if not by_person:
            os.fchown(descriptor, 0, gid)
        return "closed"
    finally:
        os.close(descriptor)


def empty_home(path: str, until: float) -> Cleared:
    """Delete all that is in a home that is closed; like `clear`."""
    descriptor = open_home(path)
    try:
        return clear(descriptor, path, lambda status: True, until)
    finally:
        os.close(descriptor)


def open_again(path: str, uid: int, gid: int) -> bool:
    """Give a home back that `close_home` has closed. Whether it changed; PermissionError for somebody else's."""
    descriptor = open_home(path)
    try:
        status = os.fstat(descriptor)
        if status.st_uid == uid:
            return False
        if not _is_closed(status, gid):
            raise PermissionError(1, f"it belongs to the uid {status.st_uid}")
        os.fchown(descriptor, uid, gid)
        return True
    finally:
        os.close(descriptor)


def mounts() -> list[tuple[str, str, list[str]]]:
    """(where, kind, options) of all that is mounted."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            before, _dash, after = line.rstrip("\n").partition(" - ")
            kind, _source, options = after.split(" ", 2)
            point = before.split(" ")[4]
            for escaped, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
                point = point.replace(escaped, character)
            found.append((point, kind, options.split(",")))
    return found


def mounts_of(uid: int) -> list[str]:
    """Where FUSE file systems of the person are mounted, the deepest first."""
    theirs = [point for point, kind, options in mounts() if kind.startswith("fuse") and f"user_id={uid}" in options]
    return sorted(theirs, key=len, reverse=True)

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Ends all that runs as one person, for modules that run as root: also what forks and ends all the time."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import signal
import time

LAST = (1 << 31) - 1  # no uid is greater: some programs take them for signed


class Uids:
    """The numbers that belong to one person: that of the account, and those its user namespaces may use (subuid)."""

    def __init__(self, name: str, uid: int, subuids: str = "/etc/subuid") -> None:
        self.own = uid
        self.ranges: list[range] = []
        try:
            with open(subuids, encoding="utf-8", errors="replace") as stream:
                lines = [line.strip().split(":") for line in stream]
        except OSError:
            lines = []
        for line in lines:
            if len(line) == 3 and line[0] in (name, str(uid)) and line[1].isdigit() and line[2].isdigit():
                self.ranges.append(range(int(line[1]), int(line[1]) + int(line[2])))

    def __contains__(self, uid: object) -> bool:
        return uid == self.own or any(uid in numbers for numbers in self.ranges)


class Process:
    """What /proc says of one process: `ids` are its real, effective, saved and file system uid."""

    def __init__(self, pid: int) -> None:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as stream:
            found = dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)
        with open(f"/proc/{pid}/stat", "rb") as stream:
            self.started = stream.read().rpartition(b")")[2].split()[19]
        self.pid = pid
        self.name = found.get("Name", "?")
        self.parent = int(found.get("PPid", "0"))
        self.ids = [int(number) for number in found["Uid"].split()]
        self.dead = found.get("State", "")[:1] in ("Z", "X") and found.get("Threads", "1") == "1"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Process) and (self.pid, self.started) == (other.pid, other.started)

    def __hash__(self) -> int:
        return hash((self.pid, self.started))


def look(pid: int) -> Process | None:
    """The `Process` of that number, or None."""
    try:
        return Process(pid)
    except (OSError, KeyError, ValueError, IndexError):
        return None


def everything() -> list[Process]:
    """All processes of the host."""
    found = (look(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return [one for one in found if one]


def running(uids: Uids) -> list[Process]:
    """Processes that have one of the numbers; what has ended and waits for its parent is none."""
    return [one for one in everything() if not one.dead and any(number in uids for number in one.ids)]


def is_above_us(uids: Uids) -> bool:
    """Whether this process was started, however far back, by the person: ending theirs would end it."""
    if os.environ.get("SUDO_UID", "").isdigit() and int(os.environ["SUDO_UID"]) in uids:
        return True
    one = look(os.getpid())
    while one and one.pid > 1:
        if any(number in uids for number in one.ids):
            return True
        one = look(one.parent)
    return False


def free_number(uids: Uids) -> int:
    """A uid that nobody has and no process runs as."""
    with open("/proc/self/uid_map", encoding="ascii") as stream:
        known = [[int(number) for number in line.split()] for line in stream]
    candidates: list[int] = [*range(LAST - 1, LAST - 49, -1), *range(65533, 60000, -1)]
    for candidate in candidates:
        if candidate in uids or not any(first <= candidate < first + count for first, _outside, count in known):
            continue
        try:
            pwd.getpwuid(candidate)
        except KeyError:
            if not any(
                candidate in one.ids for one in map(look, map(int, filter(str.isdigit, os.listdir("/proc")))) if one
            ):
                return candidate
    raise OSError(errno.ENOENT, "there is no unused uid on this host")


def strike(uid: int, bystander: int) -> None:
    """SIGKILL for all that runs as `uid`, at one moment, whatever it forks meanwhile.

    The kernel signals them in one pass in which nobody can fork (kill of -1), and only those that this process has a
    right to. So for that moment it acts as `uid`, with a real uid that nobody has, `bystander`: neither is anything of
    root's in reach, nor can they signal it. It takes no new process, since they may have taken all that the host has.
    """
    if uid == 0 or bystander == 0:
        raise ValueError("nobody offboards root")
    os.setresuid(bystander, uid, 0)
    try:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(-1, signal.SIGKILL)
    finally:
        os.setresuid(0, 0, 0)


def end_all(uids: Uids, seconds: float) -> tuple[int, list[Process]]:
    """End what runs as the person until nothing is left; how many were seen, and what remains after `seconds`."""
    until = time.monotonic() + seconds
    bystander = free_number(uids)
    seen: set[Process] = set()
    guests: dict[Process, float] = {}
    quiet = 0
    while True:
        alive = running(uids)
        seen.update(alive)
        quiet = 0 if alive else quiet + 1
        # what root starts for them all the time (a supervisor) is seen in one of three looks
        if quiet == 3 or time.monotonic() > until:
            return len(seen), alive
        numbers = {number for one in alive for number in (one.ids[0], one.ids[2]) if number in uids}
        for number in numbers | {uids.own}:
            strike(number, bystander)
        # A process of root's, or of another, that acts as the person: for a moment that is nothing unusual (a mail
        # server), on and on it is a session (a file server).
        for one in alive:
            if not numbers.intersection((one.ids[0], one.ids[2])):
                guests.setdefault(one, time.monotonic())
                if time.monotonic() - guests[one] > 2 and look(one.pid) == one:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(one.pid, signal.SIGKILL)
        time.sleep(0.05)

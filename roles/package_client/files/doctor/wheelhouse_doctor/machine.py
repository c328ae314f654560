# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The clock and the disk, without which the best network is of no use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime

from wheelhouse_doctor.findings import SKIPPED, Finding, fail, ok, warn

CLOCK, DISK = "clock", "disk"
MINUTE, DAY = 60, 86400
MIB = 1024 * 1024
FULL, LOW = 1 * MIB, 500 * MIB
FEW_FILES = 1000


def clock(date: str, now: float, server: str) -> Finding:
    """Compare this machine's time, in seconds since the epoch, with the Date header that a server has just sent."""
    try:
        apart = now - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return Finding(CLOCK, SKIPPED, "", f"{server} does not tell the time")
    size = abs(apart)
    if size <= 5 * MINUTE:
        return ok(CLOCK, server, "tells the same time")
    sentence = f"This machine's clock is {_duration(size)} {'ahead of' if apart > 0 else 'behind'} that of {server}."
    remedy = "Set it, as root: `timedatectl set-ntp true`, or `timedatectl set-time`; if it comes back, ask IT."
    if size > DAY:
        return fail(CLOCK, server, sentence[:-1] + ", and certificates are judged by it.", remedy)
    return warn(CLOCK, server, sentence, remedy)


def _duration(seconds: float) -> str:
    if seconds >= 2 * DAY:
        return f"{seconds / DAY:.0f} days"
    return f"{seconds / 3600:.0f} hours" if seconds >= 7200 else f"{seconds / MINUTE:.0f} minutes"


def places(environ: Mapping[str, str]) -> dict[str, str]:
    """What a tool writes to: {directory: what it is}."""
    home = environ.get("HOME") or os.path.expanduser("~")
    caches = environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    return {
        home: "home",
        environ.get("TMPDIR") or "/tmp": "temporary files",
        environ.get("PIP_CACHE_DIR") or os.path.join(caches, "pip"): "pip's cache",
        environ.get("UV_CACHE_DIR") or os.path.join(caches, "uv"): "uv's cache",
    }


def disk(environ: Mapping[str, str]) -> Iterator[Finding]:
    """A finding for every place in trouble, or one that says where how much is free. A file system is told of once."""
    seen: dict[int, str] = {}
    healthy = True
    temporary = environ.get("TMPDIR")
    if temporary and not os.path.isdir(temporary):
        healthy = False
        yield fail(
            DISK,
            temporary,
            f"TMPDIR is {temporary}, which is no directory, so that what is built or unpacked has no place.",
            f"`mkdir -p {temporary}`, or unset TMPDIR, and take it out of ~/.profile or ~/.bashrc.",
        )
    for directory, what in places(environ).items():
        there = _existing(directory)
        try:
            device, space = os.stat(there).st_dev, os.statvfs(there)
        except OSError as error:
            yield fail(DISK, there, f"{there} ({what}) cannot be read: {str(error.strerror).lower()}.", "Ask IT.")
            healthy = False
            continue
        if not os.access(there, os.W_OK | os.X_OK):
            healthy = False
            yield fail(
                DISK,
                there,
                f"{there} ({what}) is not yours to write in.",
                f"Look who owns it, with `ls -ld {there}`; files of root's in a cache come from `sudo pip`.",
            )
        if device in seen:
            continue
        free = space.f_bavail * space.f_frsize
        seen[device] = f"{_size(free)} free for {what}"
        few_files = space.f_files > 0 and space.f_favail < FEW_FILES
        if free < FULL or (few_files and not space.f_favail):
            healthy = False
            full = "the disk is full" if free < FULL else "the disk can take no more files, however small"
            yield fail(DISK, there, f"There is no room in {there} ({what}): {full}.", _cleaning(there))
        elif free < LOW or few_files:
            healthy = False
            left = f"{_size(free)} are" if free < LOW else f"{space.f_favail} files are"
            yield warn(DISK, there, f"Only {left} left in {there} ({what}).", _cleaning(there))
    if healthy:
        yield ok(DISK, "", ", ".join(seen.values()))


def _existing(directory: str) -> str:
    """The directory, or the one above it that is there, in which it would be made."""
    while not os.path.isdir(directory) and os.path.dirname(directory) != directory:
        directory = os.path.dirname(directory)
    return directory


def _cleaning(directory: str) -> str:
    return f"`uv cache clean` and `pip cache purge` make room; `du -xh {directory} | sort -h` shows what is big."


def _size(size: float) -> str:
    unit, size = ("MiB", size / MIB) if size < 1024 * MIB else ("GiB", size / MIB / 1024)
    return f"{size:.{0 if size >= 10 else 1}f} {unit}"

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The tools that are run, and the settings files that are read."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from wheelhouse_doctor.findings import Finding, too_slow

try:
    import tomllib  # type: ignore[import-not-found, unused-ignore]  # types are checked for 3.10, too

    READS_TOML = True
except ImportError:  # before Python 3.11
    READS_TOML = False

Table = dict[str, Any]  # what a TOML file says, or one of its tables

RUN_TIME = 12.0
"""Seconds. A tool that takes longer to say what its settings are is not waited for."""
LONGEST_OUTPUT = LONGEST_FILE = 1024 * 1024
"""Bytes. No tool says more of its settings, and nobody writes more into a file of them."""
# what tools say where the machine, and not their settings, keeps them from working
_OVERLOADED = re.compile(r"Resource temporarily unavailable|Cannot allocate memory|Too many open files|out of memory")


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said. That may hold secrets: nothing of it is shown as it stands."""

    code: int
    """Its exit code; below 0, the signal that ended it."""
    output: str
    errors: str

    @property
    def succeeded(self) -> bool:
        """Whether it did what it was asked for, by its own word."""
        return self.code == 0


class Slow(Exception):
    """A tool that was not done in time, or for which this machine had no room; it may be all right."""

    def finding(self, check: str, tool: str) -> Finding:
        return too_slow(check, tool, f"{tool} {self}")


def run(command: list[str], environ: Mapping[str, str]) -> Said | None:
    """Run a tool in this environment, or None where it cannot be run. Raises `Slow`."""
    settings = {"PIP_NO_COLOR": "1", "NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        # in a session of its own, so that what it has started ends with it
        child = subprocess.Popen(
            command,
            env={**environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except BlockingIOError:
        raise Slow("could not be started, because this machine has too many processes") from None
    except (OSError, ValueError):
        return None
    try:
        output, errors = _read(child, time.monotonic() + RUN_TIME)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
    if code != 0 and _OVERLOADED.search(errors):
        raise Slow("could not work, because this machine has no room for more processes or memory")
    return Said(code, output, errors)


def _read(child: subprocess.Popen[bytes], end: float) -> tuple[str, str]:
    """What a command says until it ends, or both its streams; raises `Slow`."""
    streams: list[IO[bytes]] = [stream for stream in (child.stdout, child.stderr) if stream]
    said = {stream.fileno(): bytearray() for stream in streams}
    with selectors.DefaultSelector() as selector, streams[0], streams[1]:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            left = end - time.monotonic()
            if left <= 0:
                raise Slow(f"did not say what its settings are within {RUN_TIME:.0f} s")
            for key, _ in selector.select(min(left, 0.1)):
                data = os.read(key.fd, 65536)
                said[key.fd] += data[: LONGEST_OUTPUT - len(said[key.fd])]
                if not data:
                    selector.unregister(key.fileobj)
            # a program that it has left behind may hold the streams open
            if child.poll() is not None and not selector.select(0):
                break
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(max(end - time.monotonic(), 0.1))
    if child.returncode is None:
        raise Slow(f"did not end within {RUN_TIME:.0f} s")
    output, errors = (bytes(text).decode(errors="replace") for text in said.values())
    return output, errors


def find(name: str, environ: Mapping[str, str]) -> str | None:
    """Where a command is on the PATH of this environment."""
    for directory in (environ.get("PATH") or os.defpath).split(os.pathsep):
        path = os.path.join(directory, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


class Unreadable(Exception):
    """A settings file that its tool cannot read either; the text says where and why, without what stands in it."""


def content(path: str) -> bytes | None:
    """What a file holds, or None where there is none. Raises `Unreadable`, also for what is no file, which may hang."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unreadable(f"{path} cannot be read ({str(error.strerror).lower()})") from None
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):  # of which no stream can be made
        os.close(descriptor)
        raise Unreadable(f"{path} is a directory, not a file")
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(f"{path} is no file, but a pipe, a socket or a device")
        if status.st_size > LONGEST_FILE:
            raise Unreadable(f"{path} has {status.st_size // LONGEST_FILE} MiB, which no settings have")
        return stream.read(LONGEST_FILE)


def text(path: str) -> str | None:
    """`content` as UTF-8. Raises `Unreadable`."""
    found = content(path)
    if found is None:
        return None
    try:
        return found.decode()
    except UnicodeDecodeError as error:
        line = found.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"{path} has a letter in line {line} that is not in UTF-8") from None


def table(document: Table, key: str) -> Table:
    """A table in another; empty where there is none."""
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def toml(path: str) -> Table:
    """What a TOML file says; empty where there is none. Raises `Unreadable`."""
    found = text(path)
    if found is None or not READS_TOML:
        return {}
    try:
        return dict(tomllib.loads(found.replace("\r\n", "\n").lstrip("\ufeff")))  # which uv reads
    except (ValueError, RecursionError) as error:
        place = re.search(r"at line (\d+)", str(error))
        raise Unreadable(f"{path} is no TOML{f' from line {place[1]} on' if place else ''}") from None


def line_with(path: str, word: str) -> str:
    """`path:line` of the first line, comments apart, with a word in it; the path alone where there is none."""
    try:
        lines = (content(path) or b"").decode(errors="replace").split("\n")
    except Unreadable:
        return path
    for number, line in enumerate(lines, 1):
        if word in line and not line.lstrip().startswith(("#", ";")):
            return f"{path}:{number}"
    return path

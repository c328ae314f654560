"""Processor time: of a command on this machine with all that it starts, and of containers."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SOCKET = "/var/run/docker.sock"
_PR_SET_CHILD_SUBREAPER = 36
"""Of prctl(2) in Linux."""
_LAST_LINES = 200


class CommandFailed(Exception):
    """A command failed or took too long; the text has the end of what it said."""


@dataclass(frozen=True)
class Cost:
    """What a command took on this machine. Both in seconds."""

    seconds: float
    cpu: float
    """User and system time of the command and its children, also of those that it left running (connections of ssh)."""


def run(
    command: Sequence[str],
    *,
    limit: float,
    environment: Mapping[str, str],
    directory: Path,
    heard: Callable[[str], None] = lambda line: None,
) -> Cost:
    """Run a command; raises `CommandFailed`.

    limit   seconds after which it is ended
    heard   is told each line that it prints, as it comes

    The program that calls this may have no other children meanwhile that it does not wait for itself.
    """
    _inherit_orphans()
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout
    too_long = threading.Timer(limit, process.terminate)
    too_long.start()
    last: deque[str] = deque(maxlen=_LAST_LINES)
    try:
        for line in process.stdout:
            last.append(line)
            heard(line.rstrip("\n"))
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        too_long.cancel()
        cpu = _end_orphans()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        late = f" after {limit:.0f} seconds" if seconds >= limit else ""
        raise CommandFailed(f"{''.join(last)}\n{command[0]} ended with {process.returncode}{late}.")
    return Cost(seconds, used.ru_utime + used.ru_stime + cpu)


def _inherit_orphans() -> None:
    """Have processes that a child leaves behind become children of this one, so that their time can be read."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _end_orphans() -> float:
    """End the connections that ssh holds open in the background; the seconds of processor time that they took."""
    cpu = 0.0
    for pid in _children("ssh"):
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGTERM)
            used = os.wait4(pid, 0)[2]
            cpu += used.ru_utime + used.ru_stime
    return cpu


def _children(name: str) -> list[int]:
    """Processes of a program whose parent is this one; another thread may have some of other programs."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):
                # the name, which is in parentheses, may hold anything
                before, _, after = (place / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")
                if before.partition("(")[2] == name and int(after.split()[1]) == os.getpid():
                    found.append(int(place.name))
    return found


class Engine:
    """The Docker engine of this machine, by its socket, since each call of its client costs as much as a task."""

    def answers(self) -> bool:
        """Whether there is one."""
        try:
            return self._ask("/_ping")[0] == 200
        except OSError:
            return False

    def runs(self, container: str) -> bool:
        """Whether a container is there, and runs."""
        status, answer = self._ask(f"/containers/{container}/json")
        return status == 200 and bool(json.loads(answer)["State"]["Running"])

    def address(self, container: str, network: str) -> str:
        """Of a container in a network."""
        found: str = json.loads(self._ask(f"/containers/{container}/json")[1])["NetworkSettings"]["Networks"][network][
            "IPAddress"
        ]
        return found

    def names(self) -> list[str]:
        """Of all containers, also those that do not run."""
        answer = json.loads(self._ask("/containers/json?all=1")[1])
        return sorted(name.lstrip("/") for one in answer for name in one["Names"])

    def cpu(self, *containers: str) -> float:
        """Seconds of processor time of containers since they started, as their cgroups have it.

        Not as the engine has it: one of Debian 12 says 0 where the kernel mounts cpu and cpuacct apart.
        """
        return sum(map(self._cpu, containers))

    def _cpu(self, container: str) -> float:
        found = json.loads(self._ask(f"/containers/{container}/json")[1])
        lines = Path(f"/proc/{found['State']['Pid']}/cgroup").read_text(encoding="ascii").splitlines()
        places = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}
        first = next((place for names, place in places.items() if "cpuacct" in names.split(",")), None)
        # systemd in the container has moved itself deeper
        parts = (first or places[""]).partition(found["Id"])
        inside = f"{parts[0]}{parts[1]}{parts[2].partition('/')[0]}".lstrip("/")
        if first:
            return int(Path("/sys/fs/cgroup/cpuacct", inside, "cpuacct.usage").read_text(encoding="ascii")) / 10**9
        for line in Path("/sys/fs/cgroup", inside, "cpu.stat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "usage_usec":
                return int(value) / 10**6
        raise OSError(f"The cgroup of {container} does not say what it used.")

    def _ask(self, path: str) -> tuple[int, bytes]:
        connection = _Unix("docker", timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class _Unix(http.client.HTTPConnection):
    """HTTP over a socket of this machine."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.environ.get("DOCKER_HOST", "").removeprefix("unix://") or SOCKET)

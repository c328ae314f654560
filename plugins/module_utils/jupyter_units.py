# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What systemd, the journal and the servers say about people's JupyterLabs, for the module jupyter_servers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import account, as_people, printable

STATE = "/etc/wheelhouse/jupyter"
TOKENS = f"{STATE}/tokens"
WANTS = "/etc/systemd/system/jupyterlab.target.wants"
TARGET = "jupyterlab.target"
BOOT_ID = "/proc/sys/kernel/random/boot_id"

# how long a person's server may take to say how many kernels it has, and how much it may say
SECONDS, BYTES = 20, 1 << 20
# how long all of them may take to start: each ends by itself, at the latest after its phases of TimeoutStartSec
START_SECONDS = 400


class Refused(Exception):
    """What systemd says about an order that it does not carry out."""


class Started(NamedTuple):
    """Which servers run after an attempt to start some, and whether systemd was still at it when time was up."""

    names: list[str]
    out_of_time: bool


def service(name: str) -> str:
    """The unit of a person's server."""
    return f"jupyterlab@{name}.service"


def address(name: str) -> str:
    """The unit of the socket that starts the server."""
    return f"jupyterlab@{name}.socket"


def read(path: str) -> str:
    """The first 4 KiB of a file of root's, or nothing."""
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            return stream.read(4096).strip()
    except OSError:
        return ""


def write(path: str, content: str) -> None:
    """A file of root's, whole or not at all."""
    with open(f"{path}.new", "w", encoding="ascii") as stream:
        stream.write(content + "\n")
    os.replace(f"{path}.new", path)


def output(*command: str, seconds: float | None = None) -> str:
    """What a program prints; nothing where it is missing or takes longer than `seconds`."""
    try:
        done = subprocess.run(  # there is no AnsibleModule here; pylint: disable=ansible-bad-function
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False, env={"LC_ALL": "C"}
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace")


def systemctl(*words: str, seconds: float | None = None) -> str:
    return output("/usr/bin/systemctl", *words, seconds=seconds)


def order(*words: str) -> None:
    """Have systemd do something; raise Refused where it does not."""
    command = ["/usr/bin/systemctl", *words]
    done = subprocess.run(  # there is no AnsibleModule here; pylint: disable=ansible-bad-function
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env={"LC_ALL": "C"}
    )
    if done.returncode:
        said = printable(done.stderr.decode(errors="replace").strip(), 1000)
        raise Refused(f"`systemctl {' '.join(words)}` ended with {done.returncode}: {said}")


def properties(units: Sequence[str], *names: str) -> list[dict[str, str]]:
    """Properties of units, in their order; a pattern is one for each unit that is loaded."""
    shown = systemctl("show", f"--property={','.join(names)}", *units) if units else ""
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in shown.split("\n\n")]
    return [block for block in blocks if block]


def is_on(unit: str) -> bool:
    """Whether a unit runs now and will after a restart of the host."""
    found = properties([unit], "ActiveState", "UnitFileState")
    return found == [{"ActiveState": "active", "UnitFileState": "enabled"}]


# --- who has a server


def with_tokens() -> set[str]:
    """Names of those who have a token; hidden files are tokens that were never finished."""
    return {name for name in _entries(TOKENS) if not name.startswith(".")}


def enabled() -> set[str]:
    """Names of those whose server can be reached after a restart of the host."""
    names = (entry.partition("@") for entry in _entries(WANTS))
    return {end[: -len(".socket")] for start, _at, end in names if start == "jupyterlab" and end.endswith(".socket")}


def listening() -> set[str]:
    """Names of those whose server can be reached now."""
    shown = systemctl("list-units", "--plain", "--no-legend", "--state=active", "jupyterlab@*.socket")
    units = (line.split(" ")[0] for line in shown.splitlines())
    return {unit.partition("@")[2][: -len(".socket")] for unit in units if unit.endswith(".socket")}


def _entries(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


# --- which settings a server runs with


def revision(settings: Iterable[str]) -> str:
    """Which files the settings are. One that was put back is another: a server may have read what was there between."""
    identity = []
    for path in settings:
        try:
            status = os.lstat(path)
            identity.append(f"{status.st_ino}.{status.st_ctime_ns}")
        except OSError:
            identity.append("-")
    return " ".join(identity)


def in_use_since(settings: Sequence[str], check: bool) -> float:
    """Since when, in seconds after the host's start, servers read the settings that are there now."""
    now, boot, record = time.monotonic(), read(BOOT_ID), f"{STATE}/current-revision"
    known = read(record).split("\n")
    if len(known) == 3 and known[0] == revision(settings):
        # what runs since another start of the host is gone
        return float(known[2]) if known[1] == boot else 0.0
    if not check:
        # what systemd has not read is not in use
        order("daemon-reload")
        now = time.monotonic()
        write(record, f"{revision(settings)}\n{boot}\n{now}")
    return now


def running() -> dict[str, float]:
    """For each server that runs or starts: since when, in seconds after the host's start."""
    times = ("ExecMainStartTimestampMonotonic", "StateChangeTimestampMonotonic")
    servers = {}
    for of in properties(["jupyterlab@*.service"], "Id", "ActiveState", *times):
        if of.get("ActiveState") in ("active", "activating", "reloading"):
            name = of["Id"].partition("@")[2][: -len(".service")]
            # while one starts, the first is that of the server before it
            count = 1 if of["ActiveState"] == "active" else 2
            servers[name] = max(int(of.get(which) or 0) for which in times[:count]) / 1e6
    return servers


# --- what servers say; they are the people's own and may say anything, and take any time


def busy(names: Sequence[str]) -> list[str]:
    """Those of `names` whose servers have kernels or terminals, which a restart would end. All are asked at once."""
    jobs = [(owner, lambda name=name: count(name)) for name in names if (owner := account(name))]
    asked = [name for name in names if account(name)]
    counts = as_people(jobs, int, SECONDS, at_once=max(1, len(jobs)))
    return [name for name, number in zip(asked, counts) if isinstance(number, int) and number > 0]


def count(name: str) -> int:
    """How many kernels and terminals this process's own server has."""
    total = 0
    for page in ("kernels", "terminals"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"/run/jupyterlab-{name}/jupyter.sock")
            headers = f"Host: localhost\r\nAuthorization: token {read(f'{TOKENS}/{name}')}\r\n\r\n"
            connection.sendall(f"GET /api/{page}?no_track_activity=1 HTTP/1.0\r\n{headers}".encode())
            said = b""
            while len(said) < BYTES and (more := connection.recv(65536)):
                said += more
        total += len(json.loads(said.partition(b"\r\n\r\n")[2]))
    return total


# --- starting them


def restart(names: Sequence[str]) -> Started:
    """Restart the servers of `names`, all at once, and wait until each runs or has failed."""
    if not names:
        return Started([], False)
    units = [service(name) for name in names]
    end = time.monotonic() + START_SECONDS
    systemctl("restart", *units, seconds=START_SECONDS)
    # A job ends when its server runs or has failed; what is "activating" after that is systemd's next attempt.
    states = [of.get("ActiveState") for of in properties(units, "ActiveState")]
    return Started([name for name, state in zip(names, states) if state == "active"], time.monotonic() >= end)


def invocations(names: Sequence[str]) -> dict[str, str]:
    """What the journal knows the present run of each server by."""
    found = properties([service(name) for name in names], "Id", "InvocationID")
    return {name: of.get("InvocationID", "") for name, of in zip(names, found)}


def stop(names: Iterable[str]) -> None:
    """Stop servers that do not come up, which systemd would go on trying to start."""
    units = [service(name) for name in names]
    if units:
        systemctl("stop", *units, seconds=60)


def last_words(name: str, since: float, earlier: str) -> str:
    """What the person's own server has said since `since` (in seconds since the epoch), as one line.

    Of a server that systemd tries again and again, each attempt says the same: it is repeated once. The attempts are
    not told apart, since one that has just begun has said nothing yet. `earlier` is the run that was ended before the
    first attempt.
    """
    owner, unit = account(name), service(name)
    # what a process that has ended wrote last may not be in the journal yet
    output("/usr/bin/journalctl", "--sync", seconds=20)
    own = [f"_SYSTEMD_UNIT={unit}", f"_UID={owner.pw_uid if owner else 0}"]
    lines = _journal(since, earlier, *own) or _journal(since, earlier, f"--unit={unit}")
    if any("mount namespacing" in line for line in lines):
        return "root cannot enter the home, which has to be mounted with allow_root where it is a FUSE file system"
    return printable(" ".join(lines)[-400:]) or "it says nothing"


def _journal(since: float, earlier: str, *matches: str) -> list[str]:
    """The last lines of the journal that match, each once, but for those of the run `earlier`."""
    command = ["/usr/bin/journalctl", "--quiet", "--no-pager", "--output=json", "--lines=100", f"--since=@{int(since)}"]
    lines = []
    for entry in output(*command, *matches, seconds=20).splitlines():
        try:
            found = json.loads(entry)
        except ValueError:
            continue
        # what is not text is a list of bytes
        if found.get("_SYSTEMD_INVOCATION_ID") != (earlier or None) and isinstance(found.get("MESSAGE"), str):
            lines.append(found["MESSAGE"].strip())
    return [line for line in dict.fromkeys(lines) if line][-12:]

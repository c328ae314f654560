"""The index's own program, in a container of its own, on whatever shelf it is given.

It has no network, unless the index is that of several gateways, whose database and store it asks.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .failure import Failure, printable
from .settings import Index

NAME = "wheelhouse-backup"
_SERVICES = (
    "wheelhouse-incoming.timer",
    "wheelhouse-intake.timer",
    "wheelhouse-incoming.service",
    "wheelhouse-intake.service",
)
"""What changes the shelf besides uploads."""
ANSWERS_AFTER = 120
"""Seconds that the program may take to start."""


def program(index: Index, shelf: Path, *arguments: str, copy: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the program on a shelf; `copy` is a directory that it sees as /backup.

    What it says about its progress goes to our standard error at once.
    """
    image = _docker("inspect", "--format", "{{.Image}}", index.container)
    if image.returncode:
        raise Failure(
            f"The container {index.container} is not there, whose program is needed: run site.yml"
            f" ({printable(image.stderr)})."
        )
    _docker("rm", "--force", NAME)  # what a host that went down left behind
    is_gateway = index.is_gateway and shelf == index.shelf
    command = ["run", "--rm", "--init", "--name", NAME, "--no-healthcheck", "--read-only"]
    command += ["--network", "host" if is_gateway else "none"]
    command += ["--volume", f"{index.directory}/config:/config:ro"] if is_gateway else []
    command += ["--tmpfs", "/tmp", "--memory", "1g", "--pids-limit", "512", "--cap-drop", "ALL"]
    command += ["--security-opt", "no-new-privileges:true", "--volume", f"{shelf}:/shelf"]
    command += ["--volume", f"{copy}:/backup"] if copy else []
    try:
        return _docker(*command, image.stdout.strip(), "wheelhouse", *arguments)
    finally:
        _docker("rm", "--force", NAME)


def last_words(done: subprocess.CompletedProcess[str], most: int = 3) -> str:
    """What a command said at its end."""
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return " ".join(printable(line) for line in lines[-most:]) or f"it ended with {done.returncode}"


@contextmanager
def stopped(index: Index) -> Iterator[None]:
    """Have nobody change the shelf: uploads are refused, nginx goes on. In any case the program is started again."""
    active = [unit for unit in _SERVICES if _systemctl("is-active", "--quiet", unit) == 0]
    runs = _docker("inspect", "--format", "{{.State.Running}}", index.container).stdout.strip() == "true"
    try:
        for unit in _SERVICES:
            if unit in active:
                _systemctl("stop", unit)
        if runs:
            _docker("stop", "--time", "70", index.container)
        yield
    finally:
        started = _docker("start", index.container)
        for unit in active:
            if unit.endswith(".timer"):
                _systemctl("start", unit)
        if started.returncode:
            print(f"The container {index.container} does not start: {printable(started.stderr)}", file=sys.stderr)


def wait_until_it_answers(index: Index) -> None:
    """Raises `Failure` if it does not."""
    until = time.monotonic() + ANSWERS_AFTER
    while time.monotonic() < until:
        done = _docker("exec", index.container, "wheelhouse", "health")
        if not done.returncode:
            return
        time.sleep(1)
    raise Failure(f"The program does not answer: `docker logs {index.container}` shows why. {last_words(done, 1)}")


def reload_gateway() -> None:
    """Have nginx, where it runs, read its certificate again."""
    if _systemctl("is-active", "--quiet", "nginx.service") == 0:
        _systemctl("reload", "nginx.service")


def _systemctl(*arguments: str) -> int:
    return subprocess.run(["systemctl", *arguments], stderr=subprocess.DEVNULL, check=False).returncode


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    # the accounts of registries are no business of it
    command: Sequence[str] = ["docker", "--config", "/nonexistent", *arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )

"""The index host of the benchmark's own set of demo hosts, through Docker."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

WORK = "/opt/bench"
"""Where everything of the benchmark is on the host."""


class HostError(Exception):
    """A command on the host failed; the text has the end of what it said."""


class Host:
    """Runs commands in a container. Each has a time limit, which also holds inside, and no secret belongs into argv."""

    def __init__(self, container: str) -> None:
        self._container = container

    def run(self, *command: str, given: str = "", user: str = "root", limit: int = 300) -> str:
        """What `command` prints. `given` is its standard input, `limit` is in seconds; raises `HostError`."""
        ran = subprocess.run(
            self._command(command, user, limit),
            check=False,
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if ran.returncode:
            raise HostError(_failure(command, ran.returncode, ran.stdout + ran.stderr))
        return ran.stdout

    def shell(self, script: str, *, limit: int = 300) -> str:
        """What a shell script prints; raises `HostError`."""
        return self.run("bash", "-euo", "pipefail", "-s", given=script, limit=limit)

    def lines(self, *command: str, given: str = "", user: str = "root", limit: int) -> Iterator[str]:
        """Lines of `command` (both streams) as they come; raises `HostError` at its end if it failed."""
        process = subprocess.Popen(
            self._command(command, user, limit),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdin and process.stdout
        process.stdin.write(given)
        process.stdin.close()
        seen = []
        for line in process.stdout:
            seen.append(line)
            yield line.rstrip("\n")
        if code := process.wait():
            raise HostError(_failure(command, code, "".join(seen)))

    def write(self, path: str, content: str) -> None:
        """Put a file that only root can read."""
        self.run("sh", "-c", 'umask 077; mkdir -p "${1%/*}"; cat >"$1"', "write", path, given=content)

    def bring(self, directory: Path, to: str) -> None:
        """Copy the files of a directory on this machine, readable by all."""
        self.run("install", "-d", to)
        for file in sorted(path for path in directory.iterdir() if path.is_file()):
            self.write(f"{to}/{file.name}", file.read_text(encoding="utf-8"))
            self.run("chmod", "0644", f"{to}/{file.name}")

    def _command(self, command: tuple[str, ...], user: str, limit: int) -> list[str]:
        inside = ["timeout", "--kill-after=5", str(limit), *command]
        return ["docker", "exec", "--interactive", "--user", user, self._container, *inside]


class Progress:
    """Says what is going on, with the time since the start."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._started = self._told = time.monotonic()

    def say(self, text: str) -> None:
        """One line."""
        self._told = time.monotonic()
        seconds = int(self._told - self._started)
        print(f"{seconds // 60:3}:{seconds % 60:02}  {text}", file=self._stream, flush=True)

    def tick(self, text: str) -> None:
        """One line, if there was none for ten seconds."""
        if time.monotonic() - self._told >= 10:
            self.say(text)


def _failure(command: tuple[str, ...], code: int, said: str) -> str:
    end = "\n".join(said.strip().splitlines()[-20:])
    return f"{' '.join(command)[:200]} failed with {code}:\n{end}"

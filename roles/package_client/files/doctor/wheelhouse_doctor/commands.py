# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The tools that are run, and the settings files that are read."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

try:
    import tomllib
except ImportError:  # before Python 3.11
    tomllib = None  # type: ignore[assignment]

RUN_TIME = 12.0
"""Seconds. A tool that takes longer to say what its settings are is not waited for."""


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


def run(command: list[str], environ: Mapping[str, str]) -> Said | None:
    """Run a tool in this environment, or None where it cannot be run, or takes too long."""
    try:
        done = subprocess.run(
            command,
            env={**environ, "PIP_NO_COLOR": "1", "NO_COLOR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=RUN_TIME,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Said(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


def find(name: str, environ: Mapping[str, str]) -> str | None:
    """Where a command is on the PATH of this environment."""
    for directory in (environ.get("PATH") or os.defpath).split(os.pathsep):
        path = os.path.join(directory, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


class Unreadable(Exception):
    """A settings file that its tool cannot read either; the text says where and why, without what stands in it."""


def toml(path: str) -> dict:
    """What a TOML file says; empty where there is none. Raises `Unreadable`."""
    try:
        with open(path, "rb") as stream:
            return tomllib.load(stream) if tomllib else {}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise Unreadable(f"{path} cannot be read ({os.strerror(error.errno).lower()})") from None
    except ValueError as error:
        place = re.search(r"at line (\d+)", str(error))
        raise Unreadable(f"{path} is no TOML{f' from line {place[1]} on' if place else ''}") from None


def line_with(path: str, word: str) -> str:
    """`path:line` of the first line, comments apart, with a word in it; the path alone where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                if word in line and not line.lstrip().startswith(("#", ";")):
                    return f"{path}:{number}"
    except OSError:
        pass
    return path


def without_account(url: str) -> str:
    """An index's address as it can be compared with another."""
    return re.sub(r"://[^/]*@", "://", url.strip()).rstrip("/").lower()

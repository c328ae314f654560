"""Places where somebody types a command of the documentation, as it is written there.

`as_written` is how tests/unit/test_documented_commands.py knows what is run: its first argument is a string in the source.
"""

from __future__ import annotations

import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from terminal import Answers, Said, at_a_terminal


class Place(ABC):
    """Somewhere to type commands."""

    @abstractmethod
    def run(self, command: str, where: str = "", text: str = "", answers: Answers = ()) -> Said:
        """Run a command of a test's own in a shell there.

        where       the directory, from where one is after a login
        text        what it can read; or
        answers     what is typed at its terminal
        """

    def as_written(
        self,
        command: str,
        where: str = "",
        code: int | None = 0,
        real: Mapping[str, str] | None = None,
        text: str = "",
        answers: Answers = (),
    ) -> Said:
        """`run` a command that stands in the documentation.

        command     as it stands there
        code        its exit code; None for any
        real        what somebody would put for its words in capitals, such as PROJECT
        """
        for name, value in (real or {}).items():
            command, found = re.subn(rf"\b{name}\b", value.replace("\\", r"\\"), command)
            assert found, f"{command} has no {name}"
        said = self.run(command, where, text, answers)
        assert code is None or said.code == code, f"{command}\n{said.text[-8000:]}"
        return said

    def succeed(self, command: str, where: str = "") -> str:
        """`run` of what has to work; what it printed."""
        said = self.run(command, where)
        assert said.code == 0, f"{command}\n{said.text}"
        return said.text


@dataclass(frozen=True)
class Login(Place):
    """A login shell of somebody on a host."""

    container: str
    name: str = "root"

    def run(self, command: str, where: str = "", text: str = "", answers: Answers = ()) -> Said:
        """There is a terminal where something is typed at it."""
        typed = f"cd {where} && {{ {command}\n}}" if where else command
        if answers:
            assert not text
            inside = ["docker", "exec", "-it", self.container, "su", "-", self.name, "-c", typed]
            return at_a_terminal(inside, answers=answers)
        done = subprocess.run(
            ["docker", "exec", "-i", self.container, "su", "-", self.name, "-c", typed],
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        return Said(done.returncode, done.stdout)


@dataclass(frozen=True)
class Desk(Place):
    """Somebody's terminal on the machine that these tests run on."""

    directory: Path
    environment: Mapping[str, str] = field(repr=False)

    def run(self, command: str, where: str = "", text: str = "", answers: Answers = ()) -> Said:
        """At a terminal, where nothing else is to be read."""
        assert not text
        return at_a_terminal(["bash", "-c", command], self.directory / where, self.environment, answers)

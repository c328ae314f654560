"""Places where somebody types a command of the documentation, as it is written there.

`as_written` is how tests/unit/test_documented_commands.py knows what is run: its first argument is a string in the source.
"""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LONGEST = 3600  # seconds; a machine may be as busy as it likes


@dataclass(frozen=True)
class Said:
    """How a command went; `text` is what it printed, errors too."""

    code: int
    text: str

    @property
    def words(self) -> str:
        """The text with one blank wherever there are several, or a new line."""
        return " ".join(self.text.split())


def at_a_terminal(
    command: Sequence[str],
    answers: Sequence[tuple[str, str]] = (),
    stop_at: str = "",
    **place: object,
) -> Said:
    """Run a command with a terminal, and type there.

    answers     what to type, and the words at the end of which, in this order
    stop_at     Ctrl-C is typed when it has said this
    place       cwd and env
    """
    here, there = pty.openpty()
    process = subprocess.Popen(
        # the terminal is that of a session of its own, where programs ask for passwords
        ["setsid", "--ctty", "--wait", *command],
        stdin=there,
        stdout=there,
        stderr=there,
        **place,
    )
    os.close(there)
    said, since, waiting = b"", 0, [*answers, *([(stop_at, "\x03")] if stop_at else [])]
    while select.select([here], [], [], LONGEST)[0]:
        try:
            part = os.read(here, 65536)
        except OSError:  # what Linux says when nobody has it open any more
            break
        said += part
        if waiting and waiting[0][0].encode() in said[since:]:
            text = waiting.pop(0)[1]
            since = len(said)
            os.write(here, text.encode() + (b"" if text == "\x03" else b"\n"))
    code = process.wait()
    os.close(here)  # not before it has ended: that hangs up
    return Said(code, said.decode(errors="replace").replace("\r\n", "\n"))


class Place:
    """Somewhere to type commands."""

    def run(self, command: str, where: str = "", **how: object) -> Said:
        """Run a command of a test's own in a shell there."""
        raise NotImplementedError

    def as_written(
        self, command: str, where: str = "", code: int | None = 0, real: Mapping[str, str] | None = None, **how: object
    ) -> Said:
        """Run a command that stands in the documentation.

        command     as it stands there
        where       the directory, from where one is after a login
        code        its exit code; None for any
        real        what somebody would put for its words in capitals, such as PROJECT
        """
        for name, value in (real or {}).items():
            assert re.search(rf"\b{name}\b", command), f"{command} has no {name}"
            command = re.sub(rf"\b{name}\b", lambda _, value=value: value, command)
        said = self.run(command, where, **how)
        assert code is None or said.code == code, f"{command}\n{said.text[-8000:]}"
        return said


@dataclass(frozen=True)
class Login(Place):
    """A login shell of somebody on a host."""

    container: str
    name: str = "root"

    def run(self, command: str, where: str = "", text: str = "", **how: object) -> Said:
        """`text` is what it can read."""
        assert not how
        typed = f"cd {where} && {{ {command}\n}}" if where else command
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

    def succeed(self, command: str, where: str = "") -> str:
        """`run` of what has to work."""
        said = self.run(command, where)
        assert said.code == 0, f"{command}\n{said.text}"
        return said.text


@dataclass(frozen=True)
class Desk(Place):
    """Somebody's terminal on the machine that these tests run on."""

    directory: Path
    environment: Mapping[str, str] = field(repr=False)

    def run(
        self, command: str, where: str = "", answers: Sequence[tuple[str, str]] = (), stop_at: str = "", **how
    ) -> Said:
        assert not how
        return at_a_terminal(
            ["bash", "-c", command], answers, stop_at, cwd=self.directory / where, env=dict(self.environment)
        )

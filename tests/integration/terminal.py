"""A command with a terminal, where something is typed."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LONGEST = 3600  # seconds without a word; a machine may be as busy as it likes
CTRL_C = "\x03"

Answers = Sequence[tuple[str, str]]
"""What to type, each with the words before it: those that have been said when it is typed. In this order."""


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
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    answers: Answers = (),
) -> Said:
    """Run a command with a terminal, and type there."""
    here, there = pty.openpty()
    process = subprocess.Popen(
        # the terminal is that of a session of its own, where programs ask for passwords
        ["setsid", "--ctty", "--wait", *command],
        stdin=there,
        stdout=there,
        stderr=there,
        cwd=directory,
        env=dict(os.environ if environment is None else environment),
    )
    os.close(there)
    said, since, waiting = b"", 0, list(answers)
    while select.select([here], [], [], LONGEST)[0]:
        try:
            part = os.read(here, 65536)
        except OSError:  # what Linux says when nobody has it open any more
            break
        said += part
        if waiting and waiting[0][0].encode() in said[since:]:
            text = waiting.pop(0)[1]
            since = len(said)
            os.write(here, text.encode() + (b"" if text == CTRL_C else b"\n"))
    code = process.wait()
    os.close(here)  # not before it has ended: that hangs up
    return Said(code, said.decode(errors="replace").replace("\r\n", "\n"))

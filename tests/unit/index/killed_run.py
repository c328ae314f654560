"""A run of intake that is killed between any two of its changes, with the clock held still.

A change is a name that comes, goes or is another file's on the disk, or a transaction that is committed.

    python -m index.killed_run    does a run for each number that it reads, killed before its change of that number

0 is never. It answers with how each run ended, as `os.waitstatus_to_exitcode` has it. `Runs` starts it where tests have
used py-rattler, whose threads do not survive a fork. This process only loads it, and each of its children uses it.
"""

import importlib
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sqlalchemy import Engine, event
from wheelhouse import cli

from . import clock

NOW = "2026-03-07T09:30:00.000000Z"
CHANGES = {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir"}


def kill_before(step: int) -> None:
    """Have this process killed before its change of this number, from now on."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(lambda name, _: count() if name in CHANGES else None)
    event.listen(Engine, "commit", count)


def killed_at(step: int, *arguments: str) -> bool:
    """Do a command in a child that is killed before its change number `step`; False if it got through before that."""
    return forked(step, lambda: _run(arguments))


def _run(arguments: tuple[str, ...]) -> None:
    assert cli.main(list(arguments)) in (0, 1)


def forked(step: int, action: Callable[[], object]) -> bool:
    """Do something in a child that is killed before its change number `step`; False if it got through before that."""

    def do() -> int:
        action()
        return 0

    code = _in_a_child(step, do)
    assert code in (0, -signal.SIGKILL), "its traceback is in the test's output"
    return code == -signal.SIGKILL


def _in_a_child(step: int, action: Callable[[], int]) -> int:
    """The exit code of a child that is killed before its change number `step`: the action's, or 3 if it raised."""
    child = os.fork()
    if not child:
        code = 3
        try:
            kill_before(step)
            code = action()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Runs:
    """Runs of intake in children of a process that has loaded everything and done nothing."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "index.killed_run"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._process.communicate(timeout=60)

    def until(self, step: int) -> bool:
        """Run it, killed before a change; False if it got through before that."""
        assert self._process.stdin and self._process.stdout
        print(step, file=self._process.stdin)
        code = int(self._process.stdout.readline())
        assert code in (1, -signal.SIGKILL), "its traceback is in the test's output"
        return code == -signal.SIGKILL


def main() -> None:
    for name in ("wheelhouse.intake.cli", "wheelhouse.intake.conda.source"):
        importlib.import_module(name)
    for line in sys.stdin:
        print(_in_a_child(int(line), _intake), flush=True)


def _intake() -> int:
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # which is for the answers
    clock.hold(NOW)
    return cli.main(["intake"])


if __name__ == "__main__":
    main()

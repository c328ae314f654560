"""A run of intake that is killed between any two of its changes, with the clock held still.

    python -m index.killed_run STEP    is killed before its change number STEP; 0 is never

A change is a name that comes, goes or is another file's on the disk, or a transaction that is committed. Its exit code
is that of the run. It is a process of its own where py-rattler is loaded, whose threads do not live through a fork.
"""

import os
import signal
import sys
from collections.abc import Callable

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
    child = os.fork()
    if not child:
        try:
            kill_before(step)
            action()
            os._exit(0)
        finally:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def main(step: int) -> None:
    clock.hold(NOW)
    kill_before(step)
    code = cli.main(["intake"])
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""Something is killed between any two of its changes.

A change is a name that comes, goes or is another file's on the disk, or a transaction that is committed.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial

from sqlalchemy import Engine, event
from wheelhouse import cli
from wheelhouse.store import foreign

from . import children, clock

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


def forked(step: int, action: Callable[[], object]) -> bool:
    """Do something in a child that is killed before its change number `step`; False if it got through before that.

    Step 0 is never. The child is one of `children`. Files that are copied in count as whole there.
    """
    process = children.start(partial(_until, step, action))
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), "its traceback is in the test's output"
    return process.exitcode == -signal.SIGKILL


def _until(step: int, action: Callable[[], object]) -> None:
    foreign.QUIET = 0.0
    code = 1
    try:
        kill_before(step)
        action()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)  # what comes after that is nobody's change


def command(*arguments: str) -> None:
    """A command of the program, which may find problems."""
    assert cli.main(list(arguments)) in (0, 1)


def intake() -> None:
    """A run of intake, with the clock held still."""
    clock.hold(NOW)
    command("intake")

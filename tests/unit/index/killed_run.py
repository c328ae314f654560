"""A run of intake in a process of its own, with the clock held still: py-rattler's threads do not live through a fork.

    python -m index.killed_run STEP    is killed before its change number STEP; 0 is never

Its exit code is that of the run.
"""

import os
import signal
import sys

from wheelhouse import cli
from wheelhouse.conda import channel as conda_channel
from wheelhouse.index import transaction
from wheelhouse.intake import publish, rollback
from wheelhouse.intake.conda import publish as publish_conda
from wheelhouse.intake.conda import source as conda_source

from .test_kills import CHANGES

NOW = "2026-03-07T09:30:00.000000Z"


def main(step: int) -> None:
    seen = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_APPEND):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    for module in (conda_channel, transaction, publish, rollback, conda_source, publish_conda):
        module.now = lambda: NOW
    sys.addaudithook(count)
    code = cli.main(["intake"])
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]))

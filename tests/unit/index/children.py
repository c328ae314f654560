"""Processes beside that of the tests, forked from one that has loaded the program and has not used it.

What a test's own process has begun does not survive a fork: threads of py-rattler, an object store's client.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing import forkserver, util
from multiprocessing.context import ForkServerProcess

CONTEXT = multiprocessing.get_context("forkserver")
"""For what processes share; to be given to them with their action."""
_LOADED = ["wheelhouse.cli", "wheelhouse.web.app", "wheelhouse.intake.cli", "wheelhouse.intake.conda.source"]
_LOADED += ["pytest", "index.everything", "index.intake"]
util.get_temp_dir()  # before the program has its temporary files on a shelf that goes away


def start(action: Callable[[], object]) -> ForkServerProcess:
    """Do something in a process with the environment of this one; what it does has to be something that is pickled.

    It ends with this one at the latest. Its exit code is 1 if something was raised, of which its traceback tells in the
    output of the test.
    """
    _serve()
    process = CONTEXT.Process(target=_do, args=(dict(os.environ), action), daemon=True)
    process.start()
    return process


def _serve() -> None:
    """See that there is a process to fork from."""
    CONTEXT.set_forkserver_preload(_LOADED)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)  # it passes over what it does not find
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _do(environment: dict[str, str], action: Callable[[], object]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    action()

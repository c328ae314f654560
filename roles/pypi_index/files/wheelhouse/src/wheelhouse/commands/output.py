"""What commands say, and the exit codes that go with it."""

import argparse
import sys
from collections.abc import Iterable
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def done(what: str, files: Iterable[str]) -> int:
    """Say what was done, a line each."""
    for name in files:
        print(f"{what} {name}")
    return 0


def complain(problems: Iterable[str]) -> int:
    """Say what needs looking at; 0 if nothing does."""
    code = 0
    for problem in problems:
        print(problem, file=sys.stderr)
        code = 1
    return code

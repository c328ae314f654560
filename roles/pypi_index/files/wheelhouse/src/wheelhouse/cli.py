"""The command line, for the administrator of the index host.

Exit codes: 0 done, 1 something needs looking at (it says what), 2 wrong usage.
"""

import argparse
import getpass
import os
import sys
from typing import NoReturn

from wheelhouse.commands import (
    backup,
    directory,
    housekeeping,
    migrate,
    public,
    records,
    releases,
    server,
    tokens,
    transfer,
    upkeep,
)
from wheelhouse.config import ConfigError
from wheelhouse.errors import WheelhouseError

CHANGES = (upkeep, releases, public, transfer, tokens)
"""What a person does to the index, who is named in the journal."""
OTHERS = (housekeeping, records, backup, directory, server, migrate)


def run() -> NoReturn:
    """Run the command that this process is for."""
    code = main()
    if "rattler" in sys.modules:  # 0.28 now and then crashes when the interpreter ends, long after its work is done
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        return code
    except (ConfigError, WheelhouseError) as error:
        print(f"wheelhouse: {error}", file=sys.stderr)
    except OSError as error:
        print(f"wheelhouse: {error.filename or 'the shelf'}: {error.strerror}.", file=sys.stderr)
    except KeyboardInterrupt:
        print("wheelhouse: stopped; running it again goes on where this left off.", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wheelhouse",
        description="Administer the company's Python index.",
        epilog="The shelf is in $WHEELHOUSE_SHELF (/shelf), the configuration in $WHEELHOUSE_CONFIG (/config)."
        " Every change is written to the journal. Exit codes: 0 done, 1 something needs looking at, 2 wrong usage.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for subject in CHANGES:
        for command in subject.add(commands):
            command.add_argument(
                "--by", default=_login(), metavar="NAME", help="who does this, for the journal (default: %(default)s)"
            )
    for subject in OTHERS:
        subject.add(commands)
    return parser


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


if __name__ == "__main__":
    run()

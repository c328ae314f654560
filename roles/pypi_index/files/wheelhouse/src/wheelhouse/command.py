"""The command `wheelhouse`. Docker runs `wheelhouse health` all the time, and that loads only what it needs."""

import sys
from typing import NoReturn


def run() -> NoReturn:
    """Run the command that this process is for."""
    if sys.argv[1:] == ["health"]:
        from wheelhouse.web import own_health  # noqa: PLC0415

        sys.exit(own_health.report())
    from wheelhouse import cli  # noqa: PLC0415  with all that any command needs, it takes a second to load

    cli.run()

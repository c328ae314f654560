"""`wheelhouse check-config`, `health`, `take-over` and `trial`: this version of the program, in its container."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from wheelhouse.commands import places
from wheelhouse.commands.output import Commands
from wheelhouse.config import ConfigError
from wheelhouse.index.opening import finish_pieces
from wheelhouse.web import handover, own_health, trial


def add(commands: Commands) -> None:
    """Add them."""
    check = commands.add_parser(
        "check-config",
        help="validate the configuration",
        description="Validate the configuration and report every error in it.",
    )
    check.set_defaults(run=_check_config)
    health = commands.add_parser(
        "health",
        help="check the server in this container",
        description="Check that the server in this container answers.",
    )
    health.set_defaults(run=_health)
    take_over = commands.add_parser(
        "take-over",
        help="have the server in this container answer instead of another",
        description="Wait until the server in this container answers as it should, and have the gateway ask it instead"
        " of the one that it asked so far. No request is lost. If it does not answer, nothing changes.",
    )
    take_over.set_defaults(run=_take_over)
    take_over.add_argument(
        "--patience", type=float, default=60, metavar="SECONDS", help="how long to wait (default: %(default)g)"
    )
    take_over.add_argument(
        "--last", action="store_true", help="the other one has ended: also finish what had to wait for that"
    )
    try_out = commands.add_parser(
        "trial",
        help="try this version on a copy of the database",
        description="Copy the database to a scratch directory, and start this version of the program on it: change its"
        " tables, refuse a wrong password, accept a right one, publish a file and find it on its page. Reports how the"
        " tables change, and whether the earlier version can still read them. Changes nothing.",
    )
    try_out.set_defaults(run=_trial)
    try_out.add_argument("--json", action="store_true", help="one JSON document, for programs")


def _check_config(options: argparse.Namespace) -> int:
    places.settings()
    print("The configuration is in order.")
    return 0


def _health(options: argparse.Namespace) -> int:
    return own_health.report()


def _take_over(options: argparse.Namespace) -> int:
    address = handover.listen()
    if not address.startswith("unix:"):
        raise ConfigError(f"The program listens at {address}; only at a socket can another one take over.")
    place = Path(address.removeprefix("unix:"))
    is_new = handover.take_over(place, options.patience)
    print("This program answers now." if is_new else "This program answers already.")
    if options.last:
        handover.forget_previous(place)
        finish_pieces(places.index())
    return 0


def _trial(options: argparse.Namespace) -> int:
    outcome = trial.run(places.shelf(), places.configuration())
    print(json.dumps(asdict(outcome)) if options.json else "\n".join(outcome.lines()))
    return 0

"""`wheelhouse intake` and `report`: the public packages of the list."""

import argparse
import json

from wheelhouse.commands import places
from wheelhouse.commands.output import Commands
from wheelhouse.intake import last_report


def add(commands: Commands) -> list[argparse.ArgumentParser]:
    """Add them; returns those that change something."""
    bring_in = commands.add_parser(
        "intake",
        help="import the public packages of the list",
        description="Resolve the list of public packages with their dependencies, download what is missing, check it,"
        " publish the set if it passes as a whole, and write the report. The list is intake.json in"
        " $WHEELHOUSE_INTAKE (/intake).",
        epilog="After --rollback that earlier set stays in force and nothing new is imported, until --roll-forward.",
    )
    bring_in.set_defaults(run=_intake)
    instead = bring_in.add_mutually_exclusive_group()
    instead.add_argument("--sets", action="store_true", help="only list the sets of earlier runs, for --rollback")
    instead.add_argument(
        "--rollback",
        metavar="SET",
        help="offer installers the set of an earlier run again: its name, or a day such as 2026-03-07",
    )
    instead.add_argument(
        "--roll-forward", action="store_true", help="end a rollback, and import what the list resolves to today"
    )

    report = commands.add_parser(
        "report",
        help="report on the last run of intake",
        description="Report on the last run of intake: for each line of its list, whether it is on the index, what it"
        " resolves to and what the checks found. Exit code 1 if something was rejected.",
    )
    report.set_defaults(run=_report)
    report.add_argument("--json", action="store_true", help="one JSON document, for programs")
    return [bring_in]


def _intake(options: argparse.Namespace) -> int:
    from wheelhouse.intake import cli as intake_cli  # noqa: PLC0415  what it needs takes a second to load

    index = places.index()
    if options.sets:
        return intake_cli.tell_sets(index)
    directory = places.intake()
    wanted = intake_cli.Options(options.rollback, options.roll_forward, options.by)
    return intake_cli.intake(index, places.settings(), directory, wanted)


def _report(options: argparse.Namespace) -> int:
    found = last_report.read(places.index().site)
    print(json.dumps(found, indent=1) if options.json else "\n".join(last_report.lines(found)))
    return 1 if found["last_run"]["problems"] else 0

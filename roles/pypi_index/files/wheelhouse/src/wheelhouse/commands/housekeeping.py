"""`wheelhouse housekeeping`: what is old enough to go."""

import argparse
import contextlib
import json

from wheelhouse.commands import places
from wheelhouse.commands.output import Commands, complain
from wheelhouse.errors import Busy, WheelhouseError


def add(commands: Commands) -> None:
    """Add it."""
    tidy = commands.add_parser(
        "housekeeping",
        help="remove old nightly builds, unused copies and refused files",
        description="Remove what the settings have go: pre-releases beyond the newest few (pypi_index_retention),"
        " unused copies of public files, files in quarantine, and sets of earlier intake runs. What a lock on"
        " the shelf names and the newest release of a project stay. wheelhouse-housekeeping.timer does it every hour.",
    )
    tidy.set_defaults(run=_housekeeping)
    tidy.add_argument("--dry-run", action="store_true", help="only print what would go")
    tidy.add_argument("--json", action="store_true", help="one JSON document, for programs")


def _housekeeping(options: argparse.Namespace) -> int:
    from wheelhouse import housekeeping  # noqa: PLC0415  it reads the intake's locks, which takes a while to load

    index, settings = places.index(), places.settings()
    problems = []
    done = []
    with contextlib.ExitStack() as stack:
        removals = housekeeping.plan_here(index, settings, places.cache())
        with contextlib.suppress(Busy):  # another one, here or on another gateway, is at it
            stack.enter_context(index.database.alone("housekeeping"))
            removals = [*housekeeping.plan(index, settings), *removals]
        for removal in removals:
            try:
                if not options.dry_run:
                    removal.remove()
            except (WheelhouseError, OSError) as error:
                problems.append(f"The {removal.kind} {removal.name} cannot be removed: {error}")
                continue
            done.append(removal)
            if not options.json:
                print(f"{removal.kind} {removal.name}: {removal.size} bytes; {removal.why}")
    size = sum(removal.size for removal in done)
    if options.json:
        found = [{"kind": one.kind, "name": one.name, "bytes": one.size, "why": one.why} for one in done]
        print(json.dumps({"dry_run": options.dry_run, "removed": found, "bytes": size, "problems": problems}, indent=1))
    else:
        print(f"{len(done)} {'would be removed' if options.dry_run else 'removed'}, {size} bytes.")
    return complain(problems)

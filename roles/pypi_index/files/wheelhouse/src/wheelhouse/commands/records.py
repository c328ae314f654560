"""`wheelhouse journal`, `downloads`, `metrics` and `status`: what happened."""

import argparse
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator

from packaging.utils import canonicalize_name

from wheelhouse import config, metrics
from wheelhouse.commands import places
from wheelhouse.commands.output import Commands
from wheelhouse.errors import Unreachable
from wheelhouse.index import downloads, events, heartbeats, journal, queries
from wheelhouse.index.fetching import Fetcher
from wheelhouse.store.partial_site import PartialSite


def add(commands: Commands) -> None:
    """Add them."""
    fetched = commands.add_parser(
        "downloads",
        help="print how often files were downloaded",
        description="Print how often the files of each project, and of each subdir of a conda channel, were downloaded"
        " in the last 30 days and in all; for a project, each file. wheelhouse-housekeeping counts them every hour,"
        " from a log of the gateway that holds neither names nor addresses.",
    )
    fetched.set_defaults(run=_downloads)
    fetched.add_argument("project", nargs="?", metavar="PROJECT", help="a project, or CHANNEL/SUBDIR")
    fetched.add_argument("--json", action="store_true", help="one JSON document, for programs")
    fetched.add_argument(
        "--count", metavar="NAME", help="instead, count the log of this name on standard input; one is counted once"
    )

    read = commands.add_parser(
        "journal",
        help="print who did what, and when",
        description="Print every change of the index, oldest first: who published, yanked and removed what and when,"
        " which files were refused and why, and which went to the quarantine.",
    )
    read.set_defaults(run=_journal)
    read.add_argument("--json", action="store_true", help="one JSON object on each line, for programs")
    read.add_argument("--follow", action="store_true", help="then print each new event as it happens")
    read.add_argument(
        "--after",
        type=int,
        metavar="NUMBER",
        help="only events behind the one with this number, 0 for all; with --json, each has its number",
    )
    read.add_argument("--most", type=int, metavar="EVENTS", help="stop after so many")

    numbers = commands.add_parser(
        "metrics",
        help="print what the index counts, for Prometheus",
        description="Print what the index counts, in the text format of Prometheus: files, refusals, pages to render,"
        " room on the disk, the last intake.",
    )
    numbers.set_defaults(run=_metrics)
    status = commands.add_parser(
        "status",
        help="print when people last published, for status.yml",
        description="Print as JSON the number of the latest event, when each person last published something, and the"
        " last report of each host that pulls its configuration from here.",
    )
    status.set_defaults(run=_status)


def _journal(options: argparse.Namespace) -> int:
    try:
        found = journal.told(places.index().database, follow=options.follow, after=options.after or 0)
        for number, event in itertools.islice(found, options.most):
            shown = None if options.after is None else number
            print(events.line(event, shown).rstrip() if options.json else journal.shown(event), flush=options.follow)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _downloads(options: argparse.Namespace) -> int:
    index = places.index()
    if options.count:
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
        used: dict[str, float] = {}
        counted = downloads.count(index.database, options.count, _noting(sys.stdin, used))
        if isinstance(index.site, PartialSite):
            Fetcher(index, index.site).note_used(used)
        downloads.sum_up(index.database)
        print("counted before" if counted is None else counted)
        return 0
    with index.database.read() as connection:
        if options.project is None:
            found = downloads.by_place(connection)
        else:
            place = options.project if "/" in options.project else canonicalize_name(options.project)
            found = downloads.by_file(connection, place)
    if options.json:
        print(
            json.dumps(
                {name: {"last_30_days": one.recent, "total": one.total} for name, one in found.items()}, indent=1
            )
        )
        return 0
    print(f"{'30 days':>9} {'in all':>9}")
    for name, one in found.items():
        print(f"{one.recent:>9} {one.total:>9}  {name}")
    return 0


def _noting(lines: Iterable[str], used: dict[str, float]) -> Iterator[str]:
    """The lines, which are noted as uses of files: paths below the shelf, with seconds since 1970."""
    for line in lines:
        if found := downloads.fetched(line):
            path, at = found[0].lstrip("/"), found[1].timestamp()
            used[path] = max(at, used.get(path, 0.0))
        yield line


def _metrics(options: argparse.Namespace) -> int:
    is_gateway = config.database(places.configuration())[0] is not None
    found = metrics.reach(places.shelf()) if is_gateway else []
    try:
        found += metrics.collect(places.index())
    except Unreachable as error:  # how long that is so, is among what is known
        print(f"wheelhouse: {error}", file=sys.stderr)
    sys.stdout.write(metrics.text(found))
    return 0


def _status(options: argparse.Namespace) -> int:
    database = places.index().database
    with database.read() as connection:
        found = {"event_number": events.last(connection), "last_uploads": queries.last_uploads(connection)}
    print(json.dumps({**found, "heartbeats": heartbeats.known(database)}, indent=1))
    return 0

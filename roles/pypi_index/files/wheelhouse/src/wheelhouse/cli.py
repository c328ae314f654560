"""The command line, for the administrator of the index host.

Exit codes: 0 done, 1 something needs looking at (it says what), 2 wrong usage.
"""

import argparse
import contextlib
import getpass
import itertools
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from packaging.utils import canonicalize_name

from wheelhouse import config, ldap_commands, metrics, token_commands
from wheelhouse.conda.channel import CHANNEL
from wheelhouse.config import ConfigError, Settings
from wheelhouse.errors import WheelhouseError
from wheelhouse.index import backup, downloads, events, journal, queries
from wheelhouse.index.opening import finish_pieces, open_index
from wheelhouse.index.project_status import STATUSES
from wheelhouse.index.transaction import Index
from wheelhouse.intake import last_report
from wheelhouse.maintenance import Maintenance
from wheelhouse.store.downloads import Cache
from wheelhouse.store.local import LocalStore
from wheelhouse.web import handover, own_health, trial


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

    reindex = commands.add_parser(
        "reindex",
        help="publish files that were copied in, and restore published files that are missing",
        description="Check the files that were copied into drop/ like uploads, publish the valid ones, and move the"
        " others to the quarantine with the reason beside them. Check that every published file and page is served:"
        " restore what is missing or was changed, or report it where that is impossible. Do the same for conda packages"
        " in drop/conda/CHANNEL/ and for the channels' indexes. For the projects that are named, also read each file"
        " and compare it with what was published. After an interruption, the next run over everything continues where"
        " this one stopped.",
    )
    reindex.set_defaults(run=_reindex)
    reindex.add_argument(
        "--new",
        action="store_true",
        help="only look for files that were copied in since the last such run; fast, and what the timer does",
    )
    verify = commands.add_parser(
        "verify",
        help="compare every file with the hashes it was published with",
        description="Read every published file and compare it with the hashes it was published with, and compare the"
        " pages and the channels' indexes with what is published. Changes nothing. After an interruption, the next run"
        " over everything continues where this one stopped.",
    )
    verify.set_defaults(run=_verify)
    for command in (reindex, verify):
        command.add_argument(
            "projects", nargs="*", metavar="PROJECT", help="only these projects (default: all, and all channels)"
        )
        command.add_argument(
            "--from-start",
            action="store_true",
            help="start over, also where an earlier run was interrupted",
        )

    channel = commands.add_parser(
        "channel",
        help="create conda channels",
        description="Create empty conda channels with these names, served below /conda/. Channels that exist are"
        " checked as `reindex` checks them.",
    )
    channel.set_defaults(run=_channel)
    channel.add_argument("channels", nargs="+", metavar="CHANNEL", type=_channel_name)

    yank = commands.add_parser(
        "yank",
        help="have installers skip a release",
        description="Yank a release (PEP 592): installers skip it unless exactly this version is requested. Its files"
        " stay.",
    )
    yank.set_defaults(run=_yank)
    unyank = commands.add_parser(
        "unyank", help="undo a yank", description="Undo a yank: installers offer the release again."
    )
    unyank.set_defaults(run=_unyank)
    remove = commands.add_parser(
        "remove",
        help="delete a release for good",
        description="Delete the files of a release for good. Lock files that name it can no longer be installed: use"
        " `yank` where that is enough.",
    )
    remove.set_defaults(run=_remove)
    for command in (yank, unyank, remove):
        command.add_argument("project", metavar="PROJECT")
        command.add_argument("version", metavar="VERSION")
    for command in (yank, remove):
        command.add_argument("--reason", required=True, help="why; shown to people who request the release")
    mark = commands.add_parser(
        "mark",
        help="mark a project as archived or deprecated",
        description="Mark a project (PEP 792): `archived` ones take no new files, `deprecated` ones should no longer be"
        " used. Installers that know of it warn; nothing is removed. `active` takes that back.",
    )
    mark.set_defaults(run=_mark)
    mark.add_argument("project", metavar="PROJECT")
    mark.add_argument("status", choices=STATUSES)
    mark.add_argument("--reason", help="what to do instead; shown to people who look at the project")
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

    bring_over = _transfer_commands(commands)

    changing_tokens = token_commands.add(commands)

    for command in (reindex, verify, channel, yank, unyank, remove, mark, bring_in, bring_over, *changing_tokens):
        command.add_argument(
            "--by", default=_login(), metavar="NAME", help="who does this, for the journal (default: %(default)s)"
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

    save = commands.add_parser(
        "backup",
        help="copy the database for a backup",
        description="Write a copy of the database, as of one moment, to a directory, with a backup.json that says what"
        " is in it. People may publish meanwhile. Back the directory up together with blobs/ of the shelf, which is to"
        " be read afterwards.",
    )
    save.set_defaults(run=_backup)
    save.add_argument("destination", metavar="DESTINATION", type=Path, help="a directory that exists")
    save.add_argument(
        "--check",
        action="store_true",
        help="copy nothing: compare the events of the copy that is there with its backup.json, and look whether the"
        " shelf has the bytes of each file that the copy names",
    )

    check = commands.add_parser(
        "check-config",
        help="validate the configuration",
        description="Validate the configuration and report every error in it.",
    )
    check.set_defaults(run=_check_config)
    ldap = commands.add_parser(
        "check-ldap",
        help="check settings of the company's directory, which are read from the standard input",
        description="Connect to a directory with settings from the standard input, a JSON object with the keys"
        " settings, password and ca. Report what the directory does not have.",
    )
    ldap.set_defaults(run=ldap_commands.check)
    everyone = commands.add_parser(
        "ldap-people",
        help="list the people in the groups of the company's directory",
        description="Print a JSON object: of each person in one of the groups, the names of these groups.",
    )
    everyone.set_defaults(run=ldap_commands.people)
    health = commands.add_parser(
        "health",
        help="check the server in this container",
        description="Check that the server in this container answers.",
    )
    health.set_defaults(run=_health)
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
        description="Print as JSON the number of the latest event, and when each person last published something.",
    )
    status.set_defaults(run=_status)
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
    return parser


def _transfer_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    """Those of the air gap; returns the one that changes something."""
    export = commands.add_parser(
        "export",
        help="write a signed bundle for an index without a route to this one",
        description="Write a numbered, signed bundle of what the intake admitted, for an index without a route to this"
        " one: files, conda packages, yanks, denied releases, advisories, events and the report. The key and the ledger"
        " of bundles are in $WHEELHOUSE_TRANSFER (/transfer); the key is made with the first bundle.",
    )
    export.set_defaults(run=_export)
    export.add_argument("directory", metavar="DIR", type=Path, help="where the bundle goes: the medium")
    export.add_argument(
        "--since",
        default="LAST",
        metavar="LAST|NUMBER|RECEIPT",
        help="what the other side has: the last bundle, the bundle of a number (0 for none), or what the receipt of an"
        " import says (default: %(default)s)",
    )
    export.add_argument(
        "--internal",
        action="append",
        default=[],
        metavar="PATTERN",
        help="also the company's own projects of these names, such as 'acme-*'; may be repeated",
    )
    export.add_argument("--part-size", metavar="SIZE", help="split the bytes into parts of at most this size: 4G, 700M")
    export.add_argument("--extras", metavar="DIR", type=Path, help="also the files in this directory, as they are")
    export.add_argument("--refused-too", action="store_true", help="also what the receipt says was refused")

    bring_over = commands.add_parser(
        "import",
        help="apply bundles that another index exported",
        description="Verify bundles that another index exported, apply this index's own checks and policy to every"
        " file, and publish what passes, each bundle in one transaction. A bundle that was changed, cut off, signed by"
        " anyone else or that does not come next changes nothing. Allowed signers, policy and receipts are in"
        " $WHEELHOUSE_TRANSFER (/transfer).",
    )
    bring_over.set_defaults(run=_import)
    bring_over.add_argument("directory", metavar="DIR", type=Path, help="a bundle, or a directory with bundles")
    how = bring_over.add_mutually_exclusive_group(required=True)
    how.add_argument("--dry-run", action="store_true", help="only report what would come, and what would be refused")
    how.add_argument("--apply", action="store_true", help="publish it")
    for command in (export, bring_over):
        command.add_argument("--json", action="store_true", help="end with one JSON document on standard output")
    return bring_over


def _export(options: argparse.Namespace) -> int:
    from wheelhouse.transfer import cli as transfer_cli  # noqa: PLC0415  what it needs takes a second to load

    return transfer_cli.export(_index(), _transfers(), Path(os.environ.get("WHEELHOUSE_INTAKE", "/intake")), options)


def _import(options: argparse.Namespace) -> int:
    from wheelhouse.transfer import cli as transfer_cli  # noqa: PLC0415

    directory = Path(os.environ.get("WHEELHOUSE_INTAKE", "/intake"))
    return transfer_cli.bring_in(_index(), _config(), _transfers(), directory, options)


def _transfers() -> Path:
    return Path(os.environ.get("WHEELHOUSE_TRANSFER", "/transfer"))


def _reindex(options: argparse.Namespace) -> int:
    maintenance = Maintenance(_index(), options.by, _max_file_size())
    if options.new:
        return maintenance.reindex_new()
    return maintenance.reindex(_names(options.projects), from_start=options.from_start)


def _verify(options: argparse.Namespace) -> int:
    return Maintenance(_index(), options.by).verify(_names(options.projects), from_start=options.from_start)


def _channel(options: argparse.Namespace) -> int:
    return Maintenance(_index(), options.by, _max_file_size()).channel(options.channels)


def _yank(options: argparse.Namespace) -> int:
    files = _index().yank(options.project, options.version, options.reason, options.by)
    return _done("yanked", files)


def _unyank(options: argparse.Namespace) -> int:
    return _done("unyanked", _index().unyank(options.project, options.version, options.by))


def _remove(options: argparse.Namespace) -> int:
    files = _index().remove(options.project, options.version, options.reason, options.by)
    return _done("removed", files)


def _mark(options: argparse.Namespace) -> int:
    _index().set_status(options.project, options.status, options.reason, options.by)
    return _done(options.status, [options.project])


def _intake(options: argparse.Namespace) -> int:
    from wheelhouse.intake import cli as intake_cli  # noqa: PLC0415  what it needs takes a second to load

    index = _index()
    if options.sets:
        return intake_cli.tell_sets(index)
    directory = Path(os.environ.get("WHEELHOUSE_INTAKE", "/intake"))
    wanted = intake_cli.Options(options.rollback, options.roll_forward, options.by)
    return intake_cli.intake(index, _config(), directory, wanted)


def _report(options: argparse.Namespace) -> int:
    found = last_report.read(_index().site)
    print(json.dumps(found, indent=1) if options.json else "\n".join(last_report.lines(found)))
    return 1 if found["last_run"]["problems"] else 0


def _downloads(options: argparse.Namespace) -> int:
    index = _index()
    if options.count:
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
        counted = downloads.count(index.database, options.count, sys.stdin)
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


def _housekeeping(options: argparse.Namespace) -> int:
    from wheelhouse import housekeeping  # noqa: PLC0415  it reads the intake's locks, which takes a while to load

    cache = Cache(Path(os.environ.get("WHEELHOUSE_CACHE", "/cache")))
    removals = housekeeping.plan(_index(), _config(), cache)
    problems = []
    done = []
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
    return _tell(problems)


def _journal(options: argparse.Namespace) -> int:
    try:
        found = journal.told(_index().database, follow=options.follow, after=options.after or 0)
        for number, event in itertools.islice(found, options.most):
            shown = None if options.after is None else number
            print(events.line(event, shown).rstrip() if options.json else journal.shown(event), flush=options.follow)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _backup(options: argparse.Namespace) -> int:
    if options.check:
        root = _shelf()  # not opened as an index: it may have no database yet
        return _tell(backup.faults(options.destination, LocalStore(root, root / "incoming")))
    index = _index()
    made = backup.copy(index.database, index.store, options.destination)
    print(f"{made.events} events and {made.files} files, {made.bytes} bytes, as of {made.made}.")
    return _tell([f"The bytes of {len(made.lost)} published files are gone: run reindex."] if made.lost else [])


def _check_config(options: argparse.Namespace) -> int:
    _config()
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
        finish_pieces(_index())
    return 0


def _trial(options: argparse.Namespace) -> int:
    outcome = trial.run(
        Path(os.environ.get("WHEELHOUSE_SHELF", "/shelf")), Path(os.environ.get("WHEELHOUSE_CONFIG", "/config"))
    )
    print(json.dumps(asdict(outcome)) if options.json else "\n".join(outcome.lines()))
    return 0


def _metrics(options: argparse.Namespace) -> int:
    sys.stdout.write(metrics.text(metrics.collect(_index())))
    return 0


def _status(options: argparse.Namespace) -> int:
    with _index().database.read() as connection:
        found = {"event_number": events.last(connection), "last_uploads": queries.last_uploads(connection)}
    print(json.dumps(found, indent=1))
    return 0


def _config() -> Settings:
    return config.load(Path(os.environ.get("WHEELHOUSE_CONFIG", "/config")))


def _max_file_size() -> int | None:
    """None if the configuration cannot be read, which is no reason not to look after the shelf."""
    with contextlib.suppress(ConfigError):
        return _config().max_file_size
    return None


def _index() -> Index:
    return open_index(_shelf())


def _shelf() -> Path:
    return Path(os.environ.get("WHEELHOUSE_SHELF", "/shelf"))


def _channel_name(name: str) -> str:
    if not CHANNEL.fullmatch(name):
        raise argparse.ArgumentTypeError(f"{name!r} is not made of a-z, 0-9, `-`, `_` and `.`, beginning with a letter")
    return name


def _names(projects: Iterable[str]) -> list[str]:
    return sorted({canonicalize_name(project) for project in projects})


def _done(what: str, files: list[str]) -> int:
    for name in files:
        print(f"{what} {name}")
    return 0


def _tell(problems: Iterable[str]) -> int:
    code = 0
    for problem in problems:
        print(problem, file=sys.stderr)
        code = 1
    return code


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


if __name__ == "__main__":
    run()

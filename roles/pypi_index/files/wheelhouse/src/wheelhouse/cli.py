"""The command line, for the administrator of the index host.

Exit codes: 0 done, 1 something needs looking at (it says what), 2 wrong usage.
"""

import argparse
import contextlib
import getpass
import http.client
import json
import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from packaging.utils import canonicalize_name

from wheelhouse import config, token_commands
from wheelhouse.conda.channel import CHANNEL
from wheelhouse.config import ConfigError, Settings
from wheelhouse.errors import WheelhouseError
from wheelhouse.index import events, journal
from wheelhouse.index.opening import open_index
from wheelhouse.index.transaction import Index
from wheelhouse.intake import last_report
from wheelhouse.maintenance import Maintenance


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

    changing_tokens = token_commands.add(commands)
    for command in (reindex, verify, channel, yank, unyank, remove, bring_in, *changing_tokens):
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
    return parser


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


def _journal(options: argparse.Namespace) -> int:
    try:
        for event in journal.told(_index().database, follow=options.follow):
            print(events.line(event).rstrip() if options.json else journal.shown(event), flush=options.follow)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _check_config(options: argparse.Namespace) -> int:
    _config()
    print("The configuration is in order.")
    return 0


def _health(options: argparse.Namespace) -> int:
    # Not urllib, which would ask a proxy named by the environment.
    address = config.listen()
    connection = http.client.HTTPConnection("localhost", timeout=4)
    if address.startswith("unix:"):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(4)
        connection.sock.connect(address.removeprefix("unix:"))
    else:
        connection.sock = socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), 4)
    connection.request("GET", "/health")
    answer = connection.getresponse()
    print(answer.read().decode().strip())
    return 0 if answer.status == http.HTTPStatus.OK else 1


def _config() -> Settings:
    return config.load(Path(os.environ.get("WHEELHOUSE_CONFIG", "/config")))


def _max_file_size() -> int | None:
    """None if the configuration cannot be read, which is no reason not to look after the shelf."""
    with contextlib.suppress(ConfigError):
        return _config().max_file_size
    return None


def _index() -> Index:
    return open_index(Path(os.environ.get("WHEELHOUSE_SHELF", "/shelf")))


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

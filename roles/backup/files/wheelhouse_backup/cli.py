"""The command line. Exit codes: 0 done, with problems or without; 1 not done, and it says why; 2 wrong usage."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from . import drill, homes, index, restore
from .failure import Failure, of_system
from .job import Job, locked, recorded
from .restic import Restic
from .settings import CONFIG, Index, Settings, load

CHECKED_IN = 12
"""How many weekly checks read all of the repository's data, each a part of it."""
PATIENCE = 6 * 3600.0
"""Seconds that a check and a drill, which a timer starts, wait for a backup."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    os.umask(0o077)
    try:
        options.run(load(options.config), options)
    except Failure as failure:
        print(f"wheelhouse-backup: {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"wheelhouse-backup: {of_system(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("wheelhouse-backup: stopped.", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wheelhouse-backup",
        description="Back up the package index, or people's homes, of this host, and restore it.",
        epilog="Exit codes: 0 done, with problems or without; 1 not done, and it says why; 2 wrong usage.",
    )
    parser.add_argument(
        "--config", type=Path, default=CONFIG, metavar="DIRECTORY", help="where the settings are (%(default)s)"
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, run, text in (
        ("run", _run, "take a backup"),
        ("check", _check, "read a part of the repository, and remove what no backup needs"),
        ("drill", _drill, "restore the newest backup of the index into an empty place, and prove it there"),
        ("snapshots", _snapshots, "list the backups of the index"),
    ):
        commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.").set_defaults(run=run)
    back = commands.add_parser(
        "restore",
        help="restore the index",
        description="Restore the index on this host. What is there is kept under another name. Uploads are refused"
        " meanwhile; installing goes on.",
    )
    back.set_defaults(run=_restore)
    back.add_argument("snapshot", metavar="SNAPSHOT", help="latest, the id of a snapshot, or a day such as 2026-03-07")
    back.add_argument("--damaged", action="store_true", help="restore what there is of a backup that is damaged")
    back.add_argument("--dry-run", action="store_true", help="only say what would be restored")
    home = commands.add_parser(
        "home",
        help="write the archive of a person's home to standard output",
        description="Write the newest archive of a person's home, a tar file, to standard output.",
    )
    home.set_defaults(run=_home)
    home.add_argument("person", metavar="PERSON")
    return parser


def _run(settings: Settings, _options: argparse.Namespace) -> None:
    with locked(settings), recorded(settings, "backup") as job:
        restic = Restic(settings)
        restic.open(create=True)
        failures = []
        for save in (_save_index, _save_homes):
            try:
                save(settings, restic, job)
            except Failure as failure:
                failures.append(str(failure))
        if failures:
            raise Failure(" ".join(failures))
        _tell(job, "Saved")


def _save_index(settings: Settings, restic: Restic, job: Job) -> None:
    if settings.index:
        index.save(settings, settings.index, restic, job)


def _save_homes(settings: Settings, restic: Restic, job: Job) -> None:
    if settings.homes:
        homes.save(settings, settings.homes, restic, job)


def _check(settings: Settings, _options: argparse.Namespace) -> None:
    with locked(settings, PATIENCE), recorded(settings, "check") as job:
        restic = Restic(settings)
        restic.open(create=False)
        week = datetime.now(UTC).isocalendar()[1] % CHECKED_IN + 1
        job.say(f"reading part {week} of {CHECKED_IN} of the repository")
        code, lines = restic.lines("check", f"--read-data-subset={week}/{CHECKED_IN}")
        job.facts |= {"part": week, "parts": CHECKED_IN}
        if code:
            raise Failure(f"The repository {restic.shown} is damaged: {' '.join(lines[-5:])}")
        job.say("removing what no backup needs")
        restic.run("prune")
        _tell(job, "Checked")


def _drill(settings: Settings, _options: argparse.Namespace) -> None:
    with locked(settings, PATIENCE), recorded(settings, "drill") as job:
        restic = Restic(settings)
        restic.open(create=False)
        drill.run(settings, _index(settings), restic, job)
        _tell(job, "Restored and proven")


def _snapshots(settings: Settings, _options: argparse.Namespace) -> None:
    restic = Restic(settings)
    restic.open(create=False)
    for one in restic.snapshots(index.TAG):
        print(one.shown)


def _restore(settings: Settings, options: argparse.Namespace) -> None:
    restic = Restic(settings)
    if options.dry_run:
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        restic.open(create=False)
        print(f"The backup {restore.choose(restic, options.snapshot).shown}.")
        return
    with locked(settings, PATIENCE), recorded(settings, "restore") as job:
        restic.open(create=False)
        snapshot = restore.choose(restic, options.snapshot)
        restore.run(settings, _index(settings), restic, job, snapshot, damaged=options.damaged)


def _home(settings: Settings, options: argparse.Namespace) -> None:
    if sys.stdout.isatty():
        raise Failure("The archive goes to standard output: send it to a file, or to tar.")
    restic = Restic(settings)
    restic.open(create=False)
    name = f"{options.person}.tar"
    found = json.loads(
        restic.run("snapshots", "--json", "--tag", homes.TAG, "--host", settings.host, "--path", f"/{name}")
    )
    if not found:
        raise Failure(f"There is no backup of a home of {options.person} from {settings.host}.")
    newest = max(found, key=lambda one: one["time"])
    sys.stdout.flush()
    restic.dump(newest["id"], name, sys.stdout.buffer)


def _index(settings: Settings) -> Index:
    if not settings.index:
        raise Failure("There is no package index on this host, by its settings.")
    return settings.index


def _tell(job: Job, what: str) -> None:
    facts = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in job.facts.items())
    problems = f", with {len(job.problems)} problems" if job.problems else ""
    job.say(f"{what}{problems}: {facts or 'done'}.")

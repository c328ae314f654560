"""`wheelhouse yank`, `unyank`, `remove` and `mark`: what installers make of releases and projects."""

import argparse

from wheelhouse.commands import places
from wheelhouse.commands.output import Commands, done
from wheelhouse.index.project_status import STATUSES


def add(commands: Commands) -> list[argparse.ArgumentParser]:
    """Add them; returns those that change something."""
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
    remove.add_argument("--channel", help="delete the builds of a version from this conda channel instead")
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
    return [yank, unyank, remove, mark]


def _yank(options: argparse.Namespace) -> int:
    files = places.index().yank(options.project, options.version, options.reason, options.by)
    return done("yanked", files)


def _unyank(options: argparse.Namespace) -> int:
    return done("unyanked", places.index().unyank(options.project, options.version, options.by))


def _remove(options: argparse.Namespace) -> int:
    about = options.project, options.version, options.reason, options.by
    index = places.index()
    files = index.remove_builds(options.channel, *about) if options.channel else index.remove(*about)
    return done("removed", files)


def _mark(options: argparse.Namespace) -> int:
    places.index().set_status(options.project, options.status, options.reason, options.by)
    return done(options.status, [options.project])

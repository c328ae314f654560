"""`wheelhouse reindex`, `verify` and `channel`: what is on the shelf, compared with what is published."""

import argparse
import contextlib
from collections.abc import Iterable

from packaging.utils import canonicalize_name

from wheelhouse.commands import places
from wheelhouse.commands.output import Commands
from wheelhouse.conda.channel import CHANNEL
from wheelhouse.config import ConfigError
from wheelhouse.maintenance import Maintenance


def add(commands: Commands) -> list[argparse.ArgumentParser]:
    """Add them; returns those that change something."""
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
    return [reindex, verify, channel]


def _reindex(options: argparse.Namespace) -> int:
    maintenance = Maintenance(places.index(), options.by, _max_file_size())
    if options.new:
        return maintenance.reindex_new()
    return maintenance.reindex(_names(options.projects), from_start=options.from_start)


def _verify(options: argparse.Namespace) -> int:
    return Maintenance(places.index(), options.by).verify(_names(options.projects), from_start=options.from_start)


def _channel(options: argparse.Namespace) -> int:
    return Maintenance(places.index(), options.by, _max_file_size()).channel(options.channels)


def _max_file_size() -> int | None:
    """None if the configuration cannot be read, which is no reason not to look after the shelf."""
    with contextlib.suppress(ConfigError):
        return places.settings().max_file_size
    return None


def _channel_name(name: str) -> str:
    if not CHANNEL.fullmatch(name):
        raise argparse.ArgumentTypeError(f"{name!r} is not made of a-z, 0-9, `-`, `_` and `.`, beginning with a letter")
    return name


def _names(projects: Iterable[str]) -> list[str]:
    return sorted({canonicalize_name(project) for project in projects})

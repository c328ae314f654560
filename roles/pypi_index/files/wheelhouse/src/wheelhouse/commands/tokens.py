"""`wheelhouse token`: tokens, for the administrator of the index host."""

import argparse
import json
import sys
from dataclasses import asdict

import msgspec

from wheelhouse.commands import places
from wheelhouse.commands.output import Commands
from wheelhouse.errors import Rejected
from wheelhouse.index.database import Database
from wheelhouse.index.machine_tokens import MachineTokens, Request
from wheelhouse.index.tokens import Tokens, Wanted, lasting, until_day

DURATION = "such as 10m, 8h, 30d or 2w"


def add(commands: Commands) -> list[argparse.ArgumentParser]:
    """Add them; returns those that change something."""
    token = commands.add_parser(
        "token",
        help="create, list and revoke tokens",
        description="Tokens are what programs log in with in a person's place: with fewer rights, and an end. A token"
        " never has more rights than its owner has at the moment, and ends when the owner's account is removed.",
    )
    verbs = token.add_subparsers(title="commands", required=True, metavar="COMMAND")

    create = verbs.add_parser(
        "create",
        help="create a token and print it",
        description="Create a token and print it. It is stored nowhere: only its hash is kept.",
    )
    create.set_defaults(run=_create)
    create.add_argument("owner", metavar="ACCOUNT", help="whose token it is")
    create.add_argument("name", metavar="NAME", help="what it is for, such as 'laptop'")
    create.add_argument(
        "--publish",
        action="append",
        default=[],
        metavar="PATTERN",
        help="projects that it may publish, such as acme-hello or acme-*; may be repeated",
    )
    create.add_argument("--no-install", action="store_true", help="it may not install")
    create.add_argument("--manage", action="store_true", help="it may manage its owner's tokens")
    end = create.add_mutually_exclusive_group()
    end.add_argument("--for", dest="duration", metavar="DURATION", help=f"how long it lasts, {DURATION}")
    end.add_argument("--until", metavar="DAY", help="the last day on which it works, such as 2026-12-31")

    show = verbs.add_parser("list", help="list tokens", description="List the tokens in force, the latest first.")
    show.set_defaults(run=_list)
    show.add_argument("owner", nargs="?", metavar="ACCOUNT", help="only this account's")
    show.add_argument("--all", action="store_true", help="also those that have ended or were revoked")
    show.add_argument("--json", action="store_true", help="one JSON object on each line, for programs")

    revoke = verbs.add_parser(
        "revoke",
        help="end tokens",
        description="End tokens. The index refuses them within a second.",
    )
    revoke.set_defaults(run=_revoke)
    revoke.add_argument("ids", nargs="*", metavar="ID", help="as `wheelhouse token list` shows them")
    revoke.add_argument("--owner", metavar="ACCOUNT", help="all tokens of this account")

    machines = verbs.add_parser(
        "machines",
        help="give people's machines tokens that may only install; for onboarding",
        description="Read a JSON object from the standard input: machines, which has for each account the names of the"
        " machines on which its owner has a home. Make the tokens that are missing, revoke those of all other"
        " machines, and print all tokens as JSON. Optional: rotate, accounts whose tokens are replaced (or all), and"
        " immediately, whether the replaced ones end at once and not in an hour.",
    )
    machines.set_defaults(run=_machines)
    machines.add_argument("--check", action="store_true", help="change nothing; print the tokens that there are")
    return [create, revoke, machines]


def _create(options: argparse.Namespace) -> int:
    settings = places.settings()
    if options.owner not in settings.accounts:
        raise Rejected(f"{options.owner} has no account on this index.")
    until = lasting(options.duration) if options.duration else until_day(options.until) if options.until else None
    wanted = Wanted(options.owner, options.name, not options.no_install, options.publish, until, manages=options.manage)
    _, text = _tokens().create(wanted, settings.publishes.get(options.owner, ()), options.by)
    print(text)
    return 0


def _list(options: argparse.Namespace) -> int:
    for one in _tokens().of(options.owner):
        if not (options.all or one.is_live()):
            continue
        if options.json:
            print(json.dumps({**asdict(one), "state": one.state}))
            continue
        until = f"until {one.until[:16].replace('T', ' ')}Z" if one.until else "without an end"
        used = f"last used {one.last_used}" if one.last_used else "never used"
        ended = "" if one.is_live() else f"  {one.state}" + (f" by {one.revoked_by}" if one.revoked_by else "")
        print(f"{one.id}  {one.owner}  {one.name}: {one.rights}, {until}, {used}{ended}")
    return 0


def _revoke(options: argparse.Namespace) -> int:
    if bool(options.ids) == bool(options.owner):
        raise Rejected("Name either the tokens to be revoked, or --owner for all of an account.")
    tokens = _tokens()
    ended = tokens.revoke_all(options.owner, options.by) if options.owner else tokens.revoke(options.ids, options.by)
    for one in ended:
        print(f"revoked {one.id}  {one.owner}  {one.name}")
    return 0


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    machines: dict[str, list[str]]
    rotate: list[str] = []
    immediately: bool = False


def _machines(options: argparse.Namespace) -> int:
    try:
        given = msgspec.json.decode(sys.stdin.buffer.read(), type=_Given)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(f"The list of machines on the standard input cannot be read: {error}.") from error
    odd = [name for names in given.machines.values() for name in names if not (name and name.isprintable())]
    if odd:
        raise Rejected(f"{odd[0]!r} is no name of a machine.")
    settings = places.settings()
    request = Request(given.machines, frozenset(given.rotate), given.immediately)
    made = MachineTokens(_database()).settle(request, settings.owners, options.by, check=options.check)
    print(json.dumps(asdict(made)))
    return 0


def _tokens() -> Tokens:
    return Tokens(_database())


def _database() -> Database:
    return places.index().database

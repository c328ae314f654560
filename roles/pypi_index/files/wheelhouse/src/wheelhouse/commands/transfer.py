"""`wheelhouse export` and `import`: between indexes without a route to each other."""

import argparse
from pathlib import Path

from wheelhouse.commands import places
from wheelhouse.commands.output import Commands


def add(commands: Commands) -> list[argparse.ArgumentParser]:
    """Add them; returns those that change something."""
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
    return [bring_over]


def _export(options: argparse.Namespace) -> int:
    from wheelhouse.transfer import cli as transfer_cli  # noqa: PLC0415  what it needs takes a second to load

    return transfer_cli.export(places.index(), places.transfers(), places.intake(), options)


def _import(options: argparse.Namespace) -> int:
    from wheelhouse.transfer import cli as transfer_cli  # noqa: PLC0415

    directory = places.intake()
    return transfer_cli.bring_in(places.index(), places.settings(), places.transfers(), directory, options)

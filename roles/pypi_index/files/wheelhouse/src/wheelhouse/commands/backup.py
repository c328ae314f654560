"""`wheelhouse backup`: the database, for the role `backup`."""

import argparse
from pathlib import Path

from wheelhouse import config
from wheelhouse.commands import places
from wheelhouse.commands.output import Commands, complain
from wheelhouse.index import backup
from wheelhouse.store.base import Store
from wheelhouse.store.local import LocalStore


def add(commands: Commands) -> None:
    """Add it."""
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


def _store() -> Store:
    """Where the bytes are. A shelf of one host is not opened as an index: it may have no database yet."""
    if config.database(places.configuration())[0]:
        return places.index().store
    root = places.shelf()
    return LocalStore(root, root / "incoming")


def _backup(options: argparse.Namespace) -> int:
    if options.check:
        return complain(backup.faults(options.destination, _store()))
    index = places.index()
    made = backup.copy(index.database, index.store, options.destination)
    print(f"{made.events} events and {made.files} files, {made.bytes} bytes, as of {made.made}.")
    return complain([f"The bytes of {len(made.lost)} published files are gone: run reindex."] if made.lost else [])

"""`wheelhouse migrate-store`: from one host to several, and back."""

import argparse
import contextlib

from wheelhouse.commands import places
from wheelhouse.commands.output import Commands, complain
from wheelhouse.index import moving, opening

_ALONE = ("migrate-store", "intake", "import", "export")


def add(commands: Commands) -> None:
    """Add it."""
    migrate = commands.add_parser(
        "migrate-store",
        help="move the index of this host to the database and the store of several gateways",
        description="Move the index from the SQLite and the directory in the shelf to the database and the store that"
        " database.json and store.json of $WHEELHOUSE_CONFIG (/config) name, and compare what arrived. People install"
        " meanwhile. Files are copied first, while people publish; then uploads are refused, until the program is"
        " started again with the new configuration. After an interruption, run it again.",
    )
    migrate.set_defaults(run=_migrate)
    migrate.add_argument("--back", action="store_true", help="move it back to the shelf of this host")


def _migrate(options: argparse.Namespace) -> int:
    source, target, staging = opening.places(places.shelf())
    if options.back:
        source, target = target, source
    with contextlib.ExitStack() as stack:
        for name in _ALONE:
            stack.enter_context(source.database.alone(name))
        moved = moving.move(source, target, staging)
    if not options.back:
        index = places.index()
        reports = [path for path in index.site.reports.rglob("*") if path.is_file()]
        index.write_reports({str(path.relative_to(index.site.reports)): path.read_bytes() for path in reports})
    print(f"{moved.rows} rows, and {moved.files} files with {moved.size} bytes, are in the new place.")
    return complain([f"The bytes of {len(moved.lost)} published files were gone before."] if moved.lost else [])

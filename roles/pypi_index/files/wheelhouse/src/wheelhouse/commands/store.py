"""`wheelhouse probe-store`: whether the server that keeps the bytes does what the index needs; and its daily upkeep."""

import argparse
import tempfile
import time
from pathlib import Path

from wheelhouse import config
from wheelhouse.commands import places
from wheelhouse.commands.output import Commands, complain
from wheelhouse.errors import Rejected, WheelhouseError
from wheelhouse.index.dropbox import Drop, Report
from wheelhouse.index.store_watch import PROBES
from wheelhouse.index.transaction import Index
from wheelhouse.store.counters import Counters
from wheelhouse.store_upkeep import StoreUpkeep

_EVERY = 86_400
"""Seconds after which a gateway probes the server again."""


def add(commands: Commands) -> None:
    """Add it."""
    probe = commands.add_parser(
        "probe-store",
        help="check that the object store does what the index needs",
        description="Create an object, create it again, have eight connections create one at the same moment, store"
        " 100 MiB, list, read and delete, below a key of its own in the configured object store, and report what the"
        " server does wrong. Before settings are used, and once a day, this is done on each gateway.",
    )
    probe.set_defaults(run=_probe)


def daily(index: Index) -> list[str]:
    """What the hourly run does for the object store, most of it once a day. Problems, as sentences."""
    problems: list[str] = []
    for act in (_look_after, _probe_again):
        try:
            act(index, problems)
        except (WheelhouseError, OSError) as error:
            problems.append(str(error))
    return problems


def _look_after(index: Index, problems: list[str]) -> None:
    from wheelhouse.housekeeping import WHO  # noqa: PLC0415  it takes a while to load

    StoreUpkeep(Drop(index, WHO, Report(problems.append))).daily()


def _probe_again(index: Index, problems: list[str]) -> None:
    probed = Counters(index.database.state / PROBES)
    if time.time() - probed.read().get("at", 0) < _EVERY:
        return
    _, faults = _probed(index.staging.incoming)
    probed.put({"at": time.time(), "faults": len(faults)})
    problems += faults


def _probe(options: argparse.Namespace) -> int:
    incoming = places.shelf() / "incoming"
    seconds, faults = _probed(incoming if incoming.is_dir() else None)
    for step, time_ in seconds.items():
        print(f"{step}: {time_:.1f} s")
    return complain(faults)


def _probed(above: Path | None) -> tuple[dict[str, float], list[str]]:
    """How long each step took, and what is wrong. Files are made in a directory of this name, or in the usual one."""
    from wheelhouse.store import probe  # noqa: PLC0415  obstore takes a while to load
    from wheelhouse.store.s3 import S3Store  # noqa: PLC0415

    settings = config.read_store(places.configuration())
    if settings is None:
        raise Rejected("There is no object store: set pypi_index_store, and run site.yml.")
    with tempfile.TemporaryDirectory(dir=above) as scratch:
        outcome = probe.probe(S3Store(settings), Path(scratch))
    return outcome.seconds, [f"The object store cannot be used. {fault}" for fault in outcome.faults]

"""What the program wrote down, read as `wheelhouse journal --json` does."""

import json
from pathlib import Path
from typing import Any

from wheelhouse.index import events, gateways, projection
from wheelhouse.index.events import Event
from wheelhouse.index.opening import open_index
from wheelhouse.index.transaction import Index


def journal(root: Path, *kinds: str) -> list[dict[str, Any]]:
    """All events of the shelf at `root`, or those of some kinds, oldest first."""
    found: list[dict[str, Any]] = []
    number = 0
    index = open_index(root)
    with index.database.read() as connection:
        while some := events.since(connection, number):
            found += [json.loads(events.line(event)) for _, event in some]
            number = some[-1][0]
    index.database.close()
    return [event for event in found if not kinds or event["event"] in kinds]


def write(index: Index, *happened: Event) -> None:
    """Have the rows that these events add up to, without any bytes."""
    with index.database.change() as connection:
        numbers = events.append(connection, happened)
        places = projection.apply(connection, list(zip(numbers, happened, strict=True)))
        if not index.database.is_sqlite:
            gateways.mark_dirty(connection, places)  # another gateway hears of them

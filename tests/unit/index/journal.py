"""What the program wrote down, read as `wheelhouse journal --json` does."""

import json
from pathlib import Path
from typing import Any

from wheelhouse.index import events
from wheelhouse.index.opening import open_index


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

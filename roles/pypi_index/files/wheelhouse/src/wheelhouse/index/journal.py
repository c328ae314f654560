"""The events, for people and for programs that ship logs: `wheelhouse journal`."""

import time
from collections.abc import Iterator

from wheelhouse.index import events
from wheelhouse.index.database import Database
from wheelhouse.index.events import Event, printable

LOOK_EVERY = 1.0
"""Seconds after which somebody who follows sees what is new."""
_LONGEST = 2000
"""Characters of a line for people."""


def told(database: Database, *, follow: bool = False, after: int = 0) -> Iterator[tuple[int, Event]]:
    """Events with their numbers, oldest first, behind the one numbered `after`; with `follow` also those that come."""
    number = after
    while True:
        with database.read() as connection:
            some = events.since(connection, number)
        yield from some
        if some:
            number = some[-1][0]
        elif follow:
            time.sleep(LOOK_EVERY)
        else:
            return


def shown(event: Event) -> str:
    """One line for people: when, who, what, of what, and why."""
    parts = [event.time[:19].replace("T", " "), event.who, event.event]
    if event.file:
        parts.append(f"{event.channel}/{event.file}" if event.channel else event.file)
    elif event.project:
        parts.append(event.project)
    if event.origin and event.origin != event.who:
        parts.append(f"({event.origin})")
    line = "  ".join(parts)
    return printable(f"{line}: {event.reason}" if event.reason else line, _LONGEST)

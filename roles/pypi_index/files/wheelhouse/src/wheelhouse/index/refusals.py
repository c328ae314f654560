"""What was refused, in the journal: enough of it to see what happened, and no more than that.

An account may be refused ten times in a second, for as long as it likes. The first few refusals of each account in an
hour are written down one by one; how many more there were is one line, once the hour is over.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace

from wheelhouse.formats.distribution import MAX_NAME
from wheelhouse.index.events import MAX_REASON, REFUSE, Event, Journal, now, printable
from wheelhouse.store.local import Shelf

ONE_BY_ONE = 20
"""Refusals of one account in an hour that have a line each."""
HOUR = 3600

Counts = dict[str, tuple[int, int]]
"""Account -> the hour, and how often it was refused in that one."""


class Refusals:
    """Safe for many processes and threads at once: the counts are in a file."""

    def __init__(self, shelf: Shelf, journal: Journal, clock: Callable[[], float] = time.time) -> None:
        self._shelf = shelf
        self._journal = journal
        self._clock = clock
        self._path = shelf.locks / "refusals.json"

    def note(self, event: Event) -> bool:
        """Write a refusal down, or count it; says whether it has a line of its own."""
        hour = int(self._clock()) // HOUR
        with self._shelf.locked_refusals():
            counts = self._read()
            events = list(_summed_up(counts, hour))
            counts = {who: one for who, one in counts.items() if one[0] == hour}
            count = counts.get(event.who, (hour, 0))[1] + 1
            if count <= ONE_BY_ONE:
                file, reason = printable(event.file or "", MAX_NAME), printable(event.reason or "", MAX_REASON)
                events.append(replace(event, file=file, reason=reason))
            self._journal.append(events)
            self._path.write_text(json.dumps({**counts, event.who: (hour, count)}))
        return count <= ONE_BY_ONE

    def sum_up(self) -> None:
        """Write down how many more there were in hours that are over."""
        if not self._path.exists():
            return
        hour = int(self._clock()) // HOUR
        with self._shelf.locked_refusals():
            counts = self._read()
            if over := list(_summed_up(counts, hour)):
                self._journal.append(over)
                self._path.write_text(json.dumps({who: one for who, one in counts.items() if one[0] == hour}))

    def _read(self) -> Counts:
        """What a kill or a full disk left of the file may be nothing: counting begins anew."""
        try:
            return {
                str(who): (int(hour), int(count)) for who, (hour, count) in json.loads(self._path.read_text()).items()
            }
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return {}


def _summed_up(counts: Counts, hour: int) -> list[Event]:
    return [
        Event(REFUSE, who, now(), reason=f"{count - ONE_BY_ONE} more uploads were refused within that hour.")
        for who, (then, count) in counts.items()
        if then != hour and count > ONE_BY_ONE
    ]

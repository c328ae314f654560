"""Out of the quarantine, into the company's channel: everything of a closure appears at once, or nothing of it.

Files are put in their places while `kept` withholds them, then written down in the journal; then one write to `kept`
offers all of them, and the indexes follow. Whatever a kill interrupts, `Channels` lists what `kept` offers and nothing
else, so that the next run, or `reindex`, completes it. Each subdir has an index of its own: for the moment between two
of them, a solver passes over what needs something that only the other one has.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wheelhouse.conda import upstream_records
from wheelhouse.conda.channel import Channels
from wheelhouse.conda.upstream_records import Kept, Packages
from wheelhouse.index.dropbox import Report
from wheelhouse.index.events import PUBLISH, UNYANK, YANK, Event, Journal, now, written
from wheelhouse.intake.history import WHO, History
from wheelhouse.store.local import Shelf

_MOST_SECONDS = 253_402_300_799
UNFINISHED = "it is being published"


@dataclass(frozen=True)
class Staged:
    """A package that is an archive as it should be, in quarantine or where a killed run left it."""

    name: str
    """With its subdir."""
    path: Path
    kept: Kept


class Publisher:
    """Changes one channel, in the journal as well."""

    def __init__(self, shelf: Shelf, journal: Journal, history: History, channel: str) -> None:
        self._shelf = shelf
        self._journal = journal
        self._history = history
        self._channel = channel
        self.report = Report()

    def packages(self) -> Packages:
        """What came from upstream."""
        return upstream_records.load(self._shelf, self._channel)

    def is_shelved(self, name: str, packages: Packages) -> bool:
        """Whether a package has been published, and is there."""
        known = packages.get(name)
        return bool(known and known.withheld != UNFINISHED) and self.path(name).exists()

    def path(self, name: str) -> Path:
        """Where a published package is."""
        return self._shelf.conda / self._channel / name

    def publish(self, staged: Iterable[Staged], records: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Publish packages, and have what is there already listed as upstream lists it today (`records`).

        Returns the names of those that are new.
        """
        staged = sorted(staged, key=lambda one: one.name)
        with self._changing() as channels:
            channels.make_subdirs(self._channel)
            packages = self.packages()
            current = {
                name: replace(known, record=records[name])
                for name, known in packages.items()
                if name in records and records[name].get("sha256") == known.record["sha256"]
            }
            coming = {one.name: one.kept for one in staged}
            waiting = {name: replace(known, withheld=UNFINISHED) for name, known in coming.items()}
            if staged:
                upstream_records.save(self._shelf, self._channel, {**packages, **waiting})
                self._place(staged)
            self._journal.append(
                self._event(PUBLISH, name, known) for name, known in coming.items() if not self._is_known(name, known)
            )
            upstream_records.save(self._shelf, self._channel, {**packages, **current, **coming})
        return [one.name.rpartition("/")[2] for one in staged]

    def withhold(self, reasons: Mapping[str, str]) -> list[str]:
        """Take packages out of the indexes, which says why; their files stay. Returns their names."""
        return self._mark(YANK, reasons)

    def offer(self, names: Iterable[str]) -> list[str]:
        """Put them back. Returns their names."""
        return self._mark(UNYANK, dict.fromkeys(names))

    def _mark(self, what: str, reasons: Mapping[str, str | None]) -> list[str]:
        packages = self.packages()
        changed = {
            name: replace(packages[name], withheld=reason)
            for name, reason in sorted(reasons.items())
            if name in packages and packages[name].withheld != reason
        }
        if changed:
            with self._changing():
                self._journal.append(self._event(what, name, known) for name, known in changed.items())
                upstream_records.save(self._shelf, self._channel, {**packages, **changed})
        return [name.rpartition("/")[2] for name in changed]

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Channels]:
        channels = Channels(self._shelf, self._journal, WHO, self.report)
        with channels.changing(self._channel):
            yield channels

    def _place(self, staged: Iterable[Staged]) -> None:
        directories: set[Path] = set()
        for one in staged:
            target = self.path(one.name)
            self._shelf.make_subdir(self._channel, target.parent.name)
            if one.path != target:
                self._shelf.place_in_channel(one.path, target)
                directories.add(target.parent)
        for directory in sorted(directories):
            self._shelf.sync_directory(directory)

    def _is_known(self, name: str, known: Kept) -> bool:
        """Whether the journal has it: a killed run got that far, or its file went missing."""
        event = self._history.package(*self._place_of(name))
        return bool(event and event.sha256 == known.record["sha256"])

    def _event(self, what: str, name: str, known: Kept) -> Event:
        channel, filename = self._place_of(name)
        return Event(
            event=what,
            who=WHO,
            time=now(),
            origin=WHO,
            channel=channel,
            version=known.record["version"],
            file=filename,
            size=known.record.get("size"),
            sha256=known.record["sha256"],
            reason=known.withheld,
            uploaded=_uploaded(known.record) if what == PUBLISH else None,
        )

    def _place_of(self, name: str) -> tuple[str, str]:
        subdir, _, filename = name.partition("/")
        return f"{self._channel}/{subdir}", filename


def _uploaded(record: Mapping[str, Any]) -> str | None:
    """When upstream's record says that the package was built; old records say it in seconds, others in milliseconds."""
    stamp = record.get("timestamp")
    if not isinstance(stamp, int) or stamp <= 0:
        return None
    try:
        return written(datetime.fromtimestamp(stamp / 1000 if stamp > _MOST_SECONDS else stamp, UTC))
    except (OverflowError, ValueError, OSError):
        return None

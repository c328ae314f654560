"""The administrator's long commands, for Python projects and conda channels alike: `reindex`, `verify`, `channel`.

A run over everything that is stopped is gone on with by the next one. Each prints what it came to, and returns the exit
code: 1 if somebody has to look at something.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from wheelhouse.conda.channel import Channels
from wheelhouse.conda.verify import VerifyChannels
from wheelhouse.index.checkpoint import Walk
from wheelhouse.index.dropbox import Drop, Report
from wheelhouse.index.events import VERIFY, Event, now
from wheelhouse.index.reindex import Reindex
from wheelhouse.index.transaction import Index
from wheelhouse.index.verify import Reader, Verify, VerifyProjects, in_order
from wheelhouse.progress import progress, tell
from wheelhouse.store_upkeep import StoreUpkeep


@dataclass(frozen=True)
class Maintenance:
    """On one shelf, which others may use meanwhile."""

    index: Index
    who: str
    """For the journal."""
    max_file_size: int | None = None
    """Bytes of a file that is copied in."""

    def reindex(self, projects: Collection[str] = (), *, from_start: bool = False) -> int:
        """Take in what was copied in, and see that what is published is served; with `projects`, only of these.

        These are read as well. `from_start` is not to go on where an earlier run was stopped.
        """
        drop, report = self._drop()
        python, channels = Reindex(drop), Channels(drop)
        report.pages_written += self.index.render_dirty()
        touched = python.take_in(projects)
        names = projects or python.projects()

        def along(places: Iterable[str]) -> Iterator[str]:
            return python.along(places, deep=bool(projects))

        walks = [
            self._walk_along("reindex", names, "project", along, report, remembers=not projects, from_start=from_start)
        ]
        if not projects:
            of_channels = channels.names()
            walks += [
                self._walk("reindex conda", of_channels, "channel", channels.reindex, report, from_start=from_start)
            ]
        channels.note_strays()
        self.index.sweep(everything=True)
        if self.index.site.is_partial and not projects:
            StoreUpkeep(drop).compare()
        python.finish()
        for walk in walks:
            walk.finish()
        self._print(len({*names, *touched}), report)
        return 1 if report.problems or any(walk.so_far.problems for walk in walks) else 0

    def reindex_new(self) -> int:
        """Take in what was copied in since the last such look. Costs little on a large shelf."""
        drop, report = self._drop()
        python, channels = Reindex(drop), Channels(drop)
        start, since = time.time(), self.index.staging.looked_at()
        report.pages_written += self.index.render_dirty()
        self.index.sweep()
        touched = python.take_in_new(since)
        changed = channels.names_since(since)
        for channel in changed:
            channels.reindex(channel)
        channels.note_strays()
        if touched or changed or report.pages_written:
            python.finish()
        if not report.problems:  # what is still being written is looked at again
            self.index.staging.looked(start)
        self._print(len(touched), report)
        return 1 if report.problems else 0

    def verify(self, projects: Collection[str] = (), *, from_start: bool = False) -> int:
        """Compare what is published with what is there; with `projects`, only of these. Changes nothing."""
        report = Report()
        reader = Reader(self.index)
        python, conda = VerifyProjects(self.index, reader, report), VerifyChannels(self.index, reader, report)
        names = projects or python.places()

        def compare(verify: Verify) -> Callable[[Iterable[str]], Iterator[str]]:
            return lambda places: in_order(places, verify.start, verify.end)

        try:
            walks = [
                self._walk_along(
                    "verify", names, "project", compare(python), report, remembers=not projects, from_start=from_start
                )
            ]
            if not projects:
                subdirs = conda.places()
                walks += [
                    self._walk_along("verify conda", subdirs, "subdir", compare(conda), report, from_start=from_start)
                ]
        finally:
            reader.stop()
        for walk in walks:
            walk.finish()
        problems = sum(walk.so_far.problems for walk in walks)
        outcome = f"{len(names)} projects, {problems} problems"
        self.index.note(Event(VERIFY, self.who, now(), reason=outcome))
        print(f"{outcome}.")
        return 1 if problems else 0

    def channel(self, names: Iterable[str]) -> int:
        """See that conda channels are there, and take in what was copied in for them."""
        drop, report = self._drop()
        for name in names:
            Channels(drop).make(name)
        self.index.sync()
        print(f"{report.published} files published, {report.pages_written} indexes written.")
        return 1 if report.problems else 0

    def _drop(self) -> tuple[Drop, Report]:
        report = Report()
        return Drop(self.index, self.who, report, self.max_file_size), report

    def _walk(
        self,
        command: str,
        names: Collection[str],
        unit: str,
        look_after: Callable[[str], None],
        report: Report,
        *,
        remembers: bool = True,
        from_start: bool = False,
    ) -> Walk:
        def along(places: Iterable[str]) -> Iterator[str]:
            for place in places:
                look_after(place)
                yield place

        return self._walk_along(command, names, unit, along, report, remembers=remembers, from_start=from_start)

    def _walk_along(
        self,
        command: str,
        names: Collection[str],
        unit: str,
        along: Callable[[Iterable[str]], Iterator[str]],
        report: Report,
        *,
        remembers: bool = True,
        from_start: bool = False,
    ) -> Walk:
        """Go along all places of a kind; `along` yields each once it is done."""
        walk = Walk(self.index, command, remembers=remembers, from_start=from_start)
        if walk.is_resumed and walk.so_far.places:
            tell(
                f"{command} goes on where it was stopped, after {walk.so_far.after}: {walk.so_far.places} {unit}s are"
                f" done, with {walk.so_far.problems} problems (--from-start begins anew)."
            )
        remaining = [name for name in sorted(names) if walk.remains(name)]
        told = report.problems
        try:
            for place in progress(
                along(remaining), len(remaining) + walk.so_far.places, command, unit, walk.so_far.places
            ):
                walk.done(place, report.problems - told)
                told = report.problems
        finally:
            walk.save()
        return walk

    def _print(self, projects: int, report: Report) -> None:
        print(f"{projects} projects, {report.published} files published, {report.pages_written} pages rewritten.")

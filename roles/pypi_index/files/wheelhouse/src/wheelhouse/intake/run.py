"""One run: resolve, fetch, check, publish, in all its parts; or, while an earlier set is in force, check alone.

A run that is killed has published whole closures, or the beginnings of some that nobody can choose yet; the next one
resolves and checks as if nothing had happened, fetches what is missing, and completes what was begun.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from wheelhouse.conda import upstream_records
from wheelhouse.config import Settings
from wheelhouse.index.events import Journal
from wheelhouse.intake import advisories, lock, rollback
from wheelhouse.intake.conda.source import CondaChannel
from wheelhouse.intake.history import WHO, History
from wheelhouse.intake.lock import Lock
from wheelhouse.intake.pypi.candidates import View
from wheelhouse.intake.pypi.loopback_index import Service
from wheelhouse.intake.pypi.source import PyPI
from wheelhouse.intake.request import Plan
from wheelhouse.intake.result import Outcome
from wheelhouse.intake.rollback import Rollback
from wheelhouse.intake.source import Context, Distribution, Known, Part
from wheelhouse.store.downloads import Cache
from wheelhouse.store.local import Shelf
from wheelhouse.network import Network
from wheelhouse.upstream.simple_index import Mirror, Upstream
from wheelhouse.web.upstream_routes import upstream_url

_WHOLE_RUN = 86_400.0
_MAX_FILES = 5_000_000


class Run:
    """Everything a run works with."""

    def __init__(self, shelf: Shelf, journal: Journal, settings: Settings, plan: Plan, network: Network) -> None:
        self._shelf = shelf
        self._plan = plan
        history = History(journal)
        quarantine = Cache(shelf.quarantine / WHO)
        mirror = Mirror(quarantine, _WHOLE_RUN, _MAX_FILES, patient=True)
        upstream = Upstream(upstream_url(settings), network, timedelta())
        today = datetime.now(UTC).date()
        view = View(mirror, upstream, history, plan.policy, (settings.reserved, settings.denied), today)
        self._service = Service(view, mirror, upstream, shelf, quarantine, None)
        self._client = mirror.client(network)
        context = Context(shelf, journal, settings, plan, history, self._client, self._look_up, today)
        channels = sorted({*plan.channels, *upstream_records.channels(shelf)})
        self._parts: tuple[Part, ...] = (
            PyPI(context, view, self._service),
            *(CondaChannel(name, context) for name in channels),
        )

    def __call__(self) -> tuple[Outcome, ...]:
        """Do it all but the report. The caller holds the lock of runs; raises OSError and `NotThere`."""
        self._shelf.sweep()
        with self._service.serving():
            in_force = rollback.in_force(self._shelf)
            if in_force:
                self._stay(in_force)
            else:
                self._go_on()
        for part in self._parts:
            part.look_back()
        return tuple(part.outcome for part in self._parts)

    def _go_on(self) -> None:
        path = self._shelf.intake / "lock.toml"
        before = lock.read(path)
        for part in self._parts:
            part.resolve(before)
        current = self._lock()
        self._shelf.write_record(path, current.text().encode())
        for part in self._parts:
            part.note()
            part.fetch()
            part.check()
        for part in self._parts:
            part.publish()
            part.hold(None)  # not before it is known what is wrong with what comes back
            part.withdraw()
            part.keep_back()
        rollback.keep(self._shelf, current)

    def _stay(self, in_force: Rollback) -> None:
        """Offer what the set in force says, and nothing new; what is known of it may have changed."""
        chosen = rollback.read(self._shelf, in_force)
        for part in self._parts:
            part.outcome.stay(part.lines, chosen, in_force)
            part.outcome.yanked += part.hold(in_force)
            part.note()
            part.check()
            part.withdraw()

    def _lock(self) -> Lock:
        """What all lines come to, in the order of the list."""
        found = {line: closure for part in self._parts for line, closure in part.outcome.lock.closures.items()}
        return Lock({line.text: found[line.text] for line in self._plan.lines if line.text in found})

    def _look_up(self, distributions: Iterable[Distribution]) -> Known:
        """What is known against projects of PyPI."""
        if not self._plan.policy.verdict("vulnerability"):
            return {}, ""
        try:
            self._service.advisories = self._service.advisories or advisories.Source(
                self._plan.policy.advisories, self._client
            )
            return advisories.look_up(distributions, f"{self._service.address}/osv"), ""
        except advisories.Unavailable as error:
            return {}, str(error)

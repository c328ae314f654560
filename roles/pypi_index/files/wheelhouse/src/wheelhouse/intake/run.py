"""One run: resolve, fetch, check, publish, for all sources; or, while an earlier set is in force, check alone.

A run that is killed has published whole closures, or the beginnings of some that nobody can choose yet; the next one
resolves and checks as if nothing had happened, fetches what is missing, and completes what was begun.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from wheelhouse.config import Settings
from wheelhouse.index import queries
from wheelhouse.index.transaction import Index
from wheelhouse.intake import advisories, lock, rollback
from wheelhouse.intake.fetch import Quarantine
from wheelhouse.intake.lock import Lock
from wheelhouse.intake.published import WHO, Published
from wheelhouse.intake.pypi.candidates import Candidates
from wheelhouse.intake.pypi.listings import Listings
from wheelhouse.intake.pypi.loopback_index import LoopbackIndex
from wheelhouse.intake.pypi.source import PyPI
from wheelhouse.intake.request import Request
from wheelhouse.intake.result import Result
from wheelhouse.intake.rollback import Rollback
from wheelhouse.intake.source import Context, Distribution, Known, Source
from wheelhouse.network import Network
from wheelhouse.store.downloads import Cache
from wheelhouse.upstream.simple_index import Mirror, Upstream
from wheelhouse.web.upstream_routes import upstream_url

_WHOLE_RUN = 7 * 86_400.0
LOCK = "lock.toml"


class Run:
    """Everything a run works with, from its beginning to its `close`."""

    def __init__(self, index: Index, settings: Settings, request: Request, network: Network) -> None:
        self._index = index
        self._request = request
        self._resources = contextlib.ExitStack()
        scratch = self._resources.enter_context(index.staging.scratch())
        published = Published(index)
        files = Cache(index.staging.quarantine / WHO)
        mirror = Mirror(files, _WHOLE_RUN, max_files=1, patient=True)  # pages are kept by `Listings`
        network = settings.to_upstream(network)
        upstream = Upstream(upstream_url(settings, ""), network, timedelta())
        self._client = mirror.client(network)
        today = datetime.now(UTC).date()
        candidates = Candidates(
            Listings(mirror, lambda project: replace(upstream, url=upstream_url(settings, project)), scratch),
            upstream,
            published,
            request.policy,
            (settings.own_names, settings.denied, settings.restricted),
            today,
        )
        self._loopback = LoopbackIndex(candidates, published, Quarantine(files, self._client, settings.max_file_size))
        context = Context(index, published, settings, request, self._client, self._look_up, today)
        self._sources: list[Source] = [PyPI(context, candidates, self._loopback), *_conda(context)]

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def __call__(self) -> tuple[Result, ...]:
        """Do it all but the report. The caller keeps other runs away; raises OSError and `WheelhouseError`."""
        self._index.render_dirty()
        self._index.sweep()
        with self._loopback.serving():
            in_force = rollback.in_force(self._index)
            if in_force:
                self._stay(in_force)
            else:
                self._go_on()
        for source in self._sources:
            source.conclude()
        return tuple(source.result for source in self._sources)

    def _go_on(self) -> None:
        with self._index.database.read() as connection:
            before = lock.parse(queries.intake_lock(connection))
        for source in self._sources:
            source.resolve(before)
        current = self._lock()
        self._index.save_lock(current.text())
        self._index.write_reports({LOCK: current.text().encode()})
        for source in self._sources:
            source.describe()
            source.fetch()
            source.check()
        for source in self._sources:
            source.publish()
            source.apply_rollback(None)  # not before it is known what is wrong with what comes back
            source.withdraw()
            source.quarantine()
        rollback.keep(self._index, current)

    def _stay(self, in_force: Rollback) -> None:
        """Offer what the set in force says, and nothing new; what is known of it may have changed."""
        chosen = rollback.read(self._index, in_force)
        for source in self._sources:
            source.result.stay(source.lines, chosen, in_force)
            source.result.yanked += source.apply_rollback(in_force)
            source.describe()
            source.check()
            source.withdraw()

    def _lock(self) -> Lock:
        """What all lines come to, in the order of the list."""
        found = {line: closure for source in self._sources for line, closure in source.result.lock.closures.items()}
        return Lock({line.text: found[line.text] for line in self._request.lines if line.text in found})

    def _look_up(self, distributions: Iterable[Distribution]) -> Known:
        """What is known against projects of PyPI."""
        if not self._request.policy.verdict("vulnerability"):
            return {}, ""
        try:
            self._loopback.advisories = self._loopback.advisories or advisories.Advisories(
                self._request.policy.advisories, self._client
            )
            return advisories.look_up(distributions, f"{self._loopback.address}/osv"), ""
        except advisories.Unavailable as error:
            return {}, str(error)


def _conda(context: Context) -> list[Source]:
    """A source for each channel that lines name, or that something is on the shelf from."""
    with context.index.database.read() as connection:
        known = [
            channel
            for channel in queries.channels(connection)
            if any(one.upstream for one in queries.packages(connection, channel).values())
        ]
    channels = sorted({*context.request.channels, *known})
    if not channels:
        return []
    from wheelhouse.intake.conda.source import CondaChannel  # noqa: PLC0415  py-rattler takes a while to load

    return [CondaChannel(name, context) for name in channels]

"""`verify` of conda channels: packages and indexes are compared with what was published."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from wheelhouse.formats import conda_package
from wheelhouse.index import queries
from wheelhouse.index.queries import PublishedPackage
from wheelhouse.index.verify import Served, Verify
from wheelhouse.store import foreign


class VerifyChannels(Verify):
    """The subdirs of all channels."""

    def places(self) -> list[str]:
        """Each with its channel: `internal/noarch`."""
        with self.index.database.read() as connection:
            channels = queries.channels(connection)
        return sorted(f"{channel}/{subdir}" for channel, subdirs in channels.items() for subdir in subdirs)

    def files(self, place: str) -> Iterator[Served]:
        """The packages in a subdir."""
        for name, package in sorted(self._packages(place).items()):
            yield Served(f"conda/{place}/{name}", package.sha256, f"{name} of {place}")

    def others(self, place: str) -> list[str]:
        """What lies there and nobody knows, and an index that is not what it should be."""
        names = foreign.names(self.index.site.root, PurePosixPath("conda", place))
        packages = self._packages(place)
        channel = place.partition("/")[0]
        found = [
            f"{foreign.shown(name)} of {channel} is on the shelf and was never published: run reindex."
            for name in names
            if name not in packages and conda_package.is_package(name)
        ]
        if self.index.stale(place):
            found.append(f"The index of {place} does not list what was published: run reindex.")
        return found

    def _packages(self, place: str) -> dict[str, PublishedPackage]:
        channel, _, subdir = place.partition("/")
        with self.index.database.read() as connection:
            packages = queries.packages(connection, channel)
        return {one.file: one for one in packages.values() if one.subdir == subdir}

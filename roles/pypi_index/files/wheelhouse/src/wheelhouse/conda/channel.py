"""Conda channels: what is copied in for one is published, and what is published is served with an index in each subdir.

    conda/<channel>/<subdir>/<file>           published packages
    conda/<channel>/<subdir>/repodata.json    the index of them, see `index.repodata_pages`

Copying a package into `drop/conda/<channel>/`, there into the subdir where it belongs or not, is the way to publish it;
one that is found in the channel itself is treated alike. Deleting its file there takes a package of the company's own
out of the channel, unless a server keeps the bytes. Whatever else is gone is put back, as with Python projects.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from wheelhouse.formats import conda_package, reading
from wheelhouse.formats.reading import Run
from wheelhouse.index import queries, repair
from wheelhouse.index.dropbox import COPIED_IN, Belonging, Drop, TakeIn
from wheelhouse.index.queries import PublishedPackage
from wheelhouse.index.reindex import REPLACED
from wheelhouse.index.repair import Bytes
from wheelhouse.index.transaction import IncomingPackage, Together
from wheelhouse.store import foreign
from wheelhouse.store.foreign import Foreign

CHANNEL = re.compile(r"[a-z][a-z0-9._-]*")
"""The name of a channel."""
SUBDIRS = ("linux-64", "linux-aarch64", "noarch", "osx-64", "osx-arm64", "win-64")
"""Those that a new channel has. Clients take a channel without noarch for none."""

_CONDA = PurePosixPath("conda")


class Channels:
    """The channels of one shelf. Others may use it meanwhile."""

    def __init__(self, drop: Drop) -> None:
        self._drop = drop
        self._index = drop.index
        self._report = drop.report

    def names(self) -> list[str]:
        """All channels, sorted."""
        with self._index.database.read() as connection:
            return sorted(queries.channels(connection))

    def names_since(self, since: float) -> list[str]:
        """Those for which something was dropped, or in which names came or went after `since` (seconds since 1970)."""
        root = self._index.site.root
        return [
            channel
            for channel in self.names()
            if next(foreign.directories(root, _CONDA / channel, since), None)
            or next(self._drop.dropped("conda", channel), None)
        ]

    def note_strays(self) -> None:
        """Tell which packages were dropped for a channel that is not there."""
        channels = self.names()
        for file in self._drop.dropped("conda"):
            _, _, channel, *more = file.where.parts
            if more and channel not in channels:
                self._report.problem(
                    f"{file.shown} is in drop/conda/{foreign.shown(channel)}, and there is no channel of that name:"
                    f" put it into one of {', '.join(channels) or 'none, so have one made first'}."
                )

    def make(self, channel: str) -> None:
        """See that the channel is there, empty or not, and complete; take in what was copied in for it."""
        self._index.staging.make_dropped(channel)
        self._index.make_channel(channel, SUBDIRS)
        self.reindex(channel)

    def reindex(self, channel: str, *, deep: bool = False) -> None:
        """Look after published packages, take in new ones, and render the indexes that differ.

        Files that look as they were left are only read if `deep`.
        """
        _, packages = self._published(channel)
        is_gone = not self._index.site.is_partial and not (self._index.site.conda / channel).is_dir()
        if not packages and is_gone:
            self._index.remove_channel(channel)  # whoever took it away meant it: nothing is in it
            return
        # First: whatever is published next to it puts a file that is gone back.
        gone = {name: "its file was taken away" for name, one in packages.items() if self._is_taken_away(one)}
        if gone:
            self._index.remove_packages(channel, gone, self._drop.who, COPIED_IN)
        files = _Packages(self._drop, channel)
        files.take_in(self._drop.dropped("conda", channel))
        self._look_after(channel, deep)
        files.take_in(self._new(channel))

    def _look_after(self, channel: str, deep: bool) -> None:
        """See that published packages are there and are served, and render the indexes."""
        subdirs, packages = self._published(channel)
        missing: dict[str, bool] = {}
        replaced: dict[str, str] = {}
        unplaced: set[str] = set()
        for name, package in sorted(packages.items()):
            with self._report.noting_errors(package.file):
                at = package.published_at.timestamp()
                is_read = deep or package.missing  # it may be there again
                found = repair.look_after(self._index, _path(package), package.sha256, package.size, at, deep=is_read)
                if found in (Bytes.UNPLACED, Bytes.TOUCHED):
                    unplaced.add(package.subdir)
                if found is Bytes.UNPLACED:
                    self._report.put_back(f"{package.file} of {_place(package)}")
                elif found is Bytes.GONE:
                    self._report.problem(
                        f"{package.file} of {_place(package)} was published and is not on the shelf any more."
                    )
                elif found is Bytes.REPLACED:
                    self._put_aside(package)
                    replaced[name] = "its contents were replaced"
                if (found is Bytes.GONE) != package.missing and found is not Bytes.REPLACED:
                    missing[name] = found is Bytes.GONE
        if replaced:
            self._index.remove_packages(channel, replaced, self._drop.who, COPIED_IN)
        if missing:
            self._index.note_missing_packages(channel, missing)
        for subdir in subdirs:
            place = f"{channel}/{subdir}"
            self._report.pages_written += self._index.render(place, check=subdir in unplaced, durable=False)

    def _published(self, channel: str) -> tuple[list[str], dict[str, PublishedPackage]]:
        """A channel's subdirs and packages, once nobody is in the middle of serving others."""
        with self._index.database.read() as connection:
            subdirs = queries.channels(connection)[channel]
        places = [f"{channel}/{subdir}" for subdir in subdirs]
        return subdirs, repair.settled(self._index, places, lambda connection: queries.packages(connection, channel))

    def _is_taken_away(self, package: PublishedPackage) -> bool:
        """Whether somebody deleted a package of our own from an index that is there. What is served is settled."""
        if self._index.site.is_partial:
            return False  # nobody asked this host for it yet, or it made room for others
        page = Foreign(self._index.site.root, _CONDA / package.channel / package.subdir / "repodata.json")
        file = Foreign(self._index.site.root, PurePosixPath(_path(package)))
        return not (package.upstream or package.missing) and not file.is_there() and page.is_there()

    def _put_aside(self, package: PublishedPackage) -> None:
        served = Foreign(self._index.site.root, PurePosixPath(_path(package)))
        self._drop.set_aside(served, REPLACED, Belonging(channel=_place(package)))
        repair.discard(self._index, package.sha256)

    def _new(self, channel: str) -> Iterator[Foreign]:
        """Packages that nobody knows, in the channel's directories and in what was dropped for it."""
        root = self._index.site.root
        for directory in foreign.directories(root, _CONDA / channel):
            names = [name for name in foreign.names(root, directory) if conda_package.is_package(name)]
            if names:
                _, known = self._published(channel)
                for name in names:
                    if f"{directory.name}/{name}" not in known or directory.parent.name != channel:
                        yield Foreign(root, directory / name)
        yield from self._drop.dropped("conda", channel)


class _Packages(TakeIn[IncomingPackage]):
    """Packages that were copied in for a channel."""

    def __init__(self, drop: Drop, channel: str) -> None:
        super().__init__(drop)
        self._channel = channel

    def admit(self, file: Foreign) -> bool:
        """Whatever its name is: what is no package goes aside."""
        return True

    def check(self, file: Foreign, copy: Path, run: Run) -> IncomingPackage:
        """Read it to its end; raises `BadPackage`, OSError."""
        found = reading.package(copy, file.name, self._subdir(file), run)
        name = f"{found.record['subdir']}/{file.name}"
        return IncomingPackage(copy, name, found.record, inside=found.inside, scripts=found.scripts)

    def publish(self, files: Sequence[IncomingPackage]) -> Together:
        """Publish packages of the channel."""
        return self.drop.index.publish_packages_together(self._channel, files, self.drop.who, COPIED_IN)

    def group(self, incoming: IncomingPackage) -> str:
        """The channel."""
        return self._channel

    def served_at(self, incoming: IncomingPackage) -> PurePosixPath:
        """In its subdir."""
        return _CONDA / self._channel / incoming.name

    def belonging(self, file: Foreign) -> Belonging:
        """The channel and the subdir in which it was found, if it was found in one."""
        subdir = self._subdir(file)
        return Belonging(channel=f"{self._channel}/{subdir}" if subdir else None)

    def _subdir(self, file: Foreign) -> str | None:
        """The subdir of the channel whose name its directory has: packages that say none are of that one."""
        parts = file.where.parent.parts
        within = parts[parts.index(self._channel) + 1 :] if self._channel in parts else ()
        return within[-1] if within and conda_package.SUBDIR.fullmatch(within[-1]) else None


def _path(package: PublishedPackage) -> str:
    return f"{_CONDA}/{package.channel}/{package.name}"


def _place(package: PublishedPackage) -> str:
    return f"{package.channel}/{package.subdir}"

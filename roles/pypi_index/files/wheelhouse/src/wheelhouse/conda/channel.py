"""Conda channels: plain files below `conda/`, with an index (repodata.json) in each subdir.

    conda/<channel>/<subdir>/<file>           published packages, immutable
    conda/<channel>/<subdir>/repodata.json    their records, also as .gz and .zst

Copying a package into `drop/conda/<channel>/`, there into the subdir where it belongs or not, is the way to publish it;
one that is found in the channel itself is treated alike. A record that is in the
index is kept as it stands for as long as its file is: what an upstream corrected in one is not in the package.
What `intake` brought is listed as `kept` says.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wheelhouse.conda import upstream_records
from wheelhouse.conda.upstream_records import Packages
from wheelhouse.formats import conda_package, reading
from wheelhouse.formats.conda_package import BadPackage
from wheelhouse.formats.distribution import MAX_NAME
from wheelhouse.index import transaction
from wheelhouse.index.dropbox import (
    COPIED_IN,
    Report,
    Unfit,
    dropped,
    is_being_written,
    is_file,
    received,
    remove_unfit,
    shown,
    tidy_away,
)
from wheelhouse.index.events import MAX_REASON, PUBLISH, QUARANTINE, REMOVE, Event, Journal, now, printable
from wheelhouse.index.file_names import Names
from wheelhouse.store.local import Shelf

CHANNEL = re.compile(r"[a-z][a-z0-9._-]*")
"""The name of a channel."""
SUBDIRS = ("linux-64", "linux-aarch64", "noarch", "osx-64", "osx-arm64", "win-64")
"""Those that a new channel has. Clients take a channel without noarch for none."""
_GROUPS = {".conda": "packages.conda", ".tar.bz2": "packages"}
"""Where in repodata.json a file is listed, by how its name ends."""

Records = dict[str, dict[str, Any]]
"""File name -> record."""


@dataclass
class _Subdir:
    """A subdir as it is found."""

    directory: Path
    records: Records
    written_at: float
    """When its index was, in seconds since 1970."""


class Channels:
    """The channels of one shelf, looked after on behalf of `who`. Others may use the shelf meanwhile."""

    def __init__(
        self, shelf: Shelf, journal: Journal, who: str, report: Report, max_file_size: int | None = None
    ) -> None:
        """`max_file_size` is the most bytes of a package that is copied in."""
        self._shelf = shelf
        self._journal = journal
        self._names = Names(journal)
        self._max_file_size = max_file_size
        self._who = who
        self._report = report

    def names(self) -> list[str]:
        """All channels, sorted."""
        return [directory.name for directory in self._shelf.directories(self._shelf.conda)]

    def names_since(self, last: float) -> list[str]:
        """Those for which something was dropped, or in which a directory changed after `last` (seconds since 1970)."""
        return [
            channel
            for channel in self.names()
            if any(directory.stat().st_mtime >= last - 1 for directory in self._places(channel))
            or next(dropped(self._shelf, self._dropped(channel)), None)
        ]

    def note_strays(self) -> None:
        """Say which packages were dropped for a channel that is not there."""
        channels = self.names()
        for path in dropped(self._shelf, self._shelf.drop / "conda"):
            channel, *more = path.relative_to(self._shelf.drop / "conda").parts
            if more and channel not in channels:
                self._report.problems.append(
                    f"{shown(path)} is in drop/conda/{shown(Path(channel))}, and there is no channel of that name:"
                    f" put it into one of {', '.join(channels) or 'none, so have one made first'}."
                )

    def make(self, channel: str) -> None:
        """See that the channel is there, empty or not, and complete."""
        with self.changing(channel):
            self.make_subdirs(channel)

    def make_subdirs(self, channel: str) -> None:
        """Make the directories that each channel has. The caller is `changing` it."""
        for subdir in SUBDIRS:
            self._shelf.make_subdir(channel, subdir)
        self._shelf.make_dropped(channel)

    def reindex(self, channel: str) -> None:
        """Take in new packages, leave out those that are gone, and rewrite the indexes that differ."""
        with self.changing(channel):
            pass

    @contextlib.contextmanager
    def changing(self, channel: str) -> Iterator[None]:
        """Keep others from changing the channel, and do the same at the end of the block."""
        with self._shelf.locked(f"conda/{channel}"):
            yield
            packages = upstream_records.load(self._shelf, channel)
            subdirs = {
                directory.name: self._read(directory)
                for directory in self._places(channel)[1:]
                if conda_package.SUBDIR.fullmatch(directory.name)
            }
            events: list[Event] = []
            for subdir in subdirs.values():
                events += self._look_after(subdir)
                events += self._apply(packages, subdir)
            for path in self._arrivals(channel, subdirs, packages):
                with self._report.noting_errors(path):
                    events += self._take_in(path, channel, subdirs, packages)
            for subdir in subdirs.values():
                self._shelf.sync_directory(subdir.directory)
            # Before the index: what is listed is in the journal.
            self._journal.append(events)
            for subdir in subdirs.values():
                self._write(subdir)

    def verify(self, channel: str) -> None:
        """Compare the channel's files with its index. Changes nothing."""
        if self._disagreements(channel):
            with self._shelf.locked(f"conda/{channel}"):  # once more, with nobody in the middle of a change
                self._report.problems += self._disagreements(channel)

    def _disagreements(self, channel: str) -> list[str]:
        found: list[str] = []
        subdirs = {directory.name: self._read(directory) for directory in self._places(channel)[1:]}
        for subdir in subdirs.values():
            for name, record in sorted(subdir.records.items()):
                try:
                    if transaction.sha256(subdir.directory / name) != record.get("sha256"):
                        found.append(f"{name} of {self._where(subdir)} is not what was published.")
                except OSError as error:
                    found.append(f"{name} of {self._where(subdir)} cannot be read: {error.strerror}.")
        for path in self._arrivals(channel, subdirs, upstream_records.load(self._shelf, channel)):
            found.append(f"{path.name} of {channel} is on the shelf and was never published: run reindex.")
        return found

    def _dropped(self, channel: str) -> Path:
        return self._shelf.drop / "conda" / channel

    def _places(self, channel: str) -> list[Path]:
        """The channel's directory and its subdirs."""
        top = self._shelf.conda / channel
        return [top, *self._shelf.directories(top)]

    def _read(self, directory: Path) -> _Subdir:
        """What the index of a subdir says; an index that is not there or broken says nothing, and is made anew."""
        page = directory / "repodata.json"
        try:
            repodata = json.loads(page.read_bytes())
            records = {name: dict(one) for group in _GROUPS.values() for name, one in repodata[group].items()}
            return _Subdir(directory, records, page.stat().st_mtime)
        except (FileNotFoundError, ValueError, KeyError, AttributeError, TypeError):
            return _Subdir(directory, {}, 0.0)

    def _look_after(self, subdir: _Subdir) -> Iterator[Event]:
        """Take records out whose file is gone, or is not the one that was published any more."""
        for name, record in sorted(subdir.records.items()):
            path = subdir.directory / name
            reason = None
            with self._report.noting_errors(path):
                if not os.path.lexists(path):
                    reason = "its file was taken away"
                # Unlike the other times of a file, this one cannot be set to an older one by whoever copies.
                elif path.lstat().st_ctime >= subdir.written_at and (
                    not is_file(self._shelf, path) or transaction.sha256(path) != record.get("sha256")
                ):
                    reason = "its contents were replaced"
                    yield self._quarantine(
                        path,
                        subdir,
                        "It is not the file that was published under this name: the index promised other contents.",
                    )
            if reason:
                del subdir.records[name]
                yield self._event(REMOVE, subdir, name, reason=reason)

    def _apply(self, packages: Packages, subdir: _Subdir) -> Iterator[Event]:
        """List what came from upstream as it was there, unless it is withheld."""
        for name, known in packages.items():
            of, _, filename = name.partition("/")
            path = subdir.directory / filename
            if of != subdir.directory.name or not path.exists():
                continue
            if known.withheld:
                subdir.records.pop(filename, None)
            elif filename in subdir.records or transaction.sha256(path) == known.record["sha256"]:
                subdir.records[filename] = dict(known.record)
            else:
                yield self._quarantine(path, subdir, "It is not the file that came from upstream under this name.")

    def _arrivals(self, channel: str, subdirs: dict[str, _Subdir], packages: Packages) -> Iterator[Path]:
        for directory in self._places(channel):
            known = subdirs[directory.name].records if directory.name in subdirs else {}
            for path in sorted(directory.iterdir()):
                if f"{directory.name}/{path.name}" in packages:
                    continue
                # hidden files are those of copying programs
                if path.name not in known and not path.name.startswith(".") and conda_package.is_package(path.name):
                    yield path
        yield from dropped(self._shelf, self._dropped(channel))

    def _take_in(self, path: Path, channel: str, subdirs: dict[str, _Subdir], packages: Packages) -> Iterator[Event]:
        """Put a package that was copied in where it belongs, or in the quarantine."""
        found_in = subdirs.get(path.parent.name) if path.parent.parent.name == channel else None
        try:
            with received(self._shelf, path, self._max_file_size) as copy:
                try:
                    record = reading.package(copy.path, path.name, found_in and found_in.directory.name).record
                except BadPackage:
                    if is_being_written(self._shelf, path, copy.before):
                        self._report.problems.append(
                            f"{path.name} is still being written; the next run looks at it again."
                        )
                        return
                    raise
                subdir = subdirs.get(record["subdir"]) or self._new_subdir(channel, record["subdir"], subdirs)
                target = subdir.directory / path.name
                listed = subdir.records.get(path.name)
                known = packages.get(f"{subdir.directory.name}/{path.name}")
                if known and not listed:
                    raise BadPackage(f"{path.name} came from upstream, and is withheld: {known.withheld or 'gone'}.")
                if listed and listed.get("sha256") != record["sha256"]:
                    raise BadPackage(
                        f"{path.name} already exists in {self._where(subdir)} with other contents; a published file is"
                        " never replaced: raise the build number and build again."
                    )
                before = self._names.digest(self._where(subdir), path.name)
                if before not in (None, record["sha256"]):
                    raise BadPackage(
                        f"{path.name} was published in {self._where(subdir)} before with other contents; a published"
                        " file is never replaced: raise the build number and build again."
                    )
                if not listed:
                    self._shelf.place_in_channel(copy.path, target)
        except (BadPackage, Unfit) as error:
            yield self._quarantine(path, found_in, str(error))
            return
        if path != target:
            tidy_away(self._shelf, path, copy.before)
        if not listed:
            subdir.records[path.name] = record
            self._report.published.append(path.name)
            yield self._event(PUBLISH, subdir, path.name, version=record["version"], sha256=record["sha256"])

    def _new_subdir(self, channel: str, name: str, subdirs: dict[str, _Subdir]) -> _Subdir:
        subdirs[name] = self._read(self._shelf.make_subdir(channel, name))
        return subdirs[name]

    def _write(self, subdir: _Subdir) -> None:
        """Write the index of a subdir, if it differs."""
        repodata: dict[str, Any] = {
            "info": {"subdir": subdir.directory.name},
            **{group: {} for group in _GROUPS.values()},
            "removed": [],
            "repodata_version": 1,
        }
        for name, record in sorted(subdir.records.items()):
            group = next(group for suffix, group in _GROUPS.items() if name.endswith(suffix))
            repodata[group][name] = record
        content = json.dumps(repodata, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        self._report.pages_written += self._shelf.write_repodata(subdir.directory, content)

    def _where(self, subdir: _Subdir) -> str:
        return f"{subdir.directory.parent.name}/{subdir.directory.name}"

    def _event(self, what: str, subdir: _Subdir | None, name: str, **more: Any) -> Event:
        channel = self._where(subdir) if subdir else None
        return Event(what, self._who, now(), COPIED_IN, channel=channel, file=name, **more)

    def _quarantine(self, path: Path, subdir: _Subdir | None, reason: str) -> Event:
        reason = printable(reason, MAX_REASON)
        name = printable(path.name, MAX_NAME)
        if not is_file(self._shelf, path):
            remove_unfit(self._shelf, path)
            self._report.problems.append(f"{shown(path)} was removed: {reason}")
            return self._event(QUARANTINE, subdir, name, reason=reason)
        where = path.relative_to(self._shelf.root)
        digest = transaction.sha256(path)
        kept = self._shelf.set_aside(path, {"found": str(where), "reason": reason, "sha256": digest, "time": now()})
        self._report.problems.append(f"{shown(path)} was moved to the quarantine as {shown(kept)}: {reason}")
        return self._event(QUARANTINE, subdir, name, sha256=digest, reason=reason)

"""Changes to conda channels, along the one path of every change.

`name` has the subdir with it: `noarch/six-1.16.0-pyh6c4a22f_0.conda`. All that is changed at once appears at once, but
for the moment between the indexes of two subdirs, in which a solver passes over what needs something of the other one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, update

from wheelhouse.errors import Conflict, NotFound
from wheelhouse.index import queries, tables
from wheelhouse.index.changes import Changes, Together
from wheelhouse.index.database import insert_missing
from wheelhouse.index.events import PUBLISH, REMOVE, UNYANK, YANK, Event, now
from wheelhouse.index.gateways import mark_dirty
from wheelhouse.index.projection import About
from wheelhouse.index.queries import PublishedPackage

_RAISE = "a published file is never replaced: raise the build number and build again."


@dataclass(frozen=True)
class IncomingPackage:
    """A conda package that was received and found to be as it should."""

    path: Path
    """Like `Incoming.path`."""
    name: str
    """With its subdir: `noarch/six-1.16.0-pyh6c4a22f_0.conda`."""
    record: Mapping[str, Any]
    """What repodata.json says of it, with `sha256`, `size` and `version`."""
    upstream: bool = False
    """Whether it came from another channel, whose record this is."""
    inside: tuple[tuple[str, str], ...] = ()
    """Name and version of each Python distribution that it installs."""
    scripts: tuple[str, ...] | None = None
    """Sentences: what in it runs without anybody asking for it. None if that was not looked at yet."""
    uploaded: str | None = None
    """Like `Event.uploaded`."""

    @property
    def sha256(self) -> str:
        """Hex."""
        return str(self.record["sha256"])


class CondaChanges(Changes):
    """What can be done to a channel."""

    def make_channel(self, channel: str, subdirs: Iterable[str]) -> None:
        """See that a channel has these subdirs, with an index in each, and a place to drop packages for it."""
        wanted = sorted(set(subdirs))
        places = [f"{channel}/{subdir}" for subdir in wanted]
        with self.database.change(*places) as connection:
            known = queries.channels(connection).get(channel, [])
            new = [f"{channel}/{subdir}" for subdir in wanted if subdir not in known]
            rows = [{"channel": channel, "subdir": subdir} for subdir in wanted]
            insert_missing(connection, tables.conda_channels, rows)
            mark_dirty(connection, new)
        self.staging.make_dropped(channel)
        self.render(*new)

    def remove_channel(self, channel: str) -> bool:
        """Forget a channel in which nothing is published. False if something is. Its directories stay."""
        with self.database.change(channel) as connection:
            if queries.packages(connection, channel):
                return False
            connection.execute(delete(tables.conda_channels).where(tables.conda_channels.c.channel == channel))
            begins = tables.dirty.c.place.startswith(f"{channel}/", autoescape=True)
            connection.execute(delete(tables.dirty).where(begins))
        return True

    def publish_packages(
        self,
        channel: str,
        packages: Sequence[IncomingPackage],
        who: str,
        origin: str,
        *,
        records: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> list[str]:
        """Publish packages of a channel, all in one transaction; makes subdirs that are not there.

        The same bytes again are fine, and heal what is lost. `records` (by name) replaces upstream's records of
        packages that are there, where the SHA-256 is the same. Returns the names (without subdir) of those that
        are new. Raises `Conflict`, and then nothing has changed; `Busy`, OSError.
        """
        packages = sorted(packages, key=lambda package: package.name)
        named = {*(package.name for package in packages), *(records or {})}
        places = {f"{channel}/{name.partition('/')[0]}" for name in named}
        with self._storing({package.sha256: package.path for package in packages}) as keep:
            with self.database.change(*places) as connection:
                known = queries.packages(connection, channel, removed=True)
                done = self._publish_packages(connection, channel, packages, known, who, origin)
                for conflict in done.refused.values():
                    raise conflict
                keep()
                replaced = replace_records(connection, channel, known, records or {})
                mark_dirty(connection, replaced)
            fresh = {_file(package.name) for package in packages}
            self.render(*done.dirty, *replaced, fresh=fresh)
        return list(done.new)

    def publish_packages_together(
        self, channel: str, packages: Sequence[IncomingPackage], who: str, origin: str
    ) -> Together:
        """Publish those packages of a channel that nothing speaks against; the others are only told of.

        None of them need be synced before. When this returns they are on the disk, and what is `dirty` is to be
        rendered: see `rendering_together`. Raises `Busy`, OSError.
        """
        places = {_place(channel, package.name) for package in packages}
        with self._storing({package.sha256: package.path for package in packages}, together=True) as keep:
            with self.database.change(*places) as connection:
                known = queries.packages(connection, channel, removed=True)
                done = self._publish_packages(connection, channel, packages, known, who, origin)
                keep()
            self.sweep_these({packages[number].sha256 for number in done.refused})
        return done

    def _publish_packages(
        self,
        connection: Connection,
        channel: str,
        packages: Sequence[IncomingPackage],
        known: Mapping[str, PublishedPackage],
        who: str,
        origin: str,
    ) -> Together:
        """Have rows that name those packages that nothing speaks against, all of whose bytes are in the store."""
        new: dict[str, IncomingPackage] = {}
        found: dict[str, bool] = {}
        refused: dict[int, Conflict] = {}
        dirty: dict[str, set[str]] = {}
        for number, package in enumerate(packages):
            try:
                if package.name in new:
                    _check_same(channel, package, new[package.name].sha256)
                elif self._is_new(channel, package, known.get(package.name)):
                    new[package.name] = package
                elif known[package.name].missing:
                    found[package.name] = False
            except Conflict as conflict:
                refused[number] = conflict
                continue
            dirty.setdefault(_place(channel, package.name), set()).add(_file(package.name))
        about = {(_place(channel, name), _file(name)): _about(one) for name, one in new.items()}
        events = [_published(channel, one, who, origin) for one in new.values()]
        places = self._write_down(connection, events, about) | _note_missing(connection, channel, found)
        mark_dirty(connection, places)
        return Together([_file(name) for name in new], refused, {**dict.fromkeys(places, ()), **dirty})

    def withhold(self, channel: str, reasons: Mapping[str, str], who: str, origin: str | None = None) -> list[str]:
        """Take packages out of the indexes, which says why; their files stay. Returns their names without subdir."""
        return self._mark(channel, YANK, reasons, who, origin)

    def offer(self, channel: str, names: Iterable[str], who: str, origin: str | None = None) -> list[str]:
        """Put them back. Returns their names without subdir."""
        return self._mark(channel, UNYANK, dict.fromkeys(names), who, origin)

    def update_records(self, channel: str, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Have upstream's packages listed as upstream lists them today, where the SHA-256 is the same."""
        with self.database.change(*{_place(channel, name) for name in records}) as connection:
            known = queries.packages(connection, channel)
            dirty = replace_records(connection, channel, known, records)
            mark_dirty(connection, dirty)
        self.render(*dirty)

    def describe_packages(
        self,
        channel: str,
        scripts: Mapping[str, tuple[str, ...]],
        inside: Mapping[str, tuple[tuple[str, str], ...]] | None = None,
    ) -> None:
        """Note what runs by itself in packages that nobody had looked at for it, and what they install."""
        with self.database.change(*{_place(channel, name) for name in scripts}) as connection:
            for name, sentences in scripts.items():
                changed = {"scripts": json.dumps(sentences)}
                if inside and name in inside:
                    changed["inside"] = json.dumps(inside[name])
                connection.execute(update(tables.conda_packages).where(*_is(channel, name)).values(changed))

    def remove_packages(self, channel: str, reasons: Mapping[str, str], who: str, origin: str | None) -> list[str]:
        """Take packages off for good: their files are gone or were replaced. Returns their names without subdir."""
        with self.database.change(*{_place(channel, name) for name in reasons}) as connection:
            known = queries.packages(connection, channel)
            gone = {name: reason for name, reason in sorted(reasons.items()) if name in known}
            dirty = self._write_down(
                connection,
                [
                    Event(REMOVE, who, now(), origin, channel=_place(channel, name), file=_file(name), reason=reason)
                    for name, reason in gone.items()
                ],
            )
            removed = {known[name].sha256 for name in gone}
            note = self.staging.note_loose(removed)
        self.render(*dirty)
        self._sweep_noted(note, removed)
        return [_file(name) for name in gone]

    def remove_builds(self, channel: str, name: str, version: str, reason: str, who: str) -> list[str]:
        """Take all builds of a version off for good. Returns the names of their files; raises `NotFound`."""
        with self.database.read() as connection:
            known = queries.packages(connection, channel)
        builds = [one for one in known if _file(one).rsplit("-", 2)[:2] == [name, version]]
        if not builds:
            raise NotFound(f"{name} {version} is not in the channel {channel}.")
        return self.remove_packages(channel, dict.fromkeys(builds, reason), who, None)

    def note_missing_packages(self, channel: str, missing: Mapping[str, bool]) -> None:
        """Note which published packages have lost their bytes (True), or have them again: only these are listed."""
        with self.database.change(*{_place(channel, name) for name in missing}) as connection:
            dirty = _note_missing(connection, channel, missing)
            mark_dirty(connection, dirty)
        self.render(*dirty)

    def _mark(
        self, channel: str, what: str, reasons: Mapping[str, str | None], who: str, origin: str | None
    ) -> list[str]:
        with self.database.change(*{_place(channel, name) for name in reasons}) as connection:
            known = queries.packages(connection, channel)
            changed = {
                name: reason
                for name, reason in sorted(reasons.items())
                if name in known and known[name].withheld != reason
            }
            dirty = self._write_down(
                connection,
                [
                    Event(
                        event=what,
                        who=who,
                        time=now(),
                        origin=origin,
                        channel=_place(channel, name),
                        version=known[name].version,
                        file=_file(name),
                        size=known[name].size,
                        sha256=known[name].sha256,
                        reason=reason,
                    )
                    for name, reason in changed.items()
                ],
            )
        self.render(*dirty)
        return [_file(name) for name in changed]

    def _is_new(self, channel: str, package: IncomingPackage, known: PublishedPackage | None) -> bool:
        """Whether a package is to be published; raises `Conflict`."""
        if known is None:
            return True
        file, where = known.file, _place(channel, package.name)
        if known.removed is None:
            _check_same(channel, package, known.sha256)
        elif known.sha256 != package.sha256:
            raise Conflict(f"{file} was published in {where} before with other contents; {_RAISE}")
        if known.removed is None and known.withheld is not None and not package.upstream:
            raise Conflict(f"{file} came from upstream, and is withheld: {known.withheld}.")
        return known.removed is not None or known.record is None


def _place(channel: str, name: str) -> str:
    return f"{channel}/{name.partition('/')[0]}"


def _file(name: str) -> str:
    return name.partition("/")[2]


def _check_same(channel: str, package: IncomingPackage, sha256: str) -> None:
    """Raise `Conflict` if the bytes of a package are not those that are published under its name."""
    if package.sha256 != sha256:
        where = _place(channel, package.name)
        raise Conflict(f"{_file(package.name)} already exists in {where} with other contents; {_RAISE}")


def _is(channel: str, name: str) -> tuple[Any, ...]:
    table = tables.conda_packages
    subdir, _, file = name.partition("/")
    return table.c.channel == channel, table.c.subdir == subdir, table.c.file == file


def _about(package: IncomingPackage) -> About:
    return About(package.record, package.upstream, package.inside, package.scripts)


def _published(channel: str, package: IncomingPackage, who: str, origin: str) -> Event:
    return Event(
        event=PUBLISH,
        who=who,
        time=now(),
        origin=origin,
        channel=_place(channel, package.name),
        version=str(package.record["version"]),
        file=_file(package.name),
        size=package.record.get("size"),
        sha256=package.sha256,
        uploaded=package.uploaded,
    )


def replace_records(
    connection: Connection,
    channel: str,
    known: Mapping[str, PublishedPackage],
    records: Mapping[str, Mapping[str, Any]],
) -> set[str]:
    """Have upstream's packages listed by these records; returns the places that look another way now."""
    changed = {
        name: json.dumps(record, sort_keys=True, separators=(",", ":"))
        for name, record in records.items()
        if name in known
        and known[name].upstream
        and known[name].sha256 == record.get("sha256")
        and known[name].record != record
    }
    for name, record in changed.items():
        connection.execute(update(tables.conda_packages).where(*_is(channel, name)).values(record=record))
    return {_place(channel, name) for name in changed}


def _note_missing(connection: Connection, channel: str, missing: Mapping[str, bool]) -> set[str]:
    """Returns the places that look another way now."""
    dirty: set[str] = set()
    for name, is_missing in missing.items():
        differs = tables.conda_packages.c.missing != is_missing
        changed = connection.execute(
            update(tables.conda_packages).where(*_is(channel, name), differs).values(missing=is_missing)
        )
        if changed.rowcount:
            dirty.add(_place(channel, name))
    return dirty

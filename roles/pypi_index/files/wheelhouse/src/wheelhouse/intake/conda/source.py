"""The packages of one conda channel: resolve, fetch, check, publish. Names of packages have their subdir with them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from simple_repository.model import File

from wheelhouse.conda.channel import SUBDIRS
from wheelhouse.errors import Conflict, Damaged, Unreachable
from wheelhouse.formats import reading
from wheelhouse.formats.conda_package import BadPackage
from wheelhouse.index import events
from wheelhouse.index.events import QUARANTINE, Event
from wheelhouse.index.permissions import covers
from wheelhouse.index.queries import PublishedPackage
from wheelhouse.index.transaction import IncomingPackage
from wheelhouse.intake.checks import Package, Release, World, licence, look_at
from wheelhouse.intake.conda.repodata import Listing, Records, UpstreamChannel, as_file, uploaded
from wheelhouse.intake.conda.resolver import Resolver
from wheelhouse.intake.fetch import Quarantine, Wanted
from wheelhouse.intake.lock import Key, Lock, Pin
from wheelhouse.intake.published import WHO
from wheelhouse.intake.result import Result, Shelved
from wheelhouse.intake.rollback import Rollback, is_ours
from wheelhouse.intake.source import Context, Unresolvable
from wheelhouse.progress import progress
from wheelhouse.store.downloads import Cache, make_directory
from wheelhouse.store.staging import write_file

_VULNERABLE = "vulnerable: "
Packages = Mapping[str, PublishedPackage]


class CondaChannel:
    """See `source.Source`."""

    def __init__(self, name: str, context: Context) -> None:
        self.name = name
        self.result = Result()
        self.lines = [line for line in context.request.lines if line.channel == name]
        self._context = context
        self._index = context.index
        self._directory = context.index.staging.quarantine / "intake-conda" / name
        self._quarantine = Quarantine(Cache(self._directory), context.client, context.settings.max_file_size)
        url = context.request.channels.get(name)
        self._upstream = (
            UpstreamChannel(name, url, context.client, self._directory / "repodata", context.index.staging.incoming)
            if url
            else None
        )
        self._listings: dict[str, Listing | None] | None = {}
        """Of subdirs that were looked at; None if upstream could not be asked."""
        self._records: Records = {}
        """Upstream's, of today, for all that a line needs and all that is published."""
        self._incoming: dict[str, IncomingPackage] = {}
        self._own = context.published.own_packages()
        """Names of the company's own packages, in whichever channel."""

    def apply_rollback(self, rollback: Rollback | None) -> list[str]:
        """By leaving it out of the indexes."""
        pins = {name for closure in self.result.lock.closures.values() for pin in closure.pins for name in pin.files}
        gone: dict[str, str] = {}
        back: list[str] = []
        for name, package in self._packages().items():
            if rollback and name not in pins and rollback.is_later(_published_at(package)):
                if package.withheld is None:
                    gone[name] = rollback.reason
            elif is_ours(package.withheld):
                back.append(name)
        if back:
            self._index.offer(self.name, back, WHO, WHO)
        return self._index.withhold(self.name, gone, WHO, WHO) if gone else []

    def resolve(self, before: Lock) -> None:
        """With py-rattler."""
        upstream = self._upstream
        if not upstream:
            return
        solved_with = self._solved_with()
        with self._index.staging.scratch() as directory:
            resolver = Resolver(self._context.request, directory, self._context.today)
            for line in progress(self.lines, len(self.lines), f"resolve {self.name}", "line"):
                last = before.closures.get(line.text)
                try:
                    solved = resolver.closure(line, upstream, last, solved_with.get(line.text))
                except Unresolvable as error:
                    self.result.keep(line.text, str(error), last)
                except Unreachable as error:
                    self._listings = None
                    sentence = f"{line.text!r} cannot be resolved: the channel {self.name} upstream fails: {error}."
                    self.result.keep(line.text, sentence, last)
                else:
                    solved_with[line.text] = solved.digest
                    if objection := next(filter(None, map(self._objection, solved.closure.pins)), None):
                        self.result.keep(line.text, f"{line.text!r} cannot be had: {objection}", None)
                    else:
                        self.result.lock.closures[line.text] = solved.closure
        self._remember({line.text: solved_with[line.text] for line in self.lines if line.text in solved_with})

    def describe(self) -> None:
        """From upstream's indexes, and from what is known of published packages."""
        packages = self._packages()
        wanted: dict[Key, dict[str, str]] = {}
        for closure in self.result.lock.closures.values():
            for pin in closure.pins:
                wanted.setdefault(closure.key(pin), {}).update(pin.files)
        for name, package in packages.items():
            wanted.setdefault(self._key(package), {})[name] = package.sha256
        self._look_upstream({name for files in wanted.values() for name in files})
        for key, digests in wanted.items():
            listed = self._listed(key)
            files: dict[str, File] = {}
            broken: list[str] = []
            for name, digest in digests.items():
                if name in listed and listed[name].hashes.get("sha256") == digest:
                    files[name] = listed[name]
                elif name in packages and packages[name].sha256 == digest:
                    files[name] = File(name, "", {"sha256": digest}, size=packages[name].size)
                    if name in listed:
                        broken.append(f"{name} is on the shelf with other contents than upstream has.")
                else:
                    broken.append(f"{name} is neither upstream nor on the shelf with the SHA-256 that the lock has.")
            self.result.releases[key] = Release(key[0].rpartition("::")[2], key[1], files, broken=tuple(broken))

    def fetch(self) -> None:
        """What is neither published nor in quarantine."""
        packages = self._packages()
        wanted: dict[Wanted, tuple[Key, str]] = {}
        for key, release in self.result.releases.items():
            for name, file in release.files.items():
                if name not in packages and not self._path(name).exists():
                    subdir, _, filename = name.partition("/")
                    wanted[Wanted(subdir, replace(file, filename=filename))] = key, name
        failed = self._quarantine.fetch_all(wanted)
        self.result.fetched += len(wanted) - len(failed)
        for one, error in failed.items():
            key, name = wanted[one]
            if isinstance(error, Damaged):
                self.result.broken(key, str(error))
            else:
                self.result.waits(key, name, error)

    def check(self) -> None:
        """As a package that is copied in is checked, and by the policy."""
        packages = self._packages()
        releases = self.result.releases
        for key, release in progress(sorted(releases.items()), len(releases), f"check {self.name}", "package"):
            inside: set[tuple[str, str]] = set()
            scripts: dict[str, None] = {}
            licence_of: str | None = None
            for name, file in sorted(release.files.items()):
                known = packages.get(name) or self._check_file(key, name, file)
                if known:
                    inside.update(known.inside)
                    scripts |= dict.fromkeys(known.scripts or ())
                    licence_of = (known.record or {}).get("license") or licence_of
            expression = licence.spdx(licence_of)
            shelved = frozenset(name for name in release.files if name in packages)
            releases[key] = replace(
                releases[key],
                is_described=True,
                licences=(expression,) if expression else None,
                shelved=shelved,
                package=_package(inside),
                scripts=tuple(scripts),
                scripts_are_new=bool(scripts) and not shelved and self._had_no_scripts(release, packages),
            )
        world = self._world()
        for key, release in releases.items():
            self.result.opinions[key] = look_at(release, world)

    def _had_no_scripts(self, release: Release, packages: Packages) -> bool:
        """Whether there are other releases of it in the channel, and none runs anything by itself."""
        others = {
            name: package
            for name, package in packages.items()
            if (package.record or {}).get("name") == release.project and package.version != str(release.version)
        }
        looked: dict[str, tuple[str, ...]] = {}
        try:
            for name, package in others.items():
                scripts = package.scripts
                if scripts is None:  # let in when this was not looked at
                    with self._context.published.bytes_of(package.sha256) as path:
                        scripts = looked[name] = tuple(reading.package(path, package.file, package.subdir).scripts)
                if scripts:
                    return False
        except BadPackage:
            return False
        finally:
            if looked:
                self._index.describe_packages(self.name, looked)
        return bool(others)

    def publish(self) -> None:
        """All at once."""
        wanted = {
            name
            for closure in self.result.lock.closures.values()
            if not self.result.is_held(closure)
            for pin in closure.pins
            for name in pin.files
        }
        coming = [one for name, one in sorted(self._incoming.items()) if name in wanted]
        if coming or self._packages():
            self._index.make_channel(self.name, SUBDIRS)
            try:
                self.result.published += self._index.publish_packages(
                    self.name, coming, WHO, WHO, records=self._records
                )
            except Conflict as error:  # somebody has copied in another file of the name meanwhile
                for line in self.result.lock.closures:
                    self.result.incomplete.setdefault(line, f"{line!r} cannot be published: {error}")

    def withdraw(self) -> None:
        """By leaving it out of the indexes; conda knows no other way. It comes back once nothing is held against it."""
        packages = self._packages()
        gone: dict[str, str] = {}
        back: list[str] = []
        for key, release in sorted(self.result.releases.items()):
            shelved = [name for name in release.files if name in packages]
            advisories = self.result.advisories(key)
            if not advisories:
                if not self.result.blocks(key):
                    back += [name for name in shelved if (packages[name].withheld or "").startswith(_VULNERABLE)]
                continue
            shown = [name for name in shelved if packages[name].withheld is None]
            if not shown:
                continue
            names = ", ".join(advisories)
            fate = "take it off the list, or grant an exception"
            if self._context.request.policy.on_shelf == "yank":
                fate = "it is in no index now"
                gone |= dict.fromkeys(shown, _VULNERABLE + names)
            self.result.exposed.append(f"{key[0]} {key[1]} is on the shelf and vulnerable ({names}): {fate}.")
        if gone:
            self.result.yanked += self._index.withhold(self.name, gone, WHO, WHO)
        if back:
            self._index.offer(self.name, back, WHO, WHO)

    def quarantine(self) -> None:
        """In the audit."""
        packages = self._packages()
        present: set[Path] = set()
        blocked: list[Event] = []
        for key, release in sorted(self.result.releases.items()):
            reasons = self.result.reasons(key)
            for name, file in sorted(release.files.items()):
                if name in packages or not self._path(name).exists():
                    continue
                present.add(self._path(name))
                if reasons:
                    channel, filename = self._place(name)
                    what = Event(
                        QUARANTINE, WHO, events.now(), WHO, channel=channel, version=str(key[1]), file=filename
                    )
                    blocked.append(replace(what, sha256=file.hashes["sha256"], reason=reasons))
        self._index.quarantine(blocked)
        if not self.result.incomplete:  # else what came of a file is there to be continued
            self._quarantine.files.keep_only(present)

    def conclude(self) -> None:
        """By the rows."""
        packages = self._packages()
        for key, release in self.result.releases.items():
            shelved = [packages[name] for name in release.files if name in packages]
            if shelved:
                since = min(map(_published_at, shelved))
                self.result.shelved[key] = Shelved(since, all(one.withheld is not None for one in shelved))

    def _packages(self) -> Packages:
        """What came from upstream and is published, by name."""
        return self._context.published.packages(self.name)

    def _key(self, package: PublishedPackage) -> Key:
        record = package.record or {}
        return f"{self.name}::{record.get('name', '')}", str(package.version)

    def _place(self, name: str) -> tuple[str, str]:
        subdir, _, filename = name.partition("/")
        return f"{self.name}/{subdir}", filename

    def _path(self, name: str) -> Path:
        """Where a package is while it is not published."""
        return self._quarantine.files.path(*name.split("/"))

    @property
    def _solved_path(self) -> Path:
        return self._directory / "solved.json"

    def _solved_with(self) -> dict[str, str]:
        """Line -> digest of what its closure was chosen from. Not worth a row: what is missing is solved again."""
        try:
            return msgspec.json.decode(self._solved_path.read_bytes(), type=dict[str, str])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}

    def _remember(self, solved_with: dict[str, str]) -> None:
        content = msgspec.json.encode(solved_with)
        if solved_with != self._solved_with():
            make_directory(self._directory)
            write_file(self._solved_path, content, self._index.staging.incoming)

    def _objection(self, pin: Pin) -> str | None:
        """Why a package may not come from upstream."""
        settings = self._context.settings
        name = canonicalize_name(pin.project)
        if pin.project in self._own or covers(settings.own_names, name):
            return f"it needs {pin.project}, which is one of the company's own names."
        if covers(settings.denied, name):
            return f"it needs {pin.project}, which is denied by the index's own settings."
        return None

    def _look_upstream(self, names: set[str]) -> None:
        """Read what upstream says of these packages, unless it cannot be asked."""
        if not self._upstream or self._listings is None:
            self._listings = None
            return
        try:
            for subdir in sorted({name.partition("/")[0] for name in names}):
                listing = self._upstream.listing(subdir)
                self._listings[subdir] = listing
                in_subdir = [name.partition("/")[2] for name in names if name.startswith(f"{subdir}/")]
                for filename, record in (listing.records(in_subdir) if listing else {}).items():
                    self._records[f"{subdir}/{filename}"] = record
        except Unreachable:
            self._listings = None

    def _listed(self, key: Key) -> dict[str, File]:
        """The files of a package that upstream lists today."""
        name = key[0].rpartition("::")[2]
        listings = [listing for listing in (self._listings or {}).values() if listing]
        files = [as_file(record) for listing in listings for record in listing.named(name)]
        return {file.filename: file for file in files}

    def _check_file(self, key: Key, name: str, file: File) -> IncomingPackage | None:
        """Check a file in quarantine; None if it is not there, or no good."""
        path = self._path(name)
        record = self._records.get(name)
        if not path.exists() or not record:
            return None
        subdir, _, filename = name.partition("/")
        try:
            found = reading.package(path, filename, subdir)
            said = found.record
            if said["sha256"] != file.hashes["sha256"]:
                raise BadPackage(f"{name} does not have the SHA-256 that upstream's index promises.")
            for field in ("name", "version", "build", "subdir"):
                if record.get(field, subdir) != said[field]:
                    raise BadPackage(f"Upstream's index and {name} itself do not say the same {field}.")
            if sentence := self._context.published.objection(*self._place(name), said["sha256"]):
                raise BadPackage(sentence)
        except BadPackage as error:
            self.result.broken(key, str(error))
            return None
        self._incoming[name] = IncomingPackage(
            path=path,
            name=name,
            record=record,
            upstream=True,
            inside=tuple(found.inside),
            scripts=tuple(found.scripts),
            uploaded=uploaded(record),
        )
        return self._incoming[name]

    def _world(self) -> World:
        context = self._context
        releases = self.result.releases
        known, why = context.look_up({one for release in releases.values() for one in release.distributions})
        upstream: dict[str, Mapping[str, File] | None] = {}
        if self._listings is not None:
            upstream = {release.project: self._listed(key) or None for key, release in releases.items()}
        own = frozenset({*self._own, *context.settings.own_names})
        return World(context.request.policy, context.today, upstream, known, why, own, context.settings.restricted)


def _published_at(package: PublishedPackage) -> datetime:
    return datetime.fromisoformat(package.at)


def _package(inside: set[tuple[str, str]]) -> Package:
    readable: list[tuple[str, Version]] = []
    nameless: list[str] = []
    for name, version in sorted(inside):
        try:
            readable.append((canonicalize_name(name, validate=True), Version(version)))
        except (InvalidVersion, ValueError):
            nameless.append(f"{name} {version}".strip())
    return Package(tuple(readable), tuple(nameless))

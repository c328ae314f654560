"""The steps of a run for the packages of one channel. Names of packages have their subdir with them."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from simple_repository.model import File

from wheelhouse.conda.upstream_records import Kept, Packages
from wheelhouse.formats import reading
from wheelhouse.formats.conda_package import BadPackage
from wheelhouse.index.events import QUARANTINE, Event, now
from wheelhouse.index.permissions import covers
from wheelhouse.index.transaction import names_objection, sha256
from wheelhouse.intake import fetch
from wheelhouse.intake.checks import Package, Release, World, look_at
from wheelhouse.intake.conda.publish import Publisher, Staged
from wheelhouse.intake.conda.repodata import Listing, Records, UpstreamChannel, as_file
from wheelhouse.intake.conda.resolver import Resolver
from wheelhouse.intake.fetch import Wanted
from wheelhouse.intake.history import WHO
from wheelhouse.intake.lock import Key, Lock, Pin
from wheelhouse.intake.result import Outcome, Shelved
from wheelhouse.intake.rollback import Rollback, is_ours
from wheelhouse.intake.source import Context
from wheelhouse.progress import progress
from wheelhouse.store.downloads import Cache
from wheelhouse.upstream.http_client import Unreachable

_VULNERABLE = "vulnerable: "


class CondaChannel:
    """One part of a run, see `part.Part`."""

    def __init__(self, name: str, context: Context) -> None:
        self.name = name
        self.outcome = Outcome()
        self.lines = [line for line in context.request.lines if line.channel == name]
        self._context = context
        shelf = context.shelf
        self._directory = shelf.quarantine / "intake-conda" / name
        self._quarantine = Cache(self._directory)
        self._publisher = Publisher(shelf, context.journal, context.history, name)
        url = context.request.channels.get(name)
        self._upstream = (
            UpstreamChannel(name, url, context.client, self._directory / "repodata", shelf.incoming) if url else None
        )
        self._listings: dict[str, Listing | None] | None = {}
        """Of subdirs that were looked at; None if upstream could not be asked."""
        self._records: Records = {}
        """Upstream's, of today, for all that a line needs and all that is on the shelf."""
        self._staged: dict[str, Staged] = {}
        self._own = context.history.own_packages()
        """Names of the company's own packages, in whichever channel."""

    def hold(self, rollback: Rollback | None) -> list[str]:
        """By leaving it out of the indexes."""
        pins = {name for closure in self.outcome.lock.closures.values() for pin in closure.pins for name in pin.files}
        gone: dict[str, str] = {}
        back: list[str] = []
        for name, known in self._publisher.packages().items():
            event = self._context.history.package(*self._place(name))
            if rollback and event and name not in pins and rollback.is_later(event.at):
                if not known.withheld:
                    gone[name] = rollback.reason
            elif is_ours(known.withheld):
                back.append(name)
        self._publisher.offer(back)
        return self._publisher.withhold(gone)

    def resolve(self, before: Lock) -> None:
        """With py-rattler."""
        upstream = self._upstream
        if not upstream:
            return
        solved_with = self._solved_with()
        with self._context.shelf.scratch() as directory:
            resolver = Resolver(self._context.request, directory, self._context.today)
            for line in progress(self.lines, len(self.lines), f"resolve {self.name}", "line"):
                last = before.closures.get(line.text)
                try:
                    solved = resolver.closure(line, upstream, last, solved_with.get(line.text))
                except Unresolvable as error:
                    self.outcome.keep(line.text, str(error), last)
                except Unreachable as error:
                    self._listings = None
                    sentence = f"{line.text!r} cannot be resolved: the channel {self.name} upstream fails: {error}."
                    self.outcome.keep(line.text, sentence, last)
                else:
                    solved_with[line.text] = solved.digest
                    if objection := next(filter(None, map(self._objection, solved.closure.pins)), None):
                        self.outcome.keep(line.text, f"{line.text!r} cannot be had: {objection}", None)
                    else:
                        self.outcome.lock.closures[line.text] = solved.closure
        current = {line.text: solved_with[line.text] for line in self.lines if line.text in solved_with}
        self._context.shelf.write_record(self._solved_path, json.dumps(current, indent=1).encode())

    def note(self) -> None:
        """From upstream's indexes, and from what is known of packages on the shelf."""
        packages = self._publisher.packages()
        wanted: dict[Key, dict[str, str]] = {}
        for closure in self.outcome.lock.closures.values():
            for pin in closure.pins:
                wanted.setdefault(closure.key(pin), {}).update(pin.files)
        for name, known in packages.items():
            if self._publisher.is_shelved(name, packages):
                wanted.setdefault(self._key(known.record), {})[name] = known.record["sha256"]
        self._look_upstream({name for files in wanted.values() for name in files})
        for key, digests in wanted.items():
            listed = self._listed(key)
            files: dict[str, File] = {}
            broken: list[str] = []
            for name, digest in digests.items():
                if name in listed and listed[name].hashes.get("sha256") == digest:
                    files[name] = listed[name]
                elif self._publisher.is_shelved(name, packages) and packages[name].record["sha256"] == digest:
                    files[name] = _shelved_file(name, packages[name])
                    if name in listed:
                        broken.append(f"{name} is on the shelf with other contents than upstream has.")
                else:
                    broken.append(f"{name} is neither upstream nor on the shelf with the SHA-256 that the lock has.")
            name = key[0].rpartition("::")[2]
            self.outcome.releases[key] = Release(name, key[1], files, None, broken=tuple(broken))

    def fetch(self) -> None:
        """What neither the shelf nor the quarantine has."""
        packages = self._publisher.packages()
        wanted: dict[Wanted, tuple[Key, str]] = {}
        for key, release in self.outcome.releases.items():
            for name, file in release.files.items():
                if not self._publisher.is_shelved(name, packages) and not self._found(name, file):
                    subdir, _, filename = name.partition("/")
                    wanted[Wanted(subdir, replace(file, filename=filename))] = key, name
        settings = self._context.settings
        failed = fetch.fetch(wanted, self._context.client, self._quarantine, settings.max_file_size)
        self.outcome.fetched += len(wanted) - len(failed)
        for one, error in failed.items():
            key, name = wanted[one]
            if isinstance(error, fetch.Damaged):
                self.outcome.broken(key, str(error))
            else:
                self.outcome.waits(key, name, error)

    def check(self) -> None:
        """As a package that is copied in is checked, and by the policy."""
        packages = self._publisher.packages()
        releases = self.outcome.releases
        for key, release in progress(sorted(releases.items()), len(releases), f"check {self.name}", "package"):
            inside: set[tuple[str, str]] = set()
            scripts: dict[str, None] = {}
            licence = None
            shelved = {name for name in release.files if self._publisher.is_shelved(name, packages)}
            for name, file in sorted(release.files.items()):
                known = packages[name] if name in shelved else self._stage(key, name, file)
                if known:
                    inside.update(known.inside)
                    scripts |= dict.fromkeys(known.scripts or ())
                    licence = known.record.get("license") or licence
            releases[key] = replace(
                releases[key],
                shelved=frozenset(shelved),
                package=_package(licence, inside),
                scripts=tuple(scripts),
                scripts_are_new=bool(scripts) and not shelved and self._had_no_scripts(release, packages),
            )
        world = self._world()
        for key, release in releases.items():
            self.outcome.opinions[key] = look_at(release, world)

    def _had_no_scripts(self, release: Release, packages: Packages) -> bool:
        """Whether there are other releases of it in the channel, and none runs anything by itself."""
        others = [
            (name, known)
            for name, known in packages.items()
            if known.record.get("name") == release.project
            and str(known.record.get("version")) != str(release.version)
            and self._publisher.is_shelved(name, packages)
        ]
        for name, known in others:
            scripts = known.scripts
            if scripts is None:  # let in when this was not looked at
                subdir, _, filename = name.partition("/")
                try:
                    scripts = reading.package(self._publisher.path(name), filename, subdir).scripts
                except BadPackage:
                    return False
            if scripts:
                return False
        return bool(others)

    def publish(self) -> None:
        """All at once."""
        wanted = {
            name
            for closure in self.outcome.lock.closures.values()
            if not self.outcome.is_held(closure)
            for pin in closure.pins
            for name in pin.files
        }
        coming = [one for name, one in self._staged.items() if name in wanted]
        if coming or self._publisher.packages():
            self.outcome.published += self._publisher.publish(coming, self._records)

    def withdraw(self) -> None:
        """By leaving it out of the indexes; conda knows no other way. It comes back once nothing is held against it."""
        packages = self._publisher.packages()
        gone: dict[str, str] = {}
        back: list[str] = []
        for key, release in sorted(self.outcome.releases.items()):
            shelved = [name for name in release.files if self._publisher.is_shelved(name, packages)]
            advisories = self.outcome.advisories(key)
            offered = [name for name in shelved if not packages[name].withheld]
            if not advisories:
                if not self.outcome.blocks(key):
                    back += [name for name in shelved if (packages[name].withheld or "").startswith(_VULNERABLE)]
                continue
            if not offered:
                continue
            names = ", ".join(advisories)
            fate = "take it off the list, or grant an exception"
            if self._context.request.policy.on_shelf == "yank":
                fate = "it is in no index now"
                gone |= dict.fromkeys(offered, _VULNERABLE + names)
            self.outcome.exposed.append(f"{key[0]} {key[1]} is on the shelf and vulnerable ({names}): {fate}.")
        self.outcome.yanked += self._publisher.withhold(gone)
        self._publisher.offer(back)

    def keep_back(self) -> None:
        """In the journal."""
        present: set[Path] = set()
        events: list[Event] = []
        for key, release in sorted(self.outcome.releases.items()):
            reasons = self.outcome.reasons(key)
            for name, file in sorted(release.files.items()):
                path = self._quarantine.path(*name.split("/"))
                if not path.exists():
                    continue
                present.add(path)
                digest = file.hashes["sha256"]
                if reasons and not self._context.history.was_refused(digest, reasons):
                    channel, filename = self._place(name)
                    events.append(
                        Event(
                            QUARANTINE,
                            WHO,
                            now(),
                            WHO,
                            channel=channel,
                            version=str(key[1]),
                            file=filename,
                            sha256=digest,
                            reason=reasons,
                        )
                    )
        self._context.journal.append(events)
        if not self.outcome.incomplete:  # else what came of a file is there to be continued
            self._quarantine.keep_only(present)

    def look_back(self) -> None:
        """By the journal."""
        self.outcome.exposed += self._publisher.report.problems
        packages = self._publisher.packages()
        for key, release in self.outcome.releases.items():
            shelved = [name for name in release.files if self._publisher.is_shelved(name, packages)]
            events = [self._context.history.package(*self._place(name)) for name in shelved]
            times = [event.at for event in events if event]
            if times:
                self.outcome.shelved[key] = Shelved(min(times), all(packages[name].withheld for name in shelved))

    def _key(self, record: Mapping[str, str]) -> Key:
        return f"{self.name}::{record['name']}", record["version"]

    def _place(self, name: str) -> tuple[str, str]:
        subdir, _, filename = name.partition("/")
        return f"{self.name}/{subdir}", filename

    @property
    def _solved_path(self) -> Path:
        return self._directory / "solved.json"

    def _solved_with(self) -> dict[str, str]:
        """Line -> digest of what its closure was chosen from."""
        try:
            found: dict[str, str] = json.loads(self._solved_path.read_bytes())
            return found
        except (FileNotFoundError, ValueError):
            return {}

    def _objection(self, pin: Pin) -> str | None:
        """Why a package may not come from upstream."""
        settings = self._context.settings
        name = canonicalize_name(pin.project)
        if pin.project in self._own or covers(settings.reserved, name):
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

    def _found(self, name: str, file: File) -> Path | None:
        """Where a file is that is not published: in quarantine, or where a killed run left it."""
        path = self._quarantine.path(*name.split("/"))
        if path.exists():
            return path
        left = self._publisher.path(name)
        is_left = name in self._publisher.packages() and left.exists() and sha256(left) == file.hashes["sha256"]
        return left if is_left else None

    def _stage(self, key: Key, name: str, file: File) -> Kept | None:
        """Check a file that is to be published; None if it is not there, or no good."""
        path = self._found(name, file)
        record = self._records.get(name)
        if not path or not record:
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
            if sentence := names_objection(self._context.history.names, *self._place(name), said["sha256"]):
                raise BadPackage(sentence)
            known = Kept(record, None, found.inside, found.scripts)
        except BadPackage as error:
            self.outcome.broken(key, str(error))
            return None
        self._staged[name] = Staged(name, path, known)
        return known

    def _world(self) -> World:
        context = self._context
        releases = self.outcome.releases.values()
        known, why = context.look_up({one for release in releases for one in release.distributions})
        upstream = {}
        if self._listings is not None:
            upstream = {release.project: self._listed(key) or None for key, release in self.outcome.releases.items()}
        own = frozenset({*self._own, *context.settings.reserved})
        return World(context.request.policy, context.today, upstream, known, why, own)


def _shelved_file(name: str, known: Kept) -> File:
    return File(name, "", {"sha256": known.record["sha256"]}, size=known.record.get("size"))


def _package(licence: str | None, inside: set[tuple[str, str]]) -> Package:
    readable: list[tuple[str, Version]] = []
    nameless: list[str] = []
    for name, version in sorted(inside):
        try:
            readable.append((canonicalize_name(name, validate=True), Version(version)))
        except (InvalidVersion, ValueError):
            nameless.append(f"{name} {version}".strip())
    return Package(licence, tuple(readable), tuple(nameless))

"""The releases of PyPI: resolve, fetch, check, publish."""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from packaging.version import Version
from simple_repository.model import File

from wheelhouse.errors import Conflict, Damaged, NotFound, Unreachable
from wheelhouse.formats import reading, validation
from wheelhouse.formats.distribution import BadDistribution, parse_filename
from wheelhouse.formats.validation import Checked, Claims, Origin
from wheelhouse.index import events, queries
from wheelhouse.index.events import QUARANTINE, Event
from wheelhouse.index.provenance import Provenance
from wheelhouse.index.queries import PublishedFile
from wheelhouse.index.transaction import Incoming
from wheelhouse.intake.checks import Release, World, licence, look_at
from wheelhouse.intake.fetch import Wanted
from wheelhouse.intake.lock import Closure, Key, Lock, Pin
from wheelhouse.intake.published import WHO
from wheelhouse.intake.pypi import proofs
from wheelhouse.intake.pypi.candidates import Candidates
from wheelhouse.intake.pypi.denied import denied
from wheelhouse.intake.pypi.loopback_index import LoopbackIndex
from wheelhouse.intake.pypi.proofs import Proof
from wheelhouse.intake.pypi.resolver import Resolver
from wheelhouse.intake.request import Line
from wheelhouse.intake.result import Result, Shelved
from wheelhouse.intake.rollback import Rollback, is_ours
from wheelhouse.intake.source import Context, Unresolvable
from wheelhouse.progress import progress
from wheelhouse.upstream.simple_index import METADATA

AT_ONCE = 4
"""Lines that are resolved, and pages that are asked for, at the same time."""


class PyPI:
    """See `source.Source`."""

    def __init__(self, context: Context, candidates: Candidates, loopback: LoopbackIndex) -> None:
        """`loopback` is to be `serving` until everything is checked; its quarantine is where files are fetched to."""
        self.result = Result()
        self.lines = [line for line in context.request.lines if not line.channel]
        self._index = context.index
        self._published = context.published
        self._settings = context.settings
        self._request = context.request
        self._today = context.today
        self._look_up = context.look_up
        self._candidates = candidates
        self._loopback = loopback
        self._quarantine = loopback.quarantine
        self._client = context.client
        self._proofs: dict[str, dict[str, Proof]] = {}
        """Project -> file name -> what came of its provenance."""
        self._incoming: dict[str, list[Incoming]] = {}
        """The good files in quarantine, by project."""

    def apply_rollback(self, rollback: Rollback | None) -> list[str]:
        """By yanking, which leaves them to those who ask for the exact version."""
        withdrawn: list[str] = []
        pins = {
            (pin.project, name) for one in self.result.lock.closures.values() for pin in one.pins for name in pin.files
        }
        for project in self._projects():
            gone: list[str] = []
            back: list[str] = []
            for name, file in self._published.files(project).items():
                later = rollback and (project, name) not in pins and rollback.is_later(file.published_at)
                if later and file.yanked is None:
                    gone.append(name)
                elif not later and is_ours(file.yanked):
                    back.append(name)
            if gone and rollback:
                withdrawn += self._index.mark(project, gone, rollback.reason, WHO)
            if back:
                self._index.mark(project, back, None, WHO)
        return withdrawn

    def resolve(self, before: Lock) -> None:
        """With uv, several lines at the same time."""
        closures = {line: closure for line, closure in before.closures.items() if not closure.channel}
        self._look_ahead({name for closure in closures.values() for name in closure.asked})
        with self._index.staging.scratch() as directory, ThreadPoolExecutor(AT_ONCE) as pool:
            resolver = Resolver(self._loopback, self._candidates, self._request.targets, directory)

            def resolved(line: Line) -> Closure | Unresolvable:
                try:
                    return resolver.closure(line, closures.get(line.text))
                except Unresolvable as error:
                    return error
                except Unreachable as error:
                    return Unresolvable(f"{line.text!r} cannot be resolved: {error}")

            answers = progress(pool.map(resolved, self.lines), len(self.lines), "resolve", "line")
            for line, answer in zip(self.lines, answers, strict=True):
                if isinstance(answer, Closure):
                    self.result.lock.closures[line.text] = answer
                else:
                    self.result.keep(line.text, str(answer), closures.get(line.text))

    def _look_ahead(self, names: Iterable[str]) -> None:
        """Ask upstream for several pages at once, which one after the other would take long."""

        def look(name: str) -> None:
            with contextlib.suppress(Unreachable):  # whoever needs it is told
                self._candidates.digest(name)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(look, sorted(names)))

    def describe(self) -> None:
        """From upstream's pages, and from what is published."""
        pins: dict[str, list[Pin]] = {}
        for closure in self.result.lock.closures.values():
            for pin in closure.pins:
                pins.setdefault(pin.project, []).append(pin)
        for project in sorted(pins):
            if not self._candidates.is_own(project):
                names = {name for pin in pins[project] for name in pin.files}
                published = {name: file.simple for name, file in self._published.files(project).items()}
                known = {**published, **(self._listed(project, names) or {})}
                for pin in pins[project]:
                    self._add(pin, known)

    def _add(self, pin: Pin, known: Mapping[str, File]) -> None:
        """Note the release of a pin, with what is `known` of the project's files."""
        key = pin.project, pin.version
        release = self.result.releases.get(key, Release(*key, {}))
        files = dict(release.files)
        gone: list[str] = []
        for name, digest in pin.files.items():
            if name in known and known[name].hashes.get("sha256") == digest:
                files[name] = known[name]
            else:
                gone.append(f"{name} is neither upstream nor on the shelf with the SHA-256 that the lock has.")
        broken = tuple(dict.fromkeys((*release.broken, *gone)))
        self.result.releases[key] = replace(release, files=files, broken=broken)

    def _listed(self, project: str, names: Collection[str]) -> Mapping[str, File] | None:
        """Which of these files upstream lists; none if it does not answer, None if it has nothing of this project."""
        try:
            return self._candidates.listed(project, names)
        except Unreachable:
            return {}

    def fetch(self) -> None:
        """What is neither published nor in quarantine."""
        result = self.result
        missing: list[Wanted] = []
        for project, keys in self._by_project():
            published = self._published.files(project)
            wanted = {name: file for key in keys for name, file in result.releases[key].files.items()}
            missing += [
                Wanted(project, file)
                for name, file in wanted.items()
                if name not in published and not self._path(project, name).exists()
            ]
        failed = self._quarantine.fetch_all(missing)
        for_uv = {name for name in self._loopback.fetched if not name.endswith(METADATA)}
        result.fetched = len(missing) - len(failed) + len(for_uv)
        for one, error in failed.items():
            key = one.project, parse_filename(one.file.filename).version
            if isinstance(error, Damaged):
                result.broken(key, str(error))
            else:
                result.waits(key, one.file.filename, error)
        self._fetch_proofs()

    def _fetch_proofs(self) -> None:
        """The provenance of what is to come, as upstream lists it today."""
        if not self._request.policy.verdict("provenance"):
            return
        for project, keys in self._by_project():
            published = self._published.files(project)
            names = {name for key in keys for name in self.result.releases[key].files if name not in published}
            listed = (self._listed(project, names) or {}) if names else {}
            self._proofs[project] = proofs.fetch(listed.values(), self._client)

    def check(self) -> None:
        """As an upload is checked, and by the policy."""
        result = self.result
        self._add_published()
        for key, published in progress(self._with_published(), len(result.releases), "check", "release"):
            self._check(key, published)
        world = self._world()
        result.opinions = {key: look_at(release, world) for key, release in result.releases.items()}

    def _with_published(self) -> Iterator[tuple[Key, dict[str, PublishedFile]]]:
        """The releases, each with what is published of its project."""
        for project, keys in self._by_project():
            published = self._published.files(project)
            yield from ((key, published) for key in keys)

    def _check(self, key: Key, published: Mapping[str, PublishedFile]) -> None:
        """Read the files of one release; `published` are those of its project."""
        release = self.result.releases[key]
        described: bytes | None = None
        record: list[str] = []
        scripts: list[str] = []
        references: list[str] = []
        new_scripts = False
        for name, file in sorted(release.files.items()):
            if name in published:
                described = described or self._published_metadata(published[name])
                record += validation.record_among(published[name].findings)
                scripts += validation.scripts_among(published[name].findings)
                references += validation.references_among(published[name].findings)
                if published[name].sha256 != file.hashes["sha256"]:
                    self.result.broken(key, f"{name} is on the shelf with other contents than upstream has.")
            elif checked := self._check_file(key, name, file):
                described = described or checked.distribution.metadata
                record += checked.record
                scripts += checked.scripts
                references += checked.references
                new_scripts = new_scripts or bool(checked.scripts)
        self.result.releases[key] = replace(
            self.result.releases[key],
            is_described=described is not None,
            licences=licence.says(described) if described is not None else None,
            shelved=frozenset(name for name in release.files if name in published),
            record=tuple(dict.fromkeys(record)),
            scripts=tuple(dict.fromkeys(scripts)),
            scripts_are_new=new_scripts and self._had_no_scripts(key, published),
            references=tuple(dict.fromkeys(references)),
            disproven=self._disproven(key, published),
            unproven=self._unproven(key, published),
        )

    def _proofs_of(self, key: Key, published: Mapping[str, PublishedFile]) -> list[Proof]:
        """What came of the provenance of the files of a release that are to come."""
        of_project = self._proofs.get(key[0], {})
        names = sorted(name for name in self.result.releases[key].files if name not in published)
        return [of_project[name] for name in names if name in of_project]

    def _disproven(self, key: Key, published: Mapping[str, PublishedFile]) -> tuple[str, ...]:
        return tuple(one.disproven for one in self._proofs_of(key, published) if one.disproven)

    def _unproven(self, key: Key, published: Mapping[str, PublishedFile]) -> tuple[str, ...]:
        found = [one.unproven for one in self._proofs_of(key, published) if one.unproven]
        names = {name for name in self.result.releases[key].files if name not in published}
        if names and self._request.policy.verdict("provenance"):
            with contextlib.suppress(Unreachable):
                listed = self._candidates.all_listed(key[0]) or {}
                coming = [file for name, file in listed.items() if name in names]
                found += filter(None, [proofs.missing(Version(str(key[1])), coming, listed)])
        return tuple(found)

    def _check_file(self, key: Key, name: str, file: File) -> Checked | None:
        """Check a file in quarantine; None if it is not there, or no good."""
        path = self._path(key[0], name)
        if not path.exists():
            return None
        try:
            checked = _checked(path, name, file.hashes["sha256"])
        except BadDistribution as error:
            self.result.broken(key, str(error))
            return None
        if sentence := self._published.objection(key[0], name, checked.distribution.hashes["sha256"]):
            self.result.broken(key, sentence)
            return None
        proof = self._proofs.get(key[0], {}).get(name)
        kept = Provenance(proof.document, self._settings.index_url) if proof and proof.document else None
        self._incoming.setdefault(key[0], []).append(Incoming(path, checked, file.upload_time, kept))
        return checked

    def _had_no_scripts(self, key: Key, published: Mapping[str, PublishedFile]) -> bool:
        """Whether there are published wheels of other releases, and none runs anything by itself.

        They are read for this, since events of before say nothing about it. That is seldom needed.
        """
        wheels = [
            file for name, file in published.items() if name.endswith(".whl") and parse_filename(name).version != key[1]
        ]
        for file in wheels:
            try:
                with self._published.bytes_of(file.sha256) as path:
                    if reading.check(path, file.file, Claims(), Origin.OUTSIDE).scripts:
                        return False
            except BadDistribution:  # let in when less was looked at
                return False
        return bool(wheels)

    def _add_published(self) -> None:
        """Note what earlier runs let in: what is known of it may have changed."""
        releases = self.result.releases
        projects = self._projects()
        self._look_ahead(projects)
        for project in projects:
            published = self._published.files(project)
            listed = self._listed(project, published) or {}
            for name, file in published.items():
                key = project, parse_filename(name).version
                release = releases.get(key, Release(*key, {}))
                if name not in release.files:
                    # with upstream's time, if upstream still has it
                    files = {**release.files, name: listed.get(name, file.simple)}
                    releases[key] = replace(release, files=files)

    def _world(self) -> World:
        releases = self.result.releases
        known, why = self._look_up({one for release in releases.values() for one in release.distributions})
        own = frozenset({*self._published.own_projects(), *self._settings.own_names})
        upstream: dict[str, Mapping[str, File] | None] = {}
        for project, keys in self._by_project():
            with contextlib.suppress(Unreachable):
                names = {name for key in keys for name in releases[key].files}
                upstream[project] = self._candidates.listed(project, names)
        return World(self._request.policy, self._today, upstream, known, why, own, self._settings.restricted)

    def publish(self) -> None:
        """Project by project, what is needed before what needs it."""
        result = self.result
        for closure in result.lock.closures.values():
            if result.is_held(closure):
                continue
            wanted = {(pin.project, name) for pin in closure.pins for name in pin.files}
            try:
                for project in closure.in_order():
                    files = [one for one in self._incoming.get(project, ()) if (project, one.filename) in wanted]
                    if files:
                        result.published += self._index.publish(files, WHO, WHO, allow_second_sdist=True)
            except Conflict as error:
                result.incomplete[closure.line] = f"{closure.line!r} cannot be published: {error}"

    def withdraw(self) -> None:
        """By yanking it."""
        for project, keys in self._by_project():
            published = self._published.files(project)
            for key in sorted(keys):
                advisories = self.result.advisories(key)
                of_release = _of_release(published, key)
                if not advisories or all(file.yanked is not None for file in of_release.values()):
                    continue
                names = ", ".join(advisories)
                fate = "yank it, or grant an exception"
                if self._request.policy.on_shelf == "yank":
                    fate = "it is yanked now"
                    self.result.yanked += self._index.yank(project, str(key[1]), f"vulnerable: {names}", WHO)
                self.result.exposed.append(f"{project} {key[1]} is on the shelf and vulnerable ({names}): {fate}.")

    def quarantine(self) -> None:
        """In the audit."""
        present: set[Path] = set()
        blocked: list[Event] = []
        for project, keys in self._by_project():
            published = self._published.files(project)
            for key in keys:
                reasons = self.result.reasons(key)
                for name, file in sorted(self.result.releases[key].files.items()):
                    path = self._path(project, name)
                    if name in published or not path.exists():
                        continue
                    present.add(path)
                    if reasons:
                        digest = file.hashes["sha256"]
                        what = Event(QUARANTINE, WHO, events.now(), WHO, project, version=str(key[1]), file=name)
                        blocked.append(replace(what, sha256=digest, reason=reasons))
        self._index.quarantine(blocked)
        if not self.result.incomplete:  # else what came of a file is there to be continued
            self._quarantine.files.keep_only(present)

    def conclude(self) -> None:
        """By the rows."""
        for project in self._projects():
            self._date(project)
        for project, keys in self._by_project():
            published = self._published.files(project)
            for key in keys:
                if files := _of_release(published, key):
                    since = min(file.published_at for file in files.values())
                    yanked = all(file.yanked is not None for file in files.values())
                    self.result.shelved[key] = Shelved(since, yanked)
        with self._index.database.read() as connection:
            before = queries.denied(connection)
        self.result.denied = denied(self.result, before, self._request.policy, self._today)
        self._index.deny(self.result.denied)

    def _date(self, project: str) -> None:
        """Give files from outside upstream's time: those that were let in before that was written down."""
        published = self._published.files(project)
        listed = self._listed(project, published) or {}
        times: dict[str, datetime] = {}
        for name, file in published.items():
            there = listed.get(name)
            if there and there.hashes.get("sha256") == file.sha256 and there.upload_time:
                at = there.upload_time.replace(microsecond=0)
                if at != file.simple.upload_time:
                    times[name] = at
        if times:
            self._index.date(project, times, WHO)

    def _projects(self) -> list[str]:
        """Those that came by the intake alone."""
        return [name for name in self._published.public_projects() if not self._candidates.is_own(name)]

    def _by_project(self) -> list[tuple[str, list[Key]]]:
        """The releases that are looked at, by project."""
        found: dict[str, list[Key]] = {}
        for key in sorted(self.result.releases):
            found.setdefault(key[0], []).append(key)
        return list(found.items())

    def _path(self, project: str, filename: str) -> Path:
        """Where a file is while it is not published."""
        return self._quarantine.files.path(project, filename)

    def _published_metadata(self, file: PublishedFile) -> bytes | None:
        """Core metadata of a published file; None if nobody can read them."""
        try:
            if file.file.endswith(".whl"):
                if file.metadata_sha256 is None:
                    return None
                with self._published.bytes_of(file.metadata_sha256) as path:
                    return path.read_bytes()
            with self._published.bytes_of(file.sha256) as path:
                return reading.metadata(path, file.file)
        except (NotFound, FileNotFoundError):
            return None


def _of_release(published: Mapping[str, PublishedFile], key: Key) -> dict[str, PublishedFile]:
    return {name: file for name, file in published.items() if parse_filename(name).version == key[1]}


def _checked(path: Path, filename: str, sha256: str) -> Checked:
    """The file as the index's own checks see it; raises `BadDistribution`."""
    checked = reading.check(path, filename, Claims(), Origin.OUTSIDE)
    if checked.distribution.hashes["sha256"] != sha256:
        raise BadDistribution(f"{filename} does not have the SHA-256 that upstream's index promises.")
    return checked

"""The releases of PyPI: resolve, fetch, check, publish."""

import contextlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from packaging.version import Version
from simple_repository.model import File

from wheelhouse.formats import reading, validation
from wheelhouse.formats.distribution import BadDistribution, parse_filename
from wheelhouse.formats.validation import Checked, Claims, Origin, Verdict
from wheelhouse.index import denied_releases, transaction
from wheelhouse.index.denied_releases import Refused
from wheelhouse.index.events import UNYANK, YANK
from wheelhouse.index.transaction import Conflict
from wheelhouse.intake import fetch, publish
from wheelhouse.intake.checks import Release, World, look_at
from wheelhouse.intake.fetch import Wanted
from wheelhouse.intake.history import WHO
from wheelhouse.intake.lock import Closure, Lock, Pin
from wheelhouse.intake.policy import CHECKS
from wheelhouse.intake.publish import Staged
from wheelhouse.intake.pypi.candidates import View
from wheelhouse.intake.pypi.loopback_index import Service
from wheelhouse.intake.pypi.resolver import Resolver, Unresolvable
from wheelhouse.intake.request import Line
from wheelhouse.intake.result import Outcome, Shelved
from wheelhouse.intake.rollback import Rollback, is_ours
from wheelhouse.intake.source import Context
from wheelhouse.progress import progress
from wheelhouse.upstream.simple_index import METADATA
from wheelhouse.web.responses import Refusal

AT_ONCE = 4
"""Lines that are resolved at the same time."""


class PyPI:
    """One part of a run, see `part.Part`."""

    def __init__(self, context: Context, view: View, service: Service) -> None:
        """`service` is to be `serving` until everything is checked; its quarantine is where files are fetched to."""
        self.outcome = Outcome()
        self._shelf = context.shelf
        self._journal = context.journal
        self._settings = context.settings
        self._request = context.request
        self.lines = [line for line in context.request.lines if not line.channel]
        self._today = context.today
        self._history = context.history
        self._client = context.client
        self._look_up = context.look_up
        self._view = view
        self._service = service
        self._quarantine = service.quarantine
        self._staged: dict[str, list[Staged]] = {}
        """The good files in quarantine, by project."""

    def hold(self, rollback: Rollback | None) -> list[str]:
        """By yanking, which leaves them to those who ask for the exact version."""
        withdrawn: list[str] = []
        pins = {
            (pin.project, name) for one in self.outcome.lock.closures.values() for pin in one.pins for name in pin.files
        }
        for project in [name for name in self._history.projects() if not self._view.is_own(name)]:
            gone: list[str] = []
            back: list[str] = []
            for name, file in self._history.files(project).items():
                later = (
                    rollback and (project, name) not in pins and rollback.is_later(self._history.since(project, name))
                )
                if later and not file.yanked:
                    gone.append(name)
                elif not later and is_ours(file.yanked):
                    back.append(name)
            if gone and rollback:
                withdrawn += transaction.mark(self._shelf, self._journal, YANK, project, gone, rollback.reason, WHO)
            if back:
                transaction.mark(self._shelf, self._journal, UNYANK, project, back, None, WHO)
        return withdrawn

    def resolve(self, before: Lock) -> None:
        """With uv, several lines at the same time."""
        outcome = self.outcome
        closures = {line: closure for line, closure in before.closures.items() if not closure.channel}
        self._look_ahead({name for closure in closures.values() for name in closure.asked})
        with self._shelf.scratch() as directory, ThreadPoolExecutor(AT_ONCE) as pool:
            resolver = Resolver(self._service, self._view, self._request.targets, directory)

            def resolved(line: Line) -> Closure | Unresolvable:
                try:
                    return resolver.closure(line, closures.get(line.text))
                except Unresolvable as error:
                    return error
                except Refusal as refusal:
                    return Unresolvable(f"{line.text!r} cannot be resolved: {refusal.sentence}")

            answers = progress(pool.map(resolved, self.lines), len(self.lines), "resolve", "line")
            for line, answer in zip(self.lines, answers, strict=True):
                if isinstance(answer, Closure):
                    outcome.lock.closures[line.text] = answer
                else:
                    outcome.keep(line.text, str(answer), closures.get(line.text))

    def _look_ahead(self, names: set[str]) -> None:
        """Ask upstream for many pages at once, which one after the other would take long."""

        def look(name: str) -> None:
            with contextlib.suppress(Refusal):  # whoever needs it is told
                self._view.project(name)

        with ThreadPoolExecutor(AT_ONCE * 2) as pool:
            list(pool.map(look, sorted(names)))

    def note(self) -> None:
        """From upstream's pages, and those of the shelf."""
        for closure in self.outcome.lock.closures.values():
            for pin in closure.pins:
                if not self._view.is_own(pin.project):
                    self._add(pin)

    def fetch(self) -> None:
        """What neither the shelf nor the quarantine has."""
        outcome = self.outcome
        wanted: dict[tuple[str, str], Wanted] = {}
        for release in outcome.releases.values():
            for name, file in release.files.items():
                if not self._is_shelved(release.project, name):
                    wanted[release.project, name] = Wanted(release.project, file)
        missing = [one for one in wanted.values() if not self._staged_path(one).exists()]
        failed = fetch.fetch(missing, self._client, self._quarantine, self._settings.max_file_size)
        for_uv = {name for name in self._service.fetched if not name.endswith(METADATA)}
        outcome.fetched = len(missing) - len(failed) + len(for_uv)
        for one, error in failed.items():
            key = one.project, parse_filename(one.file.filename).version
            if isinstance(error, fetch.Damaged):
                outcome.broken(key, str(error))
            else:
                outcome.waits(key, one.file.filename, error)

    def _add(self, pin: Pin) -> None:
        """Note the release of a pin, with what is known of its files."""
        key = pin.project, pin.version
        known = self.outcome.releases.get(key)
        shown = self._all_files(pin.project)
        files = dict(known.files) if known else {}
        gone: list[str] = []
        for name, digest in pin.files.items():
            if name in shown and shown[name].hashes.get("sha256") == digest:
                files[name] = shown[name]
            else:
                gone.append(f"{name} is neither upstream nor on the shelf with the SHA-256 that the lock has.")
        broken = (*(known.broken if known else ()), *gone)
        self.outcome.releases[key] = Release(*key, files, None, broken=tuple(dict.fromkeys(broken)))

    def _all_files(self, project: str) -> Mapping[str, File]:
        """Of a public project: the shelf's, and those upstream, whatever the policy says to them."""
        try:
            listed = self._view.project(project).upstream or {}
        except Refusal:
            listed = {}
        return {**self._history.files(project), **listed}

    def check(self) -> None:
        """As an upload is checked, and by the policy."""
        outcome = self.outcome
        self._add_shelved()
        for key, release in progress(sorted(outcome.releases.items()), len(outcome.releases), "check", "release"):
            metadata = None
            record: list[str] = []
            scripts: list[str] = []
            new_scripts = False
            for name, file in sorted(release.files.items()):
                if self._is_shelved(release.project, name):
                    metadata = metadata or self._shelved_metadata(release.project, name)
                    known = self._history.event(release.project, name).findings or ()
                    record += validation.record_among(known)
                    scripts += validation.scripts_among(known)
                    if self._history.files(release.project)[name].hashes["sha256"] != file.hashes["sha256"]:
                        outcome.broken(key, f"{name} is on the shelf with other contents than upstream has.")
                elif (path := self._quarantine.path(release.project, name)).exists():
                    try:
                        checked = _checked(path, name, file.hashes["sha256"])
                    except BadDistribution as error:
                        outcome.broken(key, str(error))
                        continue
                    metadata = metadata or checked.distribution.metadata
                    digest = checked.distribution.hashes["sha256"]
                    if sentence := transaction.names_objection(self._history.names, release.project, name, digest):
                        outcome.broken(key, sentence)
                        continue
                    record += checked.record
                    scripts += checked.scripts
                    new_scripts = new_scripts or bool(checked.scripts)
                    self._staged.setdefault(release.project, []).append(Staged(path, checked, file.upload_time))
            shelved = frozenset(name for name in release.files if self._is_shelved(release.project, name))
            outcome.releases[key] = replace(
                outcome.releases[key],
                metadata=metadata,
                shelved=shelved,
                record=tuple(dict.fromkeys(record)),
                scripts=tuple(dict.fromkeys(scripts)),
                scripts_are_new=new_scripts and self._had_no_scripts(*key),
            )
        world = self._world()
        outcome.opinions = {key: look_at(release, world) for key, release in outcome.releases.items()}

    def _had_no_scripts(self, project: str, version: Version | str) -> bool:
        """Whether there are wheels of other releases on the shelf, and none runs anything by itself.

        They are read for this, since the journal of before says nothing about it. That is seldom needed.
        """
        wheels = [
            name
            for name in self._history.files(project)
            if name.endswith(".whl") and parse_filename(name).version != version and self._is_shelved(project, name)
        ]
        for name in wheels:
            try:
                if reading.check(self._shelf.package(project, name), name, Claims(), Origin.OUTSIDE).scripts:
                    return False
            except BadDistribution:  # let in when less was looked at
                return False
        return bool(wheels)

    def _add_shelved(self) -> None:
        """Note what earlier runs let in: what is known of it may have changed."""
        releases = self.outcome.releases
        names = [name for name in self._history.projects() if not self._view.is_own(name)]
        self._look_ahead(set(names))
        for name in names:
            shown = self._all_files(name)
            for filename, file in self._history.files(name).items():
                key = name, parse_filename(filename).version
                release = releases.get(key, Release(*key, {}, None))
                if filename not in release.files:
                    # with upstream's time, if upstream still has it
                    files = {**release.files, filename: shown.get(filename, file)}
                    releases[key] = replace(release, files=files)

    def _world(self) -> World:
        releases = self.outcome.releases.values()
        known, why = self._look_up({one for release in releases for one in release.distributions})
        own = {name for name in self._history.projects() if self._view.is_own(name)}
        upstream = {name: seen.upstream for name, seen in self._view.looked_at().items()}
        return World(
            self._request.policy, self._today, upstream, known, why, frozenset({*own, *self._settings.reserved})
        )

    def publish(self) -> None:
        """Project by project, what is needed before what needs it."""
        outcome = self.outcome
        for closure in outcome.lock.closures.values():
            if outcome.is_held(closure):
                continue
            wanted = {(pin.project, name) for pin in closure.pins for name in pin.files}
            try:
                for project in publish.in_order(closure):
                    if self._view.is_own(project):
                        continue
                    files = [one for one in self._staged.get(project, []) if (project, one.filename) in wanted]
                    waiting = [one for one in files if one.path.exists()]  # another line has brought in the others
                    outcome.published += publish.publish(self._shelf, self._journal, self._history, project, waiting)
            except Conflict as error:
                outcome.incomplete[closure.line] = f"{closure.line!r} cannot be published: {error}"

    def withdraw(self) -> None:
        """By yanking it."""
        for project, version in sorted(self.outcome.opinions):
            advisories = self.outcome.advisories((project, version))
            if not advisories or all(file.yanked for file in self._shelved(project, version).values()):
                continue
            names = ", ".join(advisories)
            fate = "yank it, or grant an exception"
            if self._request.policy.on_shelf == "yank":
                fate = "it is yanked now"
                reason = f"vulnerable: {names}"
                yanked = transaction.yank(self._shelf, self._journal, project, str(version), reason, WHO)
                self.outcome.yanked += yanked
            self.outcome.exposed.append(f"{project} {version} is on the shelf and vulnerable ({names}): {fate}.")

    def keep_back(self) -> None:
        """In the journal."""
        kept: set[Path] = set()
        blocked: dict[tuple[str, str, str], tuple[str, str]] = {}
        for key, release in self.outcome.releases.items():
            reasons = self.outcome.reasons(key)
            for name, file in release.files.items():
                path = self._quarantine.path(release.project, name)
                if path.exists():
                    kept.add(path)
                    if reasons:
                        blocked[release.project, str(release.version), name] = file.hashes["sha256"], reasons
        publish.keep_back(self._journal, self._history, blocked)
        if not self.outcome.incomplete:  # else what came of a file is there to be continued
            self._quarantine.keep_only(kept)

    def look_back(self) -> None:
        """By the journal."""
        self._date()
        for project, version in self.outcome.releases:
            files = {
                name: file
                for name, file in self._history.files(project).items()
                if parse_filename(name).version == version
            }
            if files:
                since = min(self._history.since(project, name) for name in files)
                yanked = all(file.yanked for file in files.values())
                self.outcome.shelved[project, version] = Shelved(since, yanked)
        self.outcome.refused = self._refused()
        denied_releases.save(self._shelf, self.outcome.refused)

    def _date(self) -> None:
        """Give files from outside upstream's time: those that were let in before the journal had it."""
        for project in [name for name in self._history.projects() if not self._view.is_own(name)]:
            shown = self._all_files(project)
            times: dict[str, datetime] = {}
            for name, file in self._history.files(project).items():
                there = shown.get(name)
                if there and there.hashes == file.hashes and there.upload_time:
                    at = there.upload_time.replace(microsecond=0)
                    if at != file.upload_time and self._is_shelved(project, name):
                        times[name] = at
            if times:
                transaction.date(self._shelf, self._journal, project, times, WHO)

    def _refused(self) -> denied_releases.Releases:
        """What may not be had by another way either: of this run, and of earlier ones that looked at other releases."""
        found: dict[str, dict[str, Refused]] = {}
        for project, versions in denied_releases.load(self._shelf).items():
            for version, one in versions.items():
                if (project, Version(version)) not in self.outcome.opinions and self._is_still(project, version, one):
                    found.setdefault(project, {})[version] = one
        for key in self.outcome.opinions:
            if self.outcome.blocks(key) and key not in self.outcome.shelved:
                about = self.outcome.lasting(key)
                found.setdefault(key[0], {})[str(key[1])] = Refused(self.outcome.reasons(key), about)
        return found

    def _is_still(self, project: str, version: str, one: Refused) -> bool:
        """Whether something is left to hold against a release that no line comes to any more."""
        policy = self._request.policy
        return any(
            not policy.exception(project, version, frozenset({about}), self._today)
            and (about not in CHECKS or policy.verdict(about) is Verdict.BLOCK)
            for about in one.about
        )

    def _shelved(self, project: str, version: Version | str) -> dict[str, File]:
        """The files of a release that are on the shelf."""
        return {
            name: file
            for name, file in self._history.files(project).items()
            if parse_filename(name).version == version and self._is_shelved(project, name)
        }

    def _is_shelved(self, project: str, filename: str) -> bool:
        return filename in self._history.files(project) and self._shelf.package(project, filename).exists()

    def _staged_path(self, wanted: Wanted) -> Path:
        return self._quarantine.path(wanted.project, wanted.file.filename)

    def _shelved_metadata(self, project: str, filename: str) -> bytes | None:
        path = self._shelf.package(project, filename)
        if filename.endswith(".whl"):
            try:
                return path.with_name(f"{filename}.metadata").read_bytes()
            except FileNotFoundError:
                return None
        return reading.metadata(path, filename)


def _checked(path: Path, filename: str, sha256: str) -> Checked:
    """The file as the index's own checks see it; raises `BadDistribution`."""
    checked = reading.check(path, filename, Claims(), Origin.OUTSIDE)
    if checked.distribution.hashes["sha256"] != sha256:
        raise BadDistribution(f"{filename} does not have the SHA-256 that upstream's index promises.")
    return checked

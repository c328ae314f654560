"""One run: resolve, fetch, check, publish, report.

A run that is killed has published whole closures, or the beginnings of some that nobody can choose yet; the next one
resolves and checks as if nothing had happened, fetches what is missing, and completes what was begun.
"""

import contextlib
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from packaging.version import Version
from simple_repository.model import File

from wheelhouse import distribution, publishing, rules
from wheelhouse.answers import Refusal
from wheelhouse.cache import Cache
from wheelhouse.config import Settings
from wheelhouse.distribution import BadDistribution, parse_filename
from wheelhouse.intake import advisories, fetch, lock, publish
from wheelhouse.intake.checks import Opinion, Release, World, look_at
from wheelhouse.intake.fetch import Wanted
from wheelhouse.intake.history import WHO, History
from wheelhouse.intake.lock import Closure, Lock, Pin
from wheelhouse.intake.plan import Line, Plan
from wheelhouse.intake.publish import Staged
from wheelhouse.intake.resolve import Resolver, Unresolvable
from wheelhouse.intake.service import Service
from wheelhouse.intake.view import View
from wheelhouse.journal import Journal
from wheelhouse.mirror import METADATA, Mirror, Upstream
from wheelhouse.outside import Outside
from wheelhouse.progress import progress
from wheelhouse.publishing import Conflict
from wheelhouse.rules import Checked, Claims, Verdict
from wheelhouse.shelf import Shelf
from wheelhouse.upstream import upstream_url

AT_ONCE = 4
"""Lines that are resolved at the same time."""
_WHOLE_RUN = 86_400.0
_MAX_FILES = 5_000_000

Key = tuple[str, Version]
"""A release."""


@dataclass
class Outcome:
    """What a run came to."""

    lock: Lock
    releases: dict[Key, Release] = field(default_factory=dict)
    """All that were looked at: of the closures, and those that are on the shelf from before."""
    opinions: dict[Key, tuple[Opinion, ...]] = field(default_factory=dict)
    unresolved: dict[str, str] = field(default_factory=dict)
    """Line -> why nothing fits it today. What it came to before stays."""
    incomplete: dict[str, str] = field(default_factory=dict)
    """Line -> which file did not come. The next run tries again."""
    published: list[str] = field(default_factory=list)
    """File names."""
    fetched: int = 0
    """Files."""
    yanked: list[str] = field(default_factory=list)
    """File names."""
    exposed: list[str] = field(default_factory=list)
    """Sentences on what installers were offered, or are, though it is vulnerable."""

    def blocked(self, closure: Closure) -> list[Pin]:
        """The releases that keep a closure off the shelf."""
        return [pin for pin in closure.pins if self.blocks((pin.project, pin.version))]

    def blocks(self, key: Key) -> bool:
        """Whether a release may not be let in."""
        return any(opinion.verdict is Verdict.BLOCK for opinion in self.opinions.get(key, ()))

    def problems(self) -> list[str]:
        """Sentences; somebody has to look at each."""
        found = [*self.unresolved.values(), *self.incomplete.values(), *self.exposed]
        for closure in self.lock.closures.values():
            found += [
                f"{closure.line!r} is kept back: {pin.project} {pin.version}: {opinion.finding.evidence}"
                for pin in self.blocked(closure)
                for opinion in self.opinions[pin.project, pin.version]
                if opinion.verdict is Verdict.BLOCK
            ]
        return list(dict.fromkeys(found))


class Run:
    """Everything a run works with."""

    def __init__(self, shelf: Shelf, journal: Journal, settings: Settings, plan: Plan, outside: Outside) -> None:
        self._shelf = shelf
        self._journal = journal
        self._settings = settings
        self._plan = plan
        self._today = datetime.now(UTC).date()
        self._history = History(journal)
        self._quarantine = Cache(shelf.quarantine / WHO)
        self._mirror = Mirror(self._quarantine, _WHOLE_RUN, _MAX_FILES)
        self._upstream = Upstream(upstream_url(settings), outside, timedelta())
        names = (settings.reserved, settings.denied)
        self._view = View(self._mirror, self._upstream, self._history, plan.policy, names, self._today)
        self._client = self._mirror.client(outside)
        self._service = Service(self._view, self._mirror, self._upstream, shelf, self._quarantine, None)
        self.history = self._history

    def __call__(self) -> Outcome:
        """Do it all but the report. The caller holds the lock of runs; raises OSError."""
        self._shelf.sweep()
        path = self._shelf.intake / "lock.toml"
        before = lock.read(path)
        with self._service.serving():
            outcome = self._resolve(before)
            self._shelf.write_record(path, outcome.lock.text().encode())
            self._fetch(outcome)
            staged = self._look_at(outcome)
        self._publish(outcome, staged)
        self._yank(outcome)
        self._keep_back(outcome)
        return outcome

    def _resolve(self, before: Lock) -> Outcome:
        outcome = Outcome(Lock())
        self._look_ahead({name for closure in before.closures.values() for name in closure.asked})
        with self._shelf.scratch() as directory, ThreadPoolExecutor(AT_ONCE) as pool:
            resolver = Resolver(self._service, self._view, self._plan.targets, directory)

            def resolved(line: Line) -> Closure | Unresolvable:
                try:
                    return resolver.closure(line, before.closures.get(line.text))
                except Unresolvable as error:
                    return error
                except Refusal as refusal:
                    return Unresolvable(f"{line.text!r} cannot be resolved: {refusal.sentence}")

            lines = self._plan.lines
            answers = progress(pool.map(resolved, lines), len(lines), "resolve", "line")
            for line, answer in zip(lines, answers, strict=True):
                if isinstance(answer, Closure):
                    outcome.lock.closures[line.text] = answer
                    continue
                outcome.unresolved[line.text] = str(answer)
                print(answer, file=sys.stderr, flush=True)  # before anything is fetched
                if line.text in before.closures:
                    outcome.lock.closures[line.text] = before.closures[line.text]
        return outcome

    def _look_ahead(self, names: set[str]) -> None:
        """Ask upstream for many pages at once, which one after the other would take long."""

        def look(name: str) -> None:
            with contextlib.suppress(Refusal):  # whoever needs it is told
                self._view.project(name)

        with ThreadPoolExecutor(AT_ONCE * 2) as pool:
            list(pool.map(look, sorted(names)))

    def _fetch(self, outcome: Outcome) -> None:
        """Have every file of every closure on the shelf or in quarantine, or a finding instead of it."""
        for closure in outcome.lock.closures.values():
            for pin in closure.pins:
                if not self._view.is_own(pin.project):
                    self._add(outcome, pin)
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
                self._break(outcome, key, str(error))
                continue
            for closure in outcome.lock.closures.values():
                if any((pin.project, pin.version) == key for pin in closure.pins):
                    outcome.incomplete[closure.line] = (
                        f"{closure.line!r} waits for {one.file.filename}, which did not come: {error}."
                    )

    def _add(self, outcome: Outcome, pin: Pin) -> None:
        """Note the release of a pin, with what is known of its files."""
        key = pin.project, pin.version
        known = outcome.releases.get(key)
        shown = self._all_files(pin.project)
        files = dict(known.files) if known else {}
        gone: list[str] = []
        for name, digest in pin.files.items():
            if name in shown and shown[name].hashes.get("sha256") == digest:
                files[name] = shown[name]
            else:
                gone.append(f"{name} is neither upstream nor on the shelf with the SHA-256 that the lock has.")
        broken = (*(known.broken if known else ()), *gone)
        outcome.releases[key] = Release(*key, files, None, broken=tuple(dict.fromkeys(broken)))

    def _all_files(self, project: str) -> Mapping[str, File]:
        """Of a public project: the shelf's, and those upstream, whatever the policy says to them."""
        try:
            listed = self._view.project(project).upstream or {}
        except Refusal:
            listed = {}
        return {**self._history.files(project), **listed}

    def _look_at(self, outcome: Outcome) -> dict[str, list[Staged]]:
        """Check every release; returns the good files in quarantine, by project."""
        self._add_shelved(outcome)
        staged: dict[str, list[Staged]] = {}
        for key, release in progress(sorted(outcome.releases.items()), len(outcome.releases), "check", "release"):
            metadata = None
            for name, file in sorted(release.files.items()):
                if self._is_shelved(release.project, name):
                    metadata = metadata or self._shelved_metadata(release.project, name)
                    if self._history.files(release.project)[name].hashes["sha256"] != file.hashes["sha256"]:
                        self._break(outcome, key, f"{name} is on the shelf with other contents than upstream has.")
                elif (path := self._quarantine.path(release.project, name)).exists():
                    try:
                        checked = _checked(path, name, file.hashes["sha256"])
                    except BadDistribution as error:
                        self._break(outcome, key, str(error))
                        continue
                    metadata = metadata or checked.distribution.metadata
                    staged.setdefault(release.project, []).append(Staged(path, checked))
            shelved = frozenset(name for name in release.files if self._is_shelved(release.project, name))
            outcome.releases[key] = replace(outcome.releases[key], metadata=metadata, shelved=shelved)
        world = self._world(outcome.releases)
        outcome.opinions = {key: look_at(release, world) for key, release in outcome.releases.items()}
        return staged

    def _add_shelved(self, outcome: Outcome) -> None:
        """Note what earlier runs let in: what is known of it may have changed."""
        names = [name for name in self._history.projects() if not self._view.is_own(name)]
        self._look_ahead(set(names))
        for name in names:
            shown = self._all_files(name)
            for filename, file in self._history.files(name).items():
                key = name, parse_filename(filename).version
                release = outcome.releases.get(key, Release(*key, {}, None))
                if filename not in release.files:
                    # with upstream's time, if upstream still has it
                    files = {**release.files, filename: shown.get(filename, file)}
                    outcome.releases[key] = replace(release, files=files)

    def _world(self, releases: Iterable[Key]) -> World:
        known: Mapping[Key, list[advisories.Advisory] | None] = {}
        why = ""
        if self._plan.policy.verdict("vulnerability"):
            try:
                self._service.advisories = advisories.Source(self._plan.policy.advisories, self._client)
                known = advisories.look_up(releases, f"{self._service.address}/osv")
            except advisories.Unavailable as error:
                why = str(error)
        own = {name for name in self._history.projects() if self._view.is_own(name)}
        upstream = {name: seen.upstream for name, seen in self._view.looked_at().items()}
        return World(self._plan.policy, self._today, upstream, known, why, frozenset({*own, *self._settings.reserved}))

    def _publish(self, outcome: Outcome, staged: Mapping[str, list[Staged]]) -> None:
        for closure in outcome.lock.closures.values():
            if outcome.blocked(closure) or closure.line in outcome.incomplete:
                continue
            wanted = {(pin.project, name) for pin in closure.pins for name in pin.files}
            try:
                for project in publish.in_order(closure):
                    if self._view.is_own(project):
                        continue
                    files = [one for one in staged.get(project, []) if (project, one.filename) in wanted]
                    waiting = [one for one in files if one.path.exists()]  # another line has brought in the others
                    outcome.published += publish.publish(self._shelf, self._journal, self._history, project, waiting)
            except Conflict as error:
                outcome.incomplete[closure.line] = f"{closure.line!r} cannot be published: {error}"

    def _yank(self, outcome: Outcome) -> None:
        """Have installers pass over what was let in and turns out to be vulnerable."""
        for (project, version), opinions in sorted(outcome.opinions.items()):
            reasons = [
                opinion.finding.advisory
                for opinion in opinions
                if opinion.verdict is Verdict.BLOCK and opinion.finding.advisory
            ]
            of_release = [
                file
                for name, file in self._history.files(project).items()
                if parse_filename(name).version == version and self._is_shelved(project, name)
            ]
            if not reasons or all(file.yanked for file in of_release):
                continue
            names = ", ".join(reasons)
            fate = "yank it, or grant an exception"
            if self._plan.policy.on_shelf == "yank":
                fate = "it is yanked now"
                reason = f"vulnerable: {names}"
                outcome.yanked += publishing.yank(self._shelf, self._journal, project, str(version), reason, WHO)
            outcome.exposed.append(f"{project} {version} is on the shelf and vulnerable ({names}): {fate}.")

    def _keep_back(self, outcome: Outcome) -> None:
        """Write down what stays in quarantine, and why; what no line wants any more goes."""
        kept: set[Path] = set()
        blocked: dict[tuple[str, str, str], tuple[str, str]] = {}
        for key, release in outcome.releases.items():
            reasons = [one.finding.evidence for one in outcome.opinions[key] if one.verdict is Verdict.BLOCK]
            for name, file in release.files.items():
                path = self._quarantine.path(release.project, name)
                if path.exists():
                    kept.add(path)
                    if reasons:
                        digest = file.hashes["sha256"]
                        blocked[release.project, str(release.version), name] = digest, " ".join(reasons)
        publish.keep_back(self._journal, self._history, blocked)
        if not outcome.incomplete:  # else what came of a file is there to be continued
            self._quarantine.keep_only(kept)

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
        return distribution.read(path, filename).metadata

    def _break(self, outcome: Outcome, key: Key, sentence: str) -> None:
        release = outcome.releases[key]
        broken = tuple(dict.fromkeys((*release.broken, sentence)))
        outcome.releases[key] = replace(release, broken=broken)


def _checked(path: Path, filename: str, sha256: str) -> Checked:
    """The file as the index's own checks see it; raises `BadDistribution`."""
    checked = rules.check(distribution.read(path, filename), Claims())
    if checked.distribution.hashes["sha256"] != sha256:
        raise BadDistribution(f"{filename} does not have the SHA-256 that upstream's index promises.")
    return checked

"""What may be chosen of each project: what is published, and what the policy lets in from upstream.

uv is shown this and nothing else, so whatever it resolves, an internal name never comes from outside, no release is
younger than it may be, and no upstream code runs here while something is resolved.
"""

import hashlib
import json
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from packaging.version import Version
from simple_repository.model import File

from wheelhouse.formats.distribution import BadDistribution, FileName, parse_filename
from wheelhouse.formats.validation import Verdict
from wheelhouse.index.permissions import covers
from wheelhouse.intake.policy import Policy
from wheelhouse.intake.published import Published
from wheelhouse.intake.pypi.listings import Files, Listings
from wheelhouse.upstream.simple_index import Upstream
from wheelhouse.upstream.ttl_cache import SingleFlightCache

MAX_FILES = 60_000
"""Files of projects that are held in memory, at about 2 KiB each; the pages of all others are on the disk."""
_WHOLE_RUN = 7 * 86_400.0


@dataclass(frozen=True)
class Project:
    """One project, as this run sees it."""

    files: Files
    """What may be chosen, by file name."""
    own: bool
    """Whether the project is the company's own."""
    note: str = ""
    """A sentence on why there is nothing of it."""
    hidden: Mapping[Version, str] = field(default_factory=dict)
    """Releases of which files are kept out of sight, each with a sentence on one of them."""


class Candidates:
    """What this run sees. Safe for many threads; upstream is asked once for each project."""

    def __init__(
        self,
        listings: Listings,
        upstream: Upstream,
        published: Published,
        policy: Policy,
        names: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
        today: date,
    ) -> None:
        """`upstream` has no minimum age of its own; `names` are patterns: of reserved, of denied, of restricted names.

        Nothing that comes from outside may use what is restricted, since everybody can read a report.
        """
        self._listings = listings
        self._upstream = upstream
        self._aged = replace(upstream, minimum_age=timedelta(days=policy.minimum_age))
        self._published = published
        self._policy = policy
        self._reserved, self._denied, self._restricted = names
        self._today = today
        self._projects: SingleFlightCache[Project] = SingleFlightCache(_WHOLE_RUN, MAX_FILES, _weight)
        self._lock = threading.Lock()
        self._digests: dict[str, tuple[str, bool]] = {}

    def project(self, name: str) -> Project:
        """The project of this normalised name; raises `Unreachable` if upstream does not answer."""
        return self._projects.get(name, lambda: self._look(name))

    def digest(self, name: str) -> tuple[str, bool]:
        """Of everything about a project's files that a choice may depend on, and whether it is the company's own.

        Where the files lie is not among it. Raises `Unreachable`.
        """
        with self._lock:
            known = self._digests.get(name)
        return known or _digest(self.project(name))

    def listed(self, name: str, filenames: Collection[str]) -> Files | None:
        """Those of these files that upstream lists today, whatever the policy says to that; raises `Unreachable`.

        None if upstream was not asked, or has nothing of this name.
        """
        if self.is_own(name) or covers(self._denied, name):
            return None
        return self._listings.of(name, filenames)

    def all_listed(self, name: str) -> Files | None:
        """All that upstream lists of a project; otherwise as `listed`."""
        if self.is_own(name) or covers(self._denied, name):
            return None
        return self._listings.of(name)

    def is_own(self, name: str) -> bool:
        """Whether a project is the company's own, and so never looked for upstream."""
        return covers(self._reserved, name) or self._published.is_own(name)

    def _look(self, name: str) -> Project:
        found = self._found(name)
        with self._lock:
            self._digests[name] = _digest(found)
        return found

    def _found(self, name: str) -> Project:
        is_restricted = covers(self._restricted, name)
        published = {} if is_restricted else {key: file.simple for key, file in self._published.files(name).items()}
        if self.is_own(name):
            note = "" if published else f"{name} is one of the company's own names, and nothing of it is on the shelf."
            return Project(published, True, note)
        if covers(self._denied, name):
            return Project({}, False, f"{name} is denied by the index's own settings.")
        listed = self._listings.of(name)
        if listed is None:
            return Project(published, False, "" if published else f"There is no project {name} upstream.")
        hidden: dict[Version, str] = {}
        files = {filename: file for filename, file in published.items() if filename not in listed}
        for filename, file in listed.items():
            try:
                parsed = parse_filename(filename)
            except BadDistribution:
                continue  # an egg or an installer of long ago
            if parsed.project != name:
                continue
            if objection := self._objection(parsed, file):
                hidden.setdefault(parsed.version, objection)
            elif filename in published and published[filename].hashes == file.hashes:
                # from here, where its metadata are as well
                ours = published[filename]
                files[filename] = replace(file, url=ours.url, dist_info_metadata=ours.dist_info_metadata)
            else:
                files[filename] = file
        return Project(files, False, "", hidden)

    def _objection(self, parsed: FileName, file: File) -> str | None:
        """Why a file upstream is kept out of sight, as a sentence; None if it is not."""
        if objection := self._upstream.objection(file):
            return objection
        if parsed.kind == "sdist" and not self._let_through("sdist", parsed):
            return f"{file.filename} is a source distribution, which runs its author's code when installed."
        objection = self._aged.objection(file)
        return objection if objection and not self._let_through("age", parsed) else None

    def _let_through(self, check: str, parsed: FileName) -> bool:
        if self._policy.verdict(check) is not Verdict.BLOCK:
            return True
        about = frozenset({check})
        return self._policy.exception(parsed.project, parsed.version, about, self._today) is not None


def is_published(file: File) -> bool:
    """Whether a candidate is published here, and need not come from upstream."""
    return file.url.startswith("../../packages/")


def _weight(project: Project) -> int:
    return 1 + len(project.files)


def _digest(project: Project) -> tuple[str, bool]:
    known = sorted(
        (file.filename, file.hashes.get("sha256"), file.requires_python, bool(file.yanked))
        for file in project.files.values()
    )
    return hashlib.sha256(json.dumps(known).encode()).hexdigest(), project.own

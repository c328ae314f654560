"""What may be chosen of each project: what is on the shelf, and what the policy lets in from upstream.

uv is shown this and nothing else, so whatever it resolves, an internal name never comes from outside, no release is
younger than it may be, and no upstream code runs here while something is resolved.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from packaging.version import Version
from simple_repository.model import File

from wheelhouse.formats.distribution import BadDistribution, FileName, parse_filename
from wheelhouse.formats.validation import Verdict
from wheelhouse.index.permissions import covers
from wheelhouse.index.simple_pages import Files
from wheelhouse.intake.history import History
from wheelhouse.intake.policy import Policy
from wheelhouse.upstream.simple_index import Mirror, Upstream
from wheelhouse.web.responses import Refusal


@dataclass(frozen=True)
class Seen:
    """One project, as this run sees it."""

    files: Files
    """What may be chosen, by file name."""
    upstream: Files | None
    """What upstream lists; None if it was not asked, or has nothing of this name."""
    own: bool
    """Whether the project is the company's own."""
    note: str = ""
    """A sentence on why there is nothing of it."""
    hidden: Mapping[Version, str] = field(default_factory=dict)
    """Releases of which files are kept out of sight, each with a sentence on one of them."""


class View:
    """What this run sees. Safe for many threads; each project is looked at once."""

    def __init__(
        self,
        mirror: Mirror,
        upstream: Upstream,
        history: History,
        policy: Policy,
        names: tuple[tuple[str, ...], tuple[str, ...]],
        today: date,
    ) -> None:
        """`upstream` has no minimum age of its own; `names` are the patterns of reserved and of denied names."""
        self._mirror = mirror
        self._upstream = upstream
        self._aged = replace(upstream, minimum_age=timedelta(days=policy.minimum_age))
        self._history = history
        self._policy = policy
        self._reserved, self._denied = names
        self._today = today
        self._seen: dict[str, Seen] = {}
        self._lock = threading.Lock()

    def project(self, name: str) -> Seen:
        """The project of this normalised name; raises `Refusal` if upstream does not answer."""
        with self._lock:
            if seen := self._seen.get(name):
                return seen
        seen = self._look(name)  # twice at worst
        with self._lock:
            return self._seen.setdefault(name, seen)

    def looked_at(self) -> dict[str, Seen]:
        """Everything that anybody asked for so far."""
        with self._lock:
            return dict(self._seen)

    def is_own(self, name: str) -> bool:
        """Whether a project is the company's own, and so never looked for upstream."""
        return covers(self._reserved, name) or self._history.is_own(name)

    def _look(self, name: str) -> Seen:
        shelved = self._history.files(name)
        if self.is_own(name):
            note = "" if shelved else f"{name} is one of the company's own names, and nothing of it is on the shelf."
            return Seen(shelved, None, True, note)
        if covers(self._denied, name):
            return Seen({}, None, False, f"{name} is denied by the index's own settings.")
        try:
            listed = self._mirror.files(self._upstream, name)
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            return Seen(shelved, None, False, "" if shelved else f"There is no project {name} upstream.")
        hidden: dict[Version, str] = {}
        files = {filename: file for filename, file in shelved.items() if filename not in listed}
        for filename, file in listed.items():
            try:
                parsed = parse_filename(filename)
            except BadDistribution:
                continue  # an egg or an installer of long ago
            if parsed.project != name:
                continue
            if objection := self._objection(parsed, file):
                hidden.setdefault(parsed.version, objection)
            elif filename in shelved and shelved[filename].hashes == file.hashes:
                # from here, where its metadata are as well
                ours = shelved[filename]
                files[filename] = replace(file, url=ours.url, dist_info_metadata=ours.dist_info_metadata)
            else:
                files[filename] = file
        return Seen(files, listed, False, "", hidden)

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

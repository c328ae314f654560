"""What is on a project's page: its releases with where each file came from, and what the latest says of itself."""

import logging
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from shutil import copyfileobj
from urllib.parse import urlsplit

from packaging.version import Version

from wheelhouse.config import Settings
from wheelhouse.errors import Busy, Damaged, NotFound
from wheelhouse.formats import reading
from wheelhouse.formats.description import Description, Needed
from wheelhouse.formats.distribution import BadDistribution
from wheelhouse.index import queries
from wheelhouse.index.database import Database
from wheelhouse.index.permissions import covers
from wheelhouse.index.queries import PublishedFile
from wheelhouse.index.version_keys import version_key
from wheelhouse.store.base import Store, blob
from wheelhouse.upstream.ttl_cache import SingleFlightCache

log = logging.getLogger(__name__)

MAX_SDIST = 64 * 2**20
"""Bytes of a source distribution that is opened for what it says of itself; that of a wheel lies beside it."""
REMEMBERED = 16 * 2**20
"""Characters of descriptions that are held in memory."""
MAX_PUBLISHERS = 12
_FOR_GOOD = 86_400.0
"""Seconds. Bytes do not change; a reader that failed for once is asked again a day later."""


@dataclass(frozen=True)
class Release:
    """The files of one version, by name."""

    version: str
    files: tuple[PublishedFile, ...]

    @cached_property
    def first(self) -> PublishedFile:
        """The one that was published first: whoever sent it published the release."""
        return min(self.files, key=lambda file: (file.at, file.file))

    @property
    def who(self) -> str:
        """Who published it."""
        return self.first.who

    @property
    def at(self) -> datetime:
        """When."""
        return self.first.published_at

    @property
    def yanked(self) -> str | None:
        """The reason, if none of its files is left for installers that were not asked for this version."""
        reasons = [file.yanked for file in self.files]
        return None if None in reasons else reasons[0]

    @property
    def requires_python(self) -> str | None:
        """Of the first file that says something."""
        return next((file.requires_python for file in self.files if file.requires_python), None)


@dataclass(frozen=True)
class Project:
    """A project with at least one file."""

    name: str
    """Normalised."""
    best: Release
    """The release that speaks for it."""
    releases: tuple[Release, ...]
    """The highest versions, highest first."""
    older: int
    """How many more there are."""

    @property
    def attested(self) -> list[PublishedFile]:
        """Its files that have attestations, of the releases that are shown."""
        return [file for one in self.releases for file in one.files if file.provenance]

    @property
    def latest(self) -> str | None:
        """The version to install; None if all are yanked."""
        return self.best.version if self.best.yanked is None else None

    @property
    def is_prerelease(self) -> bool:
        """Whether the latest is one, so that installers have to be asked for it."""
        return Version(self.best.version).is_prerelease

    @property
    def title(self) -> str:
        """The name as the author spells it."""
        return next((file.title for file in self.best.files if file.title), self.name)

    @property
    def summary(self) -> str | None:
        """Of the best release."""
        return next((file.summary for file in self.best.files if file.summary), None)


def load(database: Database, name: str, most: int) -> Project | None:
    """The project of this normalised name, with at most so many releases; None if nothing of it is listed."""
    with database.read() as connection:
        speaking = queries.spokesman(connection, name)
        keys = queries.releases(connection, name)
        if speaking is None or not keys:
            return None
        lowest = keys[most - 1] if len(keys) > most else None
        shown = _releases(queries.files(connection, name, lowest=lowest).values())
        best = next((one for one in shown if one.version == speaking), None)
        if best is None:
            key = version_key(Version(speaking))
            (best,) = _releases(queries.files(connection, name, version_key=key).values())
    return Project(name, best, shown, len(keys) - len(shown))


def _releases(files: Iterable[PublishedFile]) -> tuple[Release, ...]:
    """Those of these files, the highest first."""
    by_version: dict[str, list[PublishedFile]] = {}
    for file in files:
        if file.is_listed:
            by_version.setdefault(file.version, []).append(file)
    ordered = sorted(by_version, key=Version, reverse=True)
    return tuple(Release(one, tuple(sorted(by_version[one], key=lambda file: file.file))) for one in ordered)


def publishers(name: str, settings: Settings) -> tuple[list[str], int]:
    """Some of those who may publish the project, in order, and how many more there are."""
    found = sorted(user for user, patterns in settings.publishes.items() if covers(patterns, name))
    entries = [one for one in settings.publishers if covers(one.publishes, name)]
    if covers(settings.restricted, name):  # takes more, see `Login.why_not`
        found = [user for user in found if covers(settings.read_rights.reads.get(user, ()), name)]
        entries = [one for one in entries if covers((p for p in one.publishes if covers(settings.restricted, p)), name)]
    jobs = {urlsplit(one.issuer).hostname for one in entries}
    found += [f"CI jobs of {host}" for host in sorted(filter(None, jobs))]
    return found[:MAX_PUBLISHERS], max(0, len(found) - MAX_PUBLISHERS)


def by_extra(needed: Iterable[Needed]) -> dict[str, list[Needed]]:
    """The requirements by the extra that they are for; those that are always needed under ""."""
    grouped: dict[str, list[Needed]] = {"": []}
    for one in needed:
        grouped.setdefault(one.extra or "", []).append(one)
    return grouped if grouped[""] else {extra: some for extra, some in grouped.items() if extra}


class Descriptions:
    """What distributions say of themselves, read when somebody asks for it. Safe for many threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: SingleFlightCache[Description | None] = SingleFlightCache(_FOR_GOOD, REMEMBERED, _weight)

    def of(self, release: Release) -> Description | None:
        """That of a release; None if it cannot be told."""
        wheel = next((file for file in release.files if file.metadata_sha256), None)
        if wheel and wheel.metadata_sha256:
            return self._describe(wheel.metadata_sha256, f"{wheel.file}.metadata")
        sdist = next((file for file in release.files if file.size <= MAX_SDIST), None)
        return self._describe(sdist.sha256, sdist.file) if sdist else None

    def _describe(self, sha256: str, filename: str) -> Description | None:
        try:
            return self._found.get(sha256, lambda: self._read(blob(sha256), filename))
        except (Busy, OSError) as error:  # it may be told in a while
            log.warning("%s cannot be described: %s", filename, error)
            return None

    def _read(self, key: str, filename: str) -> Description | None:
        try:
            if path := self._store.path(key):
                return reading.describe(path, filename)
            with self._store.open(key) as source, tempfile.NamedTemporaryFile() as copy:
                copyfileobj(source, copy, 2**20)
                copy.flush()
                return reading.describe(Path(copy.name), filename)
        except (BadDistribution, NotFound, Damaged) as error:
            log.warning("%s cannot be described: %s", filename, error)
            return None


def _weight(found: Description | None) -> int:
    return 1000 + (len(found.html or found.text or "") if found else 0)


def came_from(file: PublishedFile) -> str:
    """Where a file is from, as the end of a sentence that says who published it; may be empty."""
    if not file.origin:
        return ""
    if file.who == file.origin:
        return ", from outside"
    return f", {file.origin}" if file.origin == "copied in" else f", sent from {file.origin}"


def job_of(job: Mapping[str, str] | None) -> str:
    """Which commit and run a CI job had, as the end of a sentence that says who published it; may be empty."""
    known = [f"{name} {job[name]}" for name in ("commit", "ref", "run") if name in job] if job else []
    return f", {', '.join(known)}" if known else ""


def install_commands(name: str, settings: Settings, *, is_prerelease: bool) -> list[tuple[str, str, str]]:
    """(tool, what is copied, commands) for machines that know nothing of this index."""
    index, pre = f"{settings.index_url}/simple/", "--pre " if is_prerelease else ""
    uv, poetry = "--prerelease allow " if is_prerelease else "", "--allow-prereleases " if is_prerelease else ""
    return [
        ("pip", "the command for pip with the address", f"pip install {pre}--index-url {index} {name}"),
        ("uv", "the command for uv with the address", f"uv add {uv}--default-index {index} {name}"),
        (
            "Poetry",
            "the commands for Poetry",
            f"poetry source add --priority=primary company {index}\npoetry add {poetry}--source company {name}",
        ),
        (
            "conda",
            "the lines for environment.yml",
            f"dependencies:\n  - pip\n  - pip:\n      - --index-url {index}\n      - {name}",
        ),
        ("Files only", "the command to download", f"pip download {pre}--no-deps --index-url {index} {name}"),
    ]

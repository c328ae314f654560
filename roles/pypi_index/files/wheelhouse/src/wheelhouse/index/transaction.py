"""The one path of every change: bytes placed and synced, one transaction, what is served rendered, the answer.

Nothing else writes rows or the served tree. A kill between any two steps is mended by the next `render_dirty` and
`sweep`: what was killed before its transaction never happened, and may be sent again, built anew or not; what was
killed behind it is published, by whoever sent it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from wheelhouse.formats.validation import Checked
from wheelhouse.index.database import Database
from wheelhouse.index.events import Event
from wheelhouse.store.base import Store
from wheelhouse.store.site import Site
from wheelhouse.store.staging import Staging

ROOT = ""
"""The place of the list of all projects."""


@dataclass(frozen=True)
class Incoming:
    """A file that was received and found to be as it should."""

    path: Path
    """In `Staging.incoming`, or in a quarantine on the same disk: synced, and written to by nobody else."""
    checked: Checked
    uploaded: datetime | None = None
    """When it was, upstream; one that is naive is in UTC. None for what is published here first."""

    @property
    def filename(self) -> str:
        """The name it is published under."""
        return self.checked.distribution.name.filename


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


class Index:
    """What is published, on one shelf. Safe for many threads and processes."""

    def __init__(self, database: Database, store: Store, site: Site, staging: Staging) -> None:
        self.database = database
        self.store = store
        self.site = site
        self.staging = staging

    # Python projects. A project's name is normalised by whoever calls, unless it says otherwise.

    def publish(
        self, files: Sequence[Incoming], who: str, origin: str, *, allow_second_sdist: bool = False
    ) -> list[str]:
        """Publish files of one project, all on its page at once; the same bytes again are fine, and heal what is lost.

        Returns the names of those that were not published before. When this returns they are on the disk and listed.
        Raises `Conflict`, and then nothing has changed; `Busy`, OSError.
        """
        raise NotImplementedError

    def yank(self, project: str, version: str, reason: str, who: str) -> list[str]:
        """Mark a release as one that installers pass over unless it is asked for by its exact version.

        The project may be spelled in any way. Returns the names of its files; raises `NotFound`.
        """
        raise NotImplementedError

    def unyank(self, project: str, version: str, who: str) -> list[str]:
        """Take a yank back. Returns the names of the release's files; raises `NotFound`."""
        raise NotImplementedError

    def mark(self, project: str, names: Iterable[str], reason: str | None, who: str) -> list[str]:
        """Yank some files of a project for a reason, or take that back with None. Returns those that are published."""
        raise NotImplementedError

    def remove(self, project: str, version: str, reason: str, who: str) -> list[str]:
        """Take a release off for good. Returns the names of its files; raises `NotFound`."""
        raise NotImplementedError

    def take_off(self, project: str, names: Iterable[str], reason: str, who: str) -> list[str]:
        """The same with some files, whatever release they are of: their contents are not what was published."""
        raise NotImplementedError

    def date(self, project: str, times: Mapping[str, datetime], who: str) -> list[str]:
        """Make up for it that files from outside were published without the time of their upload there."""
        raise NotImplementedError

    def note_missing(self, project: str, missing: Mapping[str, bool]) -> None:
        """Note which published files have lost their bytes (True), or have them again: only these are listed."""
        raise NotImplementedError

    # Conda. `name` has the subdir with it: `noarch/six-1.16.0-pyh6c4a22f_0.conda`.

    def make_channel(self, channel: str, subdirs: Iterable[str]) -> None:
        """See that a channel has these subdirs, with an index in each."""
        raise NotImplementedError

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

        `records` (by name) replaces upstream's records of packages that are there, where the SHA-256 is the same.
        Returns the names (without subdir) of those that are new; raises `Conflict`.
        """
        raise NotImplementedError

    def withhold(self, channel: str, reasons: Mapping[str, str], who: str, origin: str | None = None) -> list[str]:
        """Take packages out of the indexes, which says why; their files stay. Returns their names without subdir."""
        raise NotImplementedError

    def offer(self, channel: str, names: Iterable[str], who: str, origin: str | None = None) -> list[str]:
        """Put them back. Returns their names without subdir."""
        raise NotImplementedError

    def update_records(self, channel: str, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Have upstream's packages listed as upstream lists them today, where the SHA-256 is the same."""
        raise NotImplementedError

    def describe_packages(self, channel: str, scripts: Mapping[str, tuple[str, ...]]) -> None:
        """Note what runs by itself in packages that nobody had looked at for it."""
        raise NotImplementedError

    def remove_packages(self, channel: str, reasons: Mapping[str, str], who: str, origin: str) -> list[str]:
        """Take packages off for good: their files are gone or were replaced. Returns their names without subdir."""
        raise NotImplementedError

    def note_missing_packages(self, channel: str, missing: Mapping[str, bool]) -> None:
        """Like `note_missing`."""
        raise NotImplementedError

    # What is only written down.

    def note(self, *events: Event) -> None:
        """Write down what changes nothing that is served: a run of `verify`, a rollback, what went to the quarantine."""
        raise NotImplementedError

    def refuse(self, event: Event) -> bool:
        """Write down that an upload was refused, or count it; says whether it has a line of its own."""
        raise NotImplementedError

    def sum_up_refusals(self) -> None:
        """Write down how many more there were in hours that are over."""
        raise NotImplementedError

    def quarantine(self, events: Iterable[Event]) -> None:
        """Write down what was kept back, once for each SHA-256 and reason."""
        raise NotImplementedError

    # What the intake and the pass-through remember. Each is one transaction.

    def save_lock(self, text: str) -> None:
        """Remember what the list comes to (TOML)."""
        raise NotImplementedError

    def keep_set(self, name: str, text: str, most: int) -> None:
        """Keep a lock under the name of when it was complete, unless it is the one kept last; forget the oldest."""
        raise NotImplementedError

    def put_back(self, to: str, who: str) -> None:
        """Note that an earlier set is in force, and write it down."""
        raise NotImplementedError

    def lift(self, who: str) -> None:
        """Forget it, and write that down."""
        raise NotImplementedError

    def deny(self, releases: Mapping[str, Mapping[str, tuple[str, tuple[str, ...]]]]) -> bool:
        """Replace what is denied: project -> version -> sentence, what an exception may name. False if it was so."""
        raise NotImplementedError

    def note_served(self, project: str, filename: str, sha256: str) -> str:
        """Remember which bytes a client was given of a public file; returns what is known, which the first one said."""
        raise NotImplementedError

    # What is served.

    def render(self, *places: str, check: bool = False) -> int:
        """Make what is served of these places (projects, `channel/subdir`, `ROOT`) what their rows say.

        Returns how many pages differed. `check` also looks at each file that is there already.
        """
        raise NotImplementedError

    def render_dirty(self) -> int:
        """Do that for all places that a kill, or another process that is in the middle of it, left dirty."""
        raise NotImplementedError

    def sweep(self) -> int:
        """Take away bytes that no row names, and what killed processes left of what they received.

        Returns how many blobs went.
        """
        raise NotImplementedError

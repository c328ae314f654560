"""A bundle as a whole: what would come, or one transaction.

Whatever is wrong with the bundle itself leaves everything as it is. What the inside's own rules refuse is left out, and
said: a bundle that could never be taken would stop all that come behind it.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wheelhouse.conda.channel import SUBDIRS
from wheelhouse.config import Settings
from wheelhouse.errors import WheelhouseError
from wheelhouse.index import queries
from wheelhouse.index.events import now
from wheelhouse.index.import_changes import Arrival, ImportChanges, Imported
from wheelhouse.index.transaction import Index
from wheelhouse.intake.policy import Policy
from wheelhouse.store.staging import make_directory, sync_directory
from wheelhouse.transfer import bundle
from wheelhouse.transfer.bundle import MANIFEST, BadBundle, File, Manifest, Package, Receipt
from wheelhouse.transfer.incoming import Carried, Copies
from wheelhouse.transfer.outgoing import ADVISORIES, EVENTS, REPORTS, own_version
from wheelhouse.transfer.policy import Judge, Judgement
from wheelhouse.transfer.remembered import replace
from wheelhouse.web.html import render_static, static_assets

PAGE, DATA, MATERIALS = "index.html", "intake.json", "intake.cdx.json"


@dataclass
class Came:
    """What came of a bundle, or would."""

    number: int
    files: int = 0
    packages: int = 0
    marked: int = 0
    extras: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    receipt: Path | None = None


class Import:
    """Imports into one index. `state` keeps what the inside remembers beside its shelf: records and receipts."""

    def __init__(self, index: Index, settings: Settings, rules: Policy, state: Path, *, reports: bool) -> None:
        """`reports` is whether the outside's are shown: an index with a list of its own has its own."""
        self._reports = reports
        self._index = ImportChanges.of(index)
        self._settings = settings
        self._rules = rules
        self._state = state

    def imported(self) -> Imported:
        """The last bundle that was applied."""
        return self._index.imported()

    def place(self, carried: Carried, before: Imported) -> str | None:
        """Why a bundle is not for now: None if it comes after the one `before`, or is that one. Raises `BadBundle`."""
        manifest = carried.manifest
        if manifest.number < before.number:
            return f"Bundle {manifest.number} is older than bundle {before.number}, which is applied."
        if manifest.number == before.number:
            if carried.digest != before.manifest:
                raise BadBundle(
                    f"Another bundle {manifest.number} is applied already: make the next one outside with --since and"
                    " the receipt of the last import."
                )
            return None
        if manifest.number != before.number + 1:
            raise BadBundle(
                f"Bundle {manifest.number} does not come next: bundle {before.number + 1} is missing, or make one"
                " outside with --since and the receipt of the last import."
            )
        if manifest.previous != before.manifest:
            raise BadBundle(
                f"Bundle {manifest.number} was made to follow another bundle {before.number} than the one that is"
                " applied: make one outside with --since and the receipt of the last import."
            )
        return None

    def __call__(self, carried: Carried, who: str, *, apply: bool) -> Came:
        """Do it, or say what it would come to. Raises `WheelhouseError`, OSError, and then nothing has changed."""
        if apply:
            self._index.render_dirty()
            self._index.sweep()
        copies = Copies(self._index.staging)
        try:
            came = self._look(carried, copies, who, apply=apply)
        except WheelhouseError:
            copies.forget()
            raise
        copies.forget()  # else, after a kill or with a medium that was pulled out, the next run goes on with them
        return came

    def _look(self, carried: Carried, copies: Copies, who: str, *, apply: bool) -> Came:
        manifest = carried.manifest
        files, packages = self._missing(manifest)
        wanted = {one.sha256 for one in files} | {one.sha256 for one in packages}
        wanted |= {one.sha256 for one in (*manifest.attachments, *(manifest.extras if apply else ()))}
        copies.take(carried, wanted)
        page = self._page(manifest, copies)
        with self._advisories(manifest, copies) as advisories:
            judge = Judge(self._index, self._settings, self._rules, copies, advisories)
            judgement = judge(manifest, files, packages)
        came = Came(
            manifest.number,
            files=len(judgement.public) + len(judgement.internal),
            packages=sum(map(len, judgement.packages.values())),
            extras=[one.name for one in manifest.extras],
            refused=judgement.refused,
            notes=judgement.notes,
        )
        if apply:
            self._apply(carried, judgement, copies, page, came, who)
        return came

    def _missing(self, manifest: Manifest) -> tuple[list[File], list[Package]]:
        """What is not published as the bundle has it."""
        files: list[File] = []
        packages: list[Package] = []
        with self._index.database.read() as connection:
            for one in manifest.files:
                known = queries.file(connection, one.project, one.file)
                if not (known and known.is_listed and known.sha256 == one.sha256):
                    files.append(one)
            shelves = {one.channel: queries.packages(connection, one.channel) for one in manifest.packages}
        for package in manifest.packages:
            there = shelves[package.channel].get(package.name)
            if not (there and not there.missing and there.record and there.sha256 == package.sha256):
                packages.append(package)
        return files, packages

    def _apply(
        self, carried: Carried, judgement: Judgement, copies: Copies, page: dict[str, bytes], came: Came, who: str
    ) -> None:
        manifest = carried.manifest
        arrival = Arrival(
            before=self._index.imported(),
            after=Imported(
                manifest.number,
                carried.digest,
                manifest.yanked,
                manifest.withheld,
                {
                    project: {version: (sentence, tuple(about)) for version, (sentence, about) in versions.items()}
                    for project, versions in manifest.denied.items()
                },
            ),
            public=judgement.public,
            internal=judgement.internal,
            packages=judgement.packages,
            subdirs=SUBDIRS,
            records=manifest.records,
        )
        done = self._index.bring_in(arrival, who)
        came.marked, came.published = done.marked, done.published
        # From here on it is applied: whatever is killed below is made again when the bundle is applied again.
        self._index.write_reports(page)
        self._keep(carried, copies)
        came.receipt = self._write_receipt(carried, judgement, came)

    def _keep(self, carried: Carried, copies: Copies) -> None:
        """Keep the record of the bundle for auditors, and lay extras down where they can be taken from."""
        record = self._state / "bundles" / bundle.directory_name(carried.manifest.number)
        extras = self._state / "extras"
        for directory in (self._state / "bundles", record, extras):
            make_directory(directory, 0o750)
        replace(record / MANIFEST, bundle.encoded(carried.manifest))
        for one in carried.manifest.attachments:
            if one.name in (*REPORTS, EVENTS, ADVISORIES):
                replace(record / one.name, copies.path(one.sha256).read_bytes())
        for one in carried.manifest.extras:
            part = extras / f".{one.name}.part"
            shutil.copyfile(copies.path(one.sha256), part)
            part.chmod(0o644)
            part.rename(extras / one.name)
        sync_directory(extras)

    def _write_receipt(self, carried: Carried, judgement: Judgement, came: Came) -> Path:
        directory = self._state / "receipts"
        make_directory(directory, 0o755)
        with self._index.database.read() as connection:
            has = queries.imported_bytes(connection)
        receipt = Receipt(
            number=carried.manifest.number,
            manifest=carried.digest,
            applied=now(),
            version=own_version(),
            published=sorted(came.published),
            refused=judgement.refused,
            has=sorted(has | set(self._extras())),
        )
        path = directory / f"receipt-{carried.manifest.number:06}.json"
        replace(path, bundle.encoded(receipt))
        return path

    def _extras(self) -> Iterator[str]:
        """SHA-256 of those that are there."""
        for path in (self._state / "extras").iterdir():
            with path.open("rb") as stream:
                yield hashlib.file_digest(stream, "sha256").hexdigest()

    def _page(self, manifest: Manifest, copies: Copies) -> dict[str, bytes]:
        """The outside's report as this index shows it; raises `BadBundle` if it is none."""
        attached = {one.name: copies.path(one.sha256) for one in manifest.attachments}
        if not self._reports or DATA not in attached:
            return {}
        try:
            report: Any = json.loads(attached[DATA].read_bytes())
            page = render_static("report.html", self._settings, report=report).encode()
        except Exception as error:  # whatever a report can have wrong: it is text of others, and only shown
            raise BadBundle(f"{DATA} of the bundle is no report of an intake ({type(error).__name__}).") from None
        found = {name: attached[name].read_bytes() for name in REPORTS if name in attached}
        return {**static_assets(), **found, PAGE: page}

    @contextlib.contextmanager
    def _advisories(self, manifest: Manifest, copies: Copies) -> Iterator[Path | None]:
        """A directory with the advisories that came."""
        one = next((one for one in manifest.attachments if one.name == ADVISORIES), None)
        if one is None:
            yield None
            return
        with self._index.staging.scratch() as directory:
            with copies.path(one.sha256).open("rb") as stream:
                for number, line in enumerate(stream):
                    (directory / f"{number}.json").write_bytes(line)
            yield directory

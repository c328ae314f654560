"""From a line to everything it needs, on each platform and for each Python: py-rattler chooses from what there is.

Python is a package like others here. So a line is resolved for each Python that the company has, as far as it can be
had for that, and for any Python if for none of them; where Python is no part of it, once for each platform.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version as version_of
from pathlib import Path

from rattler import MatchSpec, RepoDataRecord, SparseRepoData, solve_with_sparse_repodata
from rattler import Version as CondaVersion
from rattler.exceptions import SolverError

from wheelhouse.conda import match_spec
from wheelhouse.formats.conda_package import FILENAME, SUBDIR
from wheelhouse.formats.validation import Verdict
from wheelhouse.intake.conda.platforms import NOARCH, by_platform, subdir, virtual_packages
from wheelhouse.intake.conda.repodata import Listing, UpstreamChannel
from wheelhouse.intake.lock import Closure, Pin
from wheelhouse.intake.request import Line, Request
from wheelhouse.intake.source import MAX_SAID, Unresolvable

PATIENCE = timedelta(minutes=10)
"""For one resolution."""
_VERSION = version_of("py-rattler")


@dataclass(frozen=True)
class Solved:
    """A closure, and a digest of everything that the choice depends on."""

    closure: Closure
    digest: str


class Resolver:
    """Resolves lines against one channel each."""

    def __init__(self, request: Request, directory: Path, today: date) -> None:
        """`directory` is for files in the making."""
        self._policy = request.policy
        self._platforms = by_platform(request.targets)
        self._directory = directory
        self._today = today
        # The end of today, so that a second run of a day chooses the same.
        now = min(datetime.now(UTC), datetime.combine(today, time.max, UTC))
        self._newest = now - timedelta(days=request.policy.minimum_age)
        self._is_aged = request.policy.minimum_age > 0 and request.policy.verdict("age") is Verdict.BLOCK

    def closure(self, line: Line, channel: UpstreamChannel, last: Closure | None, digest: str | None) -> Solved:
        """Everything the line needs; `digest` is that of `last`. Raises `Unresolvable`, `Unreachable`."""
        current = self._digest(line, channel)
        if last and digest == current:
            return Solved(last, current)
        chosen: dict[tuple[str, str], list[tuple[str, RepoDataRecord]]] = {}
        needed_by: dict[str, set[str]] = {}
        self._is_there(line, channel)
        for platform, pythons in self._platforms.items():
            for target, records in self._for_platform(line, channel, platform, pythons).items():
                for record in records:
                    chosen.setdefault((record.name.normalized, str(record.version)), []).append((target, record))
                    for name in _needs(record):
                        needed_by.setdefault(name, set()).add(record.name.normalized)
        pins = [
            self._pin(line, name, version, of_release, needed_by.get(name, set()))
            for (name, version), of_release in sorted(
                chosen.items(), key=lambda one: (one[0][0], CondaVersion(one[0][1]), one[0][1])
            )
        ]
        return Solved(Closure(line.text, tuple(pins), channel=channel.name), current)

    def _digest(self, line: Line, channel: UpstreamChannel) -> str:
        listings = channel.listings([NOARCH, *map(subdir, self._platforms)])
        known = [
            line.requirements,
            sorted(self._platforms.items()),
            _VERSION,
            str(self._today) if self._is_aged else "",
            [str(one) for one in self._policy.exceptions],
            [(listing.subdir, listing.digest) for listing in listings],
        ]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest()

    def _is_there(self, line: Line, channel: UpstreamChannel) -> None:
        """Raise `Unresolvable` for a spec that names nothing upstream."""
        (asked,) = line.requirements
        name = match_spec.name(asked)
        listings = channel.listings([NOARCH, *map(subdir, self._platforms)])
        known = {CondaVersion(str(one.version)) for listing in listings for one in listing.named(name)}
        if not known:
            raise Unresolvable(f"{line.text!r} cannot be had: there is no package {name} in {channel.name}.")
        if not any(listing.matching(asked) for listing in listings):
            raise Unresolvable(
                f"{line.text!r} cannot be had: {channel.name} has {name}, the newest {max(known)}, and none that fits."
            )

    def _for_platform(
        self, line: Line, channel: UpstreamChannel, platform: str, pythons: list[str]
    ) -> dict[str, list[RepoDataRecord]]:
        """Target -> packages; raises `Unresolvable`."""
        found: dict[str, list[RepoDataRecord]] = {}
        listings = channel.listings([NOARCH, subdir(platform)])
        for python in pythons:
            try:
                records = self._solve(line, listings, platform, [f"python {python}.*"])
            except SolverError:
                continue
            if all(record.name.normalized != "python" for record in records):
                return {platform: records}
            found[f"{python} {platform}"] = records
        if found:
            return found
        try:
            return {platform: self._solve(line, listings, platform, [])}
        except SolverError as error:
            said = " ".join(re.sub(r"[^\x20-\x7e]", " ", str(error)).split())[:MAX_SAID]
            raise Unresolvable(f"{line.text!r} cannot be had for {platform}: {said.rstrip('.')}.") from None

    def _solve(
        self, line: Line, listings: list[Listing], platform: str, constraints: list[str]
    ) -> list[RepoDataRecord]:
        return asyncio.run(
            solve_with_sparse_repodata(
                [MatchSpec(asked) for asked in line.requirements],
                [listing.sparse for listing in listings] + self._let_through(listings),
                virtual_packages=virtual_packages(platform),
                constraints=constraints,
                timeout=PATIENCE,
                exclude_newer=self._newest if self._is_aged else None,
            )
        )

    def _let_through(self, listings: Iterable[Listing]) -> list[SparseRepoData]:
        """The young packages that an exception lets through, as if they were old: the solver knows no exceptions."""
        if not self._is_aged:
            return []
        found: list[SparseRepoData] = []
        for listing in listings:
            young = [
                record.file_name
                for name in {one.project for one in self._policy.exceptions}
                for record in listing.named(name)
                if (record.indexed_timestamp or record.timestamp or self._newest) > self._newest
                and self._policy.exception(name, str(record.version), frozenset({"age"}), self._today)
            ]
            if not young:
                continue
            records = {
                name: {**record, "timestamp": 1, "indexed_timestamp": None}
                for name, record in listing.records(young).items()
            }
            found.append(self._written(listing, records))
        return found

    def _written(self, listing: Listing, records: dict[str, dict[str, object]]) -> SparseRepoData:
        groups = {
            "packages": {name: record for name, record in records.items() if name.endswith(".bz2")},
            "packages.conda": {name: record for name, record in records.items() if name.endswith(".conda")},
        }
        path = self._directory / f"{listing.digest}.json"
        path.write_text(json.dumps({"info": {"subdir": listing.subdir}, **groups, "repodata_version": 1}))
        return Listing(path, listing.channel, listing.subdir, listing.digest).sparse

    def _pin(
        self, line: Line, name: str, version: str, chosen: list[tuple[str, RepoDataRecord]], needed_by: set[str]
    ) -> Pin:
        files: dict[str, str] = {}
        for _, record in chosen:
            filename = f"{record.subdir}/{record.file_name}"
            if not FILENAME.fullmatch(record.file_name) or not SUBDIR.fullmatch(record.subdir):
                raise Unresolvable(f"{line.text!r} cannot be had: {filename!a:.200} is no name of a package.")
            if not record.sha256:
                raise Unresolvable(
                    f"{line.text!r} cannot be had: {filename} has no SHA-256 upstream, so that nobody could tell"
                    " whether it arrives unchanged."
                )
            files[filename] = record.sha256.hex()
        return Pin(
            project=name,
            version=version,
            targets=tuple(sorted({target for target, _ in chosen})),
            needed_by=tuple(sorted(needed_by)),
            files=files,
        )


def _needs(record: RepoDataRecord) -> set[str]:
    """Names of the packages that it depends on."""
    return {re.split(r"[\s=<>!~\[;]", need.rpartition("::")[2], maxsplit=1)[0].lower() for need in record.depends}

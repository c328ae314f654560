"""What the inside says to each file of a bundle, as if it came from anywhere else: its names, its checks, its policy.

The signature says who sent it, and not that it may come in. What is refused is left out, and its release with it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version
from simple_repository.model import File as Listed

from wheelhouse.config import Settings
from wheelhouse.errors import Conflict, WheelhouseError
from wheelhouse.formats import reading
from wheelhouse.formats.conda_package import BadPackage
from wheelhouse.formats.conda_package import Package as ReadPackage
from wheelhouse.formats.distribution import BadDistribution, FileName, parse_filename
from wheelhouse.formats.reader_pool import ReaderPool
from wheelhouse.formats.reading import Run
from wheelhouse.formats.validation import Checked, Claims, Origin, Verdict
from wheelhouse.index import conflicts, denied_releases, events, queries
from wheelhouse.index.denied_releases import Refused
from wheelhouse.index.permissions import covers, normalised
from wheelhouse.index.transaction import Incoming, IncomingPackage, Index
from wheelhouse.intake import policy
from wheelhouse.intake.advisories import Advisories, Advisory
from wheelhouse.intake.checks import Package as Inside
from wheelhouse.intake.checks import Release, World, licence, look_at
from wheelhouse.intake.policy import Policy
from wheelhouse.intake.typed import Reader
from wheelhouse.progress import progress
from wheelhouse.transfer.bundle import File, Manifest, Package
from wheelhouse.transfer.incoming import Copies

FILE = "policy.json"


@dataclass
class Judgement:
    """What may come, and what may not."""

    public: list[Incoming] = field(default_factory=list)
    internal: list[Incoming] = field(default_factory=list)
    packages: dict[str, list[IncomingPackage]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """SHA-256 -> why, as a sentence that names the file."""
    notes: list[str] = field(default_factory=list)


def read(directory: Path) -> Policy:
    """The policy for imports: that of the file, if there is one. Raises `WheelhouseError`."""
    path = directory / FILE
    reader = Reader()
    try:
        found = policy.read(msgspec.json.decode(path.read_bytes()), reader)
    except FileNotFoundError:
        return Policy()
    except msgspec.DecodeError as error:
        raise WheelhouseError(f"{path} is not valid JSON: {error}.") from None
    if reader.faults:
        raise WheelhouseError(" ".join(reader.faults))
    return found


class Judge:
    """Of one bundle."""

    def __init__(self, index: Index, settings: Settings, rules: Policy, copies: Copies, carried: Path | None) -> None:
        """`carried` is a directory with the advisories that the bundle brought, if it did."""
        self._index = index
        self._settings = settings
        self._rules = rules
        self._copies = copies
        self._result = Judgement()
        self._advisories = self._known_advisories(carried)
        with index.database.read() as connection:
            self._own = queries.own_projects(connection)
            self._projects = set(queries.projects(connection, removed=True))
            self._own_packages = queries.own_packages(connection)
            self._denied = queries.denied(connection)

    def __call__(self, manifest: Manifest, files: Iterable[File], packages: Iterable[Package]) -> Judgement:
        """Look at those files of a bundle that are not on the shelf yet."""
        for project, versions in manifest.denied.items():
            for version, (sentence, about) in versions.items():
                self._denied.setdefault(project, {}).setdefault(version, (sentence, tuple(about)))
        with ReaderPool() as readers:
            files = [one for one in files if self._is_named_well(one)]
            packages = [one for one in packages if self._is_package_named_well(one)]
            checked = [(one, readers.start(self._check, one)) for one in files]
            read_packages = [(one, readers.start(self._read_package, one)) for one in packages]
            self._judge_files(checked)
            self._judge_packages(read_packages)
        return self._result

    def _refuse(self, one: File | Package, why: str) -> None:
        self._result.refused.setdefault(one.sha256, f"{events.printable(one.file, 200)}: {why}")

    # names

    def _is_named_well(self, one: File) -> bool:
        why = self._objection(one)
        if why:
            self._refuse(one, why)
        return not why

    def _objection(self, one: File) -> str | None:
        try:
            name = parse_filename(one.file)
        except BadDistribution as error:
            return str(error)
        if name.project != one.project or normalised(one.project) != one.project:
            return f"the bundle says that it is of {one.project[:100]!a}, its name says {name.project}."
        if one.size > self._settings.max_file_size:
            return f"it is bigger than {self._settings.max_file_size} bytes, the most this index takes."
        if one.internal:
            if not covers(self._settings.own_names, name.project):
                return f"{name.project} comes as an internal project, and pypi_index_reserved does not name it here."
            if name.project in self._projects - self._own:
                return f"{name.project} comes as an internal project, and is a public one here."
            return None
        if covers(self._settings.own_names, name.project):
            return f"{name.project} is one of the company's own names (pypi_index_reserved)."
        if name.project in self._own:
            return f"{name.project} is a project that people here publish."
        if covers(self._settings.denied, name.project):
            return f"{name.project} is denied by the index's own settings (pypi_index_denied)."
        versions = {version: Refused(*said) for version, said in self._denied.get(name.project, {}).items()}
        return denied_releases.of(versions, one.file)

    def _is_package_named_well(self, one: Package) -> bool:
        why = self._package_objection(one)
        if why:
            self._refuse(one, why)
        return not why

    def _package_objection(self, one: Package) -> str | None:
        name = str(one.record.get("name", ""))
        if one.size > self._settings.max_file_size:
            return f"it is bigger than {self._settings.max_file_size} bytes, the most this index takes."
        if name in self._own_packages or covers(self._settings.own_names, name):
            return f"{name[:100]!a} is one of the company's own names."
        if covers(self._settings.denied, name):
            return f"{name[:100]!a} is denied by the index's own settings (pypi_index_denied)."
        with self._index.database.read() as connection:
            return queries.objection(connection, f"{one.channel}/{one.subdir}", one.file, one.sha256)

    # files

    def _check(self, one: File, run: Run) -> Checked:
        origin = Origin.COPIED_IN if one.internal else Origin.OUTSIDE
        claims = Claims(digests={"sha256": one.sha256})
        return reading.check(self._copies.path(one.sha256), one.file, claims, origin, run)

    def _judge_files(self, coming: list[tuple[File, "Future[Checked]"]]) -> None:
        releases: dict[tuple[str, Version], list[tuple[File, Incoming]]] = {}
        for one, future in progress(coming, len(coming), "check", "file"):
            try:
                incoming = Incoming(self._copies.path(one.sha256), future.result(), _instant(one.uploaded))
            except (BadDistribution, ValueError) as error:
                self._refuse(one, str(error))
                continue
            releases.setdefault((incoming.name.project, incoming.name.version), []).append((one, incoming))
        known = self._known([one.name for some in releases.values() for _, one in some])
        world = self._world()
        for key, some in sorted(releases.items()):
            if any(one.internal for one, _ in some) or not self._is_blocked(key, some, world):
                self._accept(some, known)

    def _known(self, names: list[FileName]) -> conflicts.Releases:
        with self._index.database.read() as connection:
            return conflicts.releases(connection, names)

    def _accept(self, some: list[tuple[File, Incoming]], known: conflicts.Releases) -> None:
        for one, incoming in some:
            try:
                conflicts.reject(known, incoming.checked, allow_second_sdist=True)
            except Conflict as error:
                self._refuse(one, str(error))
                continue
            conflicts.publish(known, incoming.checked)
            (self._result.internal if one.internal else self._result.public).append(incoming)

    def _is_blocked(self, key: tuple[str, Version], some: list[tuple[File, Incoming]], world: World) -> bool:
        checked = [incoming.checked for _, incoming in some]
        release = Release(
            *key,
            files={one.file: _listed(one.file, one.sha256, one.size, incoming.uploaded) for one, incoming in some},
            is_described=True,
            licences=licence.says(checked[0].distribution.metadata),
            record=tuple(dict.fromkeys(sentence for each in checked for sentence in each.record)),
            scripts=tuple(dict.fromkeys(sentence for each in checked for sentence in each.scripts)),
            references=tuple(dict.fromkeys(sentence for each in checked for sentence in each.references)),
        )
        return self._refused([one for one, _ in some], release, world)

    def _refused(self, ones: Iterable[File | Package], release: Release, world: World) -> bool:
        """Whether the policy blocks a release, whose files are refused then."""
        blocking = [one.finding.evidence for one in look_at(release, world) if one.verdict is Verdict.BLOCK]
        for one in ones if blocking else ():
            self._refuse(one, " ".join(blocking))
        return bool(blocking)

    # conda

    def _read_package(self, one: Package, run: Run) -> ReadPackage:
        return reading.package(self._copies.path(one.sha256), one.file, one.subdir, run)

    def _judge_packages(self, coming: list[tuple[Package, "Future[ReadPackage]"]]) -> None:
        releases: dict[tuple[str, str, str], list[tuple[Package, IncomingPackage]]] = {}
        for one, future in progress(coming, len(coming), "check", "package"):
            try:
                incoming = self._incoming(one, future.result())
            except (BadPackage, ValueError) as error:
                self._refuse(one, str(error))
                continue
            key = one.channel, str(one.record["name"]), str(one.record["version"])
            releases.setdefault(key, []).append((one, incoming))
        world = self._world()
        for (channel, name, version), some in sorted(releases.items()):
            inside = {pair for _, incoming in some for pair in incoming.inside}
            licence_of = next((one.record["license"] for one, _ in some if one.record.get("license")), None)
            expression = licence.spdx(licence_of if isinstance(licence_of, str) else None)
            release = Release(
                name,
                version,
                files={
                    one.name: _listed(one.name, one.sha256, one.size, _instant(incoming.uploaded))
                    for one, incoming in some
                },
                is_described=True,
                licences=(expression,) if expression else None,
                scripts=tuple(dict.fromkeys(text for _, incoming in some for text in incoming.scripts or ())),
                package=_inside(inside),
            )
            if not self._refused([one for one, _ in some], release, world):
                self._result.packages.setdefault(channel, []).extend(incoming for _, incoming in some)

    def _incoming(self, one: Package, found: ReadPackage) -> IncomingPackage:
        said = found.record
        if said["sha256"] != one.sha256 or one.record.get("sha256") != one.sha256:
            raise BadPackage("it does not have the SHA-256 that upstream's index promises.")
        for key in ("name", "version", "build", "subdir"):
            if one.record.get(key, one.subdir) != said[key]:
                raise BadPackage(f"upstream's index and the package itself do not say the same {key}.")
        return IncomingPackage(
            path=self._copies.path(one.sha256),
            name=one.name,
            record=one.record,
            upstream=True,
            inside=tuple(found.inside),
            scripts=tuple(found.scripts),
            uploaded=events.written(at) if (at := _instant(one.uploaded)) else None,
        )

    # what checks are given

    def _world(self) -> World:
        own = frozenset({*self._own, *self._own_packages, *self._settings.own_names})
        rules = self._rules
        if self._advisories is None:
            rules = msgspec.structs.replace(rules, verdicts={**rules.verdicts, "vulnerability": None})
        return World(
            rules,
            datetime.now(UTC).date(),
            {},
            _LookedUp(self._advisories),
            own=own,
            restricted=self._settings.restricted,
        )

    def _known_advisories(self, carried: Path | None) -> "Advisories | _None | None":
        if not self._rules.verdict("vulnerability"):
            return None
        where = self._rules.advisories
        if where and not where.startswith("/"):
            raise WheelhouseError(
                "package_intake_policy.advisories is an address, and an import asks nobody: name a directory, or"
                " leave it out for the advisories that bundles bring."
            )
        if where is None and carried is None:
            self._result.notes.append(
                "The bundle brings no advisories, and package_intake_policy.advisories names none: known"
                " vulnerabilities were looked up outside alone."
            )
            return None
        if where is None and carried and not any(carried.iterdir()):
            return _None()
        if where and not Path(where).is_dir():
            raise WheelhouseError(
                f"package_intake_policy.advisories is {where!r}, and there is no such directory: copy the files of the"
                " OSV there, or leave it out for the advisories that bundles bring."
            )
        with httpx.Client(trust_env=False) as nobody:
            return Advisories(where or str(carried), nobody)


class _None:
    """Advisories that were looked through outside, and none of them is about anything that is there."""

    def answer(self, question: bytes) -> bytes:
        """As `Advisories.answer`."""
        return b'{"vulns": []}'


class _LookedUp(Mapping[tuple[str, Version], list[Advisory] | None]):
    """What a directory of advisories says of a release, looked up when it is asked for."""

    def __init__(self, advisories: Advisories | _None | None) -> None:
        self._advisories = advisories

    def __getitem__(self, key: tuple[str, Version]) -> list[Advisory] | None:
        if self._advisories is None:
            return None
        question = {"package": {"name": key[0]}, "version": str(key[1])}
        found: Any = json.loads(self._advisories.answer(json.dumps(question).encode()))
        return [_advisory(entry) for entry in found["vulns"]]

    def __iter__(self) -> Iterator[tuple[str, Version]]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _advisory(entry: Mapping[str, Any]) -> Advisory:
    text = " ".join(str(entry.get("summary") or entry.get("details") or "").split())
    name = str(entry.get("id", "an advisory without a name"))
    return Advisory(frozenset({name, *map(str, entry.get("aliases") or ())}), name, text[:200], ())


def _listed(name: str, sha256: str, size: int, uploaded: datetime | None) -> Listed:
    at = uploaded.astimezone(UTC).replace(tzinfo=None, microsecond=0) if uploaded else None
    return Listed(name, "", {"sha256": sha256}, size=size, upload_time=at)


def _instant(text: str | None) -> datetime | None:
    """Raises ValueError."""
    try:
        return events.instant(text) if text else None
    except OverflowError as error:
        raise ValueError(str(error)) from None


def _inside(inside: set[tuple[str, str]]) -> Inside:
    readable: list[tuple[str, Version]] = []
    nameless: list[str] = []
    for name, version in sorted(inside):
        try:
            readable.append((canonicalize_name(name, validate=True), Version(version)))
        except (InvalidVersion, InvalidName):
            nameless.append(f"{name} {version}".strip())
    return Inside(tuple(readable), tuple(nameless))

"""The list of what the company uses, for which machines, and by which policy: `intake.json` and the files it names.

Everything that is wrong with them is told at once, before anything is asked for or fetched.
"""

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.pylock import Pylock, PylockValidationError
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from wheelhouse.conda import match_spec
from wheelhouse.conda.channel import CHANNEL
from wheelhouse.formats.validation import Verdict
from wheelhouse.index.permissions import covers
from wheelhouse.intake.policy import CHECKS, VERDICTS, Exemption, Policy
from wheelhouse.intake.targets import PLATFORMS, Target, is_python

FILE = "intake.json"
_KINDS = ("pypi", "conda")
_HASH = re.compile(r"\s--hash[= ](\S+)")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


class PlanError(Exception):
    """The list or the policy cannot be used; `faults` are sentences for the administrator."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Line:
    """One entry of the list. What it needs is let in as a whole or not at all."""

    text: str
    """As it was written: `pypi: networkx==1.10`; with its channel, `conda: conda-forge::orange3 3.29.3`."""
    requirements: tuple[str, ...]
    """What uv is to resolve; of conda, one spec."""
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Project -> SHA-256 of the files that a lock allows, hex; a project that is not named may have any."""
    channel: str = ""
    """Where conda packages come from, and the name of the company's own channel that they go to."""

    @property
    def key(self) -> str:
        """Short, and different for different requirements."""
        return hashlib.sha256("\n".join((self.text, *self.requirements)).encode()).hexdigest()[:16]

    @property
    def projects(self) -> frozenset[str]:
        """The projects that are asked for by name."""
        if self.channel:
            return frozenset({match_spec.name(self.requirements[0])})
        return frozenset(canonicalize_name(Requirement(requirement).name) for requirement in self.requirements)


@dataclass(frozen=True)
class Plan:
    """One consistent reading of everything."""

    lines: tuple[Line, ...]
    targets: tuple[Target, ...]
    policy: Policy
    channels: Mapping[str, str] = field(default_factory=dict)
    """Name of a channel that a line names -> its address, with a slash at its end."""


def read(directory: Path, reserved: tuple[str, ...], denied: tuple[str, ...]) -> Plan:
    """Read the list; `reserved` and `denied` are patterns of names that are never let in. Raises `PlanError`."""
    path = directory / FILE
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise PlanError([f"{path} cannot be read: {os.strerror(error.errno or 0)}."]) from None
    except ValueError as error:
        raise PlanError([f"{path} is not valid JSON: {error}."]) from None
    if not isinstance(raw, dict) or raw.keys() | {"channels"} != {"packages", "targets", "policy", "channels"}:
        raise PlanError([f"{path} must hold an object with packages, targets, policy and channels, and nothing else."])
    reader = _Reader(directory)
    lines = reader.lines(raw["packages"], reserved, denied)
    channels = reader.channels(raw.get("channels", {}), lines)
    plan = Plan(lines, reader.targets(raw["targets"]), reader.policy(raw["policy"]), channels)
    if reader.faults:
        raise PlanError(reader.faults)
    return plan


class _Reader:
    """Collects what is wrong while it reads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.faults: list[str] = []

    def lines(self, raw: Any, reserved: tuple[str, ...], denied: tuple[str, ...]) -> tuple[Line, ...]:
        if not isinstance(raw, list):
            self.faults.append("packages must be a list of entries such as `pypi: networkx==1.10`.")
            return ()
        found: dict[str, Line] = {}
        for number, entry in enumerate(raw, 1):
            line = self._line(number, entry)
            if line is None:
                continue
            if line.text in found:
                self.faults.append(f"{line.text!r} is in the list twice.")
            for project in sorted(line.projects):
                if covers(reserved, project):
                    self.faults.append(
                        f"{line.text!r}: {project} is one of the company's own names, which its people publish;"
                        " take the entry out."
                    )
                elif covers(denied, project):
                    self.faults.append(
                        f"{line.text!r}: {project} is denied by the index's own settings (pypi_index_denied)."
                    )
            found[line.text] = line
        return tuple(found.values())

    def _line(self, number: int, entry: Any) -> Line | None:
        kinds = [kind for kind in _KINDS if isinstance(entry, dict) and kind in entry]
        if len(kinds) != 1 or not isinstance(entry[kinds[0]], str):
            self.faults.append(
                f"Entry {number} of packages is {_shown(entry)}: it needs `pypi:` or `conda:` with what to bring in."
            )
            return None
        kind = kinds[0]
        text = f"{kind}: {entry[kind].strip()}"
        if unknown := sorted(entry.keys() - {kind, *(("channel",) if kind == "conda" else ())}):
            self.faults.append(f"{text!r} has a key that means nothing here: {', '.join(unknown)}.")
        if kind == "conda":
            return self._conda(text, entry[kind].strip(), entry.get("channel"))
        if entry[kind].strip().startswith("file:"):
            return self._file(text, entry[kind].strip().removeprefix("file:"))
        try:
            return Line(text, (_requirement(entry[kind].strip()),))
        except ValueError as error:
            self.faults.append(f"{text!r} is no requirement ({error}); write one such as networkx==1.10.")
            return None

    def _conda(self, text: str, written: str, channel: Any) -> Line | None:
        if not isinstance(channel, str) or not CHANNEL.fullmatch(channel):
            self.faults.append(f"{text!r} needs the name of the channel it comes from: `channel: conda-forge`.")
            return None
        try:
            return Line(f"conda: {channel}::{written}", (match_spec.checked(written),), channel=channel)
        except ValueError as error:
            self.faults.append(f"{text!r} is no package of a channel ({error}); write one such as orange3 3.29.3.")
            return None

    def channels(self, raw: Any, lines: Iterable[Line]) -> dict[str, str]:
        """The addresses of the channels that lines name."""
        given = raw if isinstance(raw, dict) else {}
        if given != raw:
            self.faults.append("channels must be a mapping of names to addresses.")
        found: dict[str, str] = {}
        for channel in sorted({line.channel for line in lines if line.channel}):
            address = given.get(channel) or match_spec.default_address(channel)
            parts = urlsplit(address) if isinstance(address, str) else None
            if address is None:
                self.faults.append(f"channels: there is no address for {channel}; write one, {channel}: https://...")
            elif not parts or parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
                self.faults.append(f"channels: {channel} must have an address with https://.")
            elif "@" in parts.netloc:
                self.faults.append(f"channels: {channel} must have an address without credentials.")
            else:
                found[channel] = f"{address.rstrip('/')}/"
        return found

    def _file(self, text: str, name: str) -> Line | None:
        path = self._directory / name
        if not name or Path(name).is_absolute() or ".." in path.parts:
            self.faults.append(f"{text!r} must name a file below the directory of the list.")
            return None
        try:
            content = path.read_text(encoding="utf-8-sig")  # editors on Windows begin with a byte order mark
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            self.faults.append(f"{text!r}: {name} cannot be read: {why}.")
            return None
        faults: list[str] = []
        parsed = list(_pylock(content, faults) if path.suffix == ".toml" else _requirements(content, faults))
        if not parsed and not faults:
            faults.append("it asks for nothing")
        self.faults += [f"{text!r}: {fault}." for fault in faults]
        hashes: dict[str, frozenset[str]] = {}
        for requirement, allowed in parsed:
            project = canonicalize_name(Requirement(requirement).name)
            if allowed:
                hashes[project] = hashes.get(project, frozenset()) | allowed
        return Line(text, tuple(requirement for requirement, _ in parsed), hashes)

    def targets(self, raw: Any) -> tuple[Target, ...]:
        wanted = raw if isinstance(raw, dict) and raw.keys() == {"python", "platforms"} else {}
        pythons, platforms = wanted.get("python"), wanted.get("platforms")
        if not (isinstance(pythons, list) and pythons and isinstance(platforms, list) and platforms):
            self.faults.append("targets must have a list of versions, `python`, and one of `platforms`.")
            return ()
        for python in pythons:
            if not isinstance(python, str) or not is_python(python):
                self.faults.append(f'targets: {python!r} is no version of Python; write one such as "3.12", in quotes.')
        for platform in platforms:
            if platform not in PLATFORMS:
                self.faults.append(f"targets: there is no platform {platform!r}; there are {', '.join(PLATFORMS)}.")
        return tuple(sorted({Target(str(python), str(platform)) for python in pythons for platform in platforms}))

    def policy(self, raw: Any) -> Policy:
        known = {"minimum_age", "licences", "advisories", "verdicts", "on_shelf", "exceptions"}
        if not isinstance(raw, dict):
            raw = {}
            self.faults.append("policy must be a mapping.")
        if unknown := sorted(raw.keys() - known):
            self.faults.append(f"policy has a key this program does not know: {', '.join(unknown)}.")
        age = raw.get("minimum_age", 3)
        if not isinstance(age, int) or isinstance(age, bool) or age < 0:
            self.faults.append(f"policy: minimum_age is {age!r}; write a number of days, 0 for none.")
            age = 0
        on_shelf = raw.get("on_shelf", "yank")
        if on_shelf not in ("yank", "report"):
            self.faults.append(f"policy: on_shelf is {on_shelf!r}; write yank or report.")
        return Policy(
            minimum_age=age,
            licences=tuple(self._licences(raw.get("licences", []))),
            advisories=self._advisories(raw.get("advisories")),
            verdicts=self._verdicts(raw.get("verdicts", {})),
            on_shelf=on_shelf,
            exceptions=tuple(self._exceptions(raw.get("exceptions", []))),
        )

    def _licences(self, raw: Any) -> Iterator[str]:
        for licence in raw if isinstance(raw, list) else [raw]:
            try:
                yield str(canonicalize_license_expression(str(licence)))
            except InvalidLicenseExpression:
                self.faults.append(f"policy: licences: {licence!r} is no SPDX identifier; write one such as MIT.")

    def _advisories(self, raw: Any) -> str | None:
        if not raw:
            return None
        parts = urlsplit(raw) if isinstance(raw, str) else None
        if not parts or not (raw.startswith("/") or (parts.scheme in ("http", "https") and parts.hostname)):
            self.faults.append("policy: advisories must be an absolute directory, or an address with https://.")
        elif "@" in parts.netloc:
            self.faults.append("policy: advisories must be an address without credentials.")
        return str(raw)

    def _verdicts(self, raw: Any) -> dict[str, Verdict | None]:
        verdicts: dict[str, Verdict | None] = dict(VERDICTS)
        for check, wanted in (raw if isinstance(raw, dict) else {}).items():
            if check not in CHECKS or check == "archive":
                self.faults.append(f"policy: verdicts: there is no check {check!r}; there are {', '.join(CHECKS[1:])}.")
            elif wanted not in ("block", "warn", "off"):
                self.faults.append(f"policy: verdicts: {check} is {wanted!r}; write block, warn or off.")
            else:
                verdicts[check] = None if wanted == "off" else Verdict(wanted)
        return verdicts

    def _exceptions(self, raw: Any) -> Iterator[Exemption]:
        for entry in raw if isinstance(raw, list) else [raw]:
            keys = {"package", "advisory", "reason", "until"}
            if not isinstance(entry, dict) or entry.keys() != keys or not all(entry.values()):
                self.faults.append(
                    f"policy: exceptions: {_shown(entry)} must have package, advisory, reason and until."
                )
                continue
            try:
                package = Requirement(str(entry["package"]))
                until = date.fromisoformat(str(entry["until"]))
            except ValueError as error:
                self.faults.append(f"policy: exceptions: {_shown(entry)} is not understood: {error}.")
                continue
            advisory = str(entry["advisory"])
            yield Exemption(canonicalize_name(package.name), package.specifier, advisory, str(entry["reason"]), until)


def _requirement(text: str) -> str:
    """The requirement as uv is to have it; raises ValueError."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(str(error).splitlines()[0]) from None
    if requirement.url:
        raise ValueError("it has an address, and only the index upstream is asked")
    return str(requirement)


def _requirements(content: str, faults: list[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """The requirements in a file as pip reads it, each with the hashes it allows."""
    start, joined = 0, ""
    for number, line in enumerate(content.splitlines(), 1):
        start = start if joined else number
        joined += re.sub(r"(^|\s+)#.*$", "", line).rstrip("\\")
        if line.endswith("\\"):
            continue
        text, joined = joined.strip(), ""
        hashes = _HASH.findall(text)
        text = _HASH.sub("", text).strip()
        if not text:
            continue
        try:
            if text.startswith("-"):
                raise ValueError("only requirements, comments and --hash are understood")
            allowed = frozenset(digest.removeprefix("sha256:") for digest in hashes if _SHA256.fullmatch(digest))
            if hashes and not allowed:
                raise ValueError("it has no SHA-256 among its hashes")
            yield _requirement(text), allowed
        except ValueError as error:
            faults.append(f"line {start}, {text[:100]!r}, is no requirement ({error})")


def _pylock(content: str, faults: list[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """The same of a lock as PEP 751 has it."""
    try:
        lock = Pylock.from_dict(tomllib.loads(content))
    except (tomllib.TOMLDecodeError, PylockValidationError) as error:
        faults.append(f"it is not a lock as pylock.toml is one ({str(error)[:200]})")
        return
    for package in lock.packages:
        files = [*(package.wheels or ()), *([package.sdist] if package.sdist else ())]
        if package.version is None or not files:
            faults.append(f"{package.name} comes from no index, and only the index upstream is asked")
            continue
        allowed = frozenset(file.hashes["sha256"] for file in files if "sha256" in file.hashes)
        marker = f" ; {package.marker}" if package.marker else ""
        yield f"{package.name}=={package.version}{marker}", allowed


def _shown(entry: Any) -> str:
    return json.dumps(entry, default=str)[:150]

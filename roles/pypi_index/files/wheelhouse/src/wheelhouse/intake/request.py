"""The list of what the company uses, for which machines, and by which policy: `intake.json` and the files it names.

Everything that is wrong with them is reported at once, before anything is asked for or fetched.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from packaging.requirements import Requirement as Parsed
from packaging.utils import canonicalize_name

from wheelhouse.conda import match_spec
from wheelhouse.conda.channel import CHANNEL
from wheelhouse.index.permissions import covers
from wheelhouse.intake import policy, requirement_files
from wheelhouse.intake.policy import Policy
from wheelhouse.intake.requirement_files import requirement
from wheelhouse.intake.targets import PLATFORMS, Target, is_python
from wheelhouse.intake.typed import Address, Reader, Shown

FILE = "intake.json"
_KINDS = ("pypi", "conda")


class RequestError(Exception):
    """The list or the policy cannot be used; `faults` are sentences for the administrator."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


class Line(Struct, frozen=True):
    """One entry of the list. What it needs is let in as a whole or not at all."""

    text: str
    """As it was written: `pypi: networkx==1.10`; with its channel, `conda: conda-forge::orange3 3.29.3`."""
    requirements: tuple[str, ...]
    """What uv is to resolve; of conda, one spec."""
    hashes: Mapping[str, frozenset[str]] = {}
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
        return frozenset(canonicalize_name(Parsed(one).name) for one in self.requirements)


class Request(Struct, frozen=True):
    """One consistent reading of everything."""

    lines: tuple[Line, ...]
    targets: tuple[Target, ...]
    policy: Policy
    channels: Mapping[str, str] = {}
    """Name of a channel that a line names -> its address, with a slash at its end."""


class _File(Struct, forbid_unknown_fields=True):
    """`intake.json` before a word of it is understood."""

    packages: Any
    targets: Any
    policy: Any
    channels: Any = {}


class _Targets(Struct, forbid_unknown_fields=True):
    python: Annotated[list[Any], Meta(min_length=1)]
    platforms: Annotated[list[Any], Meta(min_length=1)]


def read(directory: Path, reserved: tuple[str, ...], denied: tuple[str, ...]) -> Request:
    """Read the list; `reserved` and `denied` are patterns of names that are never let in. Raises `RequestError`."""
    path = directory / FILE
    try:
        raw = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise RequestError([f"{path} cannot be read: {os.strerror(error.errno or 0)}."]) from None
    except msgspec.ValidationError:
        sentence = f"{path} must hold an object with packages, targets, policy and channels, and nothing else."
        raise RequestError([sentence]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError([f"{path} is not valid JSON: {error}."]) from None
    reader = _Reader(directory)
    lines = reader.lines(raw.packages, reserved, denied)
    found = Request(
        lines, reader.targets(raw.targets), policy.read(raw.policy, reader), reader.channels(raw.channels, lines)
    )
    if reader.faults:
        raise RequestError(reader.faults)
    return found


class _Reader(Reader):
    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def lines(self, raw: object, reserved: tuple[str, ...], denied: tuple[str, ...]) -> tuple[Line, ...]:
        otherwise = "packages must be a list of entries such as `pypi: networkx==1.10`."
        found: dict[str, Line] = {}
        for number, entry in enumerate(self.value(raw, list[Any], otherwise) or (), 1):
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
                f"Entry {number} of packages is {Shown(entry)}: it needs `pypi:` or `conda:` with what to bring in."
            )
            return None
        kind = kinds[0]
        written = entry[kind].strip()
        text = f"{kind}: {written}"
        if unknown := sorted(entry.keys() - {kind, *(("channel",) if kind == "conda" else ())}):
            self.faults.append(f"{text!r} has a key that means nothing here: {', '.join(unknown)}.")
        if kind == "conda":
            return self._conda(text, written, entry.get("channel"))
        if written.startswith("file:"):
            return self._file(text, written.removeprefix("file:"))
        try:
            return Line(text, (requirement(written),))
        except ValueError as error:
            self.faults.append(f"{text!r} is no requirement ({error}); write one such as networkx==1.10.")
            return None

    def _conda(self, text: str, written: str, channel: object) -> Line | None:
        if not isinstance(channel, str) or not CHANNEL.fullmatch(channel):
            self.faults.append(f"{text!r} needs the name of the channel it comes from: `channel: conda-forge`.")
            return None
        try:
            return Line(f"conda: {channel}::{written}", (match_spec.checked(written),), channel=channel)
        except ValueError as error:
            self.faults.append(f"{text!r} is no package of a channel ({error}); write one such as orange3 3.29.3.")
            return None

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
        read_file = requirement_files.pylock if path.suffix == ".toml" else requirement_files.requirements
        asked = list(read_file(content, faults))
        if not asked and not faults:
            faults.append("it asks for nothing")
        self.faults += [f"{text!r}: {fault}." for fault in faults]
        hashes: dict[str, frozenset[str]] = {}
        for one, allowed in asked:
            project = canonicalize_name(Parsed(one).name)
            if allowed:
                hashes[project] = hashes.get(project, frozenset()) | allowed
        return Line(text, tuple(one for one, _ in asked), hashes)

    def channels(self, raw: object, lines: Iterable[Line]) -> dict[str, str]:
        """The addresses of the channels that lines name."""
        given = self.value(raw, dict[str, Any], "channels must be a mapping of names to addresses.") or {}
        found: dict[str, str] = {}
        for channel in sorted({line.channel for line in lines if line.channel}):
            address = given.get(channel) or match_spec.default_address(channel)
            if address is None:
                self.faults.append(f"channels: there is no address for {channel}; write one, {channel}: https://...")
            elif known := self.value(address, Address, f"channels: {channel} must have {{error}}."):
                found[channel] = f"{known.rstrip('/')}/"
        return found

    def targets(self, raw: object) -> tuple[Target, ...]:
        otherwise = "targets must have a list of versions, `python`, and one of `platforms`."
        wanted = self.value(raw, _Targets, otherwise)
        if wanted is None:
            return ()
        for python in wanted.python:
            if not isinstance(python, str) or not is_python(python):
                self.faults.append(f'targets: {python!r} is no version of Python; write one such as "3.12", in quotes.')
        for platform in wanted.platforms:
            if platform not in PLATFORMS:
                self.faults.append(f"targets: there is no platform {platform!r}; there are {', '.join(PLATFORMS)}.")
        pairs = {(str(python), str(platform)) for python in wanted.python for platform in wanted.platforms}
        return tuple(sorted(Target(*pair) for pair in pairs))

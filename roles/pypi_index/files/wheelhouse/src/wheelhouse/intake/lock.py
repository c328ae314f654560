"""What was chosen for each line: a file that people can read, compare and review, in TOML.

It says what the list comes to. What of that is on the shelf is in the journal; why the rest is not, in the report.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tomli_w
from packaging.version import Version

Key = tuple[str, Version | str]
"""A release: a project of PyPI and its version, or `channel::name` of a conda package and its version as written."""
Versions = dict[str, list[str]]
"""Project -> its versions in one closure."""
HEADER = """\
# What the lines of the list come to: written by `wheelhouse intake`, compared by its next run, changed by nobody else.

"""


@dataclass(frozen=True)
class Pin:
    """One release that a line comes to."""

    project: str
    """Or the name of a conda package."""
    version: Version | str
    """A text for conda packages, whose versions have rules of their own."""
    targets: tuple[str, ...]
    """The machines it is for."""
    needed_by: tuple[str, ...]
    """Projects; none if it is only asked for."""
    files: Mapping[str, str]
    """File name -> SHA-256, hex. What is on the shelf by other ways is not among them.

    The name of a conda package begins with its subdir: `noarch/six-1.16.0-pyh6c4a22f_0.conda`.
    """


@dataclass(frozen=True)
class Closure:
    """A line with everything it needs."""

    line: str
    """As it is in the list."""
    pins: tuple[Pin, ...]
    """By name, then by version."""
    inputs: str = ""
    """A digest of everything the choice depends on; see `resolve`."""
    asked: tuple[str, ...] = ()
    """The projects that were looked at to make it."""
    channel: str = ""
    """Of conda packages."""

    def key(self, pin: Pin) -> Key:
        """What one of the pins is known by."""
        return (f"{self.channel}::{pin.project}" if self.channel else pin.project), pin.version


@dataclass(frozen=True)
class Move:
    """A release that came into a closure or left it."""

    line: str
    project: str
    before: list[str]
    after: list[str]
    """Versions; more than one where machines get different ones."""
    why: str
    """`asked for`, or `needed by numpy, pandas`."""


@dataclass
class Lock:
    """All closures, by line."""

    closures: dict[str, Closure] = field(default_factory=dict)

    def text(self) -> str:
        """The file."""
        lines = [
            {
                "line": closure.line,
                **({"channel": closure.channel} if closure.channel else {}),
                **({"inputs": closure.inputs, "looked_at": list(closure.asked)} if closure.inputs else {}),
                "release": [
                    {
                        "project": pin.project,
                        "version": str(pin.version),
                        "needed_by": list(pin.needed_by),
                        "targets": list(pin.targets),
                        "files": {name: f"sha256:{digest}" for name, digest in sorted(pin.files.items())},
                    }
                    for pin in closure.pins
                ],
            }
            for closure in self.closures.values()
        ]
        return HEADER + tomli_w.dumps({"closure": lines})


def read(path: Path) -> Lock:
    """The lock in a file; an empty one if it is not there or makes no sense, since it can be made again."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        closures = [
            Closure(
                line=one["line"],
                inputs=one.get("inputs", ""),
                asked=tuple(one.get("looked_at", ())),
                channel=one.get("channel", ""),
                pins=tuple(
                    Pin(
                        project=release["project"],
                        version=release["version"] if one.get("channel") else Version(release["version"]),
                        targets=tuple(release["targets"]),
                        needed_by=tuple(release["needed_by"]),
                        files={name: digest.removeprefix("sha256:") for name, digest in release["files"].items()},
                    )
                    for release in one["release"]
                ),
            )
            for one in raw["closure"]
        ]
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return Lock()
    return Lock({closure.line: closure for closure in closures})


def moves(before: Mapping[str, Versions], after: Lock) -> list[Move]:
    """What came, changed its version or went, and why; `before` is what `versions` said of each line."""
    found: list[Move] = []
    for line in sorted(before.keys() | after.closures.keys()):
        closure = after.closures.get(line)
        old, new = before.get(line, {}), versions(closure)
        for project in sorted(old.keys() | new.keys()):
            if old.get(project) != new.get(project):
                found.append(Move(line, project, old.get(project, []), new.get(project, []), _why(closure, project)))
    return found


def versions(closure: Closure | None) -> Versions:
    """The versions of each project in a closure, lowest first."""
    found: Versions = {}
    for pin in closure.pins if closure else ():
        found.setdefault(pin.project, []).append(str(pin.version))
    return found


def _why(closure: Closure | None, project: str) -> str:
    if closure is None:
        return "the line is no longer in the list"
    pins = [pin for pin in closure.pins if pin.project == project]
    return reason(pins) if pins else "nothing needs it any more"


def named(key: Key) -> str:
    """The release, as reports call it: `numpy==1.26.4`, `conda-forge::numpy==1.26.4`."""
    return f"{key[0]}=={key[1]}"


def reason(pins: Iterable[Pin]) -> str:
    """Why a project is in a closure."""
    needed_by = sorted({name for pin in pins for name in pin.needed_by})
    return f"needed by {', '.join(needed_by)}" if needed_by else "asked for"

"""What was chosen for each line: a text that people can read, compare and review, in TOML.

It says what the list comes to. What of that is published is in the index; why the rest is not, in the report.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
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
    """File name -> SHA-256, hex. Files of the company's own projects are not among them.

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
    """A digest of everything the choice depends on; see `pypi.resolver`."""
    asked: tuple[str, ...] = ()
    """The projects that were looked at to make it."""
    channel: str = ""
    """Of conda packages."""

    def key(self, pin: Pin) -> Key:
        """What one of the pins is known by."""
        return (f"{self.channel}::{pin.project}" if self.channel else pin.project), pin.version

    def in_order(self) -> list[str]:
        """The projects, each after those that it needs (but for circles, which have no such order).

        Installers read one project's page after another, and no page promises anything about another. So a closure is
        published from its leaves to its root: whatever an installer can choose, everything it needs is there already.
        """
        needs: dict[str, set[str]] = {pin.project: set() for pin in self.pins}
        for pin in self.pins:
            for other in pin.needed_by:
                if other in needs:
                    needs[other].add(pin.project)
        ordered: dict[str, None] = {}
        entered: set[str] = set()
        # Roots first, so that in a circle the one that was asked for comes last.
        roots = sorted(pin.project for pin in self.pins if not pin.needed_by)
        for root in [*roots, *sorted(needs)]:
            stack = [(root, False)]
            while stack:
                project, is_done = stack.pop()
                if is_done:
                    ordered.setdefault(project)
                elif project not in entered:
                    entered.add(project)
                    stack.append((project, True))
                    stack += [(other, False) for other in sorted(needs[project], reverse=True)]
        return list(ordered)


class Move(msgspec.Struct):
    """A release that came into a closure or left it."""

    line: str
    project: str
    before: list[str]
    after: list[str]
    """Versions; more than one where machines get different ones."""
    why: str
    """`asked for`, or `needed by numpy, pandas`."""


class _Release(msgspec.Struct):
    """A pin, as the text has it."""

    project: str
    version: str
    needed_by: list[str]
    targets: list[str]
    files: dict[str, str]


class _Closure(msgspec.Struct, omit_defaults=True):
    line: str
    release: list[_Release]
    channel: str = ""
    inputs: str = ""
    looked_at: list[str] = []


class _Text(msgspec.Struct):
    closure: list[_Closure]


@dataclass
class Lock:
    """All closures, by line."""

    closures: dict[str, Closure] = field(default_factory=dict)

    def text(self) -> str:
        """The lock in TOML."""
        closures = [msgspec.to_builtins(_written(closure)) for closure in self.closures.values()]
        # For people, the releases come last.
        return HEADER + tomli_w.dumps({"closure": [{**one, "release": one.pop("release")} for one in closures]})


def parse(text: str | None) -> Lock:
    """The lock that a text is; an empty one if there is none or it makes no sense, since it can be made again."""
    try:
        found = msgspec.toml.decode(text or "closure = []", type=_Text)
        return Lock({one.line: _closure(one) for one in found.closure})
    except ValueError:  # of TOML, of msgspec, or of a version
        return Lock()


def _written(closure: Closure) -> _Closure:
    pins = [
        _Release(
            pin.project,
            str(pin.version),
            list(pin.needed_by),
            list(pin.targets),
            {name: f"sha256:{digest}" for name, digest in sorted(pin.files.items())},
        )
        for pin in closure.pins
    ]
    return _Closure(closure.line, pins, closure.channel, closure.inputs, list(closure.asked))


def _closure(written: _Closure) -> Closure:
    pins = tuple(
        Pin(
            one.project,
            one.version if written.channel else Version(one.version),
            tuple(one.targets),
            tuple(one.needed_by),
            {name: digest.removeprefix("sha256:") for name, digest in one.files.items()},
        )
        for one in written.release
    )
    return Closure(written.line, pins, written.inputs, tuple(written.looked_at), written.channel)


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

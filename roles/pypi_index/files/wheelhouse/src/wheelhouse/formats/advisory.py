"""What an advisory says in OSV's form: which projects of PyPI it is about, and which of their versions.

What is read here came from outside: every function raises ValueError, KeyError, TypeError, AttributeError for what OSV
does not write.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ECOSYSTEM = "PyPI"


def projects(entry: Mapping[str, Any]) -> set[str]:
    """The normalised names of the projects that an advisory is about; none if it was withdrawn."""
    names = {canonicalize_name(one["package"]["name"], validate=True) for one in _affected(entry)}
    return set() if entry.get("withdrawn") else set(names)


def affects(entry: Mapping[str, Any], project: str, version: str) -> bool:
    """By OSV's own rule: it is listed, or an event at or before it brought the fault in and none took it out.

    `project` is a normalised name.
    """
    wanted = _version(version)
    for affected in _affected(entry):
        if canonicalize_name(affected["package"]["name"]) != project:
            continue
        listed = affected.get("versions") or ()
        if version in listed or (wanted and any(_version(text) == wanted for text in listed)):
            return True
        for span in affected.get("ranges") or ():
            if wanted and span.get("type") == "ECOSYSTEM" and _within(span.get("events") or (), wanted):
                return True
    return False


def _affected(entry: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What it says of projects of PyPI; the commits of a repository may be without a project."""
    return (one for one in entry.get("affected") or () if one.get("package", {}).get("ecosystem") == ECOSYSTEM)


def _within(events: Iterable[Mapping[str, str]], version: Version) -> bool:
    """Events count in the order of their versions; a version that makes no sense counts as affected from there on."""
    is_in = False
    steps = [(_version(text), kind, text) for event in events for kind, text in event.items()]
    lowest = Version("0.dev0")
    for at, kind, text in sorted(steps, key=lambda step: (step[0] or lowest, step[1] != "introduced")):
        if kind == "introduced" and (text == "0" or at is None or at <= version):
            is_in = True
        elif (kind == "fixed" and at is not None and at <= version) or (
            kind == "last_affected" and at is not None and at < version
        ):
            is_in = False
    return is_in


@lru_cache(maxsize=20_000)
def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None

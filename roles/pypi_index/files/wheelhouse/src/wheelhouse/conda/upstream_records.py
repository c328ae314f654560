"""What is known of the packages in a channel that came from another one: `intake/channels/<channel>.json` on the shelf.

Upstream's record of each is kept as it was there, because what upstream corrected in it is not in the package, and an
index that has to be made anew needs it. A package that is withheld lies in its place and is in no index.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wheelhouse.store.local import Shelf


@dataclass(frozen=True)
class Kept:
    """One package."""

    record: Mapping[str, Any]
    """Upstream's, with `sha256`."""
    withheld: str | None = None
    """Why it is in no index."""
    inside: tuple[tuple[str, str], ...] = ()
    """Name and version of each Python distribution that it installs."""
    scripts: tuple[str, ...] | None = None
    """Sentences: what in it runs without anybody asking for it. None if that was not looked at yet."""


Packages = dict[str, Kept]
"""Subdir and file name, `noarch/six-1.16.0-pyh6c4a22f_0.conda` -> what is known of it."""


def load(shelf: Shelf, channel: str) -> Packages:
    """All of a channel, by name."""
    try:
        raw = json.loads(_path(shelf, channel).read_bytes())
    except FileNotFoundError:
        return {}
    return {
        name: Kept(
            one["record"],
            one.get("withheld"),
            tuple((project, version) for project, version in one["inside"]),
            tuple(one["scripts"]) if "scripts" in one else None,
        )
        for name, one in raw.items()
    }


def save(shelf: Shelf, channel: str, packages: Packages) -> bool:
    """Write them down; False if that is what is there. The caller holds the channel's lock."""
    raw = {
        name: {
            "record": one.record,
            **({"withheld": one.withheld} if one.withheld else {}),
            "inside": one.inside,
            **({"scripts": one.scripts} if one.scripts is not None else {}),
        }
        for name, one in sorted(packages.items())
    }
    return shelf.write_record(_path(shelf, channel), (json.dumps(raw, indent=1) + "\n").encode())


def channels(shelf: Shelf) -> list[str]:
    """Those that something is known of."""
    return sorted(path.stem for path in (shelf.intake / "channels").glob("*.json"))


def _path(shelf: Shelf, channel: str) -> Path:
    return shelf.intake / "channels" / f"{channel}.json"

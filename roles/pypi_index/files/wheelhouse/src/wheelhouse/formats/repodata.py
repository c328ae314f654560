"""The index of one subdir of a conda channel, `repodata.json`: what installers read of its packages."""

import json
from collections.abc import Mapping
from typing import Any

_GROUPS = {".conda": "packages.conda", ".tar.bz2": "packages"}
"""Where in the index a file is listed, by how its name ends."""

Record = Mapping[str, Any]
"""What an index says of one package."""


def render(subdir: str, records: Mapping[str, Record]) -> bytes:
    """The index of `subdir` that lists `records` (file name -> record): the same bytes for the same records.

    Raises ValueError for a file whose name ends like no package's.
    """
    repodata: dict[str, Any] = {
        "info": {"subdir": subdir},
        **{group: {} for group in _GROUPS.values()},
        "removed": [],
        "repodata_version": 1,
    }
    for name, record in records.items():
        repodata[_group(name)][name] = record
    return json.dumps(repodata, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def parse(content: bytes) -> dict[str, dict[str, Any]] | None:
    """The records that an index lists, by file name; None if it is no index."""
    try:
        repodata = json.loads(content)
        return {name: dict(one) for group in _GROUPS.values() for name, one in repodata[group].items()}
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None


def _group(filename: str) -> str:
    for suffix, group in _GROUPS.items():
        if filename.endswith(suffix):
            return group
    raise ValueError(f"{filename!r} is no name of a conda package")

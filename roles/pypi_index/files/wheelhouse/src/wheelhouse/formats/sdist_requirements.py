"""What a source distribution needs, as far as it says so itself: nothing of it is ever run to find out."""

import importlib.metadata
from os import PathLike
from pathlib import Path

from packaging.version import InvalidVersion, Version

from wheelhouse.formats import metadata
from wheelhouse.formats.distribution import BadDistribution, Distribution
from wheelhouse.formats.metadata import BadMetadata

_SAYS_WHAT_CHANGES = Version("2.2")
"""The version of the core metadata from which on a source distribution tells what may be different once it is built."""


def requirements(read: Distribution) -> list[str] | None:
    """Its requirements; None if it does not say. Raises `BadDistribution`.

    Older ones say what setuptools found on their author's machine, which is what they had everywhere but for the few
    that asked the machine.
    """
    try:
        return _stated(read) if _is_final(read) else None
    except InvalidVersion:
        return None
    except BadMetadata as error:
        raise BadDistribution(f"PKG-INFO of {read.name.filename} {error}.") from error


def _is_final(read: Distribution) -> bool:
    fields = metadata.fields(read.metadata)
    if Version(fields.get("metadata_version", "1.0")) >= _SAYS_WHAT_CHANGES:
        dynamic = {value.strip().lower() for value in fields.get("dynamic", [])}
        if not dynamic & {"requires-dist", "provides-extra"}:
            return True
    # without requires.txt, setuptools found none
    return any(name.endswith(".egg-info/PKG-INFO") for name in read.members)


def _stated(read: Distribution) -> list[str]:
    files = {"PKG-INFO": read.metadata.decode(errors="replace"), "requires.txt": (read.requires or b"").decode()}

    class InMemory(importlib.metadata.Distribution):
        """The standard library knows both ways to say it."""

        def read_text(self, filename: str) -> str | None:
            return files.get(filename)

        def locate_file(self, path: "str | PathLike[str]") -> Path:
            raise FileNotFoundError(path)

    return InMemory().requires or []

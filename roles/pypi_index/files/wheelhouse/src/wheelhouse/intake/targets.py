"""What machines the company has: which wheels run there, and what uv calls them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms

GLIBC = 28
"""Wheels may ask for glibc 2.28 at most, as any distribution that is still looked after has."""
_PYTHON = re.compile(r"3\.(?:[89]|[1-9][0-9])")
_UV = {
    "linux-x86_64": f"x86_64-manylinux_2_{GLIBC}",
    "linux-aarch64": f"aarch64-manylinux_2_{GLIBC}",
    "windows-x86_64": "x86_64-pc-windows-msvc",
    "macos-arm64": "aarch64-apple-darwin",
    "macos-x86_64": "x86_64-apple-darwin",
}
PLATFORMS = tuple(_UV)
_MACOS = (13, 0)
"""What uv takes a Mac for."""
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_OLDEST = {"x86_64": 5, "aarch64": 17}


def is_python(text: str) -> bool:
    """Whether `text` is a Python version such as 3.12."""
    return bool(_PYTHON.fullmatch(text))


@dataclass(frozen=True, order=True)
class Target:
    """One Python version on one platform, both of which exist."""

    python: str
    """`3.12`."""
    platform: str
    """One of `PLATFORMS`."""

    def __str__(self) -> str:
        return f"{self.python} {self.platform}"

    @property
    def for_uv(self) -> str:
        """The platform, as uv calls it."""
        return _UV[self.platform]

    @cached_property
    def tags(self) -> frozenset[Tag]:
        """Of the wheels that an installer there may choose."""
        version = tuple(int(part) for part in self.python.split("."))
        platforms = list(_platforms(self.platform))
        interpreter = f"cp{self.python.replace('.', '')}"
        return frozenset(
            {*cpython_tags(version, platforms=platforms), *compatible_tags(version, interpreter, platforms)}
        )


def _platforms(name: str) -> Iterator[str]:
    system, _, machine = name.partition("-")
    if system == "windows":
        yield "win_amd64"
    elif system == "macos":
        yield from mac_platforms(_MACOS, machine)
    else:
        for minor in range(GLIBC, _OLDEST[machine] - 1, -1):
            yield f"manylinux_2_{minor}_{machine}"
            if minor in _LEGACY:
                yield f"{_LEGACY[minor]}_{machine}"
        yield f"linux_{machine}"

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Settings in a condarc by which packages would come from elsewhere than from the channels they should.

A managed host has no YAML library that can be counted on, and what matters here are settings at the margin of the file,
which is where everybody, and `conda config`, writes them. So the file is taken apart by its lines: a setting goes on to
the next line at the margin that is no item of a list. One that is written in another way is not found, and left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.package_sources import (
    CONDARC,
    addresses,
    judged,
)

_KEY = re.compile(r"""(["']?)([a-z_]+)\1\s*:(?=\s|$)""")
# at the margin, these belong to the setting above them: items of a list, and the end of brackets
_GOES_ON = re.compile(r"-(\s|$)|[\]}#]|\s|$")
_WORD = re.compile(r"""[^\s,\[\]{}"']+""")


def settings(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """(first line, the line after its last, name) of each setting at the margin, counted from 0.

    Comments and empty lines after a setting are not part of it.
    """
    first, end, name = 0, 0, ""
    for number, line in enumerate([*lines, "..."]):
        line = line.removeprefix("\ufeff")
        if not _GOES_ON.match(line):
            if name:
                yield first, end, name
            key = _KEY.match(line)
            first, end, name = number, number + 1, key[2] if key else ""
        elif line.strip() and not line.lstrip().startswith("#"):
            end = number + 1


def strays(lines: list[str], index_url: str, channels: Sequence[str]) -> list[tuple[int, int, str, str]]:
    """The settings that point elsewhere: (first line, the line after its last, name, what it does).

    index_url   the index's address; channels below it are in order
    channels    names and addresses of others that are
    """
    found = []
    for first, end, name in settings(lines):
        if name in CONDARC and (effect := _effect(name, _values(lines[first:end]), index_url, channels)):
            found.append((first, end, name, effect))
    return found


def _values(lines: list[str]) -> list[str]:
    """The words of a setting's value, without its name, comments and the dashes of a list."""
    text = "".join(re.sub(r"(^|\s)#.*", "", line.rstrip("\r\n")) + "\n" for line in lines).removeprefix("\ufeff")
    return [word for word in _WORD.findall(_KEY.sub("", text, count=1)) if word not in ("-", "null", "~")]


def _effect(name: str, values: list[str], index_url: str, channels: Sequence[str]) -> str:
    setting = CONDARC[name]
    if setting.kind == "map":
        values = addresses(" ".join(values)) or [value for value in values if not value.endswith(":")]
    return judged(setting, values, index_url, tuple(channels))

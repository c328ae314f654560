# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Lines of ours in somebody else's file: between two marks, and theirs that contradict them made into comments."""

from __future__ import annotations

import re

# a netrc file's readers in Python and uv stumble over comments of several words where they do not expect one
OPENING = "#>>>wheelhouse.onboarding>>>\n"
CLOSING = "#<<<wheelhouse.onboarding<<<\n"
# opens lines that follow one which the file's author had left without a line's end
OPENING_AFTER_NO_END = "#>>>wheelhouse.onboarding>>> after a line without an end\n"
DISPLACED = "# displaced by wheelhouse.onboarding: "


class CannotMerge(ValueError):
    """Why a file can't be merged with settings: the end of a sentence that begins with the file's name."""


def split_lines(text: str) -> list[str]:
    """The lines with their ends; only a line feed ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def insert(lines: list[str], index: int, ours: list[str]) -> None:
    """Put `ours` between marks before line `index` of `lines`."""
    opening = OPENING
    if index and not lines[index - 1].endswith("\n"):
        lines[index - 1] += "\n"
        opening = OPENING_AFTER_NO_END
    lines[index:index] = [opening, *ours, CLOSING]


def displace(lines: list[str], first: int, end: int) -> None:
    """Make comments of the lines from `first` to before `end`."""
    lines[first:end] = [DISPLACED + line for line in lines[first:end]]

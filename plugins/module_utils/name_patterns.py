# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Patterns of project names in which nothing but `*` stands for others."""

from __future__ import annotations

import re
from functools import lru_cache

PATTERN = re.compile(r"[a-z0-9*-]+")
"""As it has to be written: of a normalised name."""


@lru_cache(maxsize=4096)
def overlap(one: str, other: str) -> bool:
    """Whether there could be a name that both patterns match."""
    # of each end of `other`, whether there is a name for it and for the end of `one` that is looked at
    ends = [not other[at:].strip("*") for at in range(len(other) + 1)]
    for letter in reversed(one):
        shorter, ends = ends, [False] * (len(other) + 1)
        for at in range(len(other), -1, -1):
            is_end = at == len(other)
            if letter == "*":
                ends[at] = shorter[at] or (not is_end and ends[at + 1])
            elif not is_end and other[at] == "*":
                ends[at] = shorter[at] or ends[at + 1]
            else:
                ends[at] = not is_end and other[at] == letter and shorter[at + 1]
    return ends[0]


def normalised(text: str) -> str:
    """A name, or a pattern of names, as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", text).lower()

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
    if not one or not other:
        return (one or other).strip("*") == ""
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(one, other[1:]) or overlap(one[1:], other)
    return one[0] == other[0] and overlap(one[1:], other[1:])


def normalised(text: str) -> str:
    """A name, or a pattern of names, as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", text).lower()

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""User names and passwords as hypothesis makes them up."""

from __future__ import annotations

from hypothesis import strategies as st

CONTROLS = [chr(code) for code in [*range(32), 127]]
AWKWARD = """p@ss%word#1:/?&+ ~[]{}|\\^`"'<>=$!*;,üß€日本𝄞%41%00"""


def texts(exclude=(), **sizes):
    """Text without control characters, surrogates and what is excluded."""
    return st.text(st.characters(codec="utf-8", exclude_characters=[*CONTROLS, *exclude]), **sizes)


usernames = texts(exclude=":", min_size=1, max_size=30)
passwords = st.one_of(st.just(AWKWARD), texts(max_size=30))
ascii_passwords = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""User names and passwords as hypothesis makes them up."""

from __future__ import annotations

from hypothesis import strategies as st

CONTROLS = [chr(code) for code in [*range(32), 127]]
AWKWARD = """p@ss%word#1:/?&+ ~[]{}|\\^`"'<>=$!*;,üß€日本𝄞%41%00"""


def texts(exclude: str = "", min_size: int = 0, max_size: int | None = None) -> st.SearchStrategy[str]:
    """Text without control characters, surrogates and what is excluded."""
    return st.text(
        st.characters(codec="utf-8", exclude_characters=[*CONTROLS, *exclude]), min_size=min_size, max_size=max_size
    )


usernames = texts(exclude=":", min_size=1, max_size=30)
passwords = st.one_of(st.just(AWKWARD), texts(max_size=30))
ascii_passwords = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)

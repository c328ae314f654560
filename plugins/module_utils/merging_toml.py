# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Where settings go in a TOML file, as uv.toml is. For merging.py."""

from __future__ import annotations

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.managed_block import (
    CannotMerge,
    displace,
    insert,
    split_lines,
)


def read(text: str) -> dict[tuple[str], object]:
    """{(key,): value} of the top level. Raises CannotMerge."""
    # Python has it from 3.11 on, and only this form needs it; types are checked for 3.10, too
    import tomllib  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    try:
        return {(key,): value for key, value in tomllib.loads(text).items()}
    except (tomllib.TOMLDecodeError, UnicodeError, RecursionError):
        raise CannotMerge("can't be read as a TOML file; mend it, or move it away.") from None


def place(lines: list[str], settings: str) -> None:
    """Put the values of `settings` before everything else, and its tables behind."""
    ours = split_lines(settings)
    keys = {key for (key,) in read(settings)}
    for first, end, key in _parts(lines):
        if key in keys:
            displace(lines, first, end)
    tables = next((number for number, line in enumerate(ours) if line.startswith("[")), len(ours))
    while tables < len(ours) and tables and ours[tables - 1].startswith("#"):
        tables -= 1
    if ours[tables:]:
        insert(lines, len(lines), ours[tables:])
    if ours[:tables]:
        insert(lines, 0, ours[:tables])


def _parts(lines: list[str]) -> list[tuple[int, int, str]]:
    """The values at the top level, and the tables with what is in them: (first line, line after, first key)."""
    parts: list[tuple[int, int, str]] = []
    for first, end, path in statements(lines):
        if len(path) > 1:  # a value in the table before
            parts[-1] = (parts[-1][0], end, parts[-1][2])
        else:
            parts.append((first, end, path[0]))
    return parts


def statements(lines: list[str]) -> list[tuple[int, int, tuple[str, ...]]]:
    """The headings and values of a valid file: (first line, line after the last, keys).

    The keys are the first one of the table it is in and its own first one; a heading and a top level's value have one.
    """
    found: list[tuple[int, int, tuple[str, ...]]] = []
    table: tuple[str, ...] = ()
    first = 0
    while first < len(lines):
        if not lines[first].strip() or lines[first].lstrip().startswith("#"):
            first += 1
            continue
        end, key = _statement(lines, first)
        if lines[first].lstrip().startswith("["):
            table = (key,)
            found.append((first, end, table))
        else:
            found.append((first, end, (*table, key)))
        first = end
    return found


def _statement(lines: list[str], first: int) -> tuple[int, str]:
    """Of the statement that begins in line `first`: the line after its last, and the first key it names."""
    for end in range(first + 1, len(lines) + 1):
        try:
            ((key,),) = read("".join(lines[first:end]))
        except CannotMerge:  # it goes on in the next line
            continue
        return end, key
    raise AssertionError("the whole was read before its parts")

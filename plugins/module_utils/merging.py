# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Settings put into files that also hold other people's, and taken out again to the byte.

Used by the module small_files, on the managed host, so with nothing but Python's own library there. A file is a list
of lines: what is put in stands between two marks, and a line that would contradict it becomes a comment
(marked_lines.py). Where both go is decided by the file's form (merging_ini.py, merging_toml.py, merging_netrc.py);
whether that was right, Python's own parser of the form says.
"""

from __future__ import annotations

from ansible_collections.wheelhouse.onboarding.plugins.module_utils import merging_ini, merging_netrc, merging_toml
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.marked_lines import (
    CLOSING,
    DISPLACED,
    OPENING,
    OPENING_AFTER_NO_END,
    CannotMerge,
    insert,
    split_lines,
)

# each with read(text), what a file says, and place(lines, settings), which puts settings into its lines
_FORMS = {"ini": merging_ini, "toml": merging_toml, "netrc": merging_netrc}


def merged(text: str, settings: str, form: str) -> str:
    """`text` with `settings` in it and in force.

    text        what the file holds; earlier settings of ours in it are replaced
    settings    the wanted settings, as a file of that form which holds nothing else
    form        'ini', 'toml' (values and arrays of tables at the top level) or 'netrc'

    Whatever is in `text` stays to the byte, except that lines which set the same become comments. What holds the same
    password is dropped, and so are entries of a netrc file for the same machine, lest one outlives its withdrawal. In a
    netrc file, comments that its readers stumble over are encoded. Raises CannotMerge.
    """
    read = _FORMS[form].read
    theirs = without(text)
    lines = split_lines(theirs)
    before = read("".join(merging_netrc.with_readable_comments(lines)) if form == "netrc" else theirs)
    wanted = merging_ini.united(before, read(settings)) if form == "ini" else before | read(settings)
    if theirs.strip():
        _FORMS[form].place(lines, settings)
    else:
        insert(lines, 0, split_lines(settings))
    after = "".join(lines)
    if read(after) != wanted:
        raise CannotMerge(
            "is written in a way that leaves no place for the company's settings; simplify it, or move it away."
        )
    return after


def without(text: str) -> str:
    """`text` as it was before `merged`: what was put in is out, what became a comment is back. Raises CannotMerge."""
    kept: list[str] = []
    opened_at = 0
    for number, line in enumerate(split_lines(text), 1):
        if line in (OPENING, OPENING_AFTER_NO_END):
            if opened_at:
                raise CannotMerge(_unbalanced(opened_at))
            opened_at = number
            if line == OPENING_AFTER_NO_END and kept:
                kept[-1] = kept[-1].removesuffix("\n")
        elif line == CLOSING:
            if not opened_at:
                raise CannotMerge(_unbalanced(number))
            opened_at = 0
        elif not opened_at:
            kept.append(merging_netrc.decoded(line).removeprefix(DISPLACED))
    if opened_at:
        raise CannotMerge(_unbalanced(opened_at))
    return "".join(kept)


def _unbalanced(number: int) -> str:
    return f"has one of the marks around the company's settings, in line {number}, without the other; delete that line."

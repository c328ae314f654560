# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Settings put into files that also hold other people's, and taken out again to the byte.

Used by the module managed_files, on the managed host, so with nothing but Python's own library there. A file is a list
of lines: what is put in stands between two marks, and a line that would contradict it becomes a comment
(managed_block.py). Where both go is decided by the file's form (merging_ini.py, merging_toml.py, merging_netrc.py);
whether that was right, Python's own parser of the form says.
"""

from __future__ import annotations

from ansible_collections.wheelhouse.onboarding.plugins.module_utils import (
    broken_marks,
    merging_ini,
    merging_netrc,
    merging_toml,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.managed_block import (
    BOM,
    ENDS_A_MACRO,
    ENDS_A_MACRO_AND_ITS_LINE,
    CannotMerge,
    as_it_was,
    encoded,
    had_bom,
    insert,
    opens_after_no_end,
    split_lines,
    was_theirs,
    without_bom,
)

# each with read(text), what a file says, and place(lines, settings), which puts settings into its lines
_FORMS = {"ini": merging_ini, "toml": merging_toml, "netrc": merging_netrc}
_COMMENTS = {"ini": ("#", ";"), "toml": ("#",), "netrc": ("#",)}
_READERS = {"ini": "pip", "toml": "uv", "netrc": "pip and uv"}


def merged(text: str, settings: str, form: str) -> str:
    """`text` with `settings` in it and in force.

    text        what the file holds; earlier settings of ours in it are replaced
    settings    the wanted settings, as a file of that form which holds nothing else
    form        'ini', 'toml' (values and arrays of tables at the top level), 'netrc', or 'shell', where the settings
                are lines for the beginning of the file, before anything that may end it early

    Whatever is in `text` stays to the byte, except that lines which set the same become comments. What holds the same
    password is dropped, and so are entries of a netrc file for the same machine, lest one outlives its withdrawal.
    What the file's own readers stumble over is made a comment, too (`mended` says what). Raises CannotMerge.
    """
    theirs = without(text, settings, form)
    if form == "shell":
        lines = split_lines(theirs)
        insert(lines, 0, split_lines(settings))
        return "".join(lines)
    read = _FORMS[form].read
    lines = _with_readable_letters(without_bom(split_lines(theirs)), form)
    try:
        before = read(_readable(lines, form))
    except CannotMerge:  # for example because somebody took our marks away, and the same is there twice
        lines = _without_repeated(lines, settings, form)
        before = read(_readable(lines, form))
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


def _without_repeated(lines: list[str], settings: str, form: str) -> list[str]:
    """The lines without what is in `settings`, too, where our marks around it are gone."""
    if form == "ini":
        return merging_ini.without_repeated(lines, settings)
    known = {line.strip() for line in settings.splitlines() if line.strip()}
    return [line for line in lines if line.strip() not in known]


def _readable(lines: list[str], form: str) -> str:
    return "".join(merging_netrc.readable(lines) if form == "netrc" else lines)


def without(text: str, settings: str = "", form: str = "") -> str:
    """`text` as it was before `merged`: what was put in is out, what became a comment is back.

    settings    with `form`, as for `merged`: what is left of passwords for the same place goes as well, also where
                somebody took our marks away. Raises CannotMerge for a netrc file in which that cannot be done.
    """
    lines = split_lines(text)
    ours = broken_marks.ours(lines, settings)
    kept: list[str] = []
    unended = {}  # how much was kept when lines began that follow one without an end: {number: the end it was given}
    began_with_bom = False
    for number, line in enumerate(lines):
        mark = line.strip()
        if had_bom(line):
            began_with_bom = True
        elif mark in (ENDS_A_MACRO.strip(), ENDS_A_MACRO_AND_ITS_LINE.strip()):
            if kept and not kept[-1].strip():
                kept.pop()
            if kept and mark == ENDS_A_MACRO_AND_ITS_LINE.strip():
                kept[-1] = kept[-1].rstrip("\r\n")
        elif number not in ours:
            kept.append(as_it_was(line) if was_theirs(line) else line)
        elif opens_after_no_end(line):
            # the carriage return is theirs, unless an editor has put one into all lines
            unended[len(kept)] = "\r\n" if line.endswith("\r\n") else "\n"
    if kept and len(kept) in unended:  # and nobody has written anything behind it since
        kept[-1] = kept[-1].removesuffix(unended[len(kept)])
    if form == "netrc":
        kept = merging_netrc.without_machines(kept, settings) if settings else kept
    elif form == "ini":
        kept = merging_ini.without_secrets(kept, settings) if settings else kept
    result = "".join(kept)
    return BOM + result if began_with_bom and not result.startswith(BOM) else result


def mended(text: str, form: str) -> list[str]:
    """What `merged` will make a comment of in a file as it is now, because its own readers give the file up over it.

    Each is the end of a sentence that begins with the file's name, and none quotes what may be secret.
    """
    if form not in _READERS:
        return []
    readers = _READERS[form]
    lines = split_lines(text)
    told = []
    if lines and lines[0].startswith(BOM) and form != "toml":  # uv reads such a file, and keeps reading it
        told.append(f"began with a byte order mark, which {readers} cannot read; it is taken out.")
    if form == "netrc":
        told += [
            f"has the word {word} in line {number}, which {readers} do not know, and then they ignore the whole file; "
            "it is a comment now."
            for number, word in merging_netrc.foreign_words(text)
        ]
    told += [
        f"has a comment in line {number} in another encoding than UTF-8, which {readers} cannot read; "
        "it is written in other letters now."
        for number, line in enumerate(lines, 1)
        if not _is_utf8(line) and line.lstrip(" \t" + BOM).startswith(_COMMENTS[form])
    ]
    return told


def _with_readable_letters(lines: list[str], form: str) -> list[str]:
    """The lines with comments of other encodings than UTF-8, which pip, uv and Python refuse, in letters of ASCII."""
    for number, line in enumerate(lines, 1):
        if not _is_utf8(line) and not line.lstrip().startswith(_COMMENTS[form]):
            raise CannotMerge(
                f"has a letter in line {number} that is not in UTF-8, which {_READERS[form]} cannot read; save the "
                "file as UTF-8, or take the letter out."
            )
    return [line if _is_utf8(line) else encoded(line) for line in lines]


def _is_utf8(line: str) -> bool:
    """Whether a line is what it was before it was decoded with `surrogateescape`, and holds no surrogates."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True

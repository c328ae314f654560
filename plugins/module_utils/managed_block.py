# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Lines of ours in somebody else's file: between two marks, and theirs that contradict them made into comments.

People and their editors change files between two runs: line feeds become CRLF, blanks at the ends of lines come or go,
a byte order mark appears, a line is deleted or pasted twice. So marks are known by their words, not by their bytes.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

# a netrc file's readers in Python and uv stumble over comments of several words where they do not expect one
OPENING = "#>>>wheelhouse.onboarding>>>\n"
CLOSING = "#<<<wheelhouse.onboarding<<<\n"
# opens lines that follow one which the file's author had left without a line's end
OPENING_AFTER_NO_END = "#>>>wheelhouse.onboarding>>> after a line without an end\n"
DISPLACED = "# displaced by wheelhouse.onboarding: "
ENCODED = "#wheelhouse.onboarding:"  # opens a line that was made one word, because its readers stumble over it
# stands for the byte order mark that the file began with, and which no line may follow
HAD_BOM = "#wheelhouse.onboarding.began-with-a-byte-order-mark\n"
# stand behind a blank line that ends a macro of a netrc file, and in the second case behind its last line's end, too
ENDS_A_MACRO = "#wheelhouse.onboarding.ended-the-macro\n"
ENDS_A_MACRO_AND_ITS_LINE = "#wheelhouse.onboarding.ended-the-macro-and-its-last-line\n"

BOM = "\ufeff"
_BLANKS = " \t\r\n\f\v" + BOM
_DISPLACED = re.compile(r"[ \t\ufeff]*# displaced by wheelhouse\.onboarding:(?: |(?=[\t\r\n]|\Z))")


class CannotMerge(ValueError):
    """Why a file can't be merged with settings: the end of a sentence that begins with the file's name."""


def split_lines(text: str) -> list[str]:
    """The lines with their ends; only a line feed ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def opens(line: str) -> bool:
    """Whether a line is one of the marks before lines of ours."""
    return " ".join(line.strip(_BLANKS).split()) in (OPENING.strip(), OPENING_AFTER_NO_END.strip())


def opens_after_no_end(line: str) -> bool:
    return " ".join(line.strip(_BLANKS).split()) == OPENING_AFTER_NO_END.strip()


def closes(line: str) -> bool:
    """Whether a line is the mark behind lines of ours."""
    return line.strip(_BLANKS) == CLOSING.strip()


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


def encoded(line: str) -> str:
    """A line as a comment of one word, of ASCII alone; its end stays."""
    body = line.removesuffix("\n")
    return ENCODED + re.sub(r"[%\s]|[^\x00-\x7f]", _quoted, body) + line[len(body) :]


def _quoted(found: re.Match[str]) -> str:
    return quote(found[0].encode("utf-8", "surrogateescape"), safe="")


def as_it_was(line: str) -> str:
    """A line as it was before `displace` or `encoded`."""
    bare = line.lstrip(" \t" + BOM)
    if bare.startswith(ENCODED):
        return unquote(bare[len(ENCODED) :], errors="surrogateescape")
    return _DISPLACED.sub("", line, count=1)


def was_theirs(line: str) -> bool:
    """Whether a line is what `displace` or `encoded` made."""
    return line.lstrip(" \t" + BOM).startswith(ENCODED) or bool(_DISPLACED.match(line))


def without_bom(lines: list[str]) -> list[str]:
    """The lines with a comment for the byte order mark that they begin with."""
    if lines and lines[0].startswith(BOM):
        return [HAD_BOM, *split_lines(lines[0][1:]), *lines[1:]]
    return lines


def had_bom(line: str) -> bool:
    return line.strip(_BLANKS) == HAD_BOM.strip()

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Where settings go in a netrc file, and how its comments stay without being taken for entries. For merging.py."""

from __future__ import annotations

import contextlib
import netrc
import os
import re
import threading
from collections.abc import Iterator
from typing import Optional, Union

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.managed_block import (
    CLOSING,
    ENDS_A_MACRO,
    ENDS_A_MACRO_AND_ITS_LINE,
    OPENING,
    OPENING_AFTER_NO_END,
    CannotMerge,
    encoded,
    insert,
    split_lines,
)

# what Python reads in a file: accounts and macros, as `read` has them
Entries = dict[tuple[str, ...], Union[tuple[str, Optional[str], Optional[str]], list[str]]]

# what other programs (git's helper, Emacs, some FTP clients) write into entries, each with a value behind it; Python's
# parser, and uv's after it, know none of them and give the whole file up
FOREIGN = {"port", "protocol", "method", "scheme", "path", "force", "host", "ssl", "security"}
# the same things by another name, which cannot be left out of an entry without making another one of it
_OTHER_NAMES = {"username": "login", "passwd": "password", "pass": "password", "pwd": "password", "email": "login"}
_WORD = re.compile(r'"(?:\\.|[^"\\])*"|\S+')


def readable(lines: list[str]) -> list[str]:
    """The lines as Python's parser, and uv's after it, can read them; `merging.without` takes that back."""
    return _with_ended_macro(_with_readable_comments(_without_foreign_words(lines)))


def _with_readable_comments(lines: list[str]) -> list[str]:
    """The lines with one word made of each comment that Python's parser, and uv's after it, take for entries.

    Those are comments of several words, unless the word before them is the last thing in its line and not in quotes
    (CPython's issue 104306: a blank line in between is enough), and before the first entry those without a space after
    the sign. pip then ignores the whole file without saying so.
    """
    readable = list(lines)
    expected, in_entry = True, False
    for number, line in enumerate(lines):
        words = line.split()
        is_comment = len(words) > 1 and words[0].startswith("#")
        if is_comment and not (expected and (in_entry or words[0] == "#")):
            readable[number] = encoded(line)
        in_entry = in_entry or line.lstrip().startswith(("machine", "default"))
        expected = is_comment or bool(re.search(r'[^\s"]\n\Z', line))
    return readable


def _ends_macro(line: str) -> bool:
    """Whether a macro ends here: Python wants a line with nothing in it, not even blanks."""
    return line in ("\n", "\r\n")


def _without_foreign_words(lines: list[str]) -> list[str]:
    """The lines without FOREIGN words and their values: a line with some is a comment, and its rest is one of ours.

    A macro is a comment as a whole where blanks follow its name, which is where Python takes it to have ended.
    """
    kept: list[str] = []
    cuts = _foreign_words(lines)
    in_macro = False
    for number, line in enumerate(lines):
        in_macro = (in_macro and not _ends_macro(line)) or any(cut[0] == "macdef" for cut in cuts.get(number, []))
        if in_macro:
            kept.append(encoded(line))
            continue
        if number not in cuts:
            kept.append(line)
            continue
        rest = line
        for _word, first, end in reversed(cuts[number]):
            rest = rest[:first] + rest[end:]
        kept.append(encoded(line.removesuffix("\n") + "\n"))
        ours = [rest.removesuffix("\n") + "\n"] if rest.strip() else []
        if not line.endswith("\n"):
            kept += [OPENING_AFTER_NO_END, *ours, CLOSING]
        elif ours:
            kept += [OPENING, *ours, CLOSING]
    return kept


def _foreign_words(lines: list[str]) -> dict[int, list[tuple[str, int, int]]]:
    """{line: [(word, where it begins, where it ends)]} of FOREIGN words in entries, and of their values."""
    found: dict[int, list[tuple[str, int, int]]] = {}
    keyword, in_entry, in_macro = "", False, False
    for number, line in enumerate(lines):
        if in_macro:
            in_macro = not _ends_macro(line)
            continue
        for match in _WORD.finditer(line):
            if not keyword and match[0].startswith("#"):
                break
            if not keyword and match[0] == "macdef":
                in_macro = True
                if re.search(r"[^\S\r\n]\r?\n?\Z", line):
                    found[number] = [("macdef", 0, 0)]
                break
            if keyword in FOREIGN or (not keyword and in_entry and match[0] in FOREIGN):
                found.setdefault(number, []).append((keyword or match[0], *match.span()))
            in_entry = in_entry or (not keyword and match[0] in ("machine", "default"))
            keyword = "" if keyword or match[0] == "default" else match[0]
    return found


def foreign_words(text: str) -> list[tuple[int, str]]:
    """(line, word) of what `readable` takes out of entries, each once, lines counted from 1."""
    words = _foreign_words(split_lines(text))
    return sorted({(number + 1, word) for number, cuts in words.items() for word, _first, _end in cuts})


def _with_ended_macro(lines: list[str]) -> list[str]:
    """The lines with a blank one behind a macro that goes on to the end, which Python from 3.11 on misses."""
    in_macro, keyword = False, ""
    for line in lines:
        if in_macro:
            in_macro = not _ends_macro(line)
            continue
        for word in _WORD.findall(line):
            if not keyword and word.startswith("#"):
                break
            if not keyword and word == "macdef":
                in_macro = True
                break
            keyword = "" if keyword or word == "default" else word
    if not in_macro:
        return lines
    if lines[-1].endswith("\n"):
        return [*lines, "\n", ENDS_A_MACRO]
    return [*lines[:-1], lines[-1] + "\n", "\n", ENDS_A_MACRO_AND_ITS_LINE]


@contextlib.contextmanager
def _pipe(content: bytes) -> Iterator[str]:
    """A path at which the content can be read once, on Linux and macOS alike."""
    reader, writer = os.pipe()

    def write() -> None:
        # whoever reads may give up early
        with contextlib.suppress(BrokenPipeError), os.fdopen(writer, "wb") as stream:
            stream.write(content)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        yield f"/dev/fd/{reader}"
    finally:
        os.close(reader)
        writing.join()


def read(text: str) -> Entries:
    """{(machine,): (login, account, password), (name, 'macro'): lines}. Raises CannotMerge."""
    # Python reads such a file by its name only; this one is a pipe, where a run that is killed leaves no passwords
    with _pipe(text.encode("utf-8", "surrogateescape")) as path:
        try:
            parsed = netrc.netrc(path)
        except (netrc.NetrcParseError, UnicodeError) as exc:  # whose own message quotes what it found
            raise CannotMerge(_why(text, getattr(exc, "lineno", None))) from None
    entries: Entries = {(host.lower(),): account for host, account in parsed.hosts.items()}
    entries.update({(host, "macro"): body for host, body in parsed.macros.items()})
    return entries


def _why(text: str, lineno: int | None) -> str:
    """Why Python cannot read a file. Its words may be passwords, but for other programs' names for things."""
    keyword = ""
    for number, line in enumerate(split_lines(text), 1):
        for word in _WORD.findall(line):
            if not keyword and word.startswith("#"):
                break
            if not keyword and word in _OTHER_NAMES:
                return (
                    f"has the word {word} in line {number}, which pip and uv do not know, and then they ignore the "
                    f"whole file; write {_OTHER_NAMES[word]} instead."
                )
            keyword = "" if keyword or word == "default" else word
    at = f" (near line {lineno})" if lineno else ""
    return f"can't be read as a netrc file{at}, not by pip and uv either; mend it, or move it away."


def without_machines(lines: list[str], settings: str) -> list[str]:
    """The lines without entries for the machines of `settings`. Raises CannotMerge."""
    machines = {machine for (machine,) in read(settings)}
    entries = _entries(lines)
    dropped = {number for machine, words_in in entries if machine in machines for number in words_in}
    for machine, words_in in entries:
        if machine not in machines and dropped & words_in:
            number = min(dropped & words_in) + 1
            raise CannotMerge(
                f"has the index's entry and another one in line {number}; write each on a line of its own."
            )
    return [line for number, line in enumerate(lines) if number not in dropped]


def place(lines: list[str], settings: str) -> None:
    """Put `settings` first, in the place of what there is for the same machines. Raises CannotMerge."""
    lines[:] = without_machines(lines, settings)
    insert(lines, 0, split_lines(settings))
    lines[:] = readable(lines)


def _entries(lines: list[str]) -> list[tuple[str, set[int]]]:
    """The entries and macros in their order: (machine in lower case, the lines that hold its words)."""
    entries: list[tuple[str, set[int]]] = []
    keyword = ""  # of which the next word is the value
    in_macro = False
    for number, line in enumerate(lines):
        if in_macro:
            in_macro = not _ends_macro(line)
            continue
        for word in re.findall(r'"(?:\\.|[^"\\])*"|\S+', line):
            if keyword == "machine":
                entries[-1] = (word.strip('"').lower(), entries[-1][1])
            if keyword:
                keyword = ""
            elif word.startswith("#"):
                break
            elif word == "macdef":
                entries.append(("", {number}))
                in_macro = True
                break
            else:
                if word in ("machine", "default"):
                    entries.append(("", set()))
                keyword = "" if word == "default" else word
            if entries:
                entries[-1][1].add(number)
    return entries

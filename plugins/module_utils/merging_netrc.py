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
from urllib.parse import quote, unquote

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.marked_lines import (
    CannotMerge,
    insert,
    split_lines,
)

ENCODED = "#wheelhouse.onboarding:"  # opens a comment that was made one word


def with_readable_comments(lines: list[str]) -> list[str]:
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
            readable[number] = ENCODED + re.sub(r"[%\s]", _encoded_space, line)
        in_entry = in_entry or line.lstrip().startswith(("machine", "default"))
        expected = is_comment or bool(re.search(r'[^\s"]\n\Z', line))
    return readable


def _encoded_space(found: re.Match[str]) -> str:
    return "\n" if found[0] == "\n" else quote(found[0])


def decoded(line: str) -> str:
    """A line as it was before `with_readable_comments`."""
    return unquote(line.removeprefix(ENCODED), errors="surrogateescape") if line.startswith(ENCODED) else line


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


def read(text: str) -> dict:
    """{(machine,): (login, account, password), (name, 'macro'): lines}. Raises CannotMerge."""
    # Python reads such a file by its name only; this one is a pipe, where a run that is killed leaves no passwords
    with _pipe(text.encode("utf-8", "surrogateescape")) as path:
        try:
            parsed = netrc.netrc(path)
        except (netrc.NetrcParseError, UnicodeError) as exc:  # whose own message quotes what it found
            at = f" (near line {exc.lineno})" if getattr(exc, "lineno", None) else ""
            raise CannotMerge(
                f"can't be read as a netrc file{at}, not by pip and uv either; mend it, or move it away."
            ) from None
    return {(host.lower(),): account for host, account in parsed.hosts.items()} | {
        (host, "macro"): body for host, body in parsed.macros.items()
    }


def place(lines: list[str], settings: str) -> None:
    """Put `settings` first, in the place of what there is for the same machines. Raises CannotMerge."""
    machines = {machine for (machine,) in read(settings)}
    entries = _entries(lines)
    dropped = {number for machine, words_in in entries if machine in machines for number in words_in}
    for machine, words_in in entries:
        if machine not in machines and dropped & words_in:
            number = min(dropped & words_in) + 1
            raise CannotMerge(
                f"has the index's entry and another one in line {number}; write each on a line of its own."
            )
    lines[:] = [line for number, line in enumerate(lines) if number not in dropped]
    insert(lines, 0, split_lines(settings))
    lines[:] = with_readable_comments(lines)


def _entries(lines: list[str]) -> list[tuple[str, set[int]]]:
    """The entries and macros in their order: (machine in lower case, the lines that hold its words)."""
    entries: list[tuple[str, set[int]]] = []
    keyword = ""  # of which the next word is the value
    in_macro = False
    for number, line in enumerate(lines):
        if in_macro:
            in_macro = bool(line.strip())
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

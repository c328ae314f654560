# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Settings put into files that also hold other people's, and taken out again to the byte.

Used by the module small_files, on the managed host, so with nothing but Python's own library there. A file is a list
of lines: what is put in stands between two marks, and a line that would contradict it becomes a comment. Where both go
is decided by the file's form (`ini`, `toml`, `netrc`); whether that was right, Python's own parser of the form says.
"""

from __future__ import annotations

import configparser
import io
import netrc
import os
import re
from typing import NamedTuple
from urllib.parse import quote, unquote

# a netrc file's readers in Python and uv stumble over comments of several words where they do not expect one
OPENING = "#>>>wheelhouse.onboarding>>>\n"
CLOSING = "#<<<wheelhouse.onboarding<<<\n"
# opens lines that follow one which the file's author had left without a line's end
OPENING_AFTER_NO_END = "#>>>wheelhouse.onboarding>>> after a line without an end\n"
DISPLACED = "# displaced by wheelhouse.onboarding: "
ENCODED = "#wheelhouse.onboarding:"  # a comment of a netrc file as one word


class CannotMerge(ValueError):
    """Why a file can't be merged with settings: the end of a sentence that begins with the file's name."""


def merged(text: str, settings: str, form: str) -> str:
    """`text` with `settings` in it and in force.

    text        what the file holds; earlier settings of ours in it are replaced
    settings    the wanted settings, as a file of that form which holds nothing else
    form        'ini', 'toml' (values and arrays of tables at the top level) or 'netrc'

    Whatever is in `text` stays to the byte, except that lines which set the same become comments. What holds the same
    password is dropped, and so are entries of a netrc file for the same machine, lest one outlives its withdrawal. In a
    netrc file, comments that its readers stumble over are encoded. Raises CannotMerge.
    """
    place, read = _FORMS[form]
    theirs = without(text)
    lines = split_lines(theirs)
    before, ours = read("".join(_with_readable_comments(lines)) if form == "netrc" else theirs), read(settings)
    if theirs.strip():
        place(lines, settings)
    else:
        _insert(lines, 0, split_lines(settings))
    after = "".join(lines)
    if read(after) != _united(before, ours):
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
            kept.append(_decoded(line).removeprefix(DISPLACED))
    if opened_at:
        raise CannotMerge(_unbalanced(opened_at))
    return "".join(kept)


def check_readable(text: str, form: str) -> None:
    """Raises CannotMerge for a text that is not a valid file of that form."""
    _FORMS[form][1](text)


def _unbalanced(number: int) -> str:
    return f"has one of the marks around the company's settings, in line {number}, without the other; delete that line."


def split_lines(text: str) -> list[str]:
    """The lines with their ends; only a line feed ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _insert(lines: list[str], index: int, ours: list[str]) -> None:
    """Put `ours` between marks before line `index` of `lines`."""
    opening = OPENING
    if index and not lines[index - 1].endswith("\n"):
        lines[index - 1] += "\n"
        opening = OPENING_AFTER_NO_END
    lines[index:index] = [opening, *ours, CLOSING]


def _displace(lines: list[str], first: int, end: int) -> None:
    lines[first:end] = [DISPLACED + line for line in lines[first:end]]


def _united(theirs: dict, ours: dict) -> dict:
    """What a file has to say in the end, both given as the `read` of a form has it."""
    lists = {key: _longer_list(theirs[key], ours[key]) for key in ours if key in theirs and key[-1] in _LISTS}
    return theirs | ours | lists


# --- INI: pip.conf, .pypirc

# keys that list names, to which ours are added
_LISTS = {"index-servers"}
# the key that holds a secret
_SECRET = "password"


def _key(text: str) -> str:
    """A key as pip sees it, to which `index_url` and `index-url` are the same."""
    return text.strip().lower().replace("_", "-")


def _longer_list(theirs: str, ours: str) -> str:
    words = ours.split()
    return "".join("\n" + word for word in words + [word for word in theirs.split() if word not in words])


def _ini_read(text: str) -> dict:
    # no section is special, so that what [DEFAULT] holds is not found in all others
    parser = configparser.RawConfigParser(default_section="\n")
    parser.optionxform = _key  # type: ignore[assignment]
    try:
        parser.read_file(io.StringIO(text, newline=None))
    except configparser.Error as exc:  # whose own message quotes the line
        at = f" (line {exc.lineno})" if getattr(exc, "lineno", None) else ""
        raise CannotMerge(f"can't be read as an INI file{at}; mend it, or move it away.") from None
    values = {(section,): "" for section in parser.sections()}
    return values | {(section, key): parser[section][key] for section in parser for key in parser[section]}


def _ini_place(lines: list[str], settings: str) -> None:
    ours = ini_sections(split_lines(settings))
    there = _ini_read("".join(lines))
    wanted = _ini_read(settings)
    for section, key in [name for name in wanted if name[-1] == _SECRET and there.get(name) == wanted[name]]:
        first, end = ini_sections(lines)[section].keys[key]
        del lines[first:end]
    joined = {key: _longer_list(there[key], wanted[key]) for key in wanted if key in there and key[-1] in _LISTS}
    for name, section in ours.items():
        body = split_lines(settings)[section.first : section.end]
        for key, (first, end) in sorted(section.keys.items(), key=lambda item: -item[1][0]):
            if (name, key) in joined:
                value = joined[name, key].replace("\n", "\n    ")
                body[first - section.first : end - section.first] = [f"{key} ={value}\n"]
        place = ini_sections(lines).get(name)
        if place is None:
            _insert(lines, len(lines), body)
            continue
        for key in section.keys.keys() & place.keys.keys():
            _displace(lines, *place.keys[key])
        # as far in as the next section's heading, which would be taken for a line of our last value otherwise
        indentation = next((_indentation(line) for line in lines[place.end :] if not _says_nothing(line)), "")
        _insert(lines, place.end, [indentation + line for line in body[1:]])


class Section(NamedTuple):
    """Where a section of an INI file is, in lines counted from 0."""

    first: int  # its heading
    end: int  # the line after the last one that says something
    keys: dict[str, tuple[int, int]]  # {key: (its first line, the line after its last)}


def ini_sections(lines: list[str]) -> dict[str, Section]:
    """The sections of a file that Python's parser reads, by name.

    A line is told from the continuation of a value as that parser does it, by its indentation.
    """
    sections: dict[str, Section] = {}
    name, key, indentation = "", "", 0
    for number, line in enumerate(lines):
        if _says_nothing(line):
            continue
        bare, indented = line.strip(), len(_indentation(line))
        if key and indented > indentation:
            keys = sections[name].keys
            keys[key] = (keys[key][0], number + 1)
        elif heading := re.match(r"\[(.+)\]", bare):
            name, key, indentation = heading[1], "", indented
            sections[name] = Section(number, number + 1, {})
        elif name:
            key, indentation = _key(re.split("[=:]", bare, maxsplit=1)[0]), indented
            sections[name].keys[key] = (number, number + 1)
        if name:
            sections[name] = sections[name]._replace(end=number + 1)
    return sections


def _says_nothing(line: str) -> bool:
    return not line.strip() or line.strip()[0] in "#;"


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


# --- TOML: uv.toml


def _toml_read(text: str) -> dict:
    import tomllib  # noqa: PLC0415  Python has it from 3.11 on, and only this form needs it

    try:
        return {(key,): value for key, value in tomllib.loads(text).items()}
    except (tomllib.TOMLDecodeError, UnicodeError):
        raise CannotMerge("can't be read as a TOML file; mend it, or move it away.") from None


def _toml_place(lines: list[str], settings: str) -> None:
    ours = split_lines(settings)
    keys = {key for (key,) in _toml_read(settings)}
    for first, end, key in _toml_parts(lines):
        if key in keys:
            _displace(lines, first, end)
    tables = next((number for number, line in enumerate(ours) if line.startswith("[")), len(ours))
    while tables < len(ours) and tables and ours[tables - 1].startswith("#"):
        tables -= 1
    if ours[tables:]:
        _insert(lines, len(lines), ours[tables:])
    if ours[:tables]:
        _insert(lines, 0, ours[:tables])


def _toml_parts(lines: list[str]) -> list[tuple[int, int, str]]:
    """The values at the top level, and the tables with what is in them: (first line, line after, first key)."""
    parts: list[tuple[int, int, str]] = []
    for first, end, path in toml_statements(lines):
        if len(path) > 1:  # a value in the table before
            parts[-1] = (parts[-1][0], end, parts[-1][2])
        else:
            parts.append((first, end, path[0]))
    return parts


def toml_statements(lines: list[str]) -> list[tuple[int, int, tuple[str, ...]]]:
    """The headings and values of a valid file: (first line, line after the last, keys).

    The keys are the first one of the table it is in and its own first one; a heading and a top level's value have one.
    """
    statements: list[tuple[int, int, tuple[str, ...]]] = []
    table: tuple[str, ...] = ()
    first = 0
    while first < len(lines):
        if not lines[first].strip() or lines[first].lstrip().startswith("#"):
            first += 1
            continue
        end, key = _toml_statement(lines, first)
        if lines[first].lstrip().startswith("["):
            table = (key,)
            statements.append((first, end, table))
        else:
            statements.append((first, end, (*table, key)))
        first = end
    return statements


def _toml_statement(lines: list[str], first: int) -> tuple[int, str]:
    """Of the statement that begins in line `first`: the line after its last, and the first key it names."""
    for end in range(first + 1, len(lines) + 1):
        try:
            ((key,),) = _toml_read("".join(lines[first:end]))
        except CannotMerge:  # it goes on in the next line
            continue
        return end, key
    raise AssertionError("the whole was read before its parts")


# --- netrc


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
            readable[number] = ENCODED + re.sub(r"[%\s]", _encoded_space, line)
        in_entry = in_entry or line.lstrip().startswith(("machine", "default"))
        expected = is_comment or bool(re.search(r'[^\s"]\n\Z', line))
    return readable


def _encoded_space(found: re.Match[str]) -> str:
    return "\n" if found[0] == "\n" else quote(found[0])


def _decoded(line: str) -> str:
    """A line as it was before `_with_readable_comments`."""
    return unquote(line.removeprefix(ENCODED), errors="surrogateescape") if line.startswith(ENCODED) else line


def _netrc_read(text: str) -> dict:
    # Python reads such a file by its name only; this one is in memory, where a run that is killed leaves no passwords
    with os.fdopen(os.memfd_create("netrc"), "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        stream.write(text)
        stream.flush()
        try:
            parsed = netrc.netrc(f"/proc/self/fd/{stream.fileno()}")
        except (netrc.NetrcParseError, UnicodeError) as exc:  # whose own message quotes what it found
            at = f" (near line {exc.lineno})" if getattr(exc, "lineno", None) else ""
            raise CannotMerge(
                f"can't be read as a netrc file{at}, not by pip and uv either; mend it, or move it away."
            ) from None
    return {(host.lower(),): account for host, account in parsed.hosts.items()} | {
        (host, "macro"): body for host, body in parsed.macros.items()
    }


def _netrc_place(lines: list[str], settings: str) -> None:
    machines = {machine for (machine,) in _netrc_read(settings)}
    entries = _netrc_entries(lines)
    dropped = {number for machine, words_in in entries if machine in machines for number in words_in}
    for machine, words_in in entries:
        if machine not in machines and dropped & words_in:
            number = min(dropped & words_in) + 1
            raise CannotMerge(
                f"has the index's entry and another one in line {number}; write each on a line of its own."
            )
    lines[:] = [line for number, line in enumerate(lines) if number not in dropped]
    _insert(lines, 0, split_lines(settings))
    lines[:] = _with_readable_comments(lines)


def _netrc_entries(lines: list[str]) -> list[tuple[str, set[int]]]:
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


_FORMS = {
    "ini": (_ini_place, _ini_read),
    "toml": (_toml_place, _toml_read),
    "netrc": (_netrc_place, _netrc_read),
}

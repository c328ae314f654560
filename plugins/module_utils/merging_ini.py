# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Where settings go in an INI file, as pip.conf and .pypirc are. For merging.py."""

from __future__ import annotations

import configparser
import io
import re
from typing import NamedTuple

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.managed_block import (
    CannotMerge,
    displace,
    insert,
    split_lines,
)

Content = dict[tuple[str, ...], str]  # what a file says, as `read` has it

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


def united(theirs: Content, ours: Content) -> Content:
    """What a file has to say in the end, both given as `read` has them."""
    lists = {key: _longer_list(theirs[key], ours[key]) for key in ours if key in theirs and key[-1] in _LISTS}
    return theirs | ours | lists


def read(text: str) -> Content:
    """{(section,): '', (section, key): value}, with keys as `_key` has them. Raises CannotMerge."""
    # no section is special, so that what [DEFAULT] holds is not found in all others
    parser = configparser.RawConfigParser(default_section="\n")
    parser.optionxform = _key  # type: ignore[assignment]  # as its manual has it
    try:
        parser.read_file(io.StringIO(text, newline=None))
    except configparser.Error as exc:  # whose own message quotes the line
        lineno = getattr(exc, "lineno", None)
        at = f" (line {lineno})" if lineno else ""
        raise CannotMerge(f"can't be read as an INI file{at}; mend it, or move it away.") from None
    values: Content = {(section,): "" for section in parser.sections()}
    return values | {(section, key): parser[section][key] for section in parser for key in parser[section]}


def without_secrets(lines: list[str], settings: str) -> list[str]:
    """The lines without passwords for the place that `settings` are about, whoever wrote them."""
    places = {value.rstrip("/") for (_section, *key), value in read(settings).items() if key == ["repository"]}
    try:
        there = read("".join(lines))
    except CannotMerge:  # for example because somebody took our marks away, and the same is there twice
        return _without_logins(lines, places)
    kept = list(lines)
    for name, section in sorted(sections(lines).items(), key=lambda item: -item[1].first):
        if there.get((name, "repository"), "").rstrip("/") in places and _SECRET in section.keys:
            first, end = section.keys[_SECRET]
            del kept[first:end]
    return kept


def without_repeated(lines: list[str], settings: str) -> list[str]:
    """The lines of a file that has keys of `settings` twice in a section, with the first of each alone."""
    ours = {key[-1] for key in read(settings) if len(key) > 1}
    kept: list[str] = []
    seen: set[str] = set()
    dropping, key, indentation = False, "", 0
    for line in lines:
        indented = len(_indentation(line))
        if _says_nothing(line):
            kept.append(line)
            continue
        if line.lstrip().startswith("["):
            seen, dropping, key = set(), False, ""
        elif not (key and indented > indentation):
            key, indentation = _key(re.split("[=:]", line, maxsplit=1)[0]), indented
            dropping = key in ours and key in seen
            seen.add(key)
        if not dropping:
            kept.append(line)
    return kept


def _without_logins(lines: list[str], places: set[str]) -> list[str]:
    """The lines of a file that Python does not read without what follows the address of one of `places`."""
    kept = []
    in_ours = False
    for line in lines:
        key, _equals, value = line.partition("=")
        if line.lstrip().startswith("["):
            in_ours = False
        elif _key(key) == "repository":
            in_ours = value.strip().rstrip("/") in places
        if not (in_ours and _key(key) in ("repository", "username", _SECRET)):
            kept.append(line)
    return kept


def place(lines: list[str], settings: str) -> None:
    """Put each section of `settings` to the end of the section of that name, or of the file."""
    ours = sections(split_lines(settings))
    there = read("".join(lines))
    wanted = read(settings)
    for in_section, key in [name for name in wanted if name[-1] == _SECRET and there.get(name) == wanted[name]]:
        first, end = sections(lines)[in_section].keys[key]
        del lines[first:end]
    together = united(there, wanted)
    for name, section in ours.items():
        body = split_lines(settings)[section.first : section.end]
        for key, (first, end) in sorted(section.keys.items(), key=lambda item: -item[1][0]):
            if key in _LISTS and (name, key) in there:
                value = together[name, key].replace("\n", "\n    ")
                body[first - section.first : end - section.first] = [f"{key} ={value}\n"]
        there_already = sections(lines).get(name)
        if there_already is None:
            insert(lines, len(lines), body)
            continue
        for key in section.keys.keys() & there_already.keys.keys():
            displace(lines, *there_already.keys[key])
        # as far in as the next section's heading, which would be taken for a line of our last value otherwise
        indentation = next((_indentation(line) for line in lines[there_already.end :] if not _says_nothing(line)), "")
        insert(lines, there_already.end, [indentation + line for line in body[1:]])


class Section(NamedTuple):
    """Where a section of an INI file is, in lines counted from 0."""

    first: int  # its heading
    end: int  # the line after the last one that says something
    keys: dict[str, tuple[int, int]]  # {key: (its first line, the line after its last)}


def sections(lines: list[str]) -> dict[str, Section]:
    """The sections of a file that Python's parser reads, by name.

    A line is told from the continuation of a value as that parser does it, by its indentation.
    """
    found: dict[str, Section] = {}
    name, key, indentation = "", "", 0
    for number, line in enumerate(lines):
        if _says_nothing(line):
            continue
        bare, indented = line.strip(), len(_indentation(line))
        if key and indented > indentation:
            keys = found[name].keys
            keys[key] = (keys[key][0], number + 1)
        elif heading := re.match(r"\[(.+)\]", bare):
            name, key, indentation = heading[1], "", indented
            found[name] = Section(number, number + 1, {})
        elif name:
            key, indentation = _key(re.split("[=:]", bare, maxsplit=1)[0]), indented
            found[name].keys[key] = (number, number + 1)
        if name:
            found[name] = found[name]._replace(end=number + 1)
    return found


def _says_nothing(line: str) -> bool:
    return not line.strip() or line.strip()[0] in "#;"


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Settings on a machine by which packages would come from elsewhere than the company's index, found line by line.

Which they are is in package_sources.py. The module conflicting_package_sources uses this on the managed host, and
so does the doctor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from ansible_collections.wheelhouse.onboarding.plugins.module_utils import (
    broken_marks,
    conflicting_condarc,
    merging_ini,
    merging_toml,
    package_sources,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.managed_block import (
    BOM,
    CannotMerge,
    split_lines,
    was_theirs,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.package_sources import Setting

REMOVED = "# removed by wheelhouse.onboarding: "

# NAME=value, fish's `set -gx NAME value` and `SETUVAR --export NAME:value`, csh's `setenv NAME value`, and PAM's
# `NAME DEFAULT=value`
_ASSIGNMENT = re.compile(
    r"""(?:^|[\s;&|({"'])
        (?: (?P<name>[A-Z_][A-Z0-9_]*)\+?=
          | setenv\s+(?P<csh>[A-Z_][A-Z0-9_]*)\s+
          | set\s+(?:-\S+\s+)+(?P<fish>[A-Z_][A-Z0-9_]*)\s+
          | SETUVAR\s+(?:-\S+\s+)*(?P<universal>[A-Z_][A-Z0-9_]*):
          | ^(?P<pam>[A-Z_][A-Z0-9_]*)\s+(?:DEFAULT|OVERRIDE)=
        )
        (?P<value>"[^"]*"|'[^']*'|[^\s;&|)"']*)""",
    re.VERBOSE,
)
# what is all there is in its line, so that the line can go
_ALONE = re.compile(
    r"""\s*(?:
        (?:(?:export|typeset\s+-x|declare\s+-x|set\s+(?:-\S+\s+)+|setenv)\s+)?[A-Z_][A-Z0-9_]*(?:=|\s+)
        (?:[^\s"'\\;&|`$]*|"[^"\\`$]*"|'[^']*')
      | [A-Z_][A-Z0-9_]*\s+(?:DEFAULT|OVERRIDE)=\S*
      | alias\s+[\w.-]+[=\s]\s*(?:"[^"\\`$]*"|'[^']*')
    )\s*;?\s*""",
    re.VERBOSE,
)
_COMMAND = re.compile(
    r"""(?:^|[\s;&|("'`=/])(?P<command>""" + "|".join(package_sources.COMMANDS) + r""")(?=[\s"'])(?P<rest>[^;&|#]*)"""
)

# of pip's options that pipx was given for a package, and gives to pip again whenever it upgrades it
_PIPX_OPTION = re.compile(r"""\s*"(-i|-f|--[a-z-]+)(?:=([^"]*))?",?\s*""")

# what a setting with these words does, "" where it is in order
Effect = Callable[[Optional[Setting], list[str]], str]


class Stray(NamedTuple):
    """A setting by which packages would come from elsewhere, or go elsewhere."""

    first: int  # its first line, counted from 0
    end: int  # the line after its last
    setting: str  # its name; its value may hold a password
    removable: bool  # the lines can become comments without harm to what stands around them
    effect: str = package_sources.ELSEWHERE  # what it does, of package_sources; `{index}` in it stands for the index


def conflicting_package_sources(text: str, form: str, index_url: str, channels: Sequence[str] = ()) -> list[Stray]:
    """What in a file points elsewhere than to the index, in the order of the lines.

    text        what the file holds
    form        of package_sources.MACHINE_FILES and HOME_FILES: 'ini' (pip), 'toml' (uv), 'shell', 'environment' ...
    index_url   the index's address; a setting that names nothing else is in order, and so is what merging put in
    channels    names and addresses of conda channels that are in order

    A file that can't be read in that form holds none: its own reader has no use for it either.
    """
    lines = split_lines(text)
    if form == "condarc":
        return [
            Stray(first, end, name, True, effect)
            for first, end, name, effect in conflicting_condarc.strays(lines, index_url, channels)
        ]
    ours = broken_marks.ours(lines)
    bare = [lines[0].removeprefix(BOM), *lines[1:]] if lines else []

    def effect(setting: Setting | None, words: list[str]) -> str:
        return package_sources.judged(setting, words, index_url, tuple(channels)) if setting else ""

    try:
        found = _FINDERS[form]("".join(bare), bare, form, effect)
    except (CannotMerge, ImportError):  # before Python 3.11, which can read TOML
        return []
    return [stray for stray in sorted(found) if stray.first not in ours]


def sentence(setting: str, effect: str, index_url: str) -> str:
    """What a stray setting does, without its value."""
    return f"{setting} {effect.format(index=index_url)}"


def removed(text: str, strays: list[Stray], form: str) -> str:
    """`text` with those of `strays` that can go made into comments."""
    # in a shell file, what remains has to be a command, since the line may be all there is in an `if`
    prefix = ": " + REMOVED if form == "shell" else REMOVED
    lines = split_lines(text)
    for stray in strays:
        if stray.removable:
            lines[stray.first : stray.end] = [prefix + line for line in lines[stray.first : stray.end]]
    return "".join(lines)


def _in_ini(text: str, lines: list[str], form: str, effect: Effect) -> list[Stray]:
    values = merging_ini.read(_decodable(text))  # raises CannotMerge
    keys = {"ini": package_sources.PIP, "easy_install": package_sources.EASY_INSTALL, "pypirc": package_sources.PYPIRC}
    found = []
    for name, section in merging_ini.sections(lines).items():
        for key, (first, end) in section.keys.items():
            words = values.get((name, key), "").split()
            if does := effect(keys[form].get(key), words):
                label = f"[{name}] {key}" if form == "pypirc" else key
                found.append(Stray(first, end, label, form != "pypirc", does))
        # twine, and all that read this file after it, know where a section of this name leads to
        if form == "pypirc" and name in ("pypi", "testpypi") and "repository" not in section.keys and section.keys:
            found.append(Stray(section.first, section.end, f"[{name}]", False, package_sources.PUBLISHES))
    return found


def _decodable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _in_toml(text: str, lines: list[str], form: str, effect: Effect) -> list[Stray]:
    merging_toml.read(text)  # raises CannotMerge
    settings = package_sources.TOML[form]
    found = []
    for first, end, told in _units(lines):
        for path, value in _leaves(told):
            # a whole table of an array is one setting: [[index]]
            setting = package_sources.in_table(settings, path)
            if isinstance(value, dict) and not (setting and "url" in value):
                continue
            if isinstance(value, dict):
                if value.get("explicit") is True:  # asked only for what names it
                    value = []
                else:
                    value, path = value["url"], ("[[index]]",)
            if does := effect(setting, _words(value)):
                found.append(Stray(first, end, ".".join(path) if form != "toml" else path[-1], True, does))
                break
    return found


def _words(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _leaves(told: Mapping[str, object], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(keys, value) of everything in a document; a table in an array comes whole, under the key `*`."""
    for key, value in told.items():
        path = (*above, key)
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            for one in value:
                yield (*path, "*"), one
        elif isinstance(value, dict):
            yield from _leaves(value, path)
        else:
            yield path, value


def _units(lines: list[str]) -> Iterator[tuple[int, int, dict[str, object]]]:
    """(first line, line after the last, what it says) of each value and of each table of an array."""
    heading, array = "", None
    for first, end, path in merging_toml.statements(lines):
        statement = "".join(lines[first:end])
        if statement.lstrip().startswith("["):
            if array and statement.lstrip().startswith("[" + path[0] + "."):  # a table in it
                continue
            if array:
                yield array[0], array[1], _table(lines, *array)
            heading, array = statement, (first, end) if statement.lstrip().startswith("[[") else None
        elif array:
            array = (array[0], end)
        else:
            yield first, end, _table_of(heading + statement)
    if array:
        yield array[0], array[1], _table(lines, *array)


def _table(lines: list[str], first: int, end: int) -> dict[str, object]:
    return _table_of("".join(lines[first:end]))


def _table_of(text: str) -> dict[str, object]:
    return {key: value for (key,), value in merging_toml.read(text).items()}


def _in_pipx(text: str, lines: list[str], _form: str, effect: Effect) -> list[Stray]:
    found = []
    for number, line in enumerate(lines):
        match = _PIPX_OPTION.fullmatch(line)
        if not match or match[1] not in package_sources.OPTIONS["pip"]:
            continue
        does = package_sources.OPTIONS["pip"][match[1]]
        if does == package_sources.SHUT_OUT:
            found.append(Stray(number, number + 1, match[1], False, does))
            continue
        # the value is in the next line where it is not in the same
        end = number + (2 if match[2] is None else 1)
        value = match[2] if match[2] is not None else _json_string(lines[number + 1] if end <= len(lines) else "")
        kind = "address" if does == package_sources.ELSEWHERE else "any"
        if does := effect(Setting(does, kind), value.split()):
            found.append(Stray(number, end, match[1], False, does))
    return found


def _json_string(line: str) -> str:
    try:
        return str(json.loads(line.strip().rstrip(",")))
    except ValueError:
        return ""


def _in_variables(text: str, lines: list[str], form: str, effect: Effect) -> list[Stray]:
    found = []
    goes_on = False
    for number, line in enumerate(lines):
        alone = bool(_ALONE.fullmatch(line)) and not goes_on
        goes_on = line.rstrip("\r\n").endswith("\\")
        if line.lstrip(" \t" + BOM).startswith(("#", ": #")) or was_theirs(line):
            continue
        for match in _ASSIGNMENT.finditer(line):
            name = next(filter(None, match.group("name", "csh", "fish", "universal", "pam")))
            value = match["value"].strip("\"'")
            if match["universal"]:
                value = re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), value)
            if does := effect(package_sources.variable(name), listed(value)):
                found.append(Stray(number, number + 1, name, alone, does))
                break
        else:
            if form == "shell" and (option := _option(line, effect)):
                found.append(Stray(number, number + 1, option[0], alone, option[1]))
    return found


def listed(value: str) -> list[str]:
    """The values in a variable; an index of uv's may have a name before its address."""
    return [re.sub(r"\A[\w-]+=(?=[a-z]+://)", "", word) for word in re.split(r"[\s,]+", value) if word]


def _option(line: str, effect: Effect) -> tuple[str, str] | None:
    """(option, what it does) of the first option in a line of a shell's that has a command go elsewhere."""
    for match in _COMMAND.finditer(line):
        tool = next(tool for word, tool in package_sources.COMMANDS.items() if re.fullmatch(word, match["command"]))
        for found in re.finditer(r"""(?:^|\s)(--?[a-z][a-z-]*)(?:[=\s]\s*["']?([^\s"']+))?""", match["rest"]):
            does = package_sources.OPTIONS[tool].get(found[1])
            if not does or not (found[2] or found[1] in package_sources.FLAGS):
                continue
            kind = "any"
            if does in (package_sources.ELSEWHERE, package_sources.PUBLISHES) and found[2]:
                kind = "channels" if tool == "conda" else "address"
            if does := effect(Setting(does, kind), [found[2] or "yes"]):
                return found[1], does
    return None


_FINDERS = {
    "ini": _in_ini,
    "pypirc": _in_ini,
    "easy_install": _in_ini,
    **dict.fromkeys(package_sources.TOML, _in_toml),
    "pipx": _in_pipx,
    "shell": _in_variables,
    "environment": _in_variables,
}

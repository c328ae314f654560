# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Settings on a machine by which packages would come from elsewhere than the company's index, found line by line.

Used by the module stray_settings, on the managed host.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ansible_collections.wheelhouse.onboarding.plugins.module_utils import merging_ini, merging_toml, stray_condarc
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.marked_lines import (
    CLOSING,
    OPENING,
    OPENING_AFTER_NO_END,
    CannotMerge,
    split_lines,
)

REMOVED = "# removed by wheelhouse.onboarding: "

# pip merges indexes, and the highest version anywhere wins; a proxy in its files hides the internal index from it
_PIP_KEYS = {"index-url", "extra-index-url", "trusted-host", "proxy"}
_UV_KEYS = {"index", "index-url", "extra-index-url", "allow-insecure-host"}
_VARIABLE = re.compile(
    r"""(?:^|[\s;&"'])(PIP_(?:INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|PROXY|CONFIG_FILE)"""
    r"""|UV_(?:INDEX|INDEX_URL|DEFAULT_INDEX|EXTRA_INDEX_URL|INSECURE_HOST|CONFIG_FILE|NO_CONFIG)"""
    r"""|POETRY_PYPI_MIRROR_URL"""
    r"""|CONDA_(?:CHANNELS|CHANNEL_ALIAS|DEFAULT_CHANNELS|PROXY_SERVERS)|CONDARC|MAMBARC)="""
)
# an assignment that is all there is in its line, so that the line can go
_ALONE = re.compile(r"""\s*(?:export\s+)?[A-Z_]+=(?:[^\s"'\\;&|]*|"[^"\\`$]*"|'[^']*')\s*\n?""")


# of pip's options that pipx was given for a package, and gives to pip again whenever it upgrades it
_PIPX_OPTION = re.compile(r"""\s*"(-i|--index-url|--extra-index-url|--trusted-host|--proxy)(=[^"]*)?",?\s*""")


class Stray(NamedTuple):
    """A setting by which packages would come from elsewhere."""

    first: int  # its first line, counted from 0
    end: int  # the line after its last
    setting: str  # its name; its value may hold a password
    removable: bool  # the lines can become comments without harm to what stands around them


def stray_settings(text: str, form: str, index_url: str, channels: Sequence[str] = ()) -> list[Stray]:
    """What in a file points elsewhere than to the index, in the order of the lines.

    text        what the file holds
    form        'ini' (pip), 'toml' (uv), 'poetry' (its config.toml), 'pipx' (what it keeps of a package), 'condarc',
                'shell' or 'environment' (/etc/environment, environment.d)
    index_url   the index's address; a setting that names nothing else is in order, and so is what merging put in
    channels    names and addresses of conda channels that are in order

    A file that can't be read in that form holds none: its own reader has no use for it either.
    """
    lines = split_lines(text)
    if form == "condarc":
        return [Stray(*place, removable=True) for place in stray_condarc.strays(lines, index_url, channels)]
    try:
        found = _FINDERS[form](text, lines)
    except CannotMerge:
        return []
    ours = _ours(lines)
    return [
        stray
        for stray in sorted(found)
        if stray.first not in ours and not _is_in_order("".join(lines[stray.first : stray.end]), index_url)
    ]


def removed(text: str, strays: list[Stray], form: str) -> str:
    """`text` with those of `strays` that can go made into comments."""
    # in a shell file, what remains has to be a command, since the line may be all there is in an `if`
    prefix = ": " + REMOVED if form == "shell" else REMOVED
    lines = split_lines(text)
    for stray in strays:
        if stray.removable:
            lines[stray.first : stray.end] = [prefix + line for line in lines[stray.first : stray.end]]
    return "".join(lines)


def _is_in_order(setting: str, index_url: str) -> bool:
    """Whether a setting has the index as its one address, or is an index of uv's for what names it alone."""
    if re.search(r"(?m)^\s*explicit\s*=\s*true\b", setting):
        return True
    addresses = re.findall(r"""https?://[^\s"',]+""", setting)
    return bool(addresses) and all((address + "/").startswith(index_url + "/") for address in addresses)


def _ours(lines: list[str]) -> set[int]:
    """The lines between the marks that merging sets."""
    ours = set()
    inside = False
    for number, line in enumerate(lines):
        inside = (inside or line in (OPENING, OPENING_AFTER_NO_END)) and line != CLOSING
        if inside:
            ours.add(number)
    return ours


def _in_ini(text: str, lines: list[str]) -> list[Stray]:
    merging_ini.read(text)  # raises CannotMerge
    return [
        Stray(first, end, key, True)
        for section in merging_ini.sections(lines).values()
        for key, (first, end) in section.keys.items()
        if key in _PIP_KEYS
    ]


def _in_toml(text: str, lines: list[str]) -> list[Stray]:
    merging_toml.read(text)  # raises CannotMerge
    found: list[Stray] = []
    for first, end, path in merging_toml.statements(lines):
        is_heading = lines[first].lstrip().startswith("[")
        if path[0] == "index" and len(path) > 1 and found:  # a line of the index whose heading came before
            found[-1] = found[-1]._replace(end=end)
        elif path[0] in _UV_KEYS or (path[0] == "pip" and not is_heading and path[-1] in _UV_KEYS):
            found.append(Stray(first, end, "[[index]]" if is_heading else path[-1], True))
    return found


def _in_poetry(text: str, lines: list[str]) -> list[Stray]:
    merging_toml.read(text)  # raises CannotMerge
    found, heading = [], ""
    for first, end, _path in merging_toml.statements(lines):
        statement = "".join(lines[first:end])
        if statement.lstrip().startswith("["):
            heading = statement
        elif "url" in merging_toml.read(heading + statement).get(("plugins",), {}).get("pypi_mirror", {}):
            found.append(Stray(first, end, "plugins.pypi_mirror.url", True))
    return found


def _in_pipx(text: str, lines: list[str]) -> list[Stray]:
    # the value is in the next line where it is not in the same
    return [
        Stray(number, number + (1 if match[2] else 2), match[1], False)
        for number, line in enumerate(lines)
        for match in [_PIPX_OPTION.fullmatch(line)]
        if match
    ]


def _in_variables(text: str, lines: list[str]) -> list[Stray]:
    return [
        Stray(number, number + 1, match[1], bool(_ALONE.fullmatch(line)))
        for number, line in enumerate(lines)
        if not line.lstrip().startswith(("#", ": #"))
        for match in [_VARIABLE.search(line)]
        if match
    ]


_FINDERS = {
    "ini": _in_ini,
    "toml": _in_toml,
    "poetry": _in_poetry,
    "pipx": _in_pipx,
    "shell": _in_variables,
    "environment": _in_variables,
}

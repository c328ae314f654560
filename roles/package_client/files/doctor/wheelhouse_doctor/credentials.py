# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The account at the index in ~/.netrc, as Python's tools and uv read it.

The messages of Python's parser quote the word it fell over, which may be a password: they are never shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ansible_collections.wheelhouse.onboarding.plugins.module_utils import merging_netrc
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.managed_block import CannotMerge

from wheelhouse_doctor import commands
from wheelhouse_doctor.commands import Unreadable
from wheelhouse_doctor.findings import SKIPPED, Finding, fail, ok, warn
from wheelhouse_doctor.settings import Settings

CHECK = "credentials"
TOKEN = re.compile(r"whl_[a-z2-7]{47}")


@dataclass(frozen=True)
class Account:
    name: str
    password: str = field(repr=False)

    @property
    def is_token(self) -> bool:
        """Whether the password is a token of the index, which may do less and ends."""
        return TOKEN.fullmatch(self.password) is not None


def path_of(environ: Mapping[str, str]) -> str:
    return environ.get("NETRC") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".netrc")


def account(settings: Settings, environ: Mapping[str, str]) -> Account | None:
    """What tools send to the index; None where the file has nothing for it, or is not to be read."""
    try:
        entries = _entries(path_of(environ))
    except (Unreadable, CannotMerge):
        return None
    host = settings.index_host.lower()
    entry = entries.get((host,)) or entries.get(("default",))
    return Account(entry[0] or "", entry[2] or "") if entry else None


def _entries(path: str) -> merging_netrc.Entries:
    """What Python reads in a netrc file; empty where there is none. Raises `Unreadable` and `CannotMerge`."""
    return merging_netrc.read(commands.text(path) or "")


def check(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether there is an account for the index, and nobody else can read it. Which is right, the index has to say."""
    path, host = path_of(environ), settings.index_host
    again = "Ask IT to run site.yml, which writes the entry anew."
    if not os.path.exists(path):
        if environ.get("NETRC"):
            sentence = f"NETRC is {path}, which is not there, and so tools find no password: they do not read ~/.netrc."
            yield fail(CHECK, path, sentence, "Unset NETRC, and take it out of ~/.profile or ~/.bashrc.")
            return
        yield Finding(CHECK, SKIPPED, path, "is not there; whether the index asks for an account, its answer tells")
        return
    try:
        _entries(path)
    except Unreadable as problem:
        if "UTF-8" in str(problem):
            sentence = f"{problem}, so pip and uv ignore the whole file."
            yield fail(CHECK, path, sentence, f"Take the letter out of {path}, or save it as UTF-8.")
        elif "cannot be read" in str(problem):
            yield fail(CHECK, path, f"{problem}.", again)
        else:
            yield fail(CHECK, path, f"{problem}.", f"Move {path} away. {again}")
        return
    except CannotMerge as problem:
        yield fail(CHECK, path, *_unreadable(path, str(problem)))
        return
    found = account(settings, environ)
    if found is None:
        yield Finding(CHECK, SKIPPED, path, f"has none for {host}; whether the index asks for one, its answer tells")
    elif os.stat(path).st_mode & 0o077:
        yield warn(CHECK, path, f"{path} holds passwords, and others can read it.", f"chmod 600 {path}")
    else:
        yield ok(CHECK, path, f"{found.name} at {host}")


def _unreadable(path: str, why: str) -> tuple[str, str]:
    """(sentence, remedy) for a file that Python cannot read, nor uv, which was made after it: they ignore all of it."""
    found = commands.text(path) or ""
    if found.startswith("\ufeff"):
        return (
            f"{path} begins with a byte order mark, which pip and uv cannot read, and then they ignore the whole file.",
            f"Save {path} as UTF-8 without one; IT's next run of site.yml does that, too.",
        )
    foreign = merging_netrc.foreign_words(found)
    if foreign:
        line, word = foreign[0]
        return (
            f"Line {line} of {path} has the word {word}, which pip and uv do not know, and then they ignore the whole "
            "file.",
            f"Take {word} and what follows it out of there, or ask IT to run site.yml, which makes a comment of it.",
        )
    lines = found.splitlines()
    comments = [number for number, line in enumerate(lines, 1) if line.lstrip().startswith("#")]
    without = [line for number, line in enumerate(lines, 1) if number not in comments]
    after_blank = [number for number in comments if number > 1 and not lines[number - 2].strip()]
    if comments and _reads(without):
        line = (after_blank or comments)[0]
        where = "a comment after an empty line" if after_blank else "a comment where they expect none"
        return (
            f"Line {line} of {path} is {where}, which pip and uv misread, and then they ignore the whole file.",
            f"Delete that line, or the empty one before it, in {path}."
            if after_blank
            else f"Delete that line in {path}.",
        )
    wrong = re.match(r"has the word (\w+) in line (\d+), .*write (\w+) instead", why)
    if wrong:
        return (
            f"Line {wrong[2]} of {path} has the word {wrong[1]}, which pip and uv do not know, and then they ignore "
            "the whole file.",
            f"Write {wrong[3]} there instead.",
        )
    near = re.search(r"near line (\d+)", why)
    return (
        f"{path} is malformed at or before line {near[1] if near else 1}, so pip and uv ignore the whole file.",
        'An entry is `machine HOST login NAME password "PASSWORD"`, a quote or backslash in it after a backslash.',
    )


def _reads(lines: list[str]) -> bool:
    """Whether Python reads these lines."""
    try:
        merging_netrc.read("\n".join(lines) + "\n")
    except CannotMerge:
        return False
    return True

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The account at the index in ~/.netrc, as Python's tools and uv read it.

The messages of Python's parser quote the word it fell over, which may be a password: they are never shown.
"""

from __future__ import annotations

import netrc
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wheelhouse_doctor.findings import SKIPPED, Finding, fail, ok, warn
from wheelhouse_doctor.settings import Settings

CHECK = "credentials"


@dataclass(frozen=True)
class Account:
    name: str
    password: str = field(repr=False)


def path_of(environ: Mapping[str, str]) -> str:
    return environ.get("NETRC") or os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".netrc")


def account(settings: Settings, environ: Mapping[str, str]) -> Account | None:
    """What tools send to the index; None where the file has nothing for it, or is not to be read."""
    try:
        entry = netrc.netrc(path_of(environ)).authenticators(settings.index_host)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
    return Account(entry[0] or "", entry[2] or "") if entry else None


def check(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether there is an account for the index, and nobody else can read it. Which is right, the index has to say."""
    path, host = path_of(environ), settings.index_host
    again = "Ask IT to run site.yml, which writes the entry anew."
    try:
        netrc.netrc(path)
    except FileNotFoundError:
        yield Finding(CHECK, SKIPPED, path, "is not there; whether the index asks for an account, its answer tells")
        return
    except OSError as error:
        yield fail(CHECK, path, f"{path} cannot be read ({os.strerror(error.errno).lower()}).", again)
        return
    except UnicodeDecodeError:
        yield fail(CHECK, path, f"{path} is not text, so pip and uv ignore it.", "Delete it. " + again)
        return
    except netrc.NetrcParseError as error:
        yield fail(CHECK, path, *_unreadable(path, error))
        return
    found = account(settings, environ)
    if found is None:
        yield Finding(CHECK, SKIPPED, path, f"has none for {host}; whether the index asks for one, its answer tells")
    elif os.stat(path).st_mode & 0o077:
        yield warn(CHECK, path, f"{path} holds passwords, and others can read it.", f"chmod 600 {path}")
    else:
        yield ok(CHECK, path, f"{found.name} at {host}")


def _unreadable(path: str, error: netrc.NetrcParseError) -> tuple[str, str]:
    """(sentence, remedy) for a file that Python cannot read, nor uv, which was made after it: they ignore all of it."""
    with open(path, encoding="utf-8", errors="replace") as stream:
        lines = stream.read().splitlines()
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
    return (
        f"{path} is malformed at or before line {error.lineno}, so pip and uv ignore the whole file.",
        'An entry is `machine HOST login NAME password "PASSWORD"`, a quote or backslash in it after a backslash.',
    )


def _reads(lines: list[str]) -> bool:
    """Whether Python reads these lines. It takes nothing but a file; this one is in memory alone."""
    with open(os.memfd_create("netrc"), "w+", encoding="utf-8") as copy:
        copy.write("\n".join(lines) + "\n")
        copy.flush()
        try:
            netrc.netrc(f"/proc/self/fd/{copy.fileno()}")
        except netrc.NetrcParseError:
            return False
    return True

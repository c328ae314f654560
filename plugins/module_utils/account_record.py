# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Whom of the directory's accounts this host serves, in a file of root's, for modules and programs that run as root.

An account that the role `accounts` made is marked by a group. One of the directory is changed in nothing, so the mark
is here, with the numbers and the home that it had: they are needed to clear up when the directory has deleted it.
It imports nothing of this collection, and runs under the Python of the host.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pwd
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

RECORD = "/var/lib/wheelhouse/directory-accounts.json"


class Entry(TypedDict):
    """One account: `locked` where all that the host gave is taken away, and only the home is still to be left."""

    uid: int
    gid: int
    home: str
    locked: bool


def read(path: str | None = None) -> dict[str, Entry]:
    """The entries by login name; none where there is no file. Raises OSError, also where it holds something else."""
    path = path or RECORD
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return {
            str(name): Entry(
                uid=int(entry["uid"]), gid=int(entry["gid"]), home=str(entry["home"]), locked=bool(entry["locked"])
            )
            for name, entry in found.items()
        }
    except FileNotFoundError:
        return {}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise OSError(errno.EBADMSG, "is damaged: restore it, or delete it and run site.yml", path) from None


def write(entries: Mapping[str, Entry], path: str | None = None) -> None:
    """Replace the file in one step. Without entries, it and an empty directory around it go. Raises OSError."""
    place = Path(path or RECORD)
    if not entries:
        place.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # there is more in it, or nothing was there
            place.parent.rmdir()
        return
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=place.parent, prefix=".directory-accounts.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(entries, stream, indent=1, sort_keys=True)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        Path(partial).replace(place)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def account(name: str) -> pwd.struct_passwd | None:
    """The account as it was when the host last served it, or None. Raises OSError."""
    entry = read().get(name)
    if entry is None:
        return None
    return pwd.struct_passwd((name, "x", entry["uid"], entry["gid"], "", entry["home"], "/bin/sh"))

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Files that are read and written whole, for modules on the managed host."""

from __future__ import annotations

import os
import tempfile


def read(path):
    """The bytes of a regular file, or None where there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def decode(content):
    """The bytes of a file as a text that `encode` makes the same bytes of, whatever they are."""
    return content.decode("utf-8", "surrogateescape")


def encode(text):
    """The bytes that `decode` made `text` of."""
    return text.encode("utf-8", "surrogateescape")


def replace(path, content, mode, uid, gid):
    """Put a new file in the place of `path` in one step, on disk before it is seen."""
    descriptor, partial = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".wheelhouse-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(descriptor, mode)
            if os.geteuid() == 0:
                os.fchown(descriptor, uid, gid)
            stream.flush()
            os.fsync(descriptor)
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise

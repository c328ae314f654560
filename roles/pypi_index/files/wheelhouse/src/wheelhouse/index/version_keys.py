"""Versions as bytes that sort as versions do, so that the database can put files in order."""

from packaging.version import Version

_PRE = {"a": b"1", "b": b"2", "rc": b"3"}
_NO_PRE, _NO_PRE_BUT_DEV = b"9", b"0"


def version_key(version: Version) -> bytes:
    """The key of a version: equal, smaller or greater for versions that are.

    The parts of the specification follow each other, each with a mark of what is there or not. Numbers have the number
    of their digits before them, and what may go on says so, so that no part runs into the next.
    """
    release = list(version.release)
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    key = _number(version.epoch) + b"".join(b"1" + _number(part) for part in release) + b"0"
    if version.pre is not None:
        key += _PRE[version.pre[0]] + _number(version.pre[1])
    else:
        key += _NO_PRE_BUT_DEV if version.post is None and version.dev is not None else _NO_PRE
    key += b"0" if version.post is None else b"1" + _number(version.post)
    key += b"1" if version.dev is None else b"0" + _number(version.dev)
    for part in version.local.split(".") if version.local is not None else ():
        # A text comes before every number; the end of one is below whatever it may be made of.
        key += b"2" + _number(int(part)) if part.isdigit() else b"1" + part.encode() + b"!"
    return key + b"0"


def preference(version: Version, *, yanked: bool, described: bool) -> bytes:
    """Greater for the file that rather speaks for its project: what one would install, and with a summary."""
    return b"%d%d%b%d" % (not yanked, not version.is_prerelease, version_key(version), described)


def _number(number: int) -> bytes:
    digits = str(number).encode()
    return b"%03d%b" % (len(digits), digits)

"""Names of projects, and who may publish what."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from packaging.utils import InvalidName, canonicalize_name


def normalised(text: str) -> str | None:
    """The name as PEP 503 normalises it; None if no project can have it."""
    try:
        return canonicalize_name(text, validate=True)
    except InvalidName:
        return None


def covers(patterns: Iterable[str], project: str) -> bool:
    """Whether one of `patterns` (`acme-*`, `Acme_Tools`) matches `project`, all as PEP 503 normalises names."""
    name = canonicalize_name(project)
    return any(fnmatchcase(name, canonicalize_name(pattern)) for pattern in patterns)


def why_not(user: str, project: str, patterns: Iterable[str], ask: str) -> str | None:
    """The sentence that tells `user` why they may not publish `project`; None if they may.

    `patterns` are those of this user, `ask` is the end of the sentence: whom to ask.
    """
    patterns = tuple(patterns)
    if covers(patterns, project):
        return None
    may = f"may publish {', '.join(patterns)}" if patterns else "may not publish anything"
    return f"{user} may not publish {canonicalize_name(project)}: {user} {may}; to change that, {ask}."

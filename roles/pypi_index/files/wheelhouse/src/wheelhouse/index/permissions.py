"""Names of projects, and who may publish what."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from packaging.utils import InvalidName, canonicalize_name

MAX_NAME = 255
"""Characters of a project's name; no file system takes more."""


def normalised(text: str) -> str | None:
    """The name as PEP 503 normalises it; None if no project can have it."""
    if len(text) > MAX_NAME:
        return None
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
    if not patterns:
        return nothing(user, ask)
    may = f"may publish {', '.join(patterns)}"
    return f"{user} may not publish {canonicalize_name(project)}: {user} {may}; to change that, {ask}."


def restricted(user: str, project: str, ask: str) -> str:
    """The sentence for somebody who may publish such names, but not see this project."""
    return f"{user} may not publish {canonicalize_name(project)}, which is restricted; to change that, {ask}."


def nothing(user: str, ask: str) -> str:
    """The sentence for somebody who may only install."""
    return f"{user} may not publish anything; to change that, {ask}."


def token_why_not(token: str, project: str, patterns: Iterable[str], where: str) -> str | None:
    """The sentence that tells why the token of this name may not publish `project`; None if it may.

    `where` is the address at which its owner makes tokens.
    """
    patterns = tuple(patterns)
    if covers(patterns, project):
        return None
    if not patterns:
        return token_nothing(token, where)
    return (
        f"The token {token!r} may not publish {canonicalize_name(project)}: it may publish {', '.join(patterns)}; "
        f"make one for this project at {where}."
    )


def token_nothing(token: str, where: str) -> str:
    """The sentence for a token that may only install."""
    return (
        f"The token {token!r} may not publish anything: publish with your password, with `wheelhouse-token publish`, "
        f"or with a token for the project from {where}."
    )

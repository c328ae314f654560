"""Files that a line of the list may name: requirements.txt as pip reads it, and locks as PEP 751 has them."""

import re
import tomllib
from collections.abc import Iterator

from packaging.pylock import Pylock, PylockValidationError
from packaging.requirements import InvalidRequirement, Requirement

Allowed = tuple[str, frozenset[str]]
"""A requirement, and the SHA-256 (hex) of the files it may be met with; none for any."""
_HASH = re.compile(r"\s--hash[= ](\S+)")
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


def requirement(text: str) -> str:
    """The requirement as uv is to have it; raises ValueError with the reason."""
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(str(error).splitlines()[0]) from None
    if parsed.url:
        raise ValueError("it has an address, and only the index upstream is asked")
    return str(parsed)


def requirements(content: str, faults: list[str]) -> Iterator[Allowed]:
    """The requirements of a requirements.txt; what is none is noted in `faults`, each the end of a sentence."""
    start, joined = 0, ""
    for number, line in enumerate(content.splitlines(), 1):
        start = start if joined else number
        joined += re.sub(r"(^|\s+)#.*$", "", line).rstrip("\\")
        if line.endswith("\\"):
            continue
        text, joined = joined.strip(), ""
        hashes = _HASH.findall(text)
        text = _HASH.sub("", text).strip()
        if not text:
            continue
        try:
            if text.startswith("-"):
                raise ValueError("only requirements, comments and --hash are understood")
            allowed = frozenset(digest.removeprefix("sha256:") for digest in hashes if _SHA256.fullmatch(digest))
            if hashes and not allowed:
                raise ValueError("it has no SHA-256 among its hashes")
            yield requirement(text), allowed
        except ValueError as error:
            faults.append(f"line {start}, {text[:100]!r}, is no requirement ({error})")


def pylock(content: str, faults: list[str]) -> Iterator[Allowed]:
    """The same of a pylock.toml."""
    try:
        lock = Pylock.from_dict(tomllib.loads(content))
    except (tomllib.TOMLDecodeError, PylockValidationError) as error:
        faults.append(f"it is not a lock as pylock.toml is one ({str(error)[:200]})")
        return
    for package in lock.packages:
        files = [*(package.wheels or ()), *([package.sdist] if package.sdist else ())]
        if package.version is None or not files:
            faults.append(f"{package.name} comes from no index, and only the index upstream is asked")
            continue
        allowed = frozenset(file.hashes["sha256"] for file in files if "sha256" in file.hashes)
        marker = f" ; {package.marker}" if package.marker else ""
        yield f"{package.name}=={package.version}{marker}", allowed

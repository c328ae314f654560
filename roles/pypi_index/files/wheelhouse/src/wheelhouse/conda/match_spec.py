"""What a line asks of a channel: a spec as people write it for conda.

py-rattler takes a while to load, so that it is loaded when there is a spec, and not before.
"""

import re

_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_BY_DEFAULT = ("conda-forge",)
"""Channels whose address py-rattler knows; any other name needs one, or would be looked for where nobody meant."""


def checked(text: str) -> str:
    """The text itself, if it is a spec; raises ValueError with the reason."""
    from rattler import MatchSpec  # noqa: PLC0415
    from rattler.exceptions import InvalidMatchSpecError  # noqa: PLC0415

    try:
        spec = MatchSpec(text)
    except InvalidMatchSpecError as error:
        raise ValueError(" ".join(str(error).split())[:200]) from None
    if spec.channel or "[url=" in str(spec):
        raise ValueError("it has an address or a channel of its own, and only the channel of the line is asked")
    if not spec.name or not _NAME.fullmatch(spec.name.normalized):
        raise ValueError("it names no package")
    if spec.build and " " in str(spec.build):
        raise ValueError("it has more parts than a name, a version and a build")
    return text


def name(text: str) -> str:
    """The package that a checked spec asks for."""
    from rattler import MatchSpec  # noqa: PLC0415

    asked = MatchSpec(text).name
    return asked.normalized if asked else ""


def default_address(channel: str) -> str | None:
    """Where a channel is that everybody knows."""
    from rattler import Channel  # noqa: PLC0415

    return str(Channel(channel).base_url) if channel in _BY_DEFAULT else None

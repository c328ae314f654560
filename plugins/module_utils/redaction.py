# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Passwords taken out of URLs, wherever in a text they are."""

from __future__ import annotations

import re

_BEHIND_AUTHORITY = re.compile(r"[\s/?#]")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(:[0-9]+)?")
_BEHIND_WORD = re.compile(r"\s")


def redact_credentials(text: str) -> str:
    """`text` with the password of every URL in it replaced by `***`; user names stay.

    Works on any text, in linear time. Passwords that were not percent-encoded are found as well where that can be
    decided: what is before the last '@' of the part up to the next '/', '?', '#' or white space belongs to the user.
    """
    before, *after = text.split("://")
    return "://".join([before] + [_without_password(rest) for rest in after])


def _without_password(rest: str) -> str:
    """`rest`, the text that follows a URL's `://`, without that URL's password."""
    authority = _BEHIND_AUTHORITY.split(rest, maxsplit=1)[0]
    if "@" not in authority and not _HOST_AND_PORT.fullmatch(authority):
        # A "port" that is no number: it is a password, and the '/', '?' or '#' after it is part of that.
        authority = _BEHIND_WORD.split(rest, maxsplit=1)[0]
    userinfo, at_sign, _host = authority.rpartition("@")
    user, colon, _password = userinfo.partition(":")
    if not at_sign or not colon:
        return rest
    return user + ":***" + rest[len(userinfo) :]

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Passwords taken out of URLs, wherever in a text they are."""

from __future__ import annotations

import re

_BEHIND_AUTHORITY = re.compile(r"[\s/?#]")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(:[0-9]+)?")
_BEHIND_WORD = re.compile(r"\s")
_ACCOUNT_IN = re.compile(r"//|:|%3a", re.IGNORECASE)
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_CONDA_TOKEN = re.compile(r"(/t/)[^/]+")


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


def without_secrets(value: str) -> str:
    """A value of a setting that is perhaps an address, without an account, a query and a token in it.

    Of a wrong address nobody knows where its password begins: all before the last '@' is left out, the user's name as
    well. What only has an '@' in it, such as the address of a mailbox, stays.
    """
    before, at_sign, rest = value.rpartition("@")
    if at_sign and _ACCOUNT_IN.search(before):
        place, slashes, _account = before.partition("//")
        value = f"{place + slashes if slashes else ''}***@{rest}"
    if "//" in value:
        value = _QUERY.sub(lambda found: f"{found[0][0]}***" if len(found[0]) > 1 else found[0], value)
    return _CONDA_TOKEN.sub(r"\1***", value)

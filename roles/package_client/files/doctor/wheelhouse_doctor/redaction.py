# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Addresses as they can be shown: whatever may be a password becomes `***`."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def shown_url(url: str) -> str:
    """The address with `***` for its account; not at all where nobody can say what in it is the password."""
    try:
        parts = urlsplit(url.strip())
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that is not well-formed"
    userinfo, at_sign, _ = parts.netloc.rpartition("@")
    if "@" in userinfo or "@" in parts.path + parts.query + parts.fragment or (url and re.search(r"\s", url.strip())):
        return "an address with an account that is not percent-encoded"
    if not parts.netloc:
        return parts.path if parts.scheme in ("", "file") and "@" not in url else "an address that is not well-formed"
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    # a query may hold a token
    return f"{parts.scheme}://{'***@' if at_sign else ''}{name}{port}{parts.path}"


def redacted(text: str) -> str:
    """A text without what may be a password in the addresses in it; the whole report goes through here, to be sure."""
    return re.sub(r"(://)[^\s'\"]*@", r"\1***@", text)

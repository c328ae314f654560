# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Host names and addresses."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_LOOKS_LIKE_IPV4 = re.compile(r"[0-9]+(\.[0-9]+)*")


def is_ipv4(text: str) -> bool:
    """Whether `text` is an IPv4 address in four decimal parts."""
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def is_ipv6(text: str) -> bool:
    """Whether `text` is an IPv6 address, without brackets and without a zone."""
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text


def is_name(text: str) -> bool:
    """Whether `text` is a DNS name in ASCII; numbers and dots alone are none."""
    return len(text) <= 253 and bool(_NAME.fullmatch(text)) and not _LOOKS_LIKE_IPV4.fullmatch(text)


def host_and_port(server: str) -> tuple[str, int]:
    """The host and the port of `host:port`, or of the same as a URL. Raises ValueError where one is missing."""
    address = urlsplit(server if "://" in server else "//" + server)
    if not address.hostname or not address.port:
        raise ValueError("it is not written as host:port")
    return address.hostname, address.port

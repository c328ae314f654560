# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The value of NO_PROXY, in the one form that all tools understand."""

from __future__ import annotations

import ipaddress
import re

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.hosts import is_ipv4, is_ipv6, is_name
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, shown

# Local servers (a proxy relay, the kernels of Jupyter) are never behind a proxy.
ALWAYS = ("localhost", "127.0.0.1", "::1")
_WITH_PORT = re.compile(r"(?P<host>[^:]+|\[[^\]]*\]):[0-9]+")


def no_proxy(entries: list[str]) -> tuple[str, list[str]]:
    """(value of NO_PROXY, a sentence for each entry that is not in it).

    entries     host names, suffixes (`.acme.example` or `*.acme.example`), IP addresses and networks (CIDR)

    The value begins with the machine itself, then has the entries in their order, each once.
    """
    kept, dropped = list(ALWAYS), []
    for entry in entries:
        try:
            kept.append(_portable(entry))
        except ValueError as exc:
            dropped.append(str(exc))
    return ",".join(dict.fromkeys(kept)), dropped


def _portable(entry: object) -> str:
    """The entry as all tools understand it, or a ValueError that says what is wrong with it."""
    if not isinstance(entry, str):
        raise ValueError(f"{shown(entry)} is {kind(entry)}, not a string: write a host, a suffix or a network.")
    if "/" in entry and "://" not in entry:
        return _network(entry)
    address = entry[1:-1] if entry.startswith("[") and entry.endswith("]") else entry
    if is_ipv4(address) or is_ipv6(address):
        return str(ipaddress.ip_address(address))
    # `.acme.example` is everything below acme.example for all of them. Without the dot, it is evilacme.example too for
    # apt and for older versions of requests (so of pip and conda); with a `*`, it is nothing at all for most.
    suffix = entry[1:] if entry.startswith("*.") else entry
    if is_name(suffix[1:] if suffix.startswith(".") else suffix):
        return suffix.lower()
    raise ValueError(f"{shown(entry)} {_objection(entry)}")


def _network(entry: str) -> str:
    """A network as its first address and prefix length; a network of one address as that address."""
    try:
        network = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        raise ValueError(
            f"{shown(entry)} is no network: write one like '192.0.2.0/24', or a host without a path."
        ) from None
    return str(network.network_address if network.num_addresses == 1 else network)


def _objection(entry: str) -> str:
    """What is wrong with an entry that is no host, suffix, address or network."""
    if "://" in entry:
        return "has a scheme: write only the host."
    if _WITH_PORT.fullmatch(entry):
        return "has a port, which not every tool understands: write only the host."
    if entry == "*":
        return "would turn the proxy off, and tools don't agree on it: give no proxy at all instead."
    if "*" in entry:
        return "has a '*' that is not at its beginning: write a suffix like '.acme.example' or a network."
    return "is no host, suffix, address or network: write for example '.acme.example' or '192.0.2.0/24', one per entry."

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: no_proxy
short_description: The value of NO_PROXY that all tools understand
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Makes the value of E(NO_PROXY) of a list of hosts, suffixes, addresses and networks.
  - A suffix becomes C(.acme.example). That stands for everything below the domain in curl, Python (pip, conda), uv,
    Go (Docker) and apt alike. C(*.acme.example) means nothing in most of them, and some take C(acme.example) for
    C(evilacme.example) too.
  - Some tools take C(.acme.example) for C(acme.example) too, others don't. Name that host as well if it matters.
  - Networks are kept; curl before 7.86, apt and Python's urllib pass over them, and requests and pip over those of
    IPv6. Name the hosts too if such a tool has to reach them.
  - C(localhost), C(127.0.0.1) and C(::1) are always part of it.
  - Entries that not all tools would take alike are left out, with a warning that says why. Those are entries with a
    scheme, a port, a path, spaces, or a C(*) anywhere but at the beginning of a suffix.
options:
  _input:
    description:
      - Host names, suffixes like C(.acme.example) or C(*.acme.example), IP addresses, and networks like
        C(192.0.2.0/24).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Everything of the company's, and the network of its servers
  ansible.builtin.debug:
    msg: "{{ ['.acme.example', '*.acme.example', '192.0.2.0/24'] | wheelhouse.onboarding.no_proxy }}"
    # => "localhost,127.0.0.1,::1,.acme.example,192.0.2.0/24"
"""

RETURN = r"""
_value:
  description: The entries in their order, each once, with commas and without spaces between them.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.no_proxy import no_proxy
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native

display = Display()


def no_proxy_filter(entries: object) -> str:
    """Check the input's type, hand over to `no_proxy` and warn of what it left out."""
    entries = native(entries)
    if not isinstance(entries, list):
        raise AnsibleFilterError(
            f"The input of no_proxy is {kind(entries)}, not a list: write ['.acme.example', '192.0.2.0/24']."
        )
    value, dropped = no_proxy(entries)
    for sentence in dropped:
        display.warning(f"Left out of NO_PROXY: {sentence}")
    return value


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"no_proxy": no_proxy_filter}

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: balancer_addresses
short_description: The addresses that load balancers connect from
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Collects the addresses of hosts from their facts, without the one that balancers share, which moves, and without
    those of the loopback interface and of single links.
  - Fails where a host's facts are not known.
positional: hostvars
options:
  _input:
    description: Names of hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what balancers connect from
  ansible.builtin.debug:
    msg: "{{ ['lb-1'] | wheelhouse.onboarding.balancer_addresses(known) | join(' ') }}"
    # => "192.0.2.21"
  vars:
    known:
      lb-1:
        index_balancer_address: 192.0.2.10
        ansible_facts: {all_ipv4_addresses: [192.0.2.10, 192.0.2.21], all_ipv6_addresses: ["fe80::1"]}
"""

RETURN = r"""
_value:
  description: The addresses, sorted.
  type: list
  elements: str
"""

import ipaddress
from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def balancer_addresses(names: object, hostvars: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Their own addresses, whichever of them has the shared one now."""
    names = native(names)
    if not isinstance(names, list):
        raise AnsibleFilterError(f"The input of balancer_addresses is {kind(names)}, not a list of hosts.")
    found: set[str] = set()
    for name in names:
        known = hostvars[name]
        facts = native(known["ansible_facts"]) if "ansible_facts" in known else None
        if not isinstance(facts, Mapping) or "all_ipv4_addresses" not in facts:
            raise AnsibleFilterError(
                f"The addresses of {name} are not known, since it does not answer: start it, or take it out of "
                "balancer_hosts."
            )
        found |= {*facts["all_ipv4_addresses"], *facts.get("all_ipv6_addresses", [])}
        found -= {str(known["index_balancer_address"]) if "index_balancer_address" in known else ""}
    own = [ipaddress.ip_address(text) for text in sorted(found)]
    return [str(address) for address in own if not address.is_loopback and not address.is_link_local]


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"balancer_addresses": balancer_addresses}

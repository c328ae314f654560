# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: interface_of
short_description: The network interface of a host whose network an address is in
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Finds, in a host's facts, the interface whose own address has the given one in its network.
  - Fails where there is none.
positional: address
options:
  _input:
    description: A host's C(ansible_facts).
    type: dict
    required: true
  address:
    description: An IPv4 or IPv6 address.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show which interface an address is for
  ansible.builtin.debug:
    msg: "{{ facts | wheelhouse.onboarding.interface_of('192.0.2.10') }}"
    # => "eth0"
  vars:
    facts:
      eth0: {device: eth0, ipv4: {address: 192.0.2.21, prefix: "24"}}
"""

RETURN = r"""
_value:
  description: The interface's name.
  type: str
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def interface_of(facts: object, address: object) -> str:
    """The first interface that has the address in its network."""
    facts = native(facts)
    if not isinstance(facts, Mapping):
        raise AnsibleFilterError(f"The input of interface_of is {kind(facts)}, not a host's ansible_facts.")
    try:
        wanted = ipaddress.ip_address(str(address))
    except ValueError:
        raise AnsibleFilterError(
            f"index_balancer_address is {str(address)!r}: write an address such as 192.0.2.10."
        ) from None
    for interface in facts.values():
        is_interface = isinstance(interface, Mapping) and "device" in interface
        if is_interface and any(wanted in network for network in _networks(interface)):
            return str(interface["device"])
    raise AnsibleFilterError(
        f"index_balancer_address is {wanted}, which is in no network of this host: write an address of the network "
        "that the balancers are in, or name the interface in index_balancer_interface."
    )


def _networks(interface: Mapping[str, object]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The networks of an interface's own addresses; a shared address is one of a single host."""
    others, sixes = interface.get("ipv4_secondaries"), interface.get("ipv6")
    addresses = [interface.get("ipv4"), *(others if isinstance(others, list) else [])]
    addresses += sixes if isinstance(sixes, list) else []
    for one in addresses:
        if isinstance(one, Mapping) and one.get("address") and one.get("prefix"):
            network = ipaddress.ip_network(f"{one['address']}/{one['prefix']}", strict=False)
            if network.num_addresses > 1:
                yield network


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"interface_of": interface_of}

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: laptop_hosts
short_description: Jupyter hosts as laptops reach them
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Completes the Jupyter hosts of the role onboarding_bundle with addresses from the inventory and gathered host keys.
positional: hostvars
options:
  _input:
    description: The hosts by inventory name, each with an C(address) and a C(host_key) where they are given.
    type: dict
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show how laptops reach a host
  ansible.builtin.debug:
    msg: "{{ {'jupyter-1': {'address': 'jupyter.acme.example'}} | wheelhouse.onboarding.laptop_hosts(hostvars) }}"
    # => {"jupyter-1": {"address": "jupyter.acme.example", "host_key": ""}}
"""

RETURN = r"""
_value:
  description: The address and the host key of each host, the key empty where none is known.
  type: dict
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.ssh_tunnels import laptop_hosts


def laptop_hosts_filter(hosts: object, hostvars: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, str]]:
    """Check the types and hand over to `laptop_hosts`."""
    hosts = native(hosts)
    if not isinstance(hosts, Mapping) or not all(isinstance(host, Mapping) for host in hosts.values()):
        raise AnsibleFilterError("laptop_hosts: the hosts must be a dictionary of dictionaries.")
    return laptop_hosts(hosts, hostvars)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"laptop_hosts": laptop_hosts_filter}

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: ssh_host_keys
short_description: Public SSH host keys of hosts
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Returns the Ed25519 host key of each host, given in the inventory or gathered as a fact of that host.
positional: hostvars, given
options:
  _input:
    description: Inventory names.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  given:
    description: Keys by inventory name, which come before gathered ones.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the host key of a Jupyter host
  ansible.builtin.debug:
    msg: "{{ ['jupyter-1'] | wheelhouse.onboarding.ssh_host_keys(hostvars, {'jupyter-1': 'ssh-ed25519 AAAA...'}) }}"
    # => {"jupyter-1": "ssh-ed25519 AAAA..."}
"""

RETURN = r"""
_value:
  description: The keys by inventory name, empty where none is known.
  type: dict
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.ssh_tunnels import ssh_host_keys


def ssh_host_keys_filter(hosts: object, hostvars: Mapping[str, Mapping[str, object]], given: object) -> dict[str, str]:
    """Check the types and hand over to `ssh_host_keys`."""
    hosts, given = native(hosts), native(given)
    if not isinstance(hosts, list) or not isinstance(given, Mapping):
        raise AnsibleFilterError("ssh_host_keys: the hosts must be a list of names, and the given keys a dictionary.")
    return ssh_host_keys(hosts, hostvars, given)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"ssh_host_keys": ssh_host_keys_filter}

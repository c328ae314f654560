# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: tunnel_rules
short_description: Rules of nftables that keep a person's tunnel to that person
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Each person's tunnel to a Jupyter host is at a loopback address that follows from the number of the account. With
    these rules, only that person and root connect to it, and only their programs answer there.
positional: accounts
options:
  _input:
    description: Login names. People without an account on the machine are left out.
    type: list
    elements: str
    required: true
  accounts:
    description: The accounts of the machine, as M(ansible.builtin.getent) returns them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the rules
  wheelhouse.onboarding.managed_files:
    files:
      - path: /etc/wheelhouse/tunnels.nft
        mode: '0644'
        content: "{{ ['ada'] | wheelhouse.onboarding.tunnel_rules(ansible_facts['getent_passwd']) }}"
"""

RETURN = r"""
_value:
  description: A file for C(nft --file).
  type: str
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.ssh_tunnels import tunnel_rules


def tunnel_rules_filter(people: object, accounts: object) -> str:
    """Check the types and hand over to `tunnel_rules`."""
    people, accounts = native(people), native(accounts)
    if not isinstance(people, list) or not isinstance(accounts, Mapping):
        raise AnsibleFilterError("tunnel_rules: the people must be a list of names, and the accounts a dictionary.")
    return tunnel_rules(people, accounts)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"tunnel_rules": tunnel_rules_filter}

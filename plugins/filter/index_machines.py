# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: index_machines
short_description: The machines on which people have tokens of the index
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Returns the machines on which each person has a home, for all people whose tools log in at the index with tokens.
  - A machine is called as the host is in the inventory, or as the host's variable C(package_client_token_name) says,
    which is the same on hosts that have their homes in common.
  - Windows workstations have no such tokens.
positional: groups, hostvars, directory, store_passwords
options:
  _input:
    description: The people, shaped like C(wheelhouse_people).
    type: list
    elements: dict
    required: true
  groups:
    description: Ansible's C(groups).
    type: dict
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  directory:
    description: Whether people without an C(index_password) have accounts of the company's directory.
    type: bool
    default: false
  store_passwords:
    description: Whether those with an C(index_password) have it in their files, instead of tokens.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show who has tokens where
  ansible.builtin.debug:
    msg: "{{ wheelhouse_people | wheelhouse.onboarding.index_machines(groups, hostvars) }}"
"""

RETURN = r"""
_value:
  description: Names of machines by login name.
  type: dict
  sample: {ada: [jupyter-1, ws-ada]}
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.machine_tokens import index_machines


def index_machines_filter(
    people: object, groups: object, hostvars: object, directory: bool = False, store_passwords: bool = False
) -> dict[str, list[str]]:
    """Check the types and hand over to `index_machines`."""
    people = native(people)
    if not isinstance(people, list) or not all(isinstance(one, Mapping) and "name" in one for one in people):
        raise AnsibleFilterError("index_machines: the people must be a list of dictionaries, each with a name.")
    if not isinstance(groups, Mapping) or not isinstance(hostvars, Mapping):
        raise AnsibleFilterError("index_machines: groups and hostvars must be those of Ansible.")
    try:
        return index_machines(people, groups, hostvars, directory, store_passwords)
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"index_machines": index_machines_filter}

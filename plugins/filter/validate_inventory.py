# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: validate_inventory
short_description: What is wrong with an inventory, all at once
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Looks at the settings that roles share and at the groups, and says everything that is wrong with them, so that a
    play can stop before it changes anything.
  - Each sentence names the setting, its value unless that is secret, and what to write instead.
  - Never fails because of what is in the settings, and never repeats a password or a key.
positional: groups
options:
  _input:
    description:
      - The settings by name. One that is missing or null is not set.
      - Looked at are all that roles share, those in docs/settings.md.
    type: dict
    required: true
  groups:
    description: Ansible's C(groups), the names of the hosts of each group.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: What is wrong with this inventory
  ansible.builtin.debug:
    msg: "{{ settings | wheelhouse.onboarding.validate_inventory({'workstations': ['ws-ada']}) }}"
    # => ["wheelhouse_people[ada].jupyter is 'yes': write true or false, without quotes."]
  vars:
    settings:
      wheelhouse_index_url: https://packages.acme.example
      wheelhouse_people:
        - name: ada
          workstations: [ws-ada]
          jupyter: "yes"
"""

RETURN = r"""
_value:
  description: A sentence per fault. Empty for a good inventory.
  type: list
  elements: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory import validate_inventory
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def inventory_faults_filter(settings: object, groups: object) -> list[str]:
    """Check the input's type and hand over to `validate_inventory`."""
    settings = native(settings)
    if not isinstance(settings, dict):
        raise AnsibleFilterError(
            f"The input of validate_inventory is {kind(settings)}, not a mapping of settings by name."
        )
    return validate_inventory(settings, native(groups))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"validate_inventory": inventory_faults_filter}

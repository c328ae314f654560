# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: names_of_people
short_description: Names of accounts that people can have
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description: Leaves out what is no login name, and names of system accounts.
options:
  _input:
    description: Names of accounts, as a host gives them.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: A group of the host
  ansible.builtin.debug:
    msg: "{{ ['ada', 'games', 'bob; reboot'] | wheelhouse.onboarding.names_of_people }}"
    # => ["ada"]
"""

RETURN = r"""
_value:
  description: The names that are left, in the same order.
  type: list
  elements: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.names_in_use import can_be_a_person
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def names_of_people_filter(names: object) -> list[str]:
    """Check the input's type."""
    names = native(names)
    if not isinstance(names, list):
        raise AnsibleFilterError(f"The input of names_of_people is {kind(names)}, not a list of names.")
    return [name for name in names if isinstance(name, str) and can_be_a_person(name)]


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"names_of_people": names_of_people_filter}

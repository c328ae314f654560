# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: users_for_host
short_description: The people who have an account on a host
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Picks those of C(wheelhouse_people) who work on one host.
  - Someone works on a workstation that their C(workstations) names,
    and, where their C(jupyter) is true, on one Jupyter host,
    the one that their C(jupyter_host) names, or else the first.
    Nobody works anywhere once their C(state) is V(absent), or the day in their C(until) is over.
positional: host
options:
  _input:
    description: The people, shaped like C(wheelhouse_people).
    type: list
    elements: dict
    required: true
  host:
    description: Inventory name of the host.
    type: str
    required: true
  jupyter_hosts:
    description: Inventory names of the Jupyter hosts.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Who works here
  ansible.builtin.debug:
    msg: "{{ wheelhouse_people | wheelhouse.onboarding.users_for_host(inventory_hostname, groups['jupyter_hosts']) }}"
  vars:
    wheelhouse_people:
      - name: ada
        workstations: [ws-ada]
      - name: bob
        state: absent
"""

RETURN = r"""
_value:
  description: The entries of those people, in the same order. C(until) is a text.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person, users_for_host


def people_on_filter(people: list[Person], host: str, jupyter_hosts: Sequence[str] = ()) -> list[Person]:
    """Check the types and hand over to `users_for_host`."""
    if not isinstance(people, (list, tuple)) or not all(isinstance(person, Mapping) for person in people):
        raise AnsibleFilterError("users_for_host: people must be a list of entries like those of wheelhouse_people.")
    try:
        return users_for_host(people, host, jupyter_hosts)
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"users_for_host": people_on_filter}

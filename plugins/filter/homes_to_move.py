# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: homes_to_move
short_description: Homes that have to come from another Jupyter host
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Finds people of a Jupyter host who have an account on another one and no reason to have one there any more,
    by the fact C(wheelhouse_removed_users) of that host.
positional: hostvars, jupyter_hosts, host, existing, confirmed
options:
  _input:
    description: Login names of the people of this host.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  jupyter_hosts:
    description: Inventory names of the Jupyter hosts.
    type: list
    elements: str
    required: true
  host:
    description: Inventory name of this host.
    type: str
    required: true
  existing:
    description: The lines of all files of keys before this run, each with the path of its file and a colon before it.
    type: list
    elements: str
    default: []
  confirmed:
    description: Login names, with commas between, of people whose home may come although they are not new here.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Look whose home has to come here
  ansible.builtin.debug:
    msg: >-
      {{ ['ada'] | wheelhouse.onboarding.homes_to_move(hostvars, groups['jupyter_hosts'], inventory_hostname,
         keys_there.stdout_lines) }}
"""

RETURN = r"""
_value:
  description: For each home C(name) and C(host), where it is, and C(fault), a sentence where it may not come.
  type: list
  elements: dict
  sample: [{name: ada, host: jupyter-1.acme.example, fault: ""}]
"""

from collections.abc import Callable, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.jupyter_people import HostVars, Move, homes_to_move


def homes_to_move_filter(
    people: Sequence[str],
    hostvars: HostVars,
    jupyter_hosts: Sequence[str],
    host: str,
    existing: Sequence[str] = (),
    confirmed: str = "",
) -> list[Move]:
    """Check the types and hand over to `homes_to_move`."""
    if not isinstance(people, (list, tuple)):
        raise AnsibleFilterError("homes_to_move: people must be a list of names.")
    return homes_to_move(people, hostvars, jupyter_hosts, host, existing, confirmed)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"homes_to_move": homes_to_move_filter}

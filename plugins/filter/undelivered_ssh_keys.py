# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: undelivered_ssh_keys
short_description: People whose SSH key their Jupyter host may not know
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - A Jupyter host learns a key that was created on a workstation in a run in which both take part.
    Finds people for whom only the workstation did.
positional: hostvars, groups, play_hosts
options:
  _input:
    description: The people, shaped like C(wheelhouse_people).
    type: list
    elements: dict
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  groups:
    description: Ansible's C(groups).
    type: dict
    required: true
  play_hosts:
    description: Inventory names of the hosts that take part.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Look who has to wait
  ansible.builtin.debug:
    msg: "{{ wheelhouse_people | wheelhouse.onboarding.undelivered_ssh_keys(hostvars, groups, ansible_play_hosts) }}"
"""

RETURN = r"""
_value:
  description: For each person C(name), C(host) (the Jupyter host) and C(workstations).
  type: list
  elements: dict
  sample: [{name: ada, host: jupyter.acme.example, workstations: [ws-ada.acme.example]}]
"""

from collections.abc import Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.run_reports import (
    HostVars,
    Undelivered,
    undelivered_ssh_keys,
)


def undelivered_ssh_keys_filter(
    people: Sequence[Person], hostvars: HostVars, groups: Mapping[str, Sequence[str]], play_hosts: Sequence[str]
) -> list[Undelivered]:
    """Check the types and hand over to `undelivered_ssh_keys`."""
    if not isinstance(people, (list, tuple)) or not all(isinstance(one, Mapping) for one in people):
        raise AnsibleFilterError("undelivered_ssh_keys: people must be entries like those of wheelhouse_people.")
    return undelivered_ssh_keys(people, hostvars, groups, play_hosts)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"undelivered_ssh_keys": undelivered_ssh_keys_filter}

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: removal_plan
short_description: What remove.yml does, in sentences
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Describes what C(remove.yml) does to hosts and people, before it is confirmed.
positional: hostvars, home, source
options:
  _input:
    description: The hosts of the play.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars), with the fact C(wheelhouse_removed_users) of each host.
    type: dict
    required: true
  home:
    description: What happens to homes on hosts that do not set C(accounts_removed_home).
    type: str
    choices: [keep, remove]
    required: true
  source:
    description: Where accounts come from on hosts that do not set C(accounts_source).
    type: str
    choices: [local, directory]
    default: local
"""

EXAMPLES = r"""
- name: Describe the removal
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts | wheelhouse.onboarding.removal_plan(hostvars, 'keep') }}"
"""

RETURN = r"""
_value:
  description: The sentences.
  type: list
  elements: str
"""

from collections.abc import Callable, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.removals import HostVars, removal_plan


def removal_plan_filter(hosts: Sequence[str], hostvars: HostVars, home: str, source: str = "local") -> list[str]:
    """Check the type and hand over to `removal_plan`."""
    if not isinstance(hosts, (list, tuple)):
        raise AnsibleFilterError("removal_plan: the hosts must be a list of names.")
    return removal_plan(hosts, hostvars, home, source)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"removal_plan": removal_plan_filter}

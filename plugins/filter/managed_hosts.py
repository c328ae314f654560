# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: managed_hosts
short_description: The pattern of the hosts that a play of this collection is for
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Gives a play's C(hosts), for the groups C(index_hosts), C(jupyter_hosts) and C(workstations) or some of them,
    without hosts in the groups C(windows) and C(enrolled_hosts). Those in the group C(canaries) come first.
  - Groups that the inventory does not have are left out, so that Ansible does not warn of them.
    Where none of them exists, the pattern matches no host.
positional: names
options:
  _input:
    description: Ansible's C(groups).
    type: dict
    required: true
  names:
    description: Names of groups, one after the other. By default all three.
    type: list
    elements: str
  windows:
    description: The hosts in the group C(windows), and no others.
    type: bool
    default: false
  enrolled:
    description: Also the hosts in the group C(enrolled_hosts).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look at all workstations with Linux or macOS
  hosts: "{{ groups | wheelhouse.onboarding.managed_hosts('workstations') }}"
"""

RETURN = r"""
_value:
  description: Names of groups, and exclusions.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.run_reports import MANAGED, managed_hosts


def managed_hosts_filter(
    groups: Mapping[str, Sequence[str]], *names: str, windows: bool = False, enrolled: bool = False
) -> list[str]:
    """Check the types and hand over to `managed_hosts`."""
    if not isinstance(groups, Mapping):
        raise AnsibleFilterError("managed_hosts: the input must be Ansible's groups.")
    unknown = [name for name in names if name not in MANAGED]
    if unknown:
        raise AnsibleFilterError(f"managed_hosts: unknown group {unknown[0]}; write some of {', '.join(MANAGED)}.")
    return managed_hosts(groups, names or MANAGED, windows, enrolled)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"managed_hosts": managed_hosts_filter}

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts_on_old_credentials
short_description: Hosts that still use superseded passwords of the index
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Finds the hosts whose users, or whose own account, had their index password changed,
    and which were not given the new one in this run.
  - A host that was found unreachable is not among them. One that took no part in the run is.
positional: hostvars, groups, people, machine_account
options:
  _input:
    description: Names of index accounts whose password was changed, as in the fact C(pypi_index_changed_accounts).
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  groups:
    description: Ansible's C(groups).
    type: dict
    required: true
  people:
    description: The people, shaped like C(wheelhouse_people).
    type: list
    elements: dict
    required: true
  machine_account:
    description: The hosts' own account at the index.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Look which hosts need another run
  ansible.builtin.debug:
    msg: >-
      {{ pypi_index_changed_accounts
         | wheelhouse.onboarding.hosts_on_old_credentials(hostvars, groups, wheelhouse_people) }}
"""

RETURN = r"""
_value:
  description: Inventory names of hosts.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.run_reports import (
    HostVars,
    hosts_on_old_credentials,
)


def hosts_on_old_credentials_filter(
    changed: Sequence[str],
    hostvars: HostVars,
    groups: Mapping[str, Sequence[str]],
    people: Sequence[Person],
    machine_account: str = "",
) -> list[str]:
    """Check the types and hand over to `hosts_on_old_credentials`."""
    if not isinstance(changed, (list, tuple)) or not isinstance(people, (list, tuple)):
        raise AnsibleFilterError("hosts_on_old_credentials: accounts and people must be lists.")
    return hosts_on_old_credentials(changed, hostvars, groups, people, machine_account)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"hosts_on_old_credentials": hosts_on_old_credentials_filter}

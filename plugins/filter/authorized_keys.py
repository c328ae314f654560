# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: authorized_keys
short_description: Files of SSH keys for the people of a Jupyter host
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Gives the list O(wheelhouse.onboarding.managed_files#module:files) with a file of public keys for each person,
    and the removal of files that were written for others.
  - Keys are those that IT hands out and those that workstations brought.
    A workstation that takes no part in the run keeps the key that it brought before.
  - A workstation brings keys of those alone who work on it, by its C(accounts_people) or by O(entries).
  - Only type and key are taken over, with restrictions that leave a shell and the tunnel.
positional: public_keys, unrestricted, existing, hostvars, workstations, entries, elsewhere
options:
  _input:
    description: Login names.
    type: list
    elements: str
    required: true
  public_keys:
    description: Public keys that IT hands out, by login name.
    type: dict
    required: true
  unrestricted:
    description: Login names of people whose keys are not restricted.
    type: list
    elements: str
    required: true
  existing:
    description: The lines of all files, each with the path of its file and a colon before it.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  workstations:
    description: Inventory names of the workstations.
    type: list
    elements: str
    required: true
  entries:
    description: People, shaped like C(wheelhouse_people).
    type: list
    elements: dict
    required: true
  elsewhere:
    description: Inventory names of the other Jupyter hosts, from which homes of people who are new here may still come.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Write the keys
  wheelhouse.onboarding.managed_files:
    files: >-
      {{ ['ada'] | wheelhouse.onboarding.authorized_keys({'ada': 'ssh-ed25519 AAAA...'}, [], keys_there.stdout_lines,
         hostvars, groups['workstations'], wheelhouse_people) }}
"""

RETURN = r"""
_value:
  description: Files.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.jupyter_people import (
    HostVars,
    KeyFile,
    authorized_keys,
    who_works_on,
)


def authorized_keys_filter(
    people: Sequence[str],
    public_keys: Mapping[str, str],
    unrestricted: Sequence[str],
    existing: Sequence[str],
    hostvars: HostVars,
    workstations: Sequence[str],
    entries: Sequence[Person],
    elsewhere: Sequence[str] = (),
) -> list[KeyFile]:
    """Check the types and hand over to `authorized_keys`."""
    if not isinstance(people, (list, tuple)) or not isinstance(public_keys, Mapping):
        raise AnsibleFilterError("authorized_keys: people must be a list of names, and public_keys a dictionary.")
    workers = who_works_on(workstations, entries, hostvars)
    return authorized_keys(people, public_keys, unrestricted, existing, hostvars, workers, elsewhere)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"authorized_keys": authorized_keys_filter}

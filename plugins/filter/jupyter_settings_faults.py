# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: jupyter_settings_faults
short_description: What is wrong with the people of a Jupyter host
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Checks login names, public keys, accounts and homes for the role jupyter_host.
positional: public_keys, accounts, homes
options:
  _input:
    description: Login names.
    type: list
    elements: str
    required: true
  public_keys:
    description: Public keys by login name.
    type: dict
    required: true
  accounts:
    description: What the module ansible.builtin.getent says of the database passwd, or nothing.
    type: dict
  homes:
    description: The directory that homes are in.
    type: str
    default: /home
"""

EXAMPLES = r"""
- name: Reject people without an account
  ansible.builtin.assert:
    that: faults | length == 0
    fail_msg: "{{ faults }}"
  vars:
    faults: "{{ ['ada'] | wheelhouse.onboarding.jupyter_settings_faults({}, ansible_facts['getent_passwd']) }}"
"""

RETURN = r"""
_value:
  description: Sentences; none where all is well.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.jupyter_people import jupyter_settings_faults


def jupyter_settings_faults_filter(
    people: Sequence[str],
    public_keys: Mapping[str, str],
    accounts: Mapping[str, Sequence[str]] | None = None,
    homes: str = "/home",
) -> list[str]:
    """Check the types and hand over to `jupyter_settings_faults`."""
    if not isinstance(people, (list, tuple)) or not isinstance(public_keys, Mapping):
        raise AnsibleFilterError("jupyter_settings_faults: people must be a list of names, public_keys a dictionary.")
    return jupyter_settings_faults(people, public_keys, accounts, homes)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"jupyter_settings_faults": jupyter_settings_faults_filter}

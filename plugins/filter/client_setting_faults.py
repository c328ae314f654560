# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: client_setting_faults
short_description: What is wrong with the variables of the role package_client
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Checks the variables of the role package_client that no argument spec can check.
  - Each sentence says what to write instead, and none holds a password.
positional: installer_is_file
options:
  _input:
    description: The variables, without the prefix C(package_client_).
    type: dict
    required: true
  installer_is_file:
    description: Whether the installer of conda is a file on the controller.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: An address with a path
  ansible.builtin.debug:
    msg: "{{ {'index_url': 'https://packages.acme.example/simple'} | wheelhouse.onboarding.client_setting_faults }}"
    # => ["package_client_index_url is https://packages.acme.example/simple; write the index's address ..."]
"""

RETURN = r"""
_value:
  description: A sentence for each fault.
  type: list
  elements: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.client_checks import setting_faults


def client_setting_faults_filter(settings: object, installer_is_file: bool = False) -> list[str]:
    """Check the input's type and hand over to `setting_faults`."""
    settings = native(settings)
    if not isinstance(settings, dict):
        raise AnsibleFilterError(f"The input of client_setting_faults is {kind(settings)}, not a mapping.")
    return list(setting_faults(settings, bool(installer_is_file)))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"client_setting_faults": client_setting_faults_filter}

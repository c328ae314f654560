# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: setting_faults
short_description: What is wrong with the variables of a role
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Checks variables of a role as C(playbooks/preflight.yml) does, for plays that use a role without it.
  - Each sentence names the variable, its value unless that is secret, and what to write instead.
positional: role, required
options:
  _input:
    description: The variables by name. Those of other roles are looked at where they have to agree.
    type: dict
    required: true
  role:
    description: A role of this collection.
    type: str
    required: true
  required:
    description: Variables that must not be empty.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Check an upload limit
  ansible.builtin.debug:
    msg: "{{ {'pypi_index_upload_limit': '1 GB'} | wheelhouse.onboarding.setting_faults('pypi_index') }}"
    # => ["pypi_index_upload_limit is '1 GB': write a size in bytes, or with k, m or g behind the number, like 1g."]
"""

RETURN = r"""
_value:
  description: A sentence per fault. Empty where nothing is wrong.
  type: list
  elements: str
"""

from collections.abc import Callable, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.setting_faults import setting_faults


def setting_faults_filter(settings: object, role: str, required: Sequence[str] = ()) -> list[str]:
    """Check the input's type and hand over to `setting_faults`."""
    settings = native(settings)
    if not isinstance(settings, dict):
        raise AnsibleFilterError(f"The input of setting_faults is {kind(settings)}, not a mapping of variables.")
    try:
        return setting_faults(settings, str(role), native(list(required)))
    except OSError:
        raise AnsibleFilterError(f"There is no role {role} in this collection.") from None


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"setting_faults": setting_faults_filter}

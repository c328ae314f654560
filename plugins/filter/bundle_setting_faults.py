# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: bundle_setting_faults
short_description: What is wrong with the variables of the role onboarding_bundle
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Checks the variables of the role onboarding_bundle that no argument spec can check.
  - Each sentence says what to write instead.
positional: ca_bundle
options:
  _input:
    description: The variables, without the prefix C(onboarding_bundle_).
    type: dict
    required: true
  ca_bundle:
    description: What the file holds that C(ca_bundle) names.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: An address with a path
  ansible.builtin.debug:
    msg: "{{ {'index_url': 'https://packages.acme.example/simple'} | wheelhouse.onboarding.bundle_setting_faults }}"
    # => ["onboarding_bundle_index_url is https://packages.acme.example/simple; write the index's address ..."]
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
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.laptop_bundles import certificates_in
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.laptop_checks import setting_faults


def bundle_setting_faults_filter(settings: object, ca_bundle: str = "") -> list[str]:
    """Check the input's type and hand over to `setting_faults`."""
    settings = native(settings)
    if not isinstance(settings, dict):
        raise AnsibleFilterError(f"The input of bundle_setting_faults is {kind(settings)}, not a mapping.")
    return list(setting_faults(settings, len(certificates_in(str(ca_bundle)))))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"bundle_setting_faults": bundle_setting_faults_filter}

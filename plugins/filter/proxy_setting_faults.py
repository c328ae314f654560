# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy_setting_faults
short_description: What is wrong with the variables of the role corporate_proxy
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Checks those variables of the role corporate_proxy that have to agree with each other or with the host.
  - Each sentence says what to write instead, and none holds a password.
positional: relay_supported, system
options:
  _input:
    description: The variables, without the prefix C(corporate_proxy_).
    type: dict
    required: true
  relay_supported:
    description: Whether the role can set up a relay on this host.
    type: bool
    required: true
  system:
    description: The host's distribution, for the sentence.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: A region without a proxy
  ansible.builtin.debug:
    msg: "{{ {'region': 'asia', 'regions': {'europe': 'proxy.acme.example:8080'}, 'mode': 'direct'}
             | wheelhouse.onboarding.proxy_setting_faults(true, 'Debian') }}"
    # => ["corporate_proxy_region is asia; write one of europe, or leave it out for the nearest."]
"""

RETURN = r"""
_value:
  description: A sentence for each fault.
  type: list
  elements: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.proxy_environment import setting_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def proxy_setting_faults_filter(settings: object, relay_supported: bool, system: str) -> list[str]:
    """Check the input's type and hand over to `setting_faults`."""
    settings = native(settings)
    if not isinstance(settings, dict):
        raise AnsibleFilterError(f"The input of proxy_setting_faults is {kind(settings)}, not a mapping.")
    return list(setting_faults(settings, relay_supported, str(system)))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"proxy_setting_faults": proxy_setting_faults_filter}

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: rotation_report
short_description: What a run has replaced
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Reads what roles say of replaced secrets in their facts and puts it into sentences. No secret is in them.
positional: index, hosts
options:
  _input:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  index:
    description: Inventory name of the index host; empty where there is none.
    type: str
    required: true
  hosts:
    description: Inventory names of the hosts that the run was for.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Report what was replaced
  ansible.builtin.debug:
    msg: "{{ hostvars | wheelhouse.onboarding.rotation_report('index.acme.example', ansible_play_hosts_all) }}"
"""

RETURN = r"""
_value:
  description: Sentences.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.run_reports import HostVars, rotation_report


def rotation_report_filter(hostvars: HostVars, index: str, hosts: Sequence[str]) -> list[str]:
    """Check the types and hand over to `rotation_report`."""
    if not isinstance(hostvars, Mapping):
        raise AnsibleFilterError("rotation_report: the input must be Ansible's hostvars.")
    return rotation_report(hostvars, index, hosts)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"rotation_report": rotation_report_filter}

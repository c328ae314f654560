# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: rotation_faults
short_description: What is wrong with the options of rotate.yml
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Says which of the names have no JupyterLab, or are of nobody,
    and whether the index's certificate is one that the company itself replaces.
positional: people, certificate, certificate_source, index_tokens
options:
  _input:
    description: The option C(rotate_jupyter_tokens), login names with commas between them, or C(all).
    type: str
    required: true
  people:
    description: The people, shaped like C(wheelhouse_people).
    type: list
    elements: dict
    required: true
  certificate:
    description: The option C(rotate_certificate).
    type: bool
    default: false
  certificate_source:
    description: The setting C(index_gateway_certificate_source); empty where there is no index host.
    type: str
    default: given
  index_tokens:
    description: The option C(rotate_index_tokens), login names with commas between them, or C(all).
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Reject options that cannot be followed
  ansible.builtin.assert:
    that: faults | length == 0
    fail_msg: "{{ faults }}"
  vars:
    faults: "{{ 'ada,leo' | wheelhouse.onboarding.rotation_faults(wheelhouse_people) }}"
"""

RETURN = r"""
_value:
  description: Sentences; none where all is well.
  type: list
  elements: str
"""

from collections.abc import Callable, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.run_reports import rotation_faults


def rotation_faults_filter(
    tokens: str,
    people: Sequence[Person],
    certificate: bool = False,
    certificate_source: str = "given",
    index_tokens: str = "",
) -> list[str]:
    """Check the types and hand over to `rotation_faults`."""
    if not isinstance(tokens, str) or not isinstance(index_tokens, str):
        raise AnsibleFilterError(
            "rotation_faults: rotate_jupyter_tokens and rotate_index_tokens must be names with commas between them."
        )
    return rotation_faults(tokens, certificate, people, certificate_source, index_tokens)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"rotation_faults": rotation_faults_filter}

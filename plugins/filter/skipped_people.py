# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: skipped_people
short_description: People who were skipped on a host, in sentences
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Puts the fact C(wheelhouse_people_skipped) of a host into sentences, each once.
positional: host
options:
  _input:
    description: The fact.
    type: list
    elements: dict
    required: true
  host:
    description: Inventory name of the host.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Report who was skipped
  ansible.builtin.debug:
    msg: "{{ wheelhouse_people_skipped | wheelhouse.onboarding.skipped_people(inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: Sentences.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.run_reports import skipped_people


def skipped_people_filter(skipped: Sequence[Mapping[str, str]], host: str) -> list[str]:
    """Check the types and hand over to `skipped_people`."""
    if not isinstance(skipped, (list, tuple)) or not all(isinstance(one, Mapping) for one in skipped):
        raise AnsibleFilterError("skipped_people: the input must be a list of names and reasons.")
    return skipped_people(skipped, host)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"skipped_people": skipped_people_filter}

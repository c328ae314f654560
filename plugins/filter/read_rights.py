# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: read_rights
short_description: Who may read which restricted projects
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Makes the content of C(read-rights), by which the index and its gateway go.
  - It has the people who have an C(index_password) and are not absent. People of the company's directory have their
    rights by its groups.
positional: people
options:
  _input:
    description: Patterns of names of restricted projects, like C(pypi_index_restricted).
    type: list
    elements: str
    required: true
  people:
    description: >-
      The people, shaped like C(wheelhouse_people). Only C(name), C(state), C(index_password) and C(reads) are looked
      at.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show who may read what
  ansible.builtin.debug:
    msg: "{{ (['acme-secret-*'] | wheelhouse.onboarding.read_rights(people)).splitlines() }}"
    # => ["restricted acme-secret-*", "reads ada acme-secret-*"]
  vars:
    people:
      - name: ada
        index_password: s3cret
        reads: ["acme-secret-*"]
      - name: bob
        state: absent
"""

RETURN = r"""
_value:
  description: The file's content. Empty where nothing is restricted.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import read_rights as rights
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def read_rights(restricted: object, people: object) -> str:
    """Check the input's type and hand over."""
    restricted, people = native(restricted), native(people)
    if not isinstance(restricted, list) or not all(isinstance(pattern, str) for pattern in restricted):
        raise AnsibleFilterError(f"The input of read_rights is {kind(restricted)}, not a list of patterns.")
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise AnsibleFilterError("people is not a list of mappings: pass a list like wheelhouse_people.")
    return rights.read_rights(restricted, people)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"read_rights": read_rights}

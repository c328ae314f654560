# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: index_configuration
short_description: The configuration file of the index
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Makes the content of C(config.json), which the index's program reads.
  - The settings stay as they are, apart from sizes, which become bytes.
  - C(publishes) is added, the patterns of projects that each account may publish. It holds the people who have an
    C(index_password) and are not absent.
positional: people
options:
  _input:
    description: The settings, by the names that the program has for them.
    type: dict
    required: true
    suboptions:
      max_file_size:
        description: The size of the largest upload, such as V(1g).
        type: str
        required: true
      cache_size:
        description: How much is kept of files from upstream, such as V(20g). V(0) is no limit.
        type: str
        required: true
      quarantine_size:
        description: How much is kept of refused files, such as V(5g). V(0) is no limit.
        type: str
        required: true
  people:
    description: >-
      The people, shaped like C(wheelhouse_people). Only C(name), C(state), C(index_password) and C(publishes) are
      looked at.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the configuration
  ansible.builtin.debug:
    msg: "{{ settings | wheelhouse.onboarding.index_configuration(people) | from_json }}"
    # => {"cache_size": 0, "max_file_size": 1024, "publishes": {"ada": ["acme-*"]}, "quarantine_size": 2048}
  vars:
    settings: {max_file_size: 1k, cache_size: "0", quarantine_size: 2k}
    people:
      - name: ada
        index_password: s3cret
        publishes: ["acme-*"]
      - name: bob
        state: absent
"""

RETURN = r"""
_value:
  description: The file's content, JSON.
  type: str
"""

import json
from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native

SIZES = ("cache_size", "max_file_size", "quarantine_size")


def index_configuration(settings: object, people: object) -> str:
    """The content of config.json."""
    settings, people = native(settings), native(people)
    if not isinstance(settings, dict):
        raise AnsibleFilterError(f"The input of index_configuration is {kind(settings)}, not a mapping of settings.")
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise AnsibleFilterError("people is not a list of mappings: pass a list like wheelhouse_people.")
    sizes = {}
    for name in SIZES:
        try:
            sizes[name] = human_to_bytes(settings[name])
        except (KeyError, ValueError):
            raise AnsibleFilterError(
                f"{name} is {settings.get(name)!r}: write a size in bytes, or with k, m or g behind the number."
            ) from None
    publishes = {
        person["name"]: person.get("publishes") or []
        for person in people
        if person.get("index_password") is not None and person.get("state", "present") == "present"
    }
    return json.dumps({**settings, **sizes, "publishes": publishes}, indent=4, sort_keys=True) + "\n"


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"index_configuration": index_configuration}

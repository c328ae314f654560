# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: listed_files
short_description: The files that a list of public packages names
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Finds the entries of C(package_intake_packages) that name a file, such as C(file:requirements/teaching.txt).
options:
  _input:
    description: The list.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the files
  ansible.builtin.debug:
    msg: "{{ packages | wheelhouse.onboarding.listed_files }}"
    # => ["requirements/teaching.txt"]
  vars:
    packages:
      - pypi: networkx==1.10
      - pypi: file:requirements/teaching.txt
"""

RETURN = r"""
_value:
  description: The paths, each once, in the order of the list.
  type: list
  elements: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native

PREFIX = "file:"


def listed_files(packages: object) -> list[str]:
    """The paths of the files that the list names."""
    packages = native(packages)
    if not isinstance(packages, list) or not all(isinstance(line, dict) for line in packages):
        raise AnsibleFilterError("The input of listed_files is not a list of mappings, like package_intake_packages.")
    lines = [str(line.get("pypi") or "").strip() for line in packages]
    return list(dict.fromkeys(line[len(PREFIX) :] for line in lines if line.startswith(PREFIX)))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"listed_files": listed_files}

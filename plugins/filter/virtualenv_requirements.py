# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: virtualenv_requirements
short_description: Environments of the role virtualenv with the text of their requirements
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Puts the requirements of each environment, listed and from a file on the controller, into one text, as
    M(wheelhouse.onboarding.virtualenvs) takes them.
positional: files, state
options:
  _input:
    description: The environments, shaped like O(wheelhouse.onboarding.virtualenv#role:main:virtualenv_environments).
    type: list
    elements: dict
    required: true
  files:
    description: The text of each C(requirements_file), by its name.
    type: dict
    required: true
  state:
    description: V(absent) removes all environments.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: An environment for everyone
  wheelhouse.onboarding.virtualenvs:
    environments: "{{ [{'path': '/opt/data', 'requirements': ['pandas']}]
                      | wheelhouse.onboarding.virtualenv_requirements({}) }}"
"""

RETURN = r"""
_value:
  description: The environments.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.virtualenv_requirements import (
    virtualenv_requirements,
)


def virtualenv_requirements_filter(
    environments: object, files: object, state: str = "present"
) -> list[dict[str, object]]:
    """Check the types and hand over to `virtualenv_requirements`."""
    environments, files = native(environments), native(files)
    if not isinstance(environments, list) or not isinstance(files, Mapping):
        raise AnsibleFilterError("virtualenv_requirements: the environments must be a list, the files a dictionary.")
    return virtualenv_requirements(environments, files, str(state))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"virtualenv_requirements": virtualenv_requirements_filter}

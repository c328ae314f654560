# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: removed_users_files
short_description: The files to take away from people who were removed
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Returns entries for M(wheelhouse.onboarding.managed_files) that delete the credentials for index and proxy, and the
    SSH keys, which the roles gave to people who were removed.
options:
  _input:
    description: Login names.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Remove the credentials of bob
  wheelhouse.onboarding.managed_files:
    files: "{{ ['bob'] | wheelhouse.onboarding.removed_users_files }}"
"""

RETURN = r"""
_value:
  description: The entries.
  type: list
  elements: dict
  sample: [{path: ~/.netrc, owner: bob, merge: netrc, state: absent}]
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.client_settings import (
    CredentialsFile,
    removed_users_files,
)


def removed_users_files_filter(names: object) -> list[CredentialsFile]:
    """Check the type and hand over to `removed_users_files`."""
    names = native(names)
    if not isinstance(names, list):
        raise AnsibleFilterError("removed_users_files: the names must be a list.")
    return removed_users_files(names)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"removed_users_files": removed_users_files_filter}

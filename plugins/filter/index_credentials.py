# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: index_credentials
short_description: The files in homes with credentials for the index
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Returns entries for M(wheelhouse.onboarding.managed_files) that write C(~/.netrc) and C(~/.pypirc) of people with an
    account at the index, and that take them away from people who no longer have one.
positional: index_url, removed
options:
  _input:
    description:
      - People with a C(name) and an C(index_token), which may only install, or an C(index_password).
        Without either, nothing of that person is changed.
      - A password is in both files. A token is in C(~/.netrc) alone, since C(~/.pypirc) is for publishing.
    type: list
    elements: dict
    required: true
  index_url:
    description: The index's address without a path, or nothing with O(state=absent) where it is not known.
    type: str
    required: true
  removed:
    description: Login names of people who have no account at the index any more.
    type: list
    elements: str
    default: []
  machine_username:
    description: The account at the index that root uses. Without one, root has no credentials.
    type: str
    default: ''
  machine_password:
    description: The password of that account.
    type: str
    default: ''
  state:
    description: V(absent) takes away everyone's credentials.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Write credentials for the index
  wheelhouse.onboarding.managed_files:
    files: >-
      {{ [{'name': 'ada', 'index_password': vault_ada_index}]
         | wheelhouse.onboarding.index_credentials('https://packages.acme.example', removed=['bob']) }}
  no_log: true
"""

RETURN = r"""
_value:
  description: The entries, with passwords in them.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.client_settings import (
    CredentialsFile,
    index_credentials,
)


def index_credentials_filter(
    people: object,
    index_url: object,
    removed: object = (),
    machine_username: object = "",
    machine_password: object = "",
    state: object = "present",
) -> list[CredentialsFile]:
    """Check the types and hand over to `index_credentials`."""
    people = native(people)
    if not isinstance(people, list) or not all(isinstance(one, Mapping) and "name" in one for one in people):
        raise AnsibleFilterError("index_credentials: the people must be a list of dictionaries, each with a name.")
    try:
        return index_credentials(
            people,
            native(index_url) or "",
            native(removed),
            native(machine_username) or "",
            native(machine_password) or "",
            native(state),
        )
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"index_credentials": index_credentials_filter}

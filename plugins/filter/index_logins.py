# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: index_logins
short_description: What people's tools log in with at the index on one machine
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Picks of the tokens that the index has given out those of one machine,
    as input for R(index_credentials,ansible_collections.wheelhouse.onboarding.index_credentials_filter).
positional: tokens, machine, directory, store_passwords, check_mode
options:
  _input:
    description: People with a C(name), and an C(index_password) if they have one.
    type: list
    elements: dict
    required: true
  tokens:
    description: The C(tokens) of what the command C(wheelhouse token machines) has printed.
    type: dict
    required: true
  machine:
    description: The machine's name.
    type: str
    required: true
  directory:
    description: Whether people without an C(index_password) have accounts of the company's directory.
    type: bool
    default: false
  store_passwords:
    description: Whether those with an C(index_password) have it in their files, instead of tokens.
    type: bool
    default: false
  check_mode:
    description: Whether a token that is not made yet has a placeholder.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Write credentials for the index
  wheelhouse.onboarding.managed_files:
    files: >-
      {{ [{'name': 'ada', 'index_password': vault_ada_index}]
         | wheelhouse.onboarding.index_logins(answer.tokens, 'ws-ada')
         | wheelhouse.onboarding.index_credentials('https://packages.acme.example') }}
  no_log: true
"""

RETURN = r"""
_value:
  description: >-
    The people, each with an C(index_token) or an C(index_password), or with neither. Where a token is missing, the
    entry has a C(reason).
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.machine_tokens import Login, index_logins


def index_logins_filter(
    people: object,
    tokens: object,
    machine: object,
    directory: bool = False,
    store_passwords: bool = False,
    check_mode: bool = False,
) -> list[Login]:
    """Check the types and hand over to `index_logins`."""
    people, tokens = native(people), native(tokens)
    if not isinstance(people, list) or not all(isinstance(one, Mapping) and "name" in one for one in people):
        raise AnsibleFilterError("index_logins: the people must be a list of dictionaries, each with a name.")
    if not isinstance(tokens, Mapping) or not all(isinstance(one, Mapping) for one in tokens.values()):
        raise AnsibleFilterError("index_logins: the tokens must be a dictionary by login name, of dictionaries.")
    return index_logins(people, tokens, str(native(machine)), directory, store_passwords, check_mode)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"index_logins": index_logins_filter}

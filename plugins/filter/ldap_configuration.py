# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: ldap_configuration
short_description: What the index's program reads of the company's directory
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Makes the content of C(ldap.json), which the index's program reads, and leaves the bind account's password apart.
  - What C(wheelhouse_ldap) leaves out gets its default, which depends on C(active_directory).
positional: people, gateways
options:
  _input:
    description: The directory, shaped like C(wheelhouse_ldap).
    type: dict
    required: true
  people:
    description: >-
      The people, shaped like C(wheelhouse_people). Those who are absent have no account, whatever the directory says.
    type: list
    elements: dict
    required: true
  gateways:
    description: >-
      How many hosts the index has. Each counts wrong passwords by itself, so each has its share of C(tries).
    type: int
    default: 1
"""

EXAMPLES = r"""
- name: Show where people are searched
  ansible.builtin.debug:
    msg: "{{ (directory | wheelhouse.onboarding.ldap_configuration([])).settings.user_base }}"
    # => "ou=people,dc=acme"
  vars:
    directory:
      url: ldaps://ldap.acme.example
      bind_dn: cn=search,dc=acme
      bind_password: s3cret
      user_base: ou=people,dc=acme
      group_base: ou=groups,dc=acme
      groups: [{name: python-users}]
"""

RETURN = r"""
_value:
  description: C(settings), a mapping for C(ldap.json), and what is in C(ldap.password) and C(ldap.removed).
  type: dict
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import ldap_settings
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def ldap_configuration(ldap: object, people: object, gateways: int = 1) -> ldap_settings.Configuration:
    """Check the input's type and hand over."""
    ldap, people = native(ldap), native(people)
    if not isinstance(ldap, dict):
        raise AnsibleFilterError(
            f"The input of ldap_configuration is {kind(ldap)}, not a mapping like wheelhouse_ldap."
        )
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise AnsibleFilterError("people is not a list of mappings: pass a list like wheelhouse_people.")
    removed = [str(person.get("name")) for person in people if person.get("state", "present") == "absent"]
    try:
        return ldap_settings.ldap_configuration(ldap, removed, gateways)
    except KeyError as error:
        raise AnsibleFilterError(f"The directory has no {error.args[0]}: write it as in wheelhouse_ldap.") from None


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"ldap_configuration": ldap_configuration}

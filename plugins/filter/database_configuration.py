# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: database_configuration
short_description: What the index's program reads of the database that gateways have in common
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Makes the content of C(database.json), which the index's program reads. There is a password in it.
positional: database_hosts
options:
  _input:
    description: The database, shaped like C(pypi_index_database).
    type: dict
    required: true
  database_hosts:
    description: >-
      The hosts that the role C(index_database) sets up. The database is there if the input has no C(host); the program
      asks one after the other for the one that takes changes.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show where the database is
  ansible.builtin.debug:
    msg: "{{ (database | wheelhouse.onboarding.database_configuration(['db-1.acme.example']) | from_json).host }}"
    # => "db-1.acme.example"
  vars:
    database: {name: wheelhouse, username: wheelhouse, password: s3cret}
"""

RETURN = r"""
_value:
  description: The file's content, JSON.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import engine_settings
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def database_configuration(database: object, database_hosts: object) -> str:
    """Check the types and hand over."""
    database, database_hosts = native(database), native(database_hosts)
    if not isinstance(database, dict):
        raise AnsibleFilterError(
            f"The input of database_configuration is {kind(database)}, not a mapping like pypi_index_database."
        )
    if not isinstance(database_hosts, list):
        raise AnsibleFilterError("database_hosts is no list: pass the names of hosts.")
    try:
        return engine_settings.database_configuration(database, database_hosts)
    except KeyError as error:
        raise AnsibleFilterError(f"The database has no {error.args[0]}: write it as in pypi_index_database.") from None


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"database_configuration": database_configuration}

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: pip_conf
short_description: The settings of pip that install from the index
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Returns the text of a C(pip.conf) or C(pip.ini) that has pip install from the index alone.
positional: ca_store
options:
  _input:
    description: The index's address without a path, such as V(https://packages.acme.example).
    type: str
    required: true
  ca_store:
    description: A file with the certificates to trust, for releases of pip that do not read the system's trust store.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Write the settings of pip
  wheelhouse.onboarding.managed_files:
    files:
      - path: /etc/pip.conf
        mode: '0644'
        merge: ini
        content: "{{ wheelhouse_index_url | wheelhouse.onboarding.pip_conf }}"
"""

RETURN = r"""
_value:
  description: The text of the file.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.client_settings import pip_conf


def pip_conf_filter(index_url: object, ca_store: object = "") -> str:
    """Check the types and hand over to `pip_conf`."""
    if not isinstance(index_url, str):
        raise AnsibleFilterError(f"pip_conf: the address of the index is {kind(index_url)}, not a string.")
    return pip_conf(native(index_url), native(ca_store))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"pip_conf": pip_conf_filter}

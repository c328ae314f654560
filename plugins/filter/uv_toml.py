# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: uv_toml
short_description: The settings of uv that install from the index
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Returns the text of a C(uv.toml) that has uv install from the index alone, and publish to it.
options:
  _input:
    description: The index's address without a path, such as V(https://packages.acme.example).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write the settings of uv
  wheelhouse.onboarding.managed_files:
    files:
      - path: /etc/uv/uv.toml
        mode: '0644'
        merge: toml
        content: "{{ wheelhouse_index_url | wheelhouse.onboarding.uv_toml }}"
"""

RETURN = r"""
_value:
  description: The text of the file.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.client_settings import uv_toml


def uv_toml_filter(index_url: object) -> str:
    """Check the type and hand over to `uv_toml`."""
    if not isinstance(index_url, str):
        raise AnsibleFilterError(f"uv_toml: the address of the index is {kind(index_url)}, not a string.")
    return uv_toml(native(index_url))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"uv_toml": uv_toml_filter}

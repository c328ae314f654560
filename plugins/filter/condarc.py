# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: condarc
short_description: The settings of conda and mamba that use the index's channels
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Returns the text of a C(.condarc) with channels of the index before those of others.
positional: channels, other_channels
options:
  _input:
    description: The index's address without a path, such as V(https://packages.acme.example).
    type: str
    required: true
  channels:
    description: The company's own channels on the index, by name, the strongest first.
    type: list
    elements: str
    required: true
  other_channels:
    description: Channels of others that come after them, by name or address.
    type: list
    elements: str
    default: []
  locked:
    description: Whether conda refuses all channels but these. The other channels need addresses then.
    type: bool
    default: false
  ssl_verify:
    description: The value of conda's C(ssl_verify). Empty leaves it out.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Write the settings of conda
  wheelhouse.onboarding.managed_files:
    directories:
      - path: /etc/conda/condarc.d
    files:
      - path: /etc/conda/condarc.d/wheelhouse.yml
        mode: '0644'
        content: "{{ wheelhouse_index_url | wheelhouse.onboarding.condarc(['internal'], ['conda-forge']) }}"
"""

RETURN = r"""
_value:
  description: The text of the file.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.client_settings import condarc


def condarc_filter(
    index_url: object, channels: object, other_channels: object = (), locked: bool = False, ssl_verify: object = ""
) -> str:
    """Check the types and hand over to `condarc`."""
    if not isinstance(index_url, str):
        raise AnsibleFilterError(f"condarc: the address of the index is {kind(index_url)}, not a string.")
    if not isinstance(channels, (list, tuple)) or not isinstance(other_channels, (list, tuple)):
        raise AnsibleFilterError("condarc: the channels must be lists of names or addresses.")
    return condarc(native(index_url), native(channels), native(other_channels), bool(locked), native(ssl_verify))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"condarc": condarc_filter}

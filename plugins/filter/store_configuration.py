# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: store_configuration
short_description: What the index's program reads of the object store that gateways have in common
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Makes the content of C(store.json), which the index's program reads. There is a secret key in it.
positional: store_hosts, cache_size
options:
  _input:
    description: The store, shaped like C(pypi_index_store).
    type: dict
    required: true
  store_hosts:
    description: The host that the role C(index_store) sets up. The store is there if the input has no C(endpoint).
    type: list
    elements: str
    required: true
  cache_size:
    description: How much of package files each gateway keeps on its disk, such as V(50g).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show how many bytes of files a gateway keeps
  ansible.builtin.debug:
    msg: "{{ (store | wheelhouse.onboarding.store_configuration([], '1k') | from_json).cache_size }}"
    # => 1024
  vars:
    store: {endpoint: https://s3.acme.example, bucket: wheelhouse, access_key: wheelhouse, secret_key: s3cret}
"""

RETURN = r"""
_value:
  description: The file's content, JSON.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import engine_settings
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def store_configuration(store: object, store_hosts: object, cache_size: object) -> str:
    """Check the types and hand over."""
    store, store_hosts = native(store), native(store_hosts)
    if not isinstance(store, dict):
        raise AnsibleFilterError(
            f"The input of store_configuration is {kind(store)}, not a mapping like pypi_index_store."
        )
    if not isinstance(store_hosts, list):
        raise AnsibleFilterError("store_hosts is no list: pass the names of hosts.")
    try:
        size = human_to_bytes(cache_size)
    except ValueError:
        raise AnsibleFilterError(
            f"cache_size is {cache_size!r}: write a size in bytes, or with k, m or g behind the number."
        ) from None
    try:
        return engine_settings.store_configuration(store, store_hosts, size)
    except KeyError as error:
        raise AnsibleFilterError(f"The store has no {error.args[0]}: write it as in pypi_index_store.") from None


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"store_configuration": store_configuration}

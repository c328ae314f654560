# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy_environments
short_description: Files with the proxy environment of a host and of each person on it
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Makes the list of files with proxy variables that the role corporate_proxy writes with the module
    M(wheelhouse.onboarding.managed_files).
  - The host's own account has C(/etc/wheelhouse/proxy.env), each person has C(/etc/wheelhouse/people/NAME.env).
  - A person with a user name and no password types the password on the host, with C(corporate-password), and keeps it.
positional: proxy, no_proxy
options:
  _input:
    description: People with an account on the host, shaped like C(corporate_proxy_people).
    type: list
    elements: dict
    required: true
  proxy:
    description: >-
      The proxy, or the relay on the host, as C(host:port), C(http://host:port) or C(https://host:port). Empty means
      that there is none.
    type: str
    required: true
  no_proxy:
    description: The value of E(NO_PROXY), as the filter P(wheelhouse.onboarding.no_proxy#filter) makes it.
    type: str
    required: true
  username:
    description: The host's account at the proxy.
    type: str
  password:
    description: The password of that account, as it is typed.
    type: str
  relay:
    description: Whether O(proxy) is a relay, which needs no credentials.
    type: bool
    default: false
  ca_store:
    description: A file of certificates for tools that do not use the system's trust store. Empty means none.
    type: str
    default: ''
  removed:
    description: Login names of people whose files are to be removed.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Hosts with a relay
  ansible.builtin.debug:
    msg: >-
      {{ people
         | wheelhouse.onboarding.proxy_environments('127.0.0.1:3128', '.acme.example', relay=true, removed=['eve'])
         | map(attribute='path') }}
    # => ["/etc/wheelhouse/proxy.env", "/etc/wheelhouse/people/ada.env", "/etc/wheelhouse/people/eve.env"]
  vars:
    people: [{name: ada}]
"""

RETURN = r"""
_value:
  description: The files, for the option O(wheelhouse.onboarding.managed_files#module:files).
  type: list
  elements: dict
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.proxy_environment import (
    File,
    check_people,
    environment_files,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native


def proxy_environments_filter(
    people: object,
    proxy: object,
    no_proxy: object,
    username: object = None,
    password: object = None,
    relay: object = False,
    ca_store: object = "",
    removed: object = (),
) -> list[File]:
    """Check the input's type and hand over to `environment_files`."""
    try:
        settings = native([proxy, no_proxy, username, password, relay, ca_store, removed])
        return environment_files(check_people(native(people)), *settings)
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"proxy_environments": proxy_environments_filter}

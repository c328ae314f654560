# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: changed_proxy_logins
short_description: Logins at the proxy in files that change
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Picks the logins that the role corporate_proxy is about to write, for the module
    M(wheelhouse.onboarding.proxy_auth_check).
  - With a relay there is one login at most, that of the host's account.
positional: changed
options:
  _input:
    description: People with an account on the host, shaped like C(corporate_proxy_people).
    type: list
    elements: dict
    required: true
  changed:
    description: Paths of the files that change, as the module M(wheelhouse.onboarding.managed_files) reports them.
    type: list
    elements: str
    required: true
  username:
    description: The host's account at the proxy.
    type: str
  password:
    description: The password of that account, as it is typed.
    type: str
  relay:
    description: Whether a relay on the host logs in for everyone.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: The file of leo changes, that of ada stays
  ansible.builtin.debug:
    msg: "{{ people | wheelhouse.onboarding.changed_proxy_logins(['/etc/wheelhouse/people/leo.env']) }}"
    # => [{"name": "leo", "username": "EMEA\\leo", "password": "swordfish"}]
  vars:
    people:
      - {name: ada, proxy_username: 'EMEA\ada', proxy_password: open sesame}
      - {name: leo, proxy_username: 'EMEA\leo', proxy_password: swordfish}
"""

RETURN = r"""
_value:
  description: The logins, for the option O(wheelhouse.onboarding.proxy_auth_check#module:logins).
  type: list
  elements: dict
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.proxy_environment import (
    Login,
    changed_logins,
    check_people,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def changed_proxy_logins_filter(
    people: object, changed: object, username: object = None, password: object = None, relay: object = False
) -> list[Login]:
    """Check the types of the input and hand over to `changed_logins`."""
    changed = native(changed)
    if not isinstance(changed, list):
        raise AnsibleFilterError(f"changed is {kind(changed)}, not a list: give paths of files.")
    try:
        return changed_logins(check_people(native(people)), changed, *native([username, password, relay]))
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"changed_proxy_logins": changed_proxy_logins_filter}

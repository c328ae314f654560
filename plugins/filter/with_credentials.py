# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: with_credentials
short_description: A URL with an account in it
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Puts a user name and a password, as they are typed, into an C(http://) or C(https://) URL.
  - They are percent-encoded as UTF-8 after RFC 3986; the rest of the URL stays as it is, byte for byte.
  - Refuses a URL that already has credentials or is none, a user name with C(:), which HTTP basic authentication
    can't carry, and control characters. The error text says what to write instead, and never holds the password.
  - Prefer R(a netrc file,ansible_collections.wheelhouse.onboarding.netrc_entry_filter) where a tool reads one.
    URLs end up in logs and caches.
positional: username, password
options:
  _input:
    description: The URL, with or without a port, path, query and fragment.
    type: str
    required: true
  username:
    description: The account. Without one, or with an empty one and an empty password, the URL stays as it is.
    type: str
  password:
    description: The account's password. It has to be given, if only as an empty string, when O(username) is.
    type: str
"""

EXAMPLES = r"""
- name: An index that asks for a password
  ansible.builtin.debug:
    msg: "{{ 'https://packages.acme.example/?a=%2F' | wheelhouse.onboarding.with_credentials('ada', '50% off') }}"
    # => "https://ada:50%25%20off@packages.acme.example/?a=%2F"
"""

RETURN = r"""
_value:
  description: The URL with C(user:password@) before its host.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import with_credentials
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def with_credentials_filter(url: object, username: object = None, password: object = None) -> str:
    """Check the input's type and hand over to `with_credentials`."""
    url = native(url)
    if not isinstance(url, str):
        raise AnsibleFilterError(f"The input of with_credentials is {kind(url)}, not a string: write a URL.")
    try:
        return with_credentials(url, native(username), native(password))
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"with_credentials": with_credentials_filter}

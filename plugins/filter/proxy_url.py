# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy_url
short_description: The URL of a proxy with the account to use at it
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Makes the value of E(HTTP_PROXY) and E(HTTPS_PROXY) of a proxy's C(host:port), a user name and a password as
    they are typed.
  - User name and password are percent-encoded as UTF-8 after RFC 3986, everything but letters, digits and C(-._~).
  - Refuses a server without a port or with a wrong one, one that already has credentials or has a path,
    a user name with C(:), which HTTP basic authentication can't carry, and control characters.
    The error text says what to write instead, and never holds the password.
positional: username, password
options:
  _input:
    description:
      - The proxy as C(host:port), or the same after C(http://) or C(https://), which is kept. IPv6 addresses are in
        brackets.
    type: str
    required: true
  username:
    description:
      - The account at the proxy. Without one, or with an empty one and an empty password, the URL has no
        credentials.
    type: str
  password:
    description: The account's password. It has to be given, if only as an empty string, when O(username) is.
    type: str
seealso:
  - plugin: wheelhouse.onboarding.with_credentials
    plugin_type: filter
"""

EXAMPLES = r"""
- name: A Windows account, and a password full of characters that mean something in URLs
  ansible.builtin.debug:
    msg: "{{ 'proxy.acme.example:8080' | wheelhouse.onboarding.proxy_url('EMEA\\ada', 'p@ss/w:rd') }}"
    # => "http://EMEA%5Cada:p%40ss%2Fw%3Ard@proxy.acme.example:8080"

- name: A proxy that asks nobody who they are
  ansible.builtin.debug:
    msg: "{{ 'https://[2001:db8::1]:3128' | wheelhouse.onboarding.proxy_url }}"
    # => "https://[2001:db8::1]:3128"
"""

RETURN = r"""
_value:
  description: The proxy's URL, without a slash at its end.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import proxy_url
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def proxy_url_filter(server: object, username: object = None, password: object = None) -> str:
    """Check the input's type and hand over to `proxy_url`."""
    server = native(server)
    if not isinstance(server, str):
        raise AnsibleFilterError(f"The input of proxy_url is {kind(server)}, not a string: write a proxy as host:port.")
    try:
        return proxy_url(server, native(username), native(password))
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"proxy_url": proxy_url_filter}

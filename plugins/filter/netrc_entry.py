# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: netrc_entry
short_description: An entry of a netrc file
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Makes one entry of a C(~/.netrc), which Python from 3.11 on (and with it pip, twine and conda), curl from 7.84
    on and uv all read back to the same login and password.
  - What is only letters, digits and harmless punctuation stands there as it is, which older readers understand too.
    A value with a space, C("), a backslash or C(#) in it is in double quotes.
  - Refuses what can't be represented or would not be sent alike by all of them. That is control characters,
    characters outside ASCII, a login with C(:), empty values and values of more than 1000 characters. The error
    text never holds the password.
positional: login, password
options:
  _input:
    description: Name or IPv4 address of the server, without scheme, port and path. A netrc file knows no ports.
    type: str
    required: true
  login:
    description: The account, as it is typed.
    type: str
    required: true
  password:
    description: The account's password, as it is typed.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: An account at the index
  ansible.builtin.debug:
    msg: "{{ 'packages.acme.example' | wheelhouse.onboarding.netrc_entry('ada', 's3cret') }}"
    # => "machine packages.acme.example login ada password s3cret\n"

- name: A password that has to be quoted; the empty comment keeps Python from misreading a comment in the next line
  ansible.builtin.debug:
    msg: "{{ 'packages.acme.example' | wheelhouse.onboarding.netrc_entry('ada', 'a \"b\" #1') }}"
    # => "machine packages.acme.example login ada password \"a \\\"b\\\" #1\" #\n"
"""

RETURN = r"""
_value:
  description: One line, with the line's end, so that entries can be joined without anything between them.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.netrc import netrc_entry
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def netrc_entry_filter(host: object, login: object, password: object) -> str:
    """Check the input's type and hand over to `netrc_entry`."""
    host = native(host)
    if not isinstance(host, str):
        raise AnsibleFilterError(f"The input of netrc_entry is {kind(host)}, not a string: write the name of a server.")
    try:
        return netrc_entry(host, native(login), native(password))
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"netrc_entry": netrc_entry_filter}

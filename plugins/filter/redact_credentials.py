# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: redact_credentials
short_description: A text with the passwords of its URLs replaced
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Replaces the password of every URL in a text by C(***), so that the text can be shown. User names stay.
  - Any text will do, of any number of lines and URLs.
  - Passwords that were not percent-encoded are replaced as a whole too where that can be decided. What is between
    the first C(:) and the last C(@) before the next C(/), C(?), C(#) or white space counts as the password; if
    there is no such C(@) and no port number after the C(:), up to the last C(@) before white space.
options:
  _input:
    description: The text.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: What a tool said about its proxy
  ansible.builtin.debug:
    msg: "{{ 'no answer from http://ada:p@ss@proxy.acme.example:8080/' | wheelhouse.onboarding.redact_credentials }}"
    # => "no answer from http://ada:***@proxy.acme.example:8080/"
"""

RETURN = r"""
_value:
  description: The text without those passwords.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.redaction import redact_credentials
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def redact_credentials_filter(text: object) -> str:
    """Check the input's type and hand over to `redact_credentials`."""
    text = native(text)
    if not isinstance(text, str):
        raise AnsibleFilterError(
            f"The input of redact_credentials is {kind(text)}, not a string: make it one with `| string`."
        )
    return redact_credentials(text)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"redact_credentials": redact_credentials_filter}

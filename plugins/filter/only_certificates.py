# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: only_certificates
short_description: A PEM file with its certificates alone
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Picks the certificates out of the text of a PEM file, in their order, each once. Everything else is left out,
    such as a private key.
  - Refuses a damaged certificate.
options:
  _input:
    description: The text of a PEM file.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: A file without certificates
  ansible.builtin.debug:
    msg: "{{ 'The CA is on the file server.' | wheelhouse.onboarding.only_certificates }}"
    # => ""
"""

RETURN = r"""
_value:
  description: The certificates, with a line break behind each; empty where there is none.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.certificates import pem_certificates
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def only_certificates_filter(text: object) -> str:
    """Check the input's type, and put the certificates together."""
    text = native(text)
    if not isinstance(text, str):
        raise AnsibleFilterError(f"The input of only_certificates is {kind(text)}, not a string: read a PEM file.")
    try:
        return "".join(f"{certificate}\n" for certificate in pem_certificates(text))
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"only_certificates": only_certificates_filter}

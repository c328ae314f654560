# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_files
short_description: The certificates in a PEM file, each with a name for a file of its own
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Picks the certificates out of the text of a PEM file and leaves out everything else in it, also repeated ones.
  - The name of a file depends on the content of its certificate alone.
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
    msg: "{{ 'The CA is on the file server.' | wheelhouse.onboarding.certificate_files }}"
    # => {}
"""

RETURN = r"""
_value:
  description: A dictionary of names of files, such as C(wheelhouse-0a1b2c3d4e5f6071.crt), and certificates.
  type: dict
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.certificates import certificate_files
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def certificate_files_filter(text: object) -> dict[str, str]:
    """Check the input's type and hand over to `certificate_files`."""
    text = native(text)
    if not isinstance(text, str):
        raise AnsibleFilterError(f"The input of certificate_files is {kind(text)}, not a string: read a PEM file.")
    try:
        return certificate_files(text)
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"certificate_files": certificate_files_filter}

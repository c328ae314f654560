# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: as_requested
short_description: Checks that a host's request for a certificate says what it was asked to say
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Fails where a request for a certificate has another subject, other names, usages or constraints than were asked for,
    or any further extension. A CA copies them all into the certificate.
positional: asked
options:
  _input:
    description: What the filter P(community.crypto.openssl_csr_info#filter) says of the request.
    type: dict
    required: true
  asked:
    description:
      - C(common_name), and of C(subject_alt_name), C(basic_constraints), C(key_usage), C(extended_key_usage) and
        C(name_constraints_permitted) those that the request is to have, in the words of the input.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Check the request
  ansible.builtin.assert:
    that: >-
      request.csr | community.crypto.openssl_csr_info
      | wheelhouse.onboarding.as_requested({'common_name': 'packages.acme.example',
                                            'subject_alt_name': ['DNS:packages.acme.example']})
"""

RETURN = r"""
_value:
  description: Always C(true); what is not as asked is an error.
  type: bool
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.certificate_requests import request_faults


def as_requested_filter(info: object, asked: object) -> bool:
    """Check the types and hand over to `request_faults`."""
    info, asked = native(info), native(asked)
    if not isinstance(info, Mapping) or not isinstance(asked, Mapping) or "common_name" not in asked:
        raise AnsibleFilterError("as_requested: the input and what was asked must be dictionaries, with a common_name.")
    if faults := request_faults(info, asked):
        raise AnsibleFilterError(
            f"The host's request for a certificate is not what it was asked for, and was not signed. {' '.join(faults)}"
        )
    return True


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"as_requested": as_requested_filter}

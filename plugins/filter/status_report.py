# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: status_report
short_description: One screen about all hosts
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Puts what M(wheelhouse.onboarding.host_status) returned on each host into one report, with the people of the
    inventory and what expires.
options:
  _input:
    description: What the module returned, by host. A host without C(status) in it was not reached.
    type: dict
    required: true
  people:
    description: The list C(wheelhouse_people).
    type: list
    elements: dict
    required: true
  version:
    description: The version of the collection on this machine.
    type: str
    required: true
  image:
    description: What an image of the index would be built from here, as a SHA-256.
    type: str
    default: ''
  enrolled:
    description: The hosts that pull their configuration, and report to the index.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show the report
  ansible.builtin.debug:
    msg: "{{ ({'index': answer} | wheelhouse.onboarding.status_report(wheelhouse_people, '0.1.0')).lines }}"
"""

RETURN = r"""
_value:
  description: C(version), C(hosts), C(enrolled), C(people) and C(expiring), and the same in sentences as C(lines).
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.status_report import status_report


def status_report_filter(
    hosts: Mapping[str, Mapping[str, Any]],
    people: Sequence[Mapping[str, Any]],
    version: str,
    image: str = "",
    enrolled: Sequence[str] = (),
) -> dict[str, Any]:
    """Check the types and hand over to `status_report`."""
    if not isinstance(hosts, Mapping) or not all(isinstance(one, Mapping) for one in hosts.values()):
        raise AnsibleFilterError("status_report: the input must be what host_status returned, by host.")
    return status_report(hosts, people, version, image, datetime.now(timezone.utc), enrolled)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"status_report": status_report_filter}

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: doctor_summary
short_description: What wheelhouse-doctor found, in sentences
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Puts what the module M(wheelhouse.onboarding.doctor_reports) returns into sentences,
    apart for failures and warnings.
options:
  _input:
    description: What the module returned.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Ask the doctor
  wheelhouse.onboarding.doctor_reports:
    people: [ada, leo]
  register: doctor

- name: Report failures
  ansible.builtin.debug:
    msg: "{{ (doctor | wheelhouse.onboarding.doctor_summary).failures }}"
"""

RETURN = r"""
_value:
  description: The lists of sentences C(failures) and C(warnings). People whose doctor could not be asked are failures.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.run_reports import DoctorSummary, doctor_summary


def doctor_summary_filter(answer: Mapping[str, Sequence[Mapping[str, str]]]) -> DoctorSummary:
    """Check the types and hand over to `doctor_summary`."""
    if not isinstance(answer, Mapping):
        raise AnsibleFilterError("doctor_summary: the input must be what doctor_reports returned.")
    return doctor_summary(answer.get("findings", []), answer.get("people_skipped", []))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"doctor_summary": doctor_summary_filter}

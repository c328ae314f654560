# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: people_today
short_description: The people, with those whose last day is over as absent
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Gives each person whose C(until) is a day in the past C(state) V(absent). All others stay as they are.
  - The day is that of UTC, as it is for the timers on the hosts.
  - C(until) becomes a text, such as V(2026-12-31), also where it stands without quotes in the inventory.
options:
  _input:
    description: The people, shaped like C(wheelhouse_people).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show who works here today
  ansible.builtin.debug:
    msg: "{{ wheelhouse_people | wheelhouse.onboarding.people_today }}"
    # => [{"name": "ada"}, {"name": "bob", "state": "absent", "until": "2025-06-30"}]
  vars:
    wheelhouse_people:
      - name: ada
      - name: bob
        until: 2025-06-30
"""

RETURN = r"""
_value:
  description: The entries of all people, in the same order.
  type: list
  elements: dict
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person, people_today


def people_today_filter(people: list[Person]) -> list[Person]:
    """Check the types and hand over to `people_today`."""
    if not isinstance(people, (list, tuple)) or not all(isinstance(person, Mapping) for person in people):
        raise AnsibleFilterError("people_today: people must be a list of entries like those of wheelhouse_people.")
    try:
        return people_today(people)
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"people_today": people_today_filter}

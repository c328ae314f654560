# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: offboarding_plan
short_description: Whom a run would offboard, and whether IT has confirmed it
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Takes the accounts that would go and says for each person why, and from where.
  - More people than O(most), or anybody who has no entry in O(people), have to be named in O(confirmed).
positional: people, confirmed, most, members
options:
  _input:
    description: Names of accounts that would go, by place; a place is a host or the index.
    type: dict
    required: true
  people:
    description: The people, shaped like C(wheelhouse_people).
    type: list
    elements: dict
    required: true
  confirmed:
    description: Names that may go, a list or a string with commas between.
    type: raw
    default: ''
  most:
    description: How many people may go without being named in O(confirmed).
    type: int
    default: 3
  members:
    description: Names of all accounts that hosts say were made there, by host. Those that no person can have are told.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Report who would be offboarded
  ansible.builtin.debug:
    msg: "{{ accounts | wheelhouse.onboarding.offboarding_plan(wheelhouse_people, confirmed='eve') }}"
  vars:
    accounts: {ws-1: [bob], the index: [bob, eve]}
    wheelhouse_people:
      - name: bob
        state: absent
  # {"faults": [], "said": ["bob: state: absent; goes from ws-1, the index.",
  #                         "eve: no entry in wheelhouse_people; goes from the index."]}
"""

RETURN = r"""
_value:
  description: The lists C(said), a sentence for each person, and C(faults), which is empty where the run may go on.
  type: dict
"""

from collections.abc import Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.offboarding_plan import (
    OffboardingPlan,
    offboarding_plan,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import Person


def offboarding_plan_filter(
    found: Mapping[str, list[str]],
    people: list[Person] | None,
    confirmed: str | list[str] = "",
    most: int = 3,
    members: Mapping[str, list[str]] | None = None,
) -> OffboardingPlan:
    """Check the types and hand over to `offboarding_plan`."""
    if not isinstance(found, Mapping):
        raise AnsibleFilterError("The accounts must be lists of names by place.")
    if people is not None and not (
        isinstance(people, (list, tuple)) and all(isinstance(one, Mapping) for one in people)
    ):
        raise AnsibleFilterError("The people must be a list of entries like those of wheelhouse_people.")
    try:
        most = int(most)
    except (TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"wheelhouse_offboard_max is {most!r}; write a whole number.") from exc
    return offboarding_plan(found, people, confirmed, most, members)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"offboarding_plan": offboarding_plan_filter}

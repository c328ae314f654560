# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: enrolled_hosts
short_description: The list of enrolled hosts, as a file of an inventory
version_added: 0.2.0
author: wheelhouse.onboarding contributors
description:
  - Returns an inventory with the group C(enrolled_hosts), and each host's public key as C(fleet_key).
  - A host keeps what it has in the inventory, unless the role fleet has run on it.
positional: groups
options:
  _input:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  groups:
    description: Ansible's C(groups).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the list
  ansible.builtin.copy:
    content: "{{ hostvars | wheelhouse.onboarding.enrolled_hosts(groups) }}"
    dest: inventories/acme/enrolled.generated.yml
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The file's text.
  type: str
"""

from collections.abc import Callable, Mapping, Sequence

import yaml

HEAD = """\
# enroll.yml writes this file. These hosts pull what fleet.yml publishes, encrypted to these keys; other playbooks leave
# them alone.
# To end that for a host that is lost, take it out, run fleet.yml, and change the secrets that it had.
"""


def enrolled_hosts(hostvars: Mapping[str, Mapping[str, object]], groups: Mapping[str, Sequence[str]]) -> str:
    """The file's text, the same for the same hosts."""
    keys = {}
    for host in sorted({*groups.get("enrolled_hosts", []), *groups.get("workstations", [])}):
        facts = hostvars[host]
        # empty where its enrollment has ended
        key = facts.get("fleet_public_key", facts.get("fleet_key"))
        if key:
            keys[str(host)] = {"fleet_key": str(key)}
    return HEAD + str(yaml.safe_dump({"enrolled_hosts": {"hosts": keys}}, width=1000))


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"enrolled_hosts": enrolled_hosts}

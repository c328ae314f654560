#!/usr/bin/python
# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: inventory_check
short_description: Says everything that is wrong with the inventory, before any host is touched
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Reads, on the controller, what the inventory says of all hosts (the settings that roles share, the variables of the
    roles, the groups and the files themselves), and fails with a sentence for each fault. Each names the setting and
    the person, the value unless that is secret, and what to write instead.
  - Fails as well where Ansible would take what a host reports of itself for variables (C(inject_facts_as_vars)).
  - Connects to no host, and changes nothing. Run it once a play (C(run_once)).
options:
  creates:
    description: Variables of roles that name a file which this run writes. The file may be missing.
    type: list
    elements: str
    default: []
  needs:
    description: Groups that the playbook has no work without. It is a fault where one of them has no host.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Does the same in check mode.
    support: full
notes:
  - It is an action plugin, and runs on the controller alone.
"""

EXAMPLES = r"""
- name: Check the inventory
  wheelhouse.onboarding.inventory_check:
  run_once: true
"""

RETURN = r"""
msg:
  description: A sentence per fault, each on a line of its own.
  returned: failure
  type: str
"""

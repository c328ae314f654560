# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_progress
short_description: How far a step of a rollout has come
version_added: 0.2.0
author: wheelhouse.onboarding contributors
description:
  - Compares what enrolled hosts have reported with a step of a release of M(wheelhouse.onboarding.fleet_release).
positional: names, report, most
options:
  _input:
    description: The C(release) of the step.
    type: dict
    required: true
  names:
    description: The names of hosts, by what the release calls them.
    type: dict
    required: true
  report:
    description: What C(wheelhouse status) printed on the index host. Anything else counts as no reports.
    type: str
    required: true
  most:
    description: The greatest share (per cent) of hosts that may fail, of those that have reported.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: Check the step
  ansible.builtin.assert:
    that: not progress.stop
    fail_msg: "{{ progress.stop }}"
  vars:
    progress: "{{ step.release | wheelhouse.onboarding.fleet_progress(names, status.stdout) }}"
"""

RETURN = r"""
_value:
  description: >-
    Names of hosts as C(ok), C(failed) and C(silent), which have not reported on this release yet; and C(stop), a
    sentence on why the rollout goes no further, or an empty text.
  type: dict
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.fleet_release import progress, verdict


def fleet_progress(release: Mapping[str, Any], names: Mapping[str, str], report: str, most: int = 10) -> dict[str, Any]:
    """See `progress` and `verdict`."""
    try:
        heartbeats = json.loads(report)["heartbeats"]
    except (ValueError, KeyError, TypeError):
        heartbeats = {}
    found = progress(native(release), native(names), heartbeats)
    return {**found, "stop": verdict(found, int(most))}


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"fleet_progress": fleet_progress}

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: intake_files
short_description: The files that an intake of public packages reads
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Makes the options C(directories) and C(files) of the module M(wheelhouse.onboarding.managed_files) for the directory
    of the intake. It holds C(intake.json), which is the request, and the files of requirements that the request names.
positional: contents, directory, group
options:
  _input:
    description: The request, with the keys C(packages), C(targets), C(policy) and C(channels).
    type: dict
    required: true
  contents:
    description: The contents of the files that the filter C(listed_files) finds in the request, in the same order.
    type: list
    elements: str
    required: true
  directory:
    description: The directory of the intake.
    type: str
    required: true
  group:
    description: The group that may read the files. They belong to root.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Write the package list
  wheelhouse.onboarding.managed_files:
    directories: "{{ files.directories }}"
    files: "{{ files.files }}"
  vars:
    files: "{{ request | wheelhouse.onboarding.intake_files(['sqlparse==0.5'], '/srv/intake', 'wheelhouse') }}"
    request:
      packages: [{pypi: "file:teaching.txt"}]
      targets: {python: ["3.13"], platforms: [linux-x86_64]}
      policy: {}
      channels: {}
"""

RETURN = r"""
_value:
  description: The options C(directories) and C(files).
  type: dict
"""

import json
import posixpath
from collections.abc import Callable, Sequence

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.filter.listed_files import listed_files
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def intake_files(
    request: object, contents: Sequence[str], directory: str, group: str
) -> dict[str, list[dict[str, object]]]:
    """Directories and files, as the module managed_files takes them."""
    request = native(request)
    if not isinstance(request, dict):
        raise AnsibleFilterError(f"The input of intake_files is {kind(request)}, not a mapping.")
    names = listed_files(request.get("packages", []))
    if len(names) != len(contents):
        raise AnsibleFilterError(f"contents has {len(contents)} texts, and the request names {len(names)} files.")
    texts = {"intake.json": json.dumps(request, indent=4, sort_keys=True) + "\n"}
    texts |= dict(zip(names, map(str, native(list(contents))), strict=True))
    places = [posixpath.dirname(name) for name in texts]
    # a directory before those in it
    above = {part for place in places for part in _with_parents(place)}
    return {
        "directories": [
            {"path": posixpath.join(directory, place).rstrip("/"), "group": group, "mode": "0750"}
            for place in sorted(above)
        ],
        "files": [
            {"path": posixpath.join(directory, name), "content": text, "group": group, "mode": "0640", "show": True}
            for name, text in texts.items()
        ],
    }


def _with_parents(place: str) -> list[str]:
    parts = place.split("/") if place else []
    return ["/".join(parts[:number]) for number in range(len(parts) + 1)]


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"intake_files": intake_files}

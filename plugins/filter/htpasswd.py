# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: htpasswd
short_description: The htpasswd file of the index
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Makes the content of an htpasswd file with a bcrypt hash for everybody who has an C(index_password).
  - A line of the existing file whose hash still fits the person's password is kept byte for byte.
    So a second run changes nothing, and a new password changes one line.
  - Lines of people who are absent, have no password or are not in the list are left out, and so are malformed lines.
  - Refuses passwords of more than 72 bytes, of which bcrypt would not look at the rest, passwords with characters
    outside ASCII, which pip and twine send in another encoding than curl and uv, empty ones and control characters;
    also names that can't be in such a file, and a name given twice. The error text never holds a password.
  - Checking one password takes 0.05 to 0.1 seconds of one processor with 10 O(rounds), so use the result once per
    run.
positional: existing
options:
  _input:
    description:
      - The people, shaped like C(wheelhouse_people). Only C(name), C(index_password) and C(state) are looked at.
    type: list
    elements: dict
    required: true
  existing:
    description: The content of the file so far. Empty when there is none.
    type: str
    default: ''
  rounds:
    description: The cost of new hashes, from 4 to 31. Each step doubles the time it takes to check a password.
    type: int
    default: 10
requirements:
  - The Python library bcrypt, on the machine that runs Ansible.
"""

EXAMPLES = r"""
- name: Ada keeps her line, bob leaves
  ansible.builtin.debug:
    msg: "{{ people | wheelhouse.onboarding.htpasswd(existing) }}"
    # => "ada:$2b$04$VYt6/M2oUah2Nw7DlCwWD.svJ8LOx6xmidHKGJzcHjm4TTKXXbfDu\n"
  vars:
    existing: |
      bob:$2b$04$AlyCFDi19MaO6dxN8Kg/4u5KgMzZZFgSHxuW6AsTpQhnL4030IOBG
      ada:$2b$04$VYt6/M2oUah2Nw7DlCwWD.svJ8LOx6xmidHKGJzcHjm4TTKXXbfDu
    people:
      - name: ada
        index_password: s3cret
      - name: bob
        state: absent
"""

RETURN = r"""
_value:
  description: The file's content, one line per person, sorted by name. Empty for nobody.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.htpasswd import htpasswd
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def htpasswd_filter(people: object, existing: object = "", rounds: int = 10) -> str:
    """Check the types of the input and hand over to `htpasswd`."""
    people, existing = native(people), native(existing)
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise AnsibleFilterError("The input of htpasswd is not a list of mappings: pass a list like wheelhouse_people.")
    if not isinstance(existing, str):
        raise AnsibleFilterError(f"existing is {kind(existing)}, not a string: pass the content of the file, or ''.")
    try:
        return htpasswd(people, existing, rounds)
    except ValueError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"htpasswd": htpasswd_filter}

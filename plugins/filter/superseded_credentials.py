# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: superseded_credentials
short_description: The logins of the index that are on their way out
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Makes the content of a second htpasswd file, for the time in which clients still have the password before.
  - It holds the former line of each account whose hash has changed, and the lines of earlier changes that nobody has
    withdrawn yet. At most one line an account.
  - Who has no account any more is in neither file.
positional: existing, previous
options:
  _input:
    description: The content of the htpasswd file to be, as the filter C(htpasswd) makes it.
    type: str
    required: true
  existing:
    description: The content of that file so far. Empty when there is none.
    type: str
    default: ''
  previous:
    description: The content of the second file so far. Empty when there is none.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Ada has a new password, leo keeps his, bob left
  ansible.builtin.debug:
    msg: "{{ current | wheelhouse.onboarding.superseded_credentials(existing) }}"
    # => "ada:$2b$04$VYt6/M2oUah2Nw7DlCwWD.svJ8LOx6xmidHKGJzcHjm4TTKXXbfDu\n"
  vars:
    existing: |
      ada:$2b$04$VYt6/M2oUah2Nw7DlCwWD.svJ8LOx6xmidHKGJzcHjm4TTKXXbfDu
      bob:$2b$04$AlyCFDi19MaO6dxN8Kg/4u5KgMzZZFgSHxuW6AsTpQhnL4030IOBG
      leo:$2b$04$1GUu8BdSJURz93bnJbN9F.l.6ybDWmX1tP2hJDxnXMzY0yPHxyBJu
    current: |
      ada:$2b$04$rXoVe2PIKaH9MFwNKRR4Zu2gXjnGRh2zV7fDT3uGR2vGA9TVmTjwO
      leo:$2b$04$1GUu8BdSJURz93bnJbN9F.l.6ybDWmX1tP2hJDxnXMzY0yPHxyBJu
"""

RETURN = r"""
_value:
  description: The file's content, sorted by name. Empty for nobody.
  type: str
"""

from collections.abc import Callable

from ansible.errors import AnsibleFilterError
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.htpasswd import superseded_credentials
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, native


def previous_logins_filter(current: object, existing: object = "", previous: object = "") -> str:
    """Check the types of the input and hand over to `superseded_credentials`."""
    contents = {"The input": native(current), "existing": native(existing), "previous": native(previous)}
    for what, content in contents.items():
        if not isinstance(content, str):
            raise AnsibleFilterError(f"{what} is {kind(content)}, not a string: pass the content of the file, or ''.")
    return superseded_credentials(*contents.values())


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., object]]:
        return {"superseded_credentials": previous_logins_filter}

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_tokens
short_description: Create the tokens that people open their JupyterLab with
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Creates the tokens that are missing, and replaces those of O(rotate).
  - A token is 256 bits from the kernel's random source, in a file of the person's that no one else can read,
    in a directory where only root can put files. No token is ever returned.
options:
  people:
    description: Login names of the people who need a token.
    type: list
    elements: str
    required: true
  rotate:
    description: Login names of those among O(people) who get a new token.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Reports who would get a token, also for accounts that do not exist yet.
    support: full
  diff_mode:
    description: Tokens are not shown.
    support: none
"""

EXAMPLES = r"""
- name: Create tokens
  wheelhouse.onboarding.jupyter_tokens:
    people: [ada, leo]
    rotate: [leo]
"""

RETURN = r"""
created:
  description: Who got a token.
  type: list
  elements: str
  returned: always
  sample: [leo]
"""

import os
import pwd
import secrets
import stat
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import account
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.jupyter_units import TOKENS


def is_good(path: str, owner: pwd.struct_passwd) -> bool:
    """Whether there is a token, and it is the person's."""
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_uid == owner.pw_uid and status.st_size > 0


def create(path: str, owner: pwd.struct_passwd) -> None:
    """A token in the place of whatever is there: whole or not at all, and on disk before it is seen."""
    descriptor, partial = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".")
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        os.fchown(descriptor, owner.pw_uid, owner.pw_gid)
        stream.write(secrets.token_hex(32) + "\n")
        stream.flush()
        os.fsync(descriptor)
    os.replace(partial, path)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "people": {"type": "list", "elements": "str", "required": True},
            "rotate": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    created: list[str] = []
    for name in module.params["people"]:
        owner, path = account(name), os.path.join(TOKENS, name)
        if owner is None and not module.check_mode:
            module.fail_json(msg=f"There is no account {name}; create it first.", created=created)
        if owner is None or name in module.params["rotate"] or not is_good(path, owner):
            created.append(name)
            if owner is not None and not module.check_mode:
                create(path, owner)
    module.exit_json(changed=bool(created), created=created)


if __name__ == "__main__":
    main()

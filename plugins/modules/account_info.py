# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: account_info
short_description: Look up accounts of people, wherever they come from
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Looks up accounts by name, all of them in one task. M(ansible.builtin.getent) takes one name, or lists all accounts,
    and sssd and winbind do not list theirs.
  - Says who has an account on the host from the list of people.
options:
  names:
    description: Login names.
    type: list
    elements: str
    default: []
  source:
    description: >-
      Where the accounts come from. With V(directory), the task fails where one of O(names) is not known to the host,
      exists in C(/etc/passwd), has no short name, or has a uid or a home that cannot be used.
    type: str
    choices: [local, directory]
    default: local
attributes:
  check_mode:
    description: Changes nothing in any mode.
    support: full
  diff_mode:
    description: Nothing is shown.
    support: none
"""

EXAMPLES = r"""
- name: Look up two people
  wheelhouse.onboarding.account_info:
    names: [ada, bob]
  register: people
"""

RETURN = r"""
accounts:
  description: By login name, what C(getent passwd) says after the name. Names without an account are left out.
  type: dict
  returned: always
  sample: {ada: ["x", "10001", "10001", "Ada", "/home/ada", "/bin/bash"]}
members:
  description: Who has an account from the list of people on this host; whoever else is in O(names) is not among them.
  type: list
  elements: str
  returned: always
  sample: [ada]
faults:
  description: A sentence for each of O(names) whose account cannot be used.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import account_lookup
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.leaving_people import people


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "default": []},
            "source": {"type": "str", "choices": list(account_lookup.SOURCES), "default": "local"},
        },
        supports_check_mode=True,
    )
    names = module.params["names"]
    faults: list[str] = []
    if module.params["source"] == "directory":
        found = account_lookup.of_directory(names)
        accounts, faults = found.accounts, found.faults
    else:
        accounts = account_lookup.look_up(names)
    try:
        members = people()
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename} {exc.strerror}.")
    outcome = {
        "accounts": {name: [str(word) for word in entry[1:]] for name, entry in accounts.items()},
        "members": members,
        "faults": faults,
    }
    if faults:
        module.fail_json(msg=" ".join([*faults, "Nothing was changed."]), **outcome)
    module.exit_json(changed=False, **outcome)


if __name__ == "__main__":
    main()

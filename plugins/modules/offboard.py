# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: offboard
short_description: Lock accounts of a host, end their processes, and restore them
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - First locks accounts (no password, expired, no shell, no groups), then ends sessions, services and all processes
    of their uid, also those that fork and end all the time, then removes what of theirs would run or lie about later,
    such as crontabs, jobs of at, lingering, mail, System V objects,
    and files in C(/tmp), C(/var/tmp), C(/dev/shm), C(/run/user) and below C(/var/spool).
  - An account is never deleted, so that nobody else is given its uid.
    It is in the group C(wheelhouse-former) from then on.
  - Homes are closed by making their directory root's, with mode 0700. What is in one is neither read nor changed.
  - No link is followed and no other mount is entered.
  - One person's fault does not keep another from being offboarded. The task fails in the end, with a sentence for each.
options:
  names:
    description: Login names. Who is in neither C(wheelhouse-people) nor C(wheelhouse-former) is left alone.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(locked) locks, ends and removes as described, and leaves the home to those who take something out of it.
      - V(left) does that and deals with the home.
      - V(back) unlocks accounts in C(wheelhouse-former) and gives their homes back.
    type: str
    choices: [locked, left, back]
    default: left
  home:
    description: With O(state=left), V(keep) closes the home and V(remove) deletes it.
    type: str
    choices: [keep, remove]
    default: keep
  shell:
    description: The login shell of those who are back.
    type: path
    default: /bin/bash
  seconds:
    description: How long processes of one person may take to end. Deleting their files may take ten times as long.
    type: int
    default: 60
attributes:
  check_mode:
    description: Says who would be offboarded or be back.
    support: full
  diff_mode:
    description: Nothing is shown.
    support: none
"""

EXAMPLES = r"""
- name: Offboard two people
  wheelhouse.onboarding.offboard:
    names: [bob, eve]

- name: Restore the account of bob
  wheelhouse.onboarding.offboard:
    names: [bob]
    state: back
"""

RETURN = r"""
names:
  description: Whose account or home changed, or would.
  type: list
  elements: str
  returned: always
  sample: [bob]
said:
  description: A sentence about each of them, and about what was left.
  type: list
  elements: str
  returned: always
faults:
  description: A sentence for each who is not offboarded. The task fails where there is one.
  type: list
  elements: str
  returned: always
missing:
  description: Those of O(names) without an account on this host.
  type: list
  elements: str
  returned: always
members:
  description: The members of the group C(wheelhouse-people) on this host, after the task.
  type: list
  elements: str
  returned: always
"""

import pwd

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.leaving_people import (
    FORMER,
    HERE,
    Fault,
    Person,
    bring_back,
    members,
    offboard,
)


def exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["locked", "left", "back"], "default": "left"},
            "home": {"type": "str", "choices": ["keep", "remove"], "default": "keep"},
            "shell": {"type": "path", "default": "/bin/bash"},
            "seconds": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    ours = {*members(HERE), *members(FORMER)}
    names: list[str] = []
    said: list[str] = []
    faults: list[str] = []
    for name in wanted["names"]:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        if name not in ours:
            continue
        person = Person(account, wanted["seconds"])
        try:
            if wanted["state"] == "back":
                changed = bring_back(person, wanted["shell"], module.check_mode)
            else:
                changed = offboard(person, wanted["state"], wanted["home"], module.check_mode)
            if changed:
                names.append(name)
        except Fault as exc:
            faults.append(str(exc))
        except OSError as exc:
            faults.append(f"{name} is not offboarded: {exc.filename or ''} {exc.strerror}.")
        said += person.said
    outcome = {
        "changed": bool(names),
        "names": names,
        "said": said,
        "faults": faults,
        "missing": [name for name in wanted["names"] if not exists(name)],
        "members": members(HERE),
    }
    if faults:
        module.fail_json(msg=" ".join(faults), **outcome)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()

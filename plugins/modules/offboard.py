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
  - An account of the company's directory is served with O(source=directory), and neither made nor changed. Who leaves
    keeps the account and the home; what runs as them ends, and what the host gave them goes, keys for SSH among it.
  - One person's fault does not keep another from being offboarded. The task fails in the end, with a sentence for each.
options:
  names:
    description: >-
      Login names. Who is in neither C(wheelhouse-people) nor C(wheelhouse-former), and has no account of the directory
      that is served here, is left alone.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(locked) locks, ends and removes as described, and leaves the home to those who take something out of it.
      - V(left) does that and deals with the home.
      - V(back) unlocks accounts in C(wheelhouse-former) and gives their homes back. With O(source=directory), it
        makes missing homes and notes whom the host serves, in C(/var/lib/wheelhouse/directory-accounts.json).
    type: str
    choices: [locked, left, back]
    default: left
  home:
    description: With O(state=left), V(keep) closes the home and V(remove) deletes it.
    type: str
    choices: [keep, remove]
    default: keep
  source:
    description: >-
      Where accounts come from with O(state=back). With V(directory), each of O(names) has to be known to the host by
      sssd, winbind or the like; nothing changes where one is not.
    type: str
    choices: [local, directory]
    default: local
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

- name: Serve two people with their accounts of the directory
  wheelhouse.onboarding.offboard:
    names: [ada, bob]
    state: back
    source: directory
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
refused:
  description: >-
    With O(source=directory), a sentence for each of O(names) whose account cannot be used. The task fails where there
    is one, and nothing is changed.
  type: list
  elements: str
  returned: always
missing:
  description: Those of O(names) without an account on this host.
  type: list
  elements: str
  returned: always
members:
  description: Who has an account from the list of people on this host, after the task.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils import account_lookup, account_record
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import PersonError, account
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.leaving_people import (
    Fault,
    bring_back,
    offboard,
    people,
    person_of,
)


def serve(found: account_lookup.Found, check_mode: bool) -> tuple[list[str], list[str], list[str]]:
    """Serve people with accounts of the directory: whose record or home changed, sentences about them, and faults."""
    names: list[str] = []
    said: list[str] = []
    faults = list(found.unseen)
    for name in found.homeless:
        if check_mode:
            names.append(name)
            continue
        try:
            account_lookup.make_home(found.accounts[name])
        except PersonError as exc:
            faults.append(f"{name} has no home: {exc}.")
        else:
            names.append(name)
            said.append(f"{name}: the home {found.accounts[name].pw_dir} is made.")
    entries = account_record.read()
    for name, entry in found.accounts.items():
        known = entries.get(name)
        now = account_record.Entry(
            uid=entry.pw_uid, gid=entry.pw_gid, home=entry.pw_dir, locked=bool(known and known["locked"])
        )
        if known == now:
            continue
        entries[name] = now
        if name not in names:
            names.append(name)
        if not check_mode:
            said.append(f"{name}: is served with the account of the directory (uid {entry.pw_uid}).")
    if names and not check_mode:
        account_record.write(entries)
    return names, said, faults


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["locked", "left", "back"], "default": "left"},
            "home": {"type": "str", "choices": ["keep", "remove"], "default": "keep"},
            "source": {"type": "str", "choices": list(account_lookup.SOURCES), "default": "local"},
            "shell": {"type": "path", "default": "/bin/bash"},
            "seconds": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    names: list[str] = []
    said: list[str] = []
    faults: list[str] = []
    refused: list[str] = []
    try:
        if wanted["state"] == "back" and wanted["source"] == "directory":
            found = account_lookup.of_directory(wanted["names"])
            refused = found.faults
            if not refused:
                names, said, faults = serve(found, module.check_mode)
        for name in [] if refused else wanted["names"]:
            person = person_of(name, wanted["seconds"])
            if person is None:
                continue
            try:
                if wanted["state"] == "back":
                    changed = bring_back(person, wanted["shell"], module.check_mode)
                else:
                    changed = offboard(person, wanted["state"], wanted["home"], module.check_mode)
                if changed and name not in names:
                    names.append(name)
            except Fault as exc:
                faults.append(str(exc))
            except OSError as exc:
                faults.append(f"{name} is not offboarded: {exc.filename or ''} {exc.strerror}.")
            said += person.said
        members = people()
    except OSError as exc:  # of the record
        module.fail_json(msg=f"{exc.filename} {exc.strerror}.")
    outcome = {
        "changed": bool(names),
        "names": names,
        "said": said,
        "faults": refused + faults,
        "refused": refused,
        "missing": [name for name in wanted["names"] if account(name) is None and name not in members],
        "members": members,
    }
    if refused or faults:
        module.fail_json(msg=" ".join(refused + faults), **outcome)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()

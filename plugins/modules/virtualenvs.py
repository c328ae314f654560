# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: virtualenvs
short_description: Bring the virtualenvs of a host to the wanted state
version_added: 0.2.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Builds and removes virtualenvs, all of a host in one task. An environment is a symbolic link to a build beside it,
    whose name holds a digest of what was asked for (C(/opt/wheelhouse/jupyter -> .jupyter.3f2a9c04b7de8a11)).
  - A build is made beside the one in use, and the link moves when it is complete. So programs that run on the old build
    keep it, an interrupted build is never in use, and to see that nothing changed takes one look at the link.
  - The build before the current one stays, and so does any older one that a process still runs on.
  - The task fails where one of root's environments cannot be brought to the wanted state, after the others.
  - What belongs to a person is done by a process that has become that person, and may take half an hour.
    What goes wrong there is said in RV(people_skipped) and in a warning, and keeps nobody else from theirs.
  - The role virtualenv is the way to use it, and says what the options mean.
options:
  environments:
    description: The environments.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is, absolute or below the owner's home as C(~/...).
        type: str
        required: true
      owner:
        description: The account that makes and owns it.
        type: str
        default: root
      group:
        description: Group of its directory; the owner's where it is empty.
        type: str
        default: ''
      mode:
        description: Permissions of its directory, as an octal number in quotes.
        type: str
        default: '0755'
      python:
        description: The interpreter it is made from.
        type: str
        default: python3
      requirements:
        description: The text of a requirements file. Where URLs in it hold passwords, the task needs C(no_log).
        type: str
        default: ''
      kernel:
        description: The name under which notebooks can choose it as a kernel, or nothing.
        type: str
        default: ''
      check:
        description: A Python program that a new build has to run through before it comes into use, or nothing.
        type: str
        default: ''
      state:
        description: V(absent) removes it with its builds and its kernel.
        type: str
        choices: [present, absent]
        default: present
attributes:
  check_mode:
    description: Reports what would change, also for accounts that do not exist yet.
    support: full
  diff_mode:
    description: RV(environments) says which packages come and go.
    support: none
"""

EXAMPLES = r"""
- name: An environment for everybody
  wheelhouse.onboarding.virtualenvs:
    environments:
      - path: /opt/wheelhouse/data
        requirements: pandas
  no_log: true
"""

RETURN = r"""
environments:
  description: What became of each environment; C(fault) says what went wrong with one of root's.
  type: list
  elements: dict
  returned: always
  sample: [{path: /opt/wheelhouse/data, owner: root, changed: true, what: build, installed: [pandas 2.2.3]}]
people_skipped:
  description: Whose environments could not be brought to the wanted state, and why.
  type: list
  elements: dict
  returned: always
  sample: [{name: ada, reason: "~/.venvs/data: the home /home/ada does not exist"}]
"""

import os
import re
import traceback
from collections.abc import Iterator
from typing import Literal

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import (
    PersonError,
    Skipped,
    account,
    as_person,
    printable,
    told,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.virtualenv_builds import Wanted
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.virtualenv_states import Answer, settle

PERSON_SECONDS = 1800  # for one environment of a person's, with all that is fetched for it
MOST = 2000  # packages of a person's that are named
WORDS: tuple[Literal["what", "fault"], ...] = ("what", "fault")
PACKAGES: tuple[Literal["installed", "removed"], ...] = ("installed", "removed")


def misplaced(environments: list[Wanted]) -> Iterator[str]:
    """What is wrong with the paths, a sentence each."""
    seen = set()
    for wanted in environments:
        path, owner = wanted["path"], wanted["owner"]
        if not re.match("~?/[^/]", path):
            yield f'virtualenv_environments[].path is "{path}"; write an absolute path, or one that begins with ~/.'
        if (owner, path) in seen:
            yield f"virtualenv_environments has {path} of {owner} twice; keep one of them."
        seen.add((owner, path))


def settle_for(wanted: Wanted, check: bool) -> Answer:
    """`settle` by a process of the owner's."""
    owner = account(wanted["owner"])
    if owner is None:
        if check or wanted["state"] == "absent":
            return {"changed": wanted["state"] == "present", "what": "build"}
        fault = f"There is no account {wanted['owner']} to own {wanted['path']}; create it first."
        return {"changed": False, "fault": fault}
    if owner.pw_uid != 0:
        try:
            return as_person(owner, lambda: settle(wanted, check), understand, PERSON_SECONDS, confined=False)
        except PersonError as exc:
            return {"changed": False, "fault": str(exc)}
    os.environ.update(HOME=owner.pw_dir, USER=owner.pw_name, LOGNAME=owner.pw_name)
    try:
        return settle(wanted, check)
    except Exception:
        return {"changed": False, "fault": traceback.format_exc(limit=2)}


def understand(answer: Answer) -> Answer:
    """What `settle` returned, as it comes from a process of somebody else's."""

    understood: Answer = {"changed": answer["changed"] is True}
    for name in WORDS:
        if name in answer:
            understood[name] = printable(answer[name], 3000)
    for names in PACKAGES:
        if names in answer:
            understood[names] = [printable(package, 100) for package in answer[names][:MOST]]
    return understood


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "environments": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "str", "required": True},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": ""},
                    "mode": {"type": "str", "default": "0755"},
                    "python": {"type": "str", "default": "python3"},
                    "requirements": {"type": "str", "default": ""},
                    "kernel": {"type": "str", "default": ""},
                    "check": {"type": "str", "default": ""},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                },
            },
        },
        supports_check_mode=True,
    )
    wrong = list(misplaced(module.params["environments"]))
    if wrong:
        module.fail_json(msg="\n".join(wrong), environments=[], people_skipped=[])
    answers: list[dict[str, object]] = []
    skipped: list[Skipped] = []
    for wanted in module.params["environments"]:
        answer = settle_for(wanted, module.check_mode)
        owner = account(wanted["owner"])
        if "fault" in answer and owner and owner.pw_uid != 0:
            reason = "{}: {}".format(wanted["path"], answer.pop("fault")).rstrip(".")
            skipped.append({"name": wanted["owner"], "reason": reason})
        answers.append({**answer, "path": wanted["path"], "owner": wanted["owner"]})
    for sentence in told(skipped):
        module.warn(sentence)
    outcome = {
        "changed": any(answer["changed"] for answer in answers),
        "environments": answers,
        "people_skipped": skipped,
    }
    faults = [str(answer["fault"]) for answer in answers if "fault" in answer]
    if faults:
        module.fail_json(msg="\n".join(faults), **outcome)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()

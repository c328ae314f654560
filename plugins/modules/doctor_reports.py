# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor_reports
short_description: Ask wheelhouse-doctor what is wrong, for many people in one task
version_added: 0.2.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Runs C(wheelhouse-doctor) in a login shell of each person, with what that person's profile sets, by a process that
    has become the person.
  - What a profile prints, leaves running or waits for changes nothing for anybody else. A shell that has not ended
    after O(seconds) is killed.
options:
  people:
    description: The accounts.
    type: list
    elements: str
    required: true
  seconds:
    description: How long each person's doctor may take, with the profile before it.
    type: int
    default: 180
attributes:
  check_mode:
    description: It only looks.
    support: full
  diff_mode:
    description: It only looks.
    support: none
"""

EXAMPLES = r"""
- name: Ask the doctor
  wheelhouse.onboarding.doctor_reports:
    people: [ada, leo]
  register: doctor
"""

RETURN = r"""
findings:
  description: What the doctors say is wrong or worth a look.
  type: list
  elements: dict
  returned: always
  sample: [{name: ada, verdict: fail, check: pip, sentence: "PIP_INDEX_URL is set.", remedy: "Unset it."}]
people_skipped:
  description: For whom the doctor could not be asked, and why.
  type: list
  elements: dict
  returned: always
  sample: [{name: leo, reason: "their login shell ended with 1 before it came to the doctor"}]
"""

import functools
import json
import os
import pwd
import secrets

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import (
    PersonError,
    Skipped,
    Work,
    account,
    as_people,
    look_into,
    output_of,
    printable,
)

DOCTOR = "/usr/local/bin/wheelhouse-doctor"
AT_ONCE = 2  # it notices what is slow
MOST = 100  # findings for one person


def ask(owner: pwd.struct_passwd, mark: str) -> str:
    """What the doctor writes in a login shell of this process's account."""
    look_into(owner.pw_dir)
    shell = owner.pw_shell or "/bin/sh"
    # after the mark it is the doctor who speaks, and no profile
    command = ["-" + os.path.basename(shell), "-c", f"echo {mark}; exec {DOCTOR} --json"]
    code, words = output_of(command, program=shell, directory=owner.pw_dir)
    _before, marked, report = words.partition(mark.encode())
    if not marked:
        raise PersonError(f"their login shell ended with {code} before it came to the doctor")
    if code not in (0, 1):
        raise PersonError(f"the doctor ended with {code}")
    return report.decode("utf-8", "replace")


def understand(answer: str) -> list[dict[str, str]]:
    """The findings that are to be told, in a report that somebody else's process gave."""
    told = []
    for finding in json.loads(answer)["findings"]:
        if finding["verdict"] in ("fail", "warn"):
            words = {key: printable(finding[key], 1000) for key in ("check", "sentence", "remedy")}
            told.append({"verdict": finding["verdict"], **words})
    return told[:MOST]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "people": {"type": "list", "elements": "str", "required": True},
            "seconds": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    jobs: list[tuple[pwd.struct_passwd, Work]] = []
    skipped: list[Skipped] = []
    findings: list[dict[str, str]] = []
    for name in module.params["people"]:
        owner = account(name)
        if owner is None:
            skipped.append({"name": name, "reason": "there is no such account; run site.yml first"})
        elif not os.access(DOCTOR, os.X_OK):
            skipped.append({"name": name, "reason": "the doctor is not installed here; run site.yml first"})
        else:
            mark = f"wheelhouse-{secrets.token_hex(16)}"
            jobs.append((owner, functools.partial(ask, owner, mark)))
    outcomes = as_people(jobs, understand, module.params["seconds"], confined=False, at_once=AT_ONCE)
    for (owner, _work), outcome in zip(jobs, outcomes):
        if isinstance(outcome, PersonError):
            skipped.append({"name": owner.pw_name, "reason": str(outcome)})
        else:
            findings += [{"name": owner.pw_name, **finding} for finding in outcome]
    module.exit_json(changed=False, findings=findings, people_skipped=skipped)


if __name__ == "__main__":
    main()

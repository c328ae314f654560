# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_key_pairs
short_description: Make SSH key pairs for people who have none, and read the public halves
version_added: 0.2.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Makes C(~/.ssh/id_ed25519) where neither it nor its public half is there, for many people in one task.
  - Everything is done by processes that have become the person. What C(~/.ssh/id_ed25519.pub) holds counts only where
    it is one public key; where it is not there, it is made from the private key.
  - Whose key cannot be made or read is named in RV(people_skipped) and in a warning, and keeps nobody else from theirs.
options:
  people:
    description: The accounts. Those that do not exist are left out.
    type: list
    elements: str
    required: true
  host:
    description: What stands behind the C(@) in the comment of a new key.
    type: str
    required: true
attributes:
  check_mode:
    description: Reports for whom a key would be made, and reads those that are there.
    support: full
  diff_mode:
    description: Keys are no text to compare.
    support: none
"""

EXAMPLES = r"""
- name: Make keys for ada and leo
  wheelhouse.onboarding.ssh_key_pairs:
    people: [ada, leo]
    host: "{{ inventory_hostname }}"
  register: keys
"""

RETURN = r"""
public_keys:
  description: The public keys by name.
  type: dict
  returned: always
  sample:
    ada: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICKmSW9vzRS9J2Oc3h7ORYkKO3qG3BSqbNM0IEcyMEmA ada@pc-17
made:
  description: For whom a key was made.
  type: list
  elements: str
  returned: always
  sample: [ada]
people_skipped:
  description: Whose key could not be made or read, and why.
  type: list
  elements: dict
  returned: always
  sample: [{name: ada, reason: "/home/ada/.ssh/id_ed25519.pub holds 2 lines; one public key has to be in it"}]
"""

import base64
import binascii
import functools
import os
import pwd
import re
import struct

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.atomic_write import decode, read
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import (
    PersonError,
    Skipped,
    Work,
    account,
    as_people,
    look_into,
    output_of,
    told,
)

KEYGEN = "/usr/bin/ssh-keygen"
KEY = re.compile(
    r"(?P<type>(?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]+(?:@openssh\.com)?)[ \t]+(?P<blob>[A-Za-z0-9+/]{40,16000}={0,2})"
    r"(?:[ \t]+(?P<comment>.*))?",
    re.ASCII,
)


def public_key(line: str) -> str | None:
    """A line of a public key as we hand it on, or None where it is anything else: options, another file's words."""
    match = KEY.fullmatch(line)
    if not match:
        return None
    try:
        blob = base64.b64decode(match["blob"], validate=True)
        (length,) = struct.unpack(">I", blob[:4])
    except (binascii.Error, struct.error):
        return None
    # the key says once more of what type it is
    if blob[4 : 4 + length] != match["type"].encode() or len(blob) <= 4 + length:
        return None
    comment = re.sub(r"[^\w.@+-]", "", match["comment"] or "", flags=re.ASCII)[:100]
    return " ".join(filter(None, (match["type"], match["blob"], comment)))


def is_there(path: str) -> bool:
    """Whether something is at `path`. Raises OSError where that cannot be seen."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def key_pair(home: str, comment: str, check_mode: bool) -> tuple[bool, str | None]:
    """[whether a key was made, the public key], by a process that has become the person. None is one to be made."""
    if not look_into(home, check_mode):
        return True, None
    private = os.path.join(home, ".ssh", "id_ed25519")
    made = not is_there(private) and not is_there(private + ".pub")
    if made:
        if check_mode:
            return True, None
        os.makedirs(os.path.dirname(private), mode=0o700, exist_ok=True)
        code, _words = output_of([KEYGEN, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", private])
        if code:
            raise PersonError(f"{private} could not be made: ssh-keygen ended with {code}")
    content = read(private + ".pub")
    if content is None:
        if read(private) is None:
            raise PersonError(f"{private}.pub is a link that leads nowhere")
        # -P: it never asks
        code, content = output_of([KEYGEN, "-y", "-P", "", "-f", private])
        if code:
            raise PersonError(f"{private}.pub is not there, and {private} has a passphrase or is no key")
    lines = [line for line in decode(content).splitlines() if line.strip()]
    if len(lines) != 1:
        raise PersonError(f"{private}.pub holds {len(lines)} lines; one public key has to be in it")
    key = public_key(lines[0].strip())
    if key is None:
        raise PersonError(f"{private}.pub does not hold a public key")
    return made, key


def understand(answer: tuple[bool, str | None]) -> tuple[bool, str | None]:
    """What `key_pair` returned, as it comes from a process of somebody else's."""
    made, key = answer
    if key is None and made is True:
        return True, None
    checked = public_key(key) if key is not None else None
    if checked is None:
        raise ValueError("no public key")
    return made is True, checked


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "people": {"type": "list", "elements": "str", "required": True},
            "host": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    jobs: list[tuple[pwd.struct_passwd, Work]] = []
    for owner in filter(None, map(account, module.params["people"])):
        comment = f"{owner.pw_name}@{module.params['host']}"
        jobs.append((owner, functools.partial(key_pair, owner.pw_dir, comment, module.check_mode)))
    keys: dict[str, str] = {}
    made: list[str] = []
    skipped: list[Skipped] = []
    for (owner, _work), outcome in zip(jobs, as_people(jobs, understand)):
        if isinstance(outcome, PersonError):
            skipped.append({"name": owner.pw_name, "reason": str(outcome)})
            continue
        if outcome[0]:
            made.append(owner.pw_name)
        if outcome[1]:
            keys[owner.pw_name] = outcome[1]
    for sentence in told(skipped):
        module.warn(sentence)
    module.exit_json(changed=bool(made), public_keys=keys, made=made, people_skipped=skipped)


if __name__ == "__main__":
    main()

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: people_from_directory
short_description: Write a file of people from groups of the company's directory
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Writes a YAML file with the variable C(wheelhouse_directory_people), an entry for each member of the groups. Runs on
    the controller, beside the inventory, and asks no directory itself.
  - Who is in none of the groups any more keeps the entry, with C(state=absent). Keys that were added to an entry stay.
  - Fails, and writes nothing, where nobody is left or more people leave than O(most), unless O(confirmed) names them.
options:
  path:
    description: The file.
    type: path
    required: true
  members:
    description: Of each login name, the names of the groups.
    type: dict
    required: true
  groups:
    description: The groups, shaped like C(groups) of C(wheelhouse_ldap).
    type: list
    elements: dict
    required: true
  others:
    description: People who have entries elsewhere in the inventory; they are left out.
    type: list
    elements: str
    default: []
  confirmed:
    description: People who are meant to leave, however many they are.
    type: list
    elements: str
    default: []
  most:
    description: How many people may leave without that.
    type: int
    default: 3
attributes:
  check_mode:
    description: Compares, and writes nothing.
    support: full
  diff_mode:
    description: Shows the file before and after.
    support: full
"""

EXAMPLES = r"""
- name: Write the people of the directory
  wheelhouse.onboarding.people_from_directory:
    path: "{{ inventory_dir }}/group_vars/all/people.generated.yml"
    members:
      ada: [python-users, python-authors]
    groups:
      - name: python-users
      - name: python-authors
        publishes: ["acme-*"]
  delegate_to: localhost
"""

RETURN = r"""
joins:
  description: People who are new in the file, or back.
  type: list
  elements: str
  returned: always
  sample: [ada]
leaves:
  description: People who are absent in it now.
  type: list
  elements: str
  returned: always
  sample: [bob]
left_out:
  description: Who is not in it, and why, in sentences.
  type: list
  elements: str
  returned: always
  sample: ["ada has an entry of their own in wheelhouse_people, which counts."]
"""

import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.directory_people import Entry, compare, faults

try:
    import yaml
except ImportError:  # Ansible itself has it, on the controller
    yaml = None  # type: ignore[assignment]

VARIABLE = "wheelhouse_directory_people"
HEAD = """\
# directory.yml writes this file from the groups of the company's directory. Review it before you run people.yml.
# Keys that you add to an entry (workstations, ssh_public_key, ...) stay; comments do not.
"""


def entries_of(text: str, path: str) -> list[Entry]:
    """The entries in a file's text; raises ValueError."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError(
            f"{path} is not YAML that can be read and written back: take out what was added to it, such as !vault."
        ) from None
    entries = content.get(VARIABLE) if isinstance(content, dict) else [] if content is None else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and entry.get("name") for entry in entries):
        raise ValueError(f"{path} has no list {VARIABLE} whose entries have a name: restore it, or delete the file.")
    return entries


def written(entries: list[Entry]) -> str:
    """The file's text."""
    body: str = yaml.safe_dump({VARIABLE: entries}, sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{HEAD}{body}"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "members": {"type": "dict", "required": True},
            "groups": {"type": "list", "elements": "dict", "required": True},
            "others": {"type": "list", "elements": "str", "default": []},
            "confirmed": {"type": "list", "elements": "str", "default": []},
            "most": {"type": "int", "default": 3},
        },
        supports_check_mode=True,
    )
    if yaml is None:
        module.fail_json(missing_required_lib("PyYAML"))
    given: dict[str, Any] = module.params
    path = given["path"]
    try:
        with open(path, encoding="utf-8") as stream:
            before = stream.read()
    except FileNotFoundError:
        before = ""
    except (OSError, UnicodeDecodeError) as exc:
        module.fail_json(f"{path} cannot be read: {exc}.")
    try:
        result = compare(entries_of(before, path), given["members"], given["groups"], given["others"])
    except ValueError as exc:
        module.fail_json(str(exc))
    if why := faults(result, given["members"], given["confirmed"], given["most"]):
        module.fail_json("\n".join(why), joins=result.joins, leaves=result.leaves)
    after = written(result.entries)
    changed = before != after
    if changed and not module.check_mode:
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            descriptor, new = tempfile.mkstemp(dir=module.tmpdir)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(after)
        except OSError as exc:
            module.fail_json(f"{path} cannot be written: {exc}.")
        module.atomic_move(new, path)  # keeps the mode of the file that is there
    module.exit_json(
        changed=changed,
        joins=result.joins,
        leaves=result.leaves,
        left_out=result.left_out,
        diff={"before": before, "after": after, "before_header": path, "after_header": path},
    )


if __name__ == "__main__":
    main()

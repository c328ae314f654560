# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: person_files
short_description: Write small files for many people in one task
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Brings a list of files to the wanted content, owner and mode, each whole or not at all, all of them in one task,
    so that a play takes as many tasks for fifty people as for one.
  - A file below a home directory is handled by a process that has become that person.
    A symbolic link the person placed there is followed with the person's own rights, never with those of root.
  - An absolute path is written by root and then belongs to O(files[].owner).
    The directory it is in has to belong to root and be writable by nobody else.
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is. Either C(~/...), below the owner's home, or an absolute path.
        type: str
        required: true
      owner:
        description: The account it belongs to, with that account's primary group.
        type: str
        default: root
      mode:
        description: Its permissions, as an octal number in quotes.
        type: str
        default: '0600'
      content:
        description: The text it holds. Never shown, not even with C(--diff).
        type: str
        default: ''
      state:
        description: V(present) writes the file, V(absent) deletes it and leaves the directories.
        type: str
        choices: [present, absent]
        default: present
attributes:
  check_mode:
    description: Reports what would change, also for accounts that do not exist yet.
    support: full
  diff_mode:
    description: Names the files that change, and not what is in them.
    support: full
"""

EXAMPLES = r"""
- name: Everybody's credentials for the index
  wheelhouse.onboarding.person_files:
    files:
      - owner: ada
        path: ~/.netrc
        content: "{{ 'packages.acme.example' | wheelhouse.onboarding.netrc_entry('ada', vault_ada_index) }}"
      - owner: bob
        path: ~/.netrc
        state: absent
"""

RETURN = r"""
paths:
  description: The files that were written or deleted, with the home spelled out.
  type: list
  elements: str
  returned: always
  sample: [/home/ada/.netrc]
"""

import errno
import json
import os
import pwd
import stat
import tempfile
import traceback

from ansible.module_utils.basic import AnsibleModule


class Fault(Exception):
    """What is wrong with a wanted file, in a sentence."""


def read(path):
    """The bytes of a regular file, or None where there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as exc:
        if exc.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise


def replace(path, content, mode, owner):
    """Put a new file in the place of `path` in one step, on disk before it is seen."""
    descriptor, partial = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".person_files-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(descriptor, mode)
            if os.geteuid() == 0:
                os.fchown(descriptor, owner.pw_uid, owner.pw_gid)
            stream.flush()
            os.fsync(descriptor)
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def settle(path, wanted, owner, check_mode):
    """Bring one file to the wanted state with the rights of this process; True where that is a change."""
    if wanted["state"] == "absent":
        if not os.path.lexists(path):
            return False
        if not check_mode:
            os.unlink(path)
        return True
    path = os.path.realpath(path)
    content, mode = wanted["content"].encode(), int(wanted["mode"], 8)
    found = read(path)
    if found == content:
        status = os.stat(path)
        if (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (mode, owner.pw_uid, owner.pw_gid):
            return False
    if not check_mode:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        replace(path, content, mode, owner)
    return True


def settle_as(owner, files, check_mode):
    """`settle` for files below one person's home, in a process that has become that person; the changed paths."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        answer = {}
        try:
            os.initgroups(owner.pw_name, owner.pw_gid)
            os.setgid(owner.pw_gid)
            os.setuid(owner.pw_uid)
            os.umask(0o077)
            paths = [(os.path.join(owner.pw_dir, one["path"][2:]), one) for one in files]
            answer["paths"] = [path for path, one in paths if settle(path, one, owner, check_mode)]
        except OSError as exc:
            answer["fault"] = f"{exc.filename}: {exc.strerror}"
        except BaseException:
            answer["fault"] = traceback.format_exc(limit=1)
        finally:
            os.write(writer, json.dumps(answer).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = json.loads(stream.read() or b'{"fault": "the process ended without a word"}')
    os.waitpid(child, 0)
    if "fault" in answer:
        raise Fault("As {}: {}".format(owner.pw_name, answer["fault"]))
    return answer["paths"]


def settle_by_root(owner, wanted, check_mode):
    """`settle` for an absolute path, whose directory nobody but root may change; the changed paths."""
    path = wanted["path"]
    directory = os.path.dirname(path)
    if os.path.isdir(directory):
        status = os.stat(directory)
        if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise Fault(f"{directory} has to belong to root and be writable by nobody else, to hold {path}.")
    elif not check_mode and wanted["state"] == "present":
        raise Fault(f"The directory {directory} does not exist; create it before {path}.")
    return [path] if settle(path, wanted, owner, check_mode) else []


def account(name):
    """The passwd entry of `name`, or None."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def settle_all(files, check_mode):
    """Bring all files to the wanted state; the changed paths. A person's files are handled by one process."""
    changed = []
    below_homes = {}
    for wanted in files:
        path, name = wanted["path"], wanted["owner"]
        owner = account(name)
        if owner is None:
            if wanted["state"] == "absent":
                owner = account("root") if os.path.isabs(path) else None
            elif check_mode:
                changed.append(path)
            else:
                raise Fault(f"There is no account {name} to own {path}; create it first.")
        if owner is None:
            continue
        if path.startswith("~/"):
            below_homes.setdefault(name, (owner, []))[1].append(wanted)
        elif os.path.isabs(path):
            changed.extend(settle_by_root(owner, wanted, check_mode))
        else:
            raise Fault(f"files[].path is {path}; write ~/... or an absolute path.")
    for owner, wanted in below_homes.values():
        changed.extend(settle_as(owner, wanted, check_mode))
    return changed


def main():
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "str", "required": True},
                    "owner": {"type": "str", "default": "root"},
                    "mode": {"type": "str", "default": "0600"},
                    "content": {"type": "str", "default": "", "no_log": True},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                },
            },
        },
        supports_check_mode=True,
    )
    try:
        paths = settle_all(module.params["files"], module.check_mode)
    except (Fault, OSError) as exc:
        module.fail_json(msg=str(exc))
    listing = "".join(path + "\n" for path in paths)
    module.exit_json(
        changed=bool(paths), paths=paths, diff={"before": "", "after": listing, "after_header": "files that change"}
    )


if __name__ == "__main__":
    main()

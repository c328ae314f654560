# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
module: reproducible_archive
short_description: Write archives of small files, the same bytes each time
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Brings a list of archives to the wanted content, all of them in one task.
  - The same files give the same bytes, whenever and wherever the archive is made, so that a second run changes nothing.
  - Each archive also holds C(SHA256SUMS), with which C(sha256sum --check) verifies what else is in it.
options:
  archives:
    description: The archives.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is, an absolute path that ends in C(.zip) or in C(.tar.gz), which says what it becomes.
        type: str
        required: true
      mode:
        description: The permissions of the archive, as an octal number in quotes.
        type: str
        default: '0600'
      folder:
        description: A folder inside the archive that everything in it is put into. Without it, nothing has one.
        type: str
        default: ''
      files:
        description: What is in it.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: A relative path, its parts divided by C(/), below O(archives[].folder).
            type: str
            required: true
          content:
            description: The text the file holds, written as UTF-8, with the ends of lines as they are given.
            type: str
            required: true
          mode:
            description: Its permissions once it is unpacked, as an octal number in quotes.
            type: str
            default: '0644'
      state:
        description: V(present) writes the archive, V(absent) deletes it.
        type: str
        choices: [present, absent]
        default: present
attributes:
  check_mode:
    description: Reports what would change, also where the directory does not exist yet.
    support: full
  diff_mode:
    description: Nothing is shown of what is in an archive.
    support: none
"""

EXAMPLES = r"""
- name: What people's own machines need
  wheelhouse.onboarding.reproducible_archive:
    archives:
      - path: /srv/bundles/ada-windows.zip
        files:
          - name: pip.ini
            content: "[global]\r\nindex-url = https://packages.acme.example/simple/\r\n"
      - path: /srv/bundles/ada-linux.tar.gz
        folder: ada-linux
        files:
          - name: install.sh
            mode: '0755'
            content: "{{ lookup('ansible.builtin.file', 'install.sh', rstrip=false) }}"
      - path: /srv/bundles/bob-linux.tar.gz
        state: absent
"""

RETURN = r"""
paths:
  description: The archives that were written or deleted.
  type: list
  elements: str
  returned: always
  sample: [/srv/bundles/ada-windows.zip]
"""

import gzip
import hashlib
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from typing import Literal, TypedDict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.atomic_write import read, replace

SUMS = "SHA256SUMS"
# the earliest time that a zip file can tell: 1980-01-01, as zip and as tar write it
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
TAR_TIME = 315532800

Member = tuple[str, bytes, int]  # name, content, mode


class File(TypedDict):
    """A file, as the module is told it."""

    name: str
    content: str
    mode: str


class Archive(TypedDict):
    """An archive, as the module is told it."""

    path: str
    mode: str
    folder: str
    files: list[File]
    state: Literal["present", "absent"]


def with_sums(files: list[File]) -> list[Member]:
    """[(name, content, mode)] of an archive in the order of their names, SHA256SUMS among them."""
    members = [(file["name"], file["content"].encode(), int(file["mode"], 8)) for file in files]
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content, _mode in sorted(members))
    return sorted([*members, (SUMS, sums.encode(), 0o644)])


def zipped(members: list[Member]) -> bytes:
    """The bytes of a zip file with these members."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content, mode in members:
            member = zipfile.ZipInfo(name, ZIP_TIME)
            member.create_system = 3  # else the permissions mean nothing
            member.external_attr = (stat.S_IFREG | mode) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            writer.writestr(member, content)
    return archive.getvalue()


def tarred(members: list[Member]) -> bytes:
    """The bytes of a gzipped tar file with these members."""
    archive = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=archive, mode="wb", filename="", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as writer,
    ):
        for name, content, mode in members:
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), mode, TAR_TIME
            writer.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def faults_of(archive: Archive) -> Iterator[str]:
    """Yield a sentence for each thing that cannot be as it is given."""
    path = archive["path"]
    if not os.path.isabs(path) or not path.endswith((".zip", ".tar.gz")):
        yield f"archives[].path is {path}; write an absolute path that ends in .zip or .tar.gz."
    names = [file["name"] for file in archive["files"]]
    for name in [*names, *filter(None, [archive["folder"]])]:
        if name == SUMS or "\\" in name or not all(part.strip(". ") for part in name.split("/")):
            yield f"{path} is to hold {name}; write a relative path with / and without '..', and not {SUMS}."
    # a file system of Windows or macOS would make one file of the two
    if len({name.lower() for name in names}) < len(names):
        yield f"{path} is to hold two files of one name; give each its own."


def settle(archive: Archive, check_mode: bool) -> bool:
    """Bring one archive to the wanted state; whether that is, or in check mode would be, a change."""
    path = archive["path"]
    if archive["state"] == "absent":
        if not os.path.lexists(path):
            return False
        if not check_mode:
            os.unlink(path)
        return True
    members = with_sums(archive["files"])
    if archive["folder"]:
        members = [(f"{archive['folder']}/{name}", content, mode) for name, content, mode in members]
    content, mode = (zipped if path.endswith(".zip") else tarred)(members), int(archive["mode"], 8)
    if read(path) == content and stat.S_IMODE(os.stat(path).st_mode) == mode:
        return False
    if not check_mode:
        replace(path, content, mode, os.geteuid(), os.getegid())
    return True


def main() -> None:
    file_spec = {
        "name": {"type": "str", "required": True},
        "content": {"type": "str", "required": True},
        "mode": {"type": "str", "default": "0644"},
    }
    archive_spec = {
        "path": {"type": "str", "required": True},
        "mode": {"type": "str", "default": "0600"},
        "folder": {"type": "str", "default": ""},
        "files": {"type": "list", "elements": "dict", "default": [], "options": file_spec},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    }
    module = AnsibleModule(
        argument_spec={"archives": {"type": "list", "elements": "dict", "required": True, "options": archive_spec}},
        supports_check_mode=True,
    )
    archives: list[Archive] = module.params["archives"]
    faults = [fault for archive in archives for fault in faults_of(archive)]
    if faults:
        module.fail_json(msg=" ".join(faults))
    paths = []
    for archive in archives:
        try:
            if settle(archive, module.check_mode):
                paths.append(archive["path"])
        except OSError as exc:
            faults.append(f"{archive['path']}: {exc.strerror}.")
    if faults:
        module.fail_json(msg=" ".join(faults), changed=bool(paths), paths=paths)
    module.exit_json(changed=bool(paths), paths=paths)


if __name__ == "__main__":
    main()

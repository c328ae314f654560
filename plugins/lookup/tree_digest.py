# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: tree_digest
short_description: One SHA-256 for all files of a directory
version_added: 0.1.0
author: The wheelhouse.onboarding contributors (!UNKNOWN)
description:
  - Tells whether two directories hold the same files. It reads them on the machine that runs Ansible.
  - It is the SHA-256 of the output of C(sha256sum), run in the directory on C(./path) of each file, in the order of the
    paths' bytes. What Python itself writes, C(__pycache__) and C(*.egg-info), is left out.
options:
  _terms:
    description: Directories.
    required: true
"""

EXAMPLES = r"""
- name: Show what the program is made of
  ansible.builtin.debug:
    msg: "{{ lookup('wheelhouse.onboarding.tree_digest', '/usr/local/src/wheelhouse') }}"
"""

RETURN = r"""
_raw:
  description: The digests, in hexadecimal digits.
  type: list
  elements: str
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def tree_digest(directory: Path) -> str:
    """The digest of one directory; raises OSError."""
    files = {
        path.relative_to(directory).as_posix(): path
        for path in directory.rglob("*")
        if "__pycache__" not in path.parts and ".egg-info" not in str(path) and path.is_file()
    }
    lines = [f"{hashlib.sha256(files[name].read_bytes()).hexdigest()}  ./{name}\n" for name in sorted(files)]
    if not lines:
        raise FileNotFoundError(f"{directory} holds no file")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class LookupModule(LookupBase):  # type: ignore[misc]  # ansible has no types
    """The lookup, for Ansible."""

    def run(self, terms: Sequence[str], variables: Mapping[str, Any] | None = None, **kwargs: object) -> list[str]:
        try:
            return [tree_digest(Path(str(term))) for term in terms]
        except OSError as exc:
            raise AnsibleLookupError(f"tree_digest cannot read the directory: {exc}.") from exc

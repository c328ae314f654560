# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)

from __future__ import annotations

DOCUMENTATION = r"""
name: program_files
short_description: Files of a role as entries for managed_files
version_added: 0.1.0
author: wheelhouse.onboarding contributors
description:
  - Reads text files on the controller and returns an entry for M(wheelhouse.onboarding.managed_files) for each.
  - So a program of many modules is installed, and removed, in one task.
options:
  _terms:
    description: Files, found as M(ansible.builtin.copy) finds them; of a directory, all C(*.py) files in it.
    type: list
    elements: str
    required: true
  directory:
    description: The directory on the host that holds them.
    type: str
    required: true
  mode:
    description: Their permissions, as an octal number in quotes.
    type: str
    default: '0644'
  state:
    description: V(absent) returns entries that delete them.
    type: str
    choices: [present, absent]
    default: present
"""

EXAMPLES = r"""
- name: Install a program
  wheelhouse.onboarding.managed_files:
    directories:
      - path: /usr/local/lib/acme
    files: "{{ query('wheelhouse.onboarding.program_files', 'program', directory='/usr/local/lib/acme') }}"
"""

RETURN = r"""
_list:
  description: The entries, in the order of their paths.
  type: list
  elements: dict
  sample: [{path: /usr/local/lib/acme/cli.py, mode: '0644', content: "...", state: present}]
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def entries(sources: Sequence[Path], directory: str, mode: str, state: str) -> list[dict[str, str]]:
    """The entries for files, and for the modules of directories."""
    files = [file for source in sources for file in (sorted(source.glob("*.py")) if source.is_dir() else [source])]
    found = []
    for file in files:
        content = "" if state == "absent" else file.read_text(encoding="utf-8")
        found.append({"path": f"{directory}/{file.name}", "mode": mode, "content": content, "state": state})
    return found


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup, for Ansible."""

    def run(
        self, terms: Sequence[str], variables: Mapping[str, object] | None = None, **kwargs: object
    ) -> list[dict[str, str]]:
        self.set_options(var_options=variables, direct=kwargs)
        sources = []
        for term in terms:
            path = self.find_file_in_search_path(variables, "files", str(term))
            if path is None:
                raise AnsibleLookupError(f"program_files: there is no file or directory {term} on the controller.")
            sources.append(Path(path))
        return entries(sources, *(str(self.get_option(name)) for name in ("directory", "mode", "state")))

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What the machine that runs Ansible needs: a supported ansible-core, settings, and the libraries of the filters."""

from __future__ import annotations

import sys
from importlib.util import find_spec

SUPPORTED = ("2.19", "2.20", "2.21")
"""The releases of ansible-core that the tests run."""

PACKAGES = "ansible>=12,<15"
"""The releases of the Python package `ansible` that bring them."""


def version_fault(version: str) -> str | None:
    """Why this version of ansible-core cannot run the collection, or None."""
    if ".".join(version.split(".")[:2]) in SUPPORTED:
        return None
    supported = f"{', '.join(SUPPORTED[:-1])} and {SUPPORTED[-1]}"
    return (
        f"This run uses ansible-core {version}, and wheelhouse.onboarding supports {supported}. "
        f"Install one of these, for example with: python3 -m pip install '{PACKAGES}' "
        "(2.19 needs Python 3.11 or later, 2.20 and 2.21 need Python 3.12 or later)."
    )


def library_fault(has_index: bool) -> str | None:
    """Which Python library the run would miss, or None."""
    if not has_index or find_spec("bcrypt"):
        return None
    return (
        f"The Python library bcrypt is missing, which hashes the passwords of the index: install it for "
        f"{sys.executable}, which runs Ansible here, for example with: python3 -m pip install bcrypt"
    )


def facts_fault(injected: bool, file: str | None) -> str | None:
    """Why these settings of Ansible let a host change what others get, or None.

    injected  the setting INJECT_FACTS_AS_VARS
    file      the ansible.cfg that was read
    """
    if not injected:
        return None
    place = file or "an ansible.cfg in the directory from which you run this, which only you may write to"
    return (
        "What a host reports of itself would count before what the inventory says of it, so root of one host could "
        "read files of this machine and get other people's secrets. Write the line 'inject_facts_as_vars = false' "
        f"below [defaults] in {place}, or set ANSIBLE_INJECT_FACT_VARS=false in the environment. Facts that your "
        "inventory uses are in ansible_facts: ansible_facts['distribution'] instead of ansible_distribution."
    )

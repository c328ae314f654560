# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What the machine that runs Ansible needs: a supported ansible-core, and the Python libraries of the filters."""

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

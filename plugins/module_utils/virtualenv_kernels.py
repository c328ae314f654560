# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Environments as kernels of Jupyter, for the module virtualenvs."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import shutil
from collections.abc import Iterable

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.atomic_write import decode, read
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.virtualenv_builds import (
    CORPORATE_ENV,
    Fault,
    Wanted,
)


def below_home(path: str) -> str:
    """A path with the home of this process's person in the place of `~/`."""
    return os.path.join(os.environ["HOME"], path[2:]) if path.startswith("~/") else path


def kernels_directory(owner: str) -> str:
    """Where Jupyter looks for kernels: everybody's, or those of one person."""
    if owner == "root":
        return "/usr/local/share/jupyter/kernels"
    return below_home("~/.local/share/jupyter/kernels")


def kernels_of(path: str, owner: str) -> dict[str, str]:
    """The directories of kernels that were registered here for the environment `path`: {directory: text}."""
    found = {}
    for spec in glob.glob(os.path.join(glob.escape(kernels_directory(owner)), "*", "kernel.json")):
        try:
            text = decode(read(spec) or b"")
            if json.loads(text)["metadata"]["wheelhouse"] == path:
                found[os.path.dirname(spec)] = text
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return found


def kernel_text(path: str, build: str, display_name: str) -> str:
    """A kernel.json that names the build, not the link: a running kernel keeps what it has when the link moves."""
    python = os.path.join(build, "bin", "python")
    prefix = [CORPORATE_ENV] if os.access(CORPORATE_ENV, os.X_OK) else []
    spec = {
        "argv": [*prefix, python, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": display_name,
        "language": "python",
        # `!pip` and `!uv` mean the environment that the notebook runs on
        "env": {"VIRTUAL_ENV": build, "PATH": f"{build}/bin:/usr/local/bin:/usr/bin:/bin"},
        "metadata": {"debugger": True, "wheelhouse": path},
    }
    return json.dumps(spec, indent=2) + "\n"


def register_kernel(path: str, build: str, wanted: Wanted, check: bool) -> bool:
    """Let Jupyter know the environment as a kernel, or no longer; whether anything changed."""
    registered = kernels_of(path, wanted["owner"])
    name = re.sub(r"[^a-z0-9._-]+", "-", wanted["kernel"].lower()).strip("-.")

    directory = os.path.join(kernels_directory(wanted["owner"]), name) if name else ""
    text = kernel_text(path, build, wanted["kernel"])
    if registered == ({directory: text} if name else {}):
        return False
    if name and directory not in registered and os.path.lexists(directory):
        raise Fault(f"There is another kernel in {directory}; give {path} another name in `kernel`.")
    if check:
        return True
    if name:
        os.makedirs(directory, exist_ok=True)
        partial = os.path.join(directory, ".kernel.json")
        with open(partial, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(partial, os.path.join(directory, "kernel.json"))
    forget_kernels([other for other in registered if other != directory], wanted["owner"])
    return True


def forget_kernels(directories: Iterable[str], owner: str) -> None:
    """Remove kernels, and the directories around them when nothing else is in there."""
    for directory in directories:
        shutil.rmtree(directory)
    around = kernels_directory(owner)
    with contextlib.suppress(OSError):
        os.rmdir(around)
        os.rmdir(os.path.dirname(around))

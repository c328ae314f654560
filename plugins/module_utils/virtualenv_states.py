# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""One environment brought to the wanted state with the rights of this process, for the module virtualenvs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from typing import TypedDict

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.homes import look_into
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.virtualenv_builds import (
    COMPLETE,
    Fault,
    Wanted,
    builds,
    current_build,
    digest,
    install,
    interpreter,
    is_complete,
    is_in_use,
    packages,
    permissions,
    set_permissions,
    try_out,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.virtualenv_kernels import (
    below_home,
    forget_kernels,
    kernels_of,
    register_kernel,
)


class Answer(TypedDict, total=False):
    """What came of one environment; `what` and the packages where something changed, `fault` where it could not."""

    changed: bool
    what: str
    installed: list[str]
    removed: list[str]
    fault: str


def refuse_what_others_can_write(path: str) -> None:
    """A directory that someone else can write in is no place for root to work in."""
    parent = os.path.dirname(path)
    while True:
        if os.path.isdir(parent):
            status = os.stat(parent)
            if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise Fault(
                    f"Others than root can write in {parent}; name the `owner` of {path}, or choose another place."
                )
        if parent == "/":
            return
        parent = os.path.dirname(parent)


@contextlib.contextmanager
def locked(directory: str) -> Iterator[None]:
    """Keep others out of `directory` meanwhile: a run that was killed may have left one at work."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def present(path: str, wanted: Wanted, check: bool) -> Answer:
    """Build what is missing and move the link; what changed, as an answer."""
    python = interpreter(wanted["python"])
    parent, name = os.path.split(path)
    build = os.path.join(parent, f".{name}.{digest(python, wanted['requirements'])}")
    old = current_build(path)
    if os.path.lexists(path) and not old:
        raise Fault(f"{path} exists and was not made by this role; move it away, or give the environment another path.")
    if old == build and is_complete(build):
        should, found = permissions(build, wanted)
        if should != found and not check:
            set_permissions(build, wanted)
        changed = {"permissions": should != found, "kernel": register_kernel(path, build, wanted, check)}
        return {"changed": any(changed.values()), "what": ", ".join(name for name in changed if changed[name])}
    if not check:
        if not is_complete(build):
            shutil.rmtree(build, ignore_errors=True)
            try:
                install(build, python, wanted["requirements"])
                if wanted["kernel"] and not any(one.startswith("ipykernel ") for one in packages(build)):
                    raise Fault("it is to be a kernel and has no ipykernel; add that to its requirements")
                if wanted["check"]:
                    try_out(build, wanted["check"])
            except Fault as exc:
                shutil.rmtree(build, ignore_errors=True)
                stays = "; the one before stays in use" if old else ""
                raise Fault(f"A new build of {path} cannot be used{stays}: {exc}") from None
        set_permissions(build, wanted)
        # what is named complete is on disk
        os.sync()
        with open(os.path.join(build, COMPLETE), "w", encoding="utf-8"):
            pass
        link = f"{build}.link"
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(os.path.basename(build), link)
        os.replace(link, path)
        register_kernel(path, build, wanted, check)
        for other in builds(path):
            if other not in (build, old) and not is_in_use(other):
                shutil.rmtree(other)
    before, after = packages(old), packages(build)
    return {
        "changed": True,
        "what": "build",
        "installed": sorted(after - before),
        "removed": sorted(before - after) if after else [],
    }


def absent(path: str, wanted: Wanted, check: bool) -> Answer:
    """Remove the link and all builds; what is there but was not made here stays."""
    leftovers = builds(path)
    linked = current_build(path)
    kernels = kernels_of(path, wanted["owner"])
    if not check:
        if kernels:
            forget_kernels(kernels, wanted["owner"])
        if linked:
            os.unlink(path)
        for build in leftovers:
            shutil.rmtree(build)
    return {"changed": bool(leftovers or linked or kernels), "what": "removal"}


def settle(wanted: Wanted, check: bool) -> Answer:
    """Bring one environment to the wanted state with the rights of this process; the answer, with a `fault` if any."""
    os.umask(0o022)
    os.chdir("/")
    try:
        path = os.path.normpath(below_home(wanted["path"]))
        parent = os.path.dirname(path)
        if os.geteuid() == 0:
            refuse_what_others_can_write(path)
        else:
            look_into(os.environ["HOME"], check)
        if not check and wanted["state"] == "present":
            os.makedirs(parent, exist_ok=True)
        with locked(parent) if not check and os.path.isdir(parent) else contextlib.nullcontext():
            return absent(path, wanted, check) if wanted["state"] == "absent" else present(path, wanted, check)
    except Fault as exc:
        return {"changed": False, "fault": str(exc)}
    except OSError as exc:
        return {"changed": False, "fault": f"{exc.filename}: {exc.strerror}"}

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Units that run with the settings that are on disk now: what the module `service` does. For the managed host."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Sequence
from typing import Literal, TypedDict

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.atomic_write import decode, encode, read, replace
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.redaction import redact_credentials
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.systemd import (
    AT_REST,
    NEVER,
    Run,
    Systemd,
    SystemdError,
    Unit,
    changed_at,
    newer_than,
    unit_of,
)

UNITS = "/etc/systemd/system"
NOT_THERE = Unit(False, "inactive", "", False, NEVER, NEVER, False)


class Service(TypedDict):
    """An item of O(services)."""

    name: str
    state: Literal["started", "stopped", "unchanged", "ran"]
    enabled: bool | None
    reads: list[str]
    on_change: Literal["restart", "reload"]
    reads_at_start: list[str]
    unit: str | None
    validate: list[str]
    result: str | None


class UnitFile(TypedDict):
    """An item of O(units)."""

    path: str
    content: str
    state: Literal["present", "absent"]


class OtherFile(TypedDict):
    """An item of O(files)."""

    path: str
    content: str
    mode: str
    show: bool
    state: Literal["present", "absent"]


class Host:
    """The host's units, and what was done to them. With `check_mode` nothing is done, and all of it is noted."""

    def __init__(self, run: Run, check_mode: bool) -> None:
        self.systemd = Systemd(run)
        self._run = run
        self.check_mode = check_mode
        self.done: dict[str, list[str]] = {
            name: []
            for name in ("started", "stopped", "restarted", "reloaded", "enabled", "disabled", "units", "files")
        }
        self.newer: dict[str, list[str]] = {}
        self.diff: list[dict[str, str]] = []
        self.changed = False

    def settle(self, services: list[Service], files: list[UnitFile], others: Sequence[OtherFile] = ()) -> None:
        """Bring files and units to the wanted state; raises SystemdError and OSError."""
        files = files + [_own_file(service) for service in services if service["unit"] is not None]
        for file in files:
            _refuse(file["path"])
        for other in others:
            _refuse_other(other, self.check_mode)
        for other in others:
            if other["state"] == "present":
                self._write_other(other)
        for file in files:
            if file["state"] == "present":
                self._write(file["path"], file["content"])
        names = [service["name"] for service in services]
        units = self._read_again([*names, *filter(None, (unit_of(file["path"]) for file in files))])
        for service in sorted(services, key=lambda service: service["state"] != "stopped"):
            unit = units[service["name"]]
            if service["state"] == "stopped":
                self._stop(service, unit)
            elif service["state"] == "ran":
                self._run_once(service, unit)
            else:
                own = [file["path"] for file in files if unit_of(file["path"]) == service["name"]]
                own = [] if service["name"].endswith(".timer") else own
                if service["state"] == "started":
                    self._start(service, unit)
                elif service["enabled"] is not None:
                    self._enable(service["name"], unit, service["enabled"])
                if unit.state not in AT_REST:
                    self._have_read(service, unit, own)
        self._check_started(services)
        self._remove([file["path"] for file in files if file["state"] == "absent"])
        for other in others:
            if other["state"] == "absent" and os.path.lexists(other["path"]):
                if not self.check_mode:
                    os.unlink(other["path"])
                self._note("files", other["path"])
                self._show_other(other, "", "")

    def _note(self, what: str, name: str) -> None:
        self.done[what].append(name)
        self.changed = True

    def _do(self, what: str, verb: str, name: str, *options: str) -> None:
        if not self.check_mode:
            self.systemd.do(verb, *options, unit=name)
        self._note(what, name)

    def _write(self, path: str, content: str) -> None:
        found = read(path)
        if found == encode(content) and stat.S_IMODE(os.stat(path).st_mode) == 0o644:
            return
        if not self.check_mode:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            replace(path, encode(content), 0o644, 0, 0)
        self._note("units", path)
        self._show(path, decode(found or b""), content)

    def _write_other(self, file: OtherFile) -> None:
        path, content, mode = file["path"], encode(file["content"]), int(file["mode"], 8)
        found = read(path)
        if found == content:
            status = os.lstat(path)
            is_own = stat.S_ISREG(status.st_mode) and (status.st_uid, status.st_gid) == (0, 0)
            if is_own and stat.S_IMODE(status.st_mode) == mode:
                return
        if not self.check_mode:
            replace(path, content, mode, 0, 0)
        self._note("files", path)
        self._show_other(file, decode(found or b""), file["content"])

    def _show_other(self, file: OtherFile, before: str, after: str) -> None:
        if file["show"]:
            self._show(file["path"], before, after)
            return
        words = f"(the content of {file['path']} is not shown)\n"
        is_gone = file["state"] == "absent"
        self._show(file["path"], words if is_gone else "", "" if is_gone else words)

    def _remove(self, paths: list[str]) -> None:
        gone = [path for path in paths if os.path.lexists(path)]
        for path in gone:
            self._note("units", path)
            self._show(path, decode(read(path) or b""), "")
            if self.check_mode:
                continue
            os.unlink(path)
            if path.count("/") > UNITS.count("/") + 1:
                with contextlib.suppress(OSError):  # something else is in it
                    os.rmdir(os.path.dirname(path))
        if self.check_mode:
            return
        names = [name for name in map(unit_of, paths) if name]
        if gone or any(unit.is_outdated for unit in (self.systemd.units(names) or {}).values()):
            self.systemd.do("daemon-reload")
            self.changed = True
        for name in map(unit_of, gone):
            if name:
                self.systemd.forget_failure(name)

    def _show(self, path: str, before: str, after: str) -> None:
        shown = {"before": redact_credentials(before), "after": redact_credentials(after)}
        self.diff.append({**shown, "before_header": path, "after_header": path})

    def _read_again(self, names: list[str]) -> dict[str, Unit]:
        """The units, once systemd has read their files as they are now."""
        units = self.systemd.units(names)
        if units is None:
            if not self.check_mode:
                raise SystemdError("systemd does not run on this host, and the units cannot be started without it.")
            return dict.fromkeys(names, NOT_THERE)
        if self.done["units"] or any(unit.is_outdated for unit in units.values()):
            self.changed = True
            if not self.check_mode:
                self.systemd.do("daemon-reload")
                units = self.systemd.units(names) or units
        return units

    def _stop(self, service: Service, unit: Unit) -> None:
        name = service["name"]
        if unit.state not in AT_REST:
            self._do("stopped", "stop", name)
        self._enable(name, unit, bool(service["enabled"]))

    def _start(self, service: Service, unit: Unit) -> None:
        name = service["name"]
        if not unit.is_found and not self.check_mode:
            raise SystemdError(f"There is no unit {name} on this host; install what it belongs to first.")
        self._enable(name, unit, service["enabled"] is not False)
        if unit.state in AT_REST:
            self._validate(service)
            if unit.state == "failed" and not self.check_mode:
                self.systemd.forget_failure(name)  # or systemd may refuse it for having failed too often
            self._do("started", "start", name)

    def _have_read(self, service: Service, unit: Unit, own_files: list[str]) -> None:
        """Restart or reload a unit that is at work where files are newer than its last look at them."""
        name = service["name"]
        at_start = service["reads_at_start"] + own_files
        if service["on_change"] == "restart":
            at_start = at_start + service["reads"]
        for what, verb, paths, since in (
            ("restarted", "restart", at_start, unit.started_at),
            ("reloaded", "reload", service["reads"], unit.loaded_at),
        ):
            newer = newer_than(since, paths)
            if newer:
                self._validate(service)
                self.newer[name] = newer
                self._do(what, verb, name)
                return

    def _run_once(self, service: Service, unit: Unit) -> None:
        if service["enabled"] is not None:
            self._enable(service["name"], unit, service["enabled"])
        since = unit.started_at or NEVER
        if unit.state in AT_REST and service["result"]:
            # systemd forgets the start with the host's next one, and knows nothing of whether the work was done
            ended = changed_at(service["result"])
            since = min(since, ended) if since else ended
        newer = newer_than(since, service["reads"])
        if newer or since == NEVER:
            self._validate(service)
            self.newer[service["name"]] = newer
            self._do("started", "restart", service["name"], "--no-block")

    def _enable(self, name: str, unit: Unit, wanted: bool) -> None:
        if wanted and (unit.enablement == "disabled" or (self.check_mode and not unit.is_found)):
            self._do("enabled", "enable", name)
        elif not wanted and unit.enablement in ("enabled", "enabled-runtime"):
            self._do("disabled", "disable", name)

    def _validate(self, service: Service) -> None:
        if not service["validate"] or self.check_mode:
            return
        code, output, error = self._run(service["validate"])
        if code != 0:
            said = redact_credentials((output + error).strip())
            command, name = " ".join(service["validate"]), service["name"]
            raise SystemdError(f"{command} finds mistakes in the files of {name}, which goes on as it is: {said}")

    def _check_started(self, services: list[Service]) -> None:
        """Raise SystemdError for a unit that came to an end right after its start."""
        fresh = [
            service["name"]
            for service in services
            if service["state"] == "started" and service["name"] in self.done["started"] + self.done["restarted"]
        ]
        for name, unit in ({} if self.check_mode else self.systemd.units(fresh) or {}).items():
            if unit.state in AT_REST and not (unit.is_oneshot and unit.state == "inactive"):
                raise SystemdError(f"{name} was started and is {unit.state} already.{self.systemd.journal(name)}")


def _own_file(service: Service) -> UnitFile:
    return {"path": os.path.join(UNITS, service["name"]), "content": service["unit"] or "", "state": "present"}


def _refuse(path: str) -> None:
    """Raise SystemdError for a file that is not below UNITS, or in a directory that another than root may change."""
    if os.path.normpath(path) != path or not path.startswith(f"{UNITS}/"):
        raise SystemdError(f"units[].path is {path}; write the path of a file below {UNITS}.")
    _refuse_directory(path)


def _refuse_other(file: OtherFile, check_mode: bool) -> None:
    """Raise SystemdError for a file that is none of O(files), or in no directory of root's alone."""
    path = file["path"]
    if os.path.normpath(path) != path or not path.startswith("/") or path.startswith(f"{UNITS}/"):
        raise SystemdError(f"files[].path is {path}; write the absolute path of a file outside of {UNITS}.")
    if not re.fullmatch("[0-7]{3,4}", file["mode"]):
        raise SystemdError(f"files[].mode is {file['mode']}; write an octal number in quotes, such as '0755'.")
    if file["state"] == "present" and not check_mode and not os.path.isdir(os.path.dirname(path)):
        raise SystemdError(f"There is no directory {os.path.dirname(path)} for {path}; create it first.")
    _refuse_directory(path)


def _refuse_directory(path: str) -> None:
    directory = os.path.dirname(path)
    if os.path.isdir(directory):
        status = os.stat(directory)
        if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise SystemdError(f"{directory} has to belong to root and be writable by nobody else, to hold {path}.")

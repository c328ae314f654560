# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What systemd knows of units, and what is newer than a unit's last look at it. For modules on the managed host."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import NamedTuple

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.redaction import redact_credentials

# a command -> its exit code, its output and its error output
Run = Callable[[list[str]], tuple[int, str, str]]

NEVER = 0.0
# Units with one of these states are not, or no longer, at work.
AT_REST = ("inactive", "failed")
JOURNAL_LINES = 15
_PROPERTIES = (
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "NeedDaemonReload",
    "InactiveExitTimestamp",
    "StateChangeTimestamp",
    "Type",
    "RemainAfterExit",
)


class SystemdError(Exception):
    """What systemd did not do, as a sentence or more."""


class Unit(NamedTuple):
    """A unit as systemd sees it now. Times are seconds since the epoch, `NEVER` where systemd knows of none."""

    is_found: bool
    state: str  # ActiveState
    enablement: str  # UnitFileState; empty without a unit file
    is_outdated: bool  # its files changed since systemd read them
    started_at: float
    loaded_at: float  # when it was started or reloaded last
    is_oneshot: bool  # it does its work once, and rests again


def changed_at(path: str) -> float:
    """When a file or a directory was changed in any way, in seconds since the epoch; `NEVER` where there is none."""
    try:
        return os.stat(path).st_ctime
    except FileNotFoundError:
        return NEVER


def newer_than(since: float, paths: Iterable[str]) -> list[str]:
    """Those of the paths, and of what is below directories among them, that changed after `since`."""
    return sorted(path for path in _everything(paths) if changed_at(path) > since)


def _everything(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield path
        for directory, subdirectories, files in os.walk(path):
            for name in subdirectories + files:
                yield os.path.join(directory, name)


def unit_of(path: str) -> str | None:
    """The unit that a unit file or a drop-in belongs to; None for a template, which systemd loads by its instances."""
    directory, name = os.path.split(path)
    if directory.endswith(".d"):
        name = os.path.basename(directory)[:-2]
    return None if "@." in name else name


class Systemd:
    """The system's systemd, by way of its commands, which `run` runs."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def units(self, names: Iterable[str]) -> dict[str, Unit] | None:
        """The units of these names; None where systemd does not run."""
        wanted = list(dict.fromkeys(names))
        if not wanted:
            return {}
        shown = [f"--property={name}" for name in _PROPERTIES]
        _code, output, _error = self._run(["systemctl", "show", "--timestamp=us+utc", *shown, "--", *wanted])
        blocks = [block for block in output.strip().split("\n\n") if "LoadState=" in block]
        if len(blocks) != len(wanted):
            return None
        return {name: _parse(block) for name, block in zip(wanted, blocks)}

    def do(self, *arguments: str, unit: str | None = None) -> None:
        """Run `systemctl` with these arguments; raises SystemdError, with the end of the unit's journal."""
        words = [*arguments, "--", unit] if unit else [*arguments]
        code, _output, error = self._run(["systemctl", *words])
        if code != 0:
            what = f"systemctl {' '.join(arguments)}{' ' + unit if unit else ''} failed"
            raise SystemdError(f"{what}: {redact_credentials(error.strip())}{self.journal(unit) if unit else ''}")

    def forget_failure(self, unit: str) -> None:
        """Have a unit that failed count as one that was never started; it need not be there."""
        self._run(["systemctl", "reset-failed", "--", unit])

    def journal(self, unit: str) -> str:
        """A sentence with the last lines of a unit's journal, without passwords in URLs; empty without such lines."""
        command = ["journalctl", f"--unit={unit}", f"--lines={JOURNAL_LINES}", "--output=cat", "--no-pager", "--quiet"]
        _code, output, _error = self._run(command)
        lines = redact_credentials(output.strip())
        return f"\nThe journal of {unit} ends with:\n{lines}" if lines else ""


def _parse(block: str) -> Unit:
    shown = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    return Unit(
        is_found=shown["LoadState"] != "not-found",
        state=shown.get("ActiveState", "inactive"),
        enablement=shown.get("UnitFileState", ""),
        is_outdated=shown.get("NeedDaemonReload") == "yes",
        started_at=_time(shown.get("InactiveExitTimestamp", "")),
        loaded_at=_time(shown.get("StateChangeTimestamp", "")),
        is_oneshot=shown.get("Type") == "oneshot" and shown.get("RemainAfterExit") != "yes",
    )


def _time(shown: str) -> float:
    if shown in ("", "n/a"):
        return NEVER
    return datetime.strptime(shown, "%a %Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=timezone.utc).timestamp()

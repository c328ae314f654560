# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The environments of the role virtualenv as the module virtualenvs takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_DEFAULTS = {
    "owner": "root",
    "group": "",
    "mode": "0755",
    "python": "python3",
    "kernel": "",
    "check": "",
    "state": "present",
}


def virtualenv_requirements(
    environments: Sequence[Mapping[str, object]], files: Mapping[str, str], state: str
) -> list[dict[str, object]]:
    """Each environment with all of its requirements in one text.

    environments    as the role's option has them
    files           the text of each `requirements_file`
    state           'absent' removes all of them
    """
    return [_environment(one, files, state) for one in environments]


def _environment(one: Mapping[str, object], files: Mapping[str, str], state: str) -> dict[str, object]:
    listed, file = one.get("requirements"), one.get("requirements_file")
    lines = "\n".join(str(line) for line in listed) if isinstance(listed, list) else ""
    # editors on Windows begin a file with a byte order mark
    locked = files[str(file)].lstrip("\ufeff") if file else ""
    wanted: dict[str, object] = {"path": one["path"], "requirements": f"{lines}\n{locked}".strip()}
    for name, default in _DEFAULTS.items():
        wanted[name] = one.get(name) or default
    if state == "absent":
        wanted["state"] = "absent"
    return wanted

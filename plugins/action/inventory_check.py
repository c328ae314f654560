# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Reads what the inventory says, on the controller, and hands it to the functions that know what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.release import __version__
from ansible.utils.vars import load_extra_vars
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_names import Spec
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.controller import (
    facts_fault,
    library_fault,
    version_fault,
)
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_check import check_inventory
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_files import (
    inventory_files,
    variable_files,
)

ROLES = Path(__file__).resolve().parents[2] / "roles"


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible has no types
    """The task."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset({"creates", "needs"})

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if task_vars is None:
            raise AnsibleActionFail("The variables of the run are missing.")
        hostvars, groups = task_vars["hostvars"], native(dict(task_vars["groups"]))
        fault = (
            version_fault(__version__)
            or facts_fault(bool(constants.INJECT_FACTS_AS_VARS), constants.CONFIG_FILE)
            or library_fault(bool(groups.get("index_hosts")))
        )
        if fault:
            return result | {"failed": True, "msg": fault}
        hosts = list(dict.fromkeys(host for members in groups.values() for host in members))
        hosts = hosts or ["localhost"]  # which is there without any inventory
        raw = {host: dict(hostvars.raw_get(host)) for host in hosts}
        for host in hosts:
            raw[host]["hostvars"] = hostvars
        sources = [Path(str(source)) for source in task_vars.get("ansible_inventory_sources") or []]
        places = [source if source.is_dir() else source.parent for source in sources]
        if task_vars.get("playbook_dir"):
            places.append(Path(str(task_vars["playbook_dir"])))
        faults, warnings = check_inventory(
            raw=raw,
            groups=groups,
            template=self._template,
            specs=role_specs(),
            files=[*inventory_files(sources), *variable_files(places)],
            decrypted=self._decrypted,
            sources=sources,
            creates=native(self._task.args.get("creates") or []),
            extra=native(dict(load_extra_vars(self._loader))),
        )
        faults += [
            f"There is no host in the group {group}, and this playbook is about one: put it in, or run it with an "
            "inventory that has it."
            for group in native(self._task.args.get("needs") or [])
            if not groups.get(group)
        ]
        result.update(changed=False, warnings=warnings)
        if faults:
            lines = "\n".join(f"- {fault}" for fault in faults)
            result.update(failed=True, msg=f"The inventory needs a change:\n{lines}")
        return result

    def _template(self, variables: Mapping[str, Any], raw: object) -> object:
        if self._templar.available_variables is not variables:
            self._templar.available_variables = variables
        return self._templar.template(raw)

    def _decrypted(self, path: Path) -> str | None:
        """The text of a file, out of the vault where it is in one."""
        try:
            content, _shown = self._loader._get_file_contents(str(path))
            return bytes(content).decode("utf-8")
        except Exception:  # Ansible says so itself where it needs the file
            return None


def role_specs() -> dict[str, Spec]:
    """{role: content of its argument_specs.yml}, of this collection's roles."""
    specs: dict[str, Spec] = {}
    for path in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        text = path.read_text(encoding="utf-8")
        content = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        specs[path.parents[1].name] = {"argument_specs": content["argument_specs"], "text": text}
    return specs

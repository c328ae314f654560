# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Works out on the controller what each enrolled host is given, and makes a release of it. No host is connected to."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.wheelhouse.onboarding.plugins.action.inventory_check import role_specs
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_names import role_options
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import native
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils import fleet_inventory, fleet_release
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_templates import Values
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.ssh_tunnels import laptop_hosts


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible has no types
    """The task."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset({"published", "tokens", "directory", "serial", "signing_key", "signers", "version"})

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if task_vars is None:
            raise AnsibleActionFail("The variables of the run are missing.")
        given: dict[str, Any] = native(dict(self._task.args))
        groups: dict[str, list[str]] = native(dict(task_vars["groups"]))
        try:
            return result | self._release(given, task_vars["hostvars"], groups)
        except (fleet_release.ReleaseError, fleet_inventory.Unsuitable) as fault:
            return result | {"failed": True, "msg": str(fault)}

    def _release(self, given: dict[str, Any], hostvars: Any, groups: dict[str, list[str]]) -> dict[str, Any]:
        """Raises `ReleaseError`, `Unsuitable`."""
        hosts = groups.get("enrolled_hosts", [])
        raw = {host: {**hostvars.raw_get(host), "hostvars": hostvars} for host in hosts}
        keys = {host: str(variables.get("fleet_key") or "") for host, variables in raw.items()}
        names = fleet_release.names_of(keys)
        files: list[dict[str, str]] = []
        entries: dict[str, dict[str, Any]] = {}
        contents = self._contents(given["tokens"], raw, hostvars, groups.get("jupyter_hosts", []))
        for identity, host in names.items():
            text = fleet_release.encrypted(contents[host], keys[host])
            digest = hashlib.sha256(text).hexdigest()
            files.append({"path": f"{given['directory']}/{digest}", "content": text.decode(), "mode": "0644"})
            entries[identity] = {"sha256": digest, "size": len(text)}
        archive = fleet_release.archive({name: _place_of(name) for name in fleet_release.COLLECTIONS})
        packed = Path(constants.DEFAULT_LOCAL_TMP, "wheelhouse-fleet.tar.gz")
        packed.write_bytes(archive)
        canaries = sorted(identity for identity, host in names.items() if host in groups.get("canaries", []))
        release = {
            "format": fleet_release.FORMAT,
            "number": fleet_release.next_number(
                fleet_release.opened(text, given["signers"]) for text in given["published"]
            ),
            "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "version": given["version"],
            "canaries": canaries,
            "collections": {"sha256": hashlib.sha256(archive).hexdigest(), "size": len(archive)},
            "hosts": entries,
        }
        steps = []
        for share in fleet_release.steps(given["serial"], len(hosts), bool(canaries)):
            step = {**release, "share": share}
            envelope = fleet_release.signed(step, given["signing_key"], given["signers"])
            steps.append({"release": step, "envelope": envelope})
        return {
            "changed": True,
            "number": release["number"],
            "names": names,
            "files": files,
            "archive": str(packed),
            "archive_sha256": release["collections"]["sha256"],
            "steps": steps,
            "reporters": [f'{host} namespaces="{fleet_release.HEARTBEAT}" {key}' for host, key in sorted(keys.items())],
        }

    def _contents(
        self,
        tokens: Mapping[str, Mapping[str, str]],
        raw: Mapping[str, Mapping[str, Any]],
        hostvars: Any,
        jupyter_hosts: list[str],
    ) -> dict[str, dict[str, Any]]:
        """What each host is given: its inventory, and the files that settings name.

        What is the same for many hosts is worked out once. Raises `ReleaseError`, `Unsuitable`.
        """
        specs = {role: spec for role, spec in role_specs().items() if role in fleet_inventory.CLIENT_ROLES}
        options = role_options(specs)
        values = Values(raw, lambda host, value: self._template(raw[host], value))
        known: dict[object, Any] = {}
        found = {}
        for host in raw:
            variables: dict[str, Any] = {}
            for name in raw[host]:
                if not fleet_inventory.is_given(name, options) and name not in fleet_inventory.WORKED_OUT:
                    continue
                signature = name, values.signature(host, [name])
                if signature not in known:
                    known[signature] = _worked_out(values, host, name)
                variables[name] = known[signature]
            variables = fleet_inventory.host_variables(host, variables, tokens, jupyter_hosts)
            variables |= _tunnels(variables, hostvars)
            files = {name: variables.pop(name) for name in fleet_inventory.FILES if variables.get(name)}
            found[host] = {
                "inventory": fleet_inventory.inventory_of(host, variables, jupyter_hosts),
                "files": {name: _text_of(name, path) for name, path in files.items()},
            }
        return found

    def _template(self, variables: Mapping[str, Any], raw: object) -> object:
        if self._templar.available_variables is not variables:
            self._templar.available_variables = variables
        return self._templar.template(raw)


def _worked_out(values: Values, host: str, name: str) -> Any:
    """The value of a variable; raises `ReleaseError`."""
    faults: list[str] = []
    value = values.worked_out(host, values.raw[host][name], name, faults)
    if faults:
        raise fleet_release.ReleaseError(faults[0])
    if fleet_inventory.is_unknown(value):
        raise fleet_release.ReleaseError(
            f"{name} cannot be worked out for {host} here: enrolled hosts are not asked, so it may not depend on what "
            "a host says of itself (ansible_facts)."
        )
    return value


def _tunnels(variables: Mapping[str, Any], hostvars: Any) -> dict[str, dict[str, str]]:
    """How the Jupyter hosts are reached, which an enrolled host cannot ask; raises `ReleaseError`."""
    addresses, given = (variables.get(f"jupyter_tunnel_{what}") or {} for what in ("addresses", "host_keys"))
    hosts = {
        name: {"address": addresses.get(name, ""), "host_key": given.get(name, "")}
        for name in variables["jupyter_tunnel_hosts"]
    }
    found = laptop_hosts(hosts, hostvars)
    for name, one in found.items():
        if not one["host_key"]:
            raise fleet_release.ReleaseError(
                f"The SSH host key of {name} is not known, since it does not answer: start it, or write the key into "
                "jupyter_tunnel_host_keys."
            )
    return {
        "jupyter_tunnel_addresses": {name: one["address"] for name, one in found.items()},
        "jupyter_tunnel_host_keys": {name: one["host_key"] for name, one in found.items()},
    }


def _place_of(name: str) -> Path:
    """Where a collection is installed; raises `ReleaseError`."""
    try:
        return Path(import_module(f"ansible_collections.{name}").__path__[0])
    except (ImportError, IndexError):
        raise fleet_release.ReleaseError(f"The collection {name} is not installed on this machine.") from None


def _text_of(name: str, path: object) -> str:
    try:
        return Path(str(path)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise fleet_release.ReleaseError(f"{name} is {str(path)!r}, which cannot be read: {error}.") from None

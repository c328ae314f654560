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
        if not given["signing_key"]:
            raise fleet_release.ReleaseError(
                "fleet_signing_key is not set: write the file of the key that signs releases."
            )
        hosts = groups.get("enrolled_hosts", [])
        options = role_options(
            {role: spec for role, spec in role_specs().items() if role in fleet_inventory.CLIENT_ROLES}
        )
        keys = {host: str(hostvars.raw_get(host).get("fleet_key") or "") for host in hosts}
        contents = {host: self._content(host, given, hostvars, groups, options) for host in hosts}
        names = {fleet_release.key_id(key): host for host, key in keys.items()}
        files = []
        entries = {}
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
                fleet_release.opened(text, given["signers"]) for text in given["published"] if text
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

    def _content(
        self,
        host: str,
        given: Mapping[str, Any],
        hostvars: Any,
        groups: Mapping[str, list[str]],
        options: Mapping[str, object],
    ) -> dict[str, Any]:
        """What one host is given: its inventory, and the files that settings name."""
        raw = {**hostvars.raw_get(host), "hostvars": hostvars}
        wanted = [
            name
            for name in raw
            if fleet_inventory.is_given(name, options) or name in ("wheelhouse_people", "wheelhouse_ldap")
        ]
        variables = {name: self._worked_out(host, name, raw) for name in wanted}
        jupyter = groups.get("jupyter_hosts", [])
        variables = fleet_inventory.host_variables(host, variables, given["tokens"], jupyter)
        tunnels = variables["jupyter_tunnel_hosts"]
        addresses, known = (variables.get(f"jupyter_tunnel_{what}") or {} for what in ("addresses", "host_keys"))
        reached = laptop_hosts(
            {name: {"address": addresses.get(name, ""), "host_key": known.get(name, "")} for name in tunnels}, hostvars
        )
        for name, one in reached.items():
            if not one["host_key"]:
                raise fleet_release.ReleaseError(
                    f"The SSH host key of {name} is not known, since it does not answer: start it, or write the key "
                    "into jupyter_tunnel_host_keys."
                )
        variables["jupyter_tunnel_addresses"] = {name: one["address"] for name, one in reached.items()}
        variables["jupyter_tunnel_host_keys"] = {name: one["host_key"] for name, one in reached.items()}
        files = {name: variables.pop(name) for name in fleet_inventory.FILES if variables.get(name)}
        return {
            "inventory": fleet_inventory.inventory_of(host, variables, jupyter),
            "files": {name: _text_of(name, path) for name, path in files.items()},
        }

    def _worked_out(self, host: str, name: str, raw: Mapping[str, Any]) -> Any:
        if self._templar.available_variables is not raw:
            self._templar.available_variables = raw
        try:
            return native(self._templar.template(raw[name]))
        except Exception:
            # Ansible's own words may have the value in them
            raise fleet_release.ReleaseError(
                f"{name} cannot be worked out for {host} here: enrolled hosts are not asked, so it may not depend on "
                "what a host says of itself (ansible_facts)."
            ) from None


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

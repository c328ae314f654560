# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What an enrolled host is given of the inventory: its own settings, and the secrets of those who work on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.people import users_for_host
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.settings import BY_NAME
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.spec_checks import UNKNOWN
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_templates import PLACEHOLDER
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.machine_tokens import index_logins

CLIENT_ROLES = (
    "accounts",
    "ca_certificates",
    "corporate_proxy",
    "fleet",
    "jupyter_tunnel",
    "monitoring",
    "package_client",
)
"""Roles that site.yml runs on a workstation, and the one that keeps it pulling."""

FILES = ("wheelhouse_ca_bundle", "package_client_ca_bundle", "ca_certificates_bundle")
"""Settings that name a file on the controller, which a host is given with them."""

NOT_GIVEN = frozenset(
    {
        # made for each host, see `host_variables`
        "wheelhouse_people",
        # of the index and the controller
        "wheelhouse_ldap",
        "wheelhouse_directory_people",
        "fleet_key",
        "fleet_signing_key",
        "fleet_wait_minutes",
        "package_client_machines",
        "package_client_index_host",
        "package_client_rotate_tokens",
    }
)

WORKED_OUT = ("wheelhouse_people", "wheelhouse_ldap")
"""What `host_variables` needs beside that."""

_OF_EVERYONE = ("name", "state", "until", "jupyter", "jupyter_host")
"""Keys of people who do not work on a host: it has to know whose account there was closed on purpose."""
_OF_ITS_OWN = (*_OF_EVERYONE, "ssh_public_key", "proxy_username", "proxy_password")


class Unsuitable(ValueError):
    """A setting that an enrolled host cannot go by; the text is a sentence."""


def is_given(name: str, options: Mapping[str, object]) -> bool:
    """Whether a variable of the inventory is one that enrolled hosts have.

    options     the variables of `CLIENT_ROLES`
    """
    return (name in BY_NAME or name in options) and name not in NOT_GIVEN


def is_unknown(value: object) -> bool:
    """Whether something in a value could not be worked out."""
    if isinstance(value, Mapping):
        return any(map(is_unknown, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(is_unknown, value))
    return value is UNKNOWN or value == PLACEHOLDER


def host_variables(
    host: str, variables: Mapping[str, Any], tokens: Mapping[str, Mapping[str, str]], jupyter_hosts: Sequence[str]
) -> dict[str, Any]:
    """The variables of one host, templated, with no secret that is not for it; raises `Unsuitable`.

    variables       what `is_given` of the inventory, and `WORKED_OUT`, templated
    tokens          {login name: {machine: token}}, of the index
    jupyter_hosts   names of the Jupyter hosts
    """
    installer = str(variables.get("package_client_conda_installer") or "")
    if installer and not installer.startswith(("https://", "http://")):
        raise Unsuitable(
            f"package_client_conda_installer is {installer!r}, a file on this machine, which {host} cannot fetch: "
            "write a URL."
        )
    people = list(variables.get("wheelhouse_people") or [])
    own = users_for_host(people, host)
    found = {name: value for name, value in variables.items() if name not in WORKED_OUT}
    found["wheelhouse_people"] = [_entry(person, host) for person in people]
    found.setdefault(
        "package_client_people",
        [
            {key: value for key, value in login.items() if key != "reason"}
            for login in index_logins(
                own,
                tokens,
                str(variables.get("package_client_token_name") or host),
                bool(variables.get("wheelhouse_ldap")),
                bool(variables.get("wheelhouse_store_index_passwords")),
            )
        ],
    )
    found.setdefault("jupyter_tunnel_hosts", list(jupyter_hosts))
    return found


def _entry(person: Mapping[str, Any], host: str) -> dict[str, Any]:
    """A person as the host has to know them."""
    is_here = bool(users_for_host([person], host))  # type: ignore[list-item]
    entry = {key: person[key] for key in (_OF_ITS_OWN if is_here else _OF_EVERYONE) if key in person}
    if host in (person.get("workstations") or []):
        entry["workstations"] = [host]
    if "until" in entry:
        entry["until"] = str(entry["until"])
    return entry


def inventory_of(host: str, variables: Mapping[str, Any], jupyter_hosts: Iterable[str]) -> dict[str, Any]:
    """The inventory with which a host applies the collection to itself, as an inventory program answers it."""
    return {
        # for all, since the preflight looks at the settings of each host
        "all": {"vars": dict(variables)},
        "workstations": {"hosts": [host]},
        "jupyter_hosts": {"hosts": sorted(jupyter_hosts)},
        "_meta": {
            "hostvars": {host: {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}}
        },
    }

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Everything that is wrong with an inventory: its names, its values, its groups and its files, of all hosts at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory import (
    ENGINE_GROUPS,
    KNOWN_GROUPS,
    WORKING_GROUPS,
    inventory_warnings,
    validate_inventory,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_names import (
    Spec,
    facts_of,
    name_faults,
    role_of,
    role_options,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_roles import role_faults, role_warnings
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.settings import BY_NAME, Option
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.spec_checks import SECRET, UNKNOWN, value_faults
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.command_options import option_faults
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_cas import ca_faults
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_certificates import certificate_faults
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_files import (
    absent_group_faults,
    file_faults,
    looked_up_faults,
    misnamed_faults,
    shown_path,
)
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_gateways import gateway_faults
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_templates import (
    CANNOT,
    PLACEHOLDER,
    Values,
)

Variables = Mapping[str, Mapping[str, Any]]  # {host: its variables, not templated}
Groups = Mapping[str, list[str]]  # Ansible's `groups`: {name: hosts}

# Where each role is used; a variable of one of these roles that is set elsewhere alone does nothing.
ROLE_GROUPS: dict[str, tuple[str, ...]] = {
    "backup": ("index_hosts", "jupyter_hosts"),
    "conda_channel": ("index_hosts",),
    "index_balancer": ("balancer_hosts",),
    "index_database": ("database_hosts",),
    "index_gateway": ("index_hosts",),
    "index_store": ("store_hosts",),
    "package_intake": ("index_hosts",),
    "package_transfer": ("index_hosts",),
    "pypi_index": ("index_hosts",),
    "jupyter_host": ("jupyter_hosts",),
}
# Shared settings that variables of roles have to go together with.
_SHARED_OF_ROLES = (
    "wheelhouse_ca_bundle",
    "wheelhouse_index_url",
    "wheelhouse_people",
    "wheelhouse_proxy",
    "wheelhouse_proxy_password",
)
_SHARED_OF_INDEX = ("wheelhouse_ldap",)
_LOOKUP = re.compile(r"(?:lookup|query|q)\(\s*['\"](?:ansible\.builtin\.)?(?:file|unvault)['\"]\s*,\s*([^()]+?)\s*\)")


def check_inventory(
    raw: Variables,
    groups: Groups,
    template: Callable[[Mapping[str, Any], object], object],
    specs: Mapping[str, Spec],
    files: list[Path],
    decrypted: Callable[[Path], str | None],
    sources: Sequence[Path] = (),
    creates: Collection[str] = (),
    extra: Mapping[str, object] | None = None,
) -> tuple[list[str], list[str]]:
    """(faults, warnings): sentences, each once, the most important first.

    raw         {host: its variables, not templated}
    groups      Ansible's `groups`
    template    a function from (variables, raw value) to the value
    specs       {role: content of its argument_specs.yml, with its `text`}
    files       the inventory's YAML files, those with variables beside it too
    decrypted   a function from a path to the text of the file
    sources     what was named with -i
    creates     settings that name a file which the run writes, and which may be missing before
    extra       what was written behind -e; `raw` has it as well
    """
    options = dict(role_options(specs))
    options |= {name: {**options[name], "check": None} for name in creates}
    values = Values(raw, lambda host, value: template(raw[host], value), frozenset(options))
    members = {host for group in KNOWN_GROUPS for host in groups.get(group, [])}
    working = [host for group in (*WORKING_GROUPS, *ENGINE_GROUPS) for host in groups.get(group, [])] or list(raw)
    working = list(dict.fromkeys(working))
    set_on = _set_on(raw)
    faults = name_faults(set_on, list(specs), options, facts_of(spec["text"] for spec in specs.values()))
    told = {fault.partition(" ")[0] for fault in faults}
    given = {name: value for name, value in (extra or {}).items() if name not in told}
    known = {*options, *BY_NAME}
    faults += option_faults(given, set_on, known, set(raw), lambda name: _is_mentioned(name, files, decrypted))
    warnings: list[str] = []
    faults += _shared(values, working, groups, warnings)
    faults += _of_roles(values, members or set(raw), groups, options, list(specs))
    faults += gateway_faults(values, groups)
    found = _together_on_hosts(values, members or set(raw), groups, options, decrypted)
    faults, warnings = faults + found[0], warnings + found[1]
    found = file_faults(files, decrypted, _behind_secrets(values, working, options))
    faults, warnings = faults + found[0], warnings + found[1]
    faults += misnamed_faults(files, {*groups, *KNOWN_GROUPS}, set(raw))
    faults += absent_group_faults(files, groups, KNOWN_GROUPS)
    found = looked_up_faults(_looked_up(values, working, options))
    faults, warnings = faults + found[0], warnings + found[1]
    by_mistake = _parsed_by_mistake(raw, groups, sources)
    strangers = {host for hosts in by_mistake.values() for host in hosts}
    faults = [fault for fault in faults if not any(fault.startswith(f"Host {host!r} ") for host in strangers)]
    for path, hosts in by_mistake.items():
        few = ", ".join(sorted(hosts)[:3]) + (" and others" if len(hosts) > 3 else "")
        faults.append(
            f"{shown_path(path)} was read as a list of hosts ({few}): keep certificates, locks and requirements "
            "beside the inventory's directory, or name its hosts.yml with -i."
        )
    return _together(dict.fromkeys(faults)), list(dict.fromkeys(warnings))


def _together(faults: Iterable[str]) -> list[str]:
    """Where one reason keeps many values from being worked out, it is said once."""
    reasons: dict[str, list[str]] = {}
    for fault in faults:
        where, mark, reason = fault.partition(CANNOT)
        reasons.setdefault(mark + reason if mark else fault, []).append(where)
    return [
        f"{wheres[0]}{f' (and {len(wheres) - 1} more)' if len(wheres) > 1 else ''}{reason}"
        if reason.startswith(CANNOT)
        else reason
        for reason, wheres in reasons.items()
    ]


def _is_mentioned(name: str, files: Iterable[Path], decrypted: Callable[[Path], str | None]) -> bool:
    """Whether a file of the inventory has a variable's name in it."""
    return any(re.search(rf"\b{re.escape(name)}\b", decrypted(path) or "") for path in files)


def _set_on(raw: Variables) -> dict[str, str]:
    """{name of a variable: the first host that has it}"""
    found: dict[str, str] = {}
    for host, variables in raw.items():
        for name in variables:
            found.setdefault(name, host)
    return found


def _shared(values: Values, hosts: list[str], groups: Groups, warnings: list[str]) -> list[str]:
    """Faults of the shared settings, once for hosts on which they are the same."""
    seen = set()
    faults: list[str] = []
    about: dict[str, list[str]] = {}
    for host in hosts:
        signature = values.signature(host, BY_NAME)
        if signature in seen:
            continue
        seen.add(signature)
        said: list[str] = []
        settings = {
            name: values.worked_out(host, values.raw[host][name], name, said, setting.secret)
            for name, setting in BY_NAME.items()
            if name in values.raw[host]
        }
        unknown = {name for name, value in settings.items() if value is UNKNOWN}
        said += [
            fault
            for fault in validate_inventory(_readable(settings), groups)
            if not any(fault.startswith((f"{name} ", f"{name}.", f"{name}[")) for name in unknown)
        ]
        warnings += inventory_warnings(_readable(settings))
        about[host] = said
    for host, said in about.items():
        others = [fault for other, sentences in about.items() if other != host for fault in sentences]
        for fault in said:
            # what is right on other hosts is said with the host's name
            everywhere = len(about) == 1 or others.count(fault) == len(about) - 1
            faults.append(fault if everywhere or not fault.startswith("wheelhouse_") else f"{fault[:-1]} (on {host}).")
    return faults


def _readable(value: Any) -> Any:
    """Without what could not be worked out, of which there is a sentence already."""
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items() if item is not UNKNOWN}
    if isinstance(value, list):
        return [_readable(item) for item in value if item is not UNKNOWN]
    return value


def _of_roles(
    values: Values, hosts: set[str], groups: Groups, options: Mapping[str, Option], roles: list[str]
) -> list[str]:
    """Faults of the variables of roles, once for hosts on which they are the same."""
    faults: list[str] = []
    seen = set()
    set_on: dict[str, list[str]] = {}
    for host in (host for host in values.raw if host in hosts):
        for name in values.raw[host]:
            if name not in options:
                continue
            set_on.setdefault(name, []).append(host)
            signature = (name, values.signature(host, [name]))
            if signature in seen:
                continue
            seen.add(signature)
            secret = bool(SECRET.search(name)) and not name.endswith("private_key")
            said: list[str] = []
            value = values.worked_out(host, values.raw[host][name], name, said, secret)
            if value not in (UNKNOWN, PLACEHOLDER):
                said += value_faults(value, options[name], name)
            faults += [f"{fault[:-1]} (on {host})." if _differs(values, hosts, host, name) else fault for fault in said]
    faults += _in_vain(set_on, groups, roles)
    return faults


def _together_on_hosts(
    values: Values,
    hosts: set[str],
    groups: Groups,
    options: Mapping[str, Option],
    decrypted: Callable[[Path], str | None],
) -> tuple[list[str], list[str]]:
    """(faults, warnings) of variables of roles that have to go together, once for hosts on which they are the same."""
    faults: list[str] = []
    warnings: list[str] = []
    seen = set()
    for host in (host for host in values.raw if host in hosts):
        is_index = host in groups.get("index_hosts", [])
        shared = _SHARED_OF_ROLES + (_SHARED_OF_INDEX if is_index else ())
        saves = is_index or host in groups.get("jupyter_hosts", [])
        names = [name for name in values.raw[host] if name in options or name in shared]
        names = [name for name in names if saves or name != "backup_homes"]
        signature = (is_index, values.signature(host, names))
        if signature in seen:
            continue
        seen.add(signature)
        given = {name: values.worked_out(host, values.raw[host][name], name, []) for name in names}
        directory = str(values.raw[host].get("inventory_dir") or "")
        faults += role_faults(given, is_index, directory)
        warnings += role_warnings(given, is_index)
        found = ca_faults(given, is_index)
        faults, warnings = faults + found[0], warnings + found[1]
        if is_index:
            found = certificate_faults(given, decrypted)
            faults, warnings = faults + found[0], warnings + found[1]
    return faults, warnings


def _differs(values: Values, hosts: set[str], host: str, name: str) -> bool:
    """Whether another host has another value, so that a fault has to say whose it is."""
    mine = values.raw[host][name]
    return any(
        name in values.raw[other] and values.raw[other][name] is not mine and values.raw[other][name] != mine
        for other in hosts
    )


def _in_vain(set_on: dict[str, list[str]], groups: Groups, roles: list[str]) -> list[str]:
    faults = []
    for name, hosts in set_on.items():
        wanted = ROLE_GROUPS.get(role_of(name, roles) or "", ())
        used = {host for group in wanted for host in groups.get(group, [])}
        if used and not used & set(hosts):
            faults.append(
                f"{name} is set for {', '.join(hosts[:3])}{' and others' if len(hosts) > 3 else ''} alone, "
                f"where nothing reads it: write it into group_vars/{wanted[0]}.yml."
            )
    return faults


def _secret_raws(values: Values, host: str, options: Collection[str]) -> Iterator[object]:
    """What stands in the inventory for each secret."""
    for name, raw in values.raw[host].items():
        if name in BY_NAME:
            yield from _secrets_in(raw, BY_NAME[name].secret)
        elif name in options:
            yield from _secrets_in(raw, bool(SECRET.search(name)) and not name.endswith("private_key"))


def _secrets_in(raw: object, secret: bool) -> Iterator[object]:
    if isinstance(raw, dict):
        for key, item in raw.items():
            yield from _secrets_in(item, secret or bool(SECRET.search(str(key))))
    elif isinstance(raw, (list, tuple)):
        for item in raw:
            yield from _secrets_in(item, secret)
    elif secret:
        yield raw


def _behind_secrets(values: Values, hosts: list[str], options: Collection[str]) -> set[tuple[str, ...]]:
    """Paths of the variables that secrets come from."""
    found: set[tuple[str, ...]] = set()
    seen = set()
    for host in hosts:
        for raw in _secret_raws(values, host, options):
            if isinstance(raw, str) and (host, raw) not in seen:
                seen.add((host, raw))
                found |= {path for path, _text in values.sources(host, raw)}
        if len(seen) > 2000:  # the same people on each host
            break
    return found


def _looked_up(values: Values, hosts: list[str], options: Collection[str]) -> set[Path]:
    """Paths of files that secrets are looked up in."""
    found: set[Path] = set()
    for host in hosts[:1]:
        texts = set()
        for raw in _secret_raws(values, host, options):
            if isinstance(raw, str):
                texts |= {str(raw), *(text for _path, text in values.sources(host, raw))}
        for text in texts:
            for expression in _LOOKUP.findall(text):
                path = values.expression(host, expression)
                found |= {Path(path).resolve()} if isinstance(path, str) else set()
    return found


def _parsed_by_mistake(raw: Variables, groups: Groups, sources: Sequence[Path]) -> dict[Path, list[str]]:
    """{file: hosts} of files in folders of an inventory that Ansible took for lists of hosts."""
    found: dict[Path, list[str]] = {}
    for host in groups.get("ungrouped", []):
        path = Path(str(raw.get(host, {}).get("inventory_file") or ""))
        if any(source in path.parents and path.parent != source for source in sources):
            found.setdefault(path, []).append(host)
    return found

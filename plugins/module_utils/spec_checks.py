# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Values of an inventory against an option of a role's argument_specs: type, choices, keys, and their form.

Stricter than Ansible itself, which takes "no" for false but hands the text on, as something true, and 3.10 for 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from difflib import get_close_matches

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.settings import Option
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.value_checks import CHECKS
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, shown

SECRET = re.compile(
    r"(password|passphrase|passwd|(^|_)pass|secret|token|private_key|(secret|account|api)(_access)?_key)$",
    re.IGNORECASE,
)


class Unknown:
    """Stands for a value that only the run itself will know; it is never wrong."""


UNKNOWN = Unknown()

# What a value has to look like, by the option's path; otherwise by how its name ends.
_BY_PATH = {
    "accounts_shell": "path",
    "backup_calendar": "calendar",
    "backup_check_calendar": "calendar",
    "backup_drill_calendar": "calendar",
    "backup_home_limit": "size",
    "backup_keep_daily": "not_negative",
    "backup_keep_monthly": "not_negative",
    "backup_keep_weekly": "not_negative",
    "backup_repository": "backup_repository",
    "backup_ssh_private_key": "key_file",
    "ca_certificates_bundle": "pem_file",
    "conda_channel_names": "channel",
    "index_balancer_address": "ip_address",
    "index_balancer_gateways": "host_name",
    "index_balancer_router_id": "router_id",
    "index_balancer_url": "https_address",
    "index_database_certificate": "pem_file",
    "index_database_hosts": "host_name",
    "index_database_name": "sql_name",
    "index_database_private_key": "key_file",
    "index_database_username": "sql_name",
    "index_gateway_balancers": "network",
    "index_gateway_ca_certificate": "pem_file",
    "index_gateway_ca_private_key": "key_file",
    "index_gateway_certificate": "pem_file",
    "index_gateway_certificate_days": "certificate_days",
    "index_gateway_certificate_names": "certificate_name",
    "index_gateway_issuer_days": "issuer_days",
    "index_gateway_login_cache": "nginx_time",
    "index_store_bucket": "bucket",
    "index_store_certificate": "pem_file",
    "index_store_private_key": "key_file",
    "onboarding_bundle_index_url": "address",
    "package_client_index_url": "address",
    "pypi_index_cache_days": "not_negative",
    "pypi_index_cache_size": "size",
    "pypi_index_database.host": "host_names",
    "pypi_index_database.name": "sql_name",
    "pypi_index_database.port": "port",
    "pypi_index_database.username": "sql_name",
    "pypi_index_publishers[].issuer": "issuer",
    "pypi_index_publishers[].publishes": "project_pattern",
    "pypi_index_quarantine_days": "not_negative",
    "pypi_index_quarantine_size": "size",
    "pypi_index_retention[].keep": "positive",
    "pypi_index_retention[].projects": "project_pattern",
    "pypi_index_set_days": "not_negative",
    "pypi_index_store.bucket": "bucket",
    "pypi_index_store.endpoint": "url",
    "pypi_index_store.prefix": "object_prefix",
    "pypi_index_store_cache_size": "size",
    "pypi_index_upload_limit": "size",
    "pypi_index_upstreams[].url": "url",
    "pypi_index_url": "https_address",
    "fleet_calendar": "calendar",
    "fleet_random_delay": "timespan",
    "fleet_signers": "public_key",
    "fleet_signing_key": "file",
    "index_gateway_private_key": "key_file",
    "jupyter_host_cpu_quota": "percent",
    "jupyter_host_homes": "homes",
    "jupyter_host_memory_max": "memory_max",
    "jupyter_host_new_tokens": "login_name",
    "jupyter_host_writable_paths": "path",
    "onboarding_bundle_conda_channels": "channel",
    "onboarding_bundle_directory": None,
    "package_client_conda_channels": "channel",
    "package_client_conda_installer": "file_or_url",
    "package_client_conda_installer_sha256": "sha256",
    "package_intake_calendar": "calendar",
    "package_intake_delay": "timespan",
    "package_intake_files": "directory",
    "package_intake_on_failure": "command",
    "package_intake_packages[].channel": "channel",
    "monitoring_listen": "server",
    "package_intake_packages[].conda": "conda",
    "package_intake_packages[].pypi": "package",
    "package_intake_policy.advisories": "advisories",
    "package_intake_policy.exceptions[].package": "requirement",
    "package_intake_policy.exceptions[].until": "date",
    "package_intake_policy.licences": "licence",
    "package_intake_policy.minimum_age": "not_negative",
    "package_intake_targets.platforms": "platform",
    "package_intake_targets.python": "python",
    "package_transfer_calendar": "calendar",
    "package_transfer_extras": "file",
    "package_transfer_internal": "project_pattern",
    "package_transfer_part_size": "size",
    "package_transfer_signers": "public_key",
    "pypi_index_base_image": "image",
    "pypi_index_denied": "project_pattern",
    "pypi_index_image": "image",
    "pypi_index_image_archive": "file",
    "pypi_index_minimum_age": "not_negative",
    "pypi_index_reserved": "project_pattern",
    "virtualenv_environments[].mode": "mode",
    "virtualenv_environments[].owner": "login_name",
    "virtualenv_environments[].path": "venv_path",
    "virtualenv_environments[].requirements_file": "file",
}
_BY_ENDING = (
    ("_ca_bundle", "pem_file"),
    ("_contact", "contact"),
    ("_url", "url"),
    ("_port", "port"),
    ("_minutes", "minutes"),
    ("_memory", "memory"),
    ("_people", "login_name"),
    ("_tasks_max", "positive"),
    ("_directory", "path"),
    ("_environment_file", "path"),
)
_FILES = ("directory", "file", "key_file", "pem_file")
# What `-e name=true` hands on; roles convert it with the filter `bool`.
_TRUTHS = ("true", "false", "True", "False", "yes", "no")
# Dictionaries whose values have a form; their keys are names.
_OF_VALUES = {
    "corporate_proxy_regions": "server",
    "jupyter_host_ssh_public_keys": "public_key",
    "jupyter_tunnel_host_keys": "public_key",
    "package_intake_channels": "url",
    "pypi_index_publishers[].claims": "claim",
    "wheelhouse_proxy.regions": "server",
}


def value_faults(
    value: object, spec: Option, where: str, path: str | None = None, secret: bool = False
) -> Iterator[str]:
    """Yield a sentence per fault of `value`.

    spec    an option of an argument_specs
    where   how a fault speaks of the value, for example package_intake_packages[2].pypi
    path    the same without numbers, for example package_intake_packages[].pypi
    """
    path = where if path is None else path
    if value is UNKNOWN:
        return
    secret = secret or (bool(SECRET.search(path.rpartition(".")[2])) and _check_name(path, spec) not in _FILES)
    if value is None:
        if "default" in spec and spec["default"] is not None:
            yield f"{where} has nothing behind its colon: write a value, or take the line out for the default."
        elif spec.get("required"):
            yield f"{where} is missing: {_what(spec)}."
        return
    if spec.get("on_command_line") and spec["type"] == "bool" and value in _TRUTHS:
        return
    wrong = _mistaken(value, spec, path) or _type_fault(value, spec["type"], path.endswith("mode"))
    if wrong:
        seen = kind(value) if secret or isinstance(value, (list, Mapping)) else f"{shown(value)}, {kind(value)}"
        yield f"{where} is {seen}: {wrong}."
        return
    if "choices" in spec and not isinstance(value, list) and value not in spec["choices"]:
        yield f"{where} is {shown(value)}: {_choice(value, spec['choices'])}."
        return
    if spec["type"] == "list" and isinstance(value, (list, tuple)):
        yield from _item_faults(value, spec, where, path, secret)
    elif isinstance(value, Mapping):
        yield from _key_faults(value, spec, where, path)
    else:
        yield from _form_faults(value, _check_name(path, spec), where, secret)


def _what(spec: Option) -> str:
    text = spec.get("description", "")
    text = " ".join(text) if isinstance(text, list) else text
    text = re.sub(r"\b[A-Z]\(([^)]*)\)", r"\1", " ".join(text.split()))
    first = re.split(r"(?<=[a-z)])\. ", text)[0].rstrip(".")
    return f"write it ({first[0].lower()}{first[1:]})" if first else "write it"


def _choice(value: object, choices: list[str]) -> str:
    words = [str(choice) for choice in choices]
    close = get_close_matches(str(value), words, n=1)
    return f"did you mean {close[0]}? There are {', '.join(words)}" if close else f"write one of {', '.join(words)}"


def advice_for(spec: Option, name: str) -> str:
    """Half a sentence: what to write for an option that is missing."""
    check = _check_name(name, spec)
    return (CHECKS[check](" ") if check else None) or _what(spec)


def _mistaken(value: object, spec: Option, path: str) -> str | None:
    """Half a sentence if YAML has made something else of a text without quotes."""
    if spec["type"] != "str" or not isinstance(value, (bool, int)):
        return None
    if isinstance(value, bool):
        quoted = ", ".join(f"'{choice}'" for choice in spec.get("choices", ()))
        return f"write one of {quoted}, in quotes (YAML reads off and no as false)" if quoted else None
    if _check_name(path, spec) in ("calendar", "timespan"):
        return 'write it in quotes, such as "12:30" (YAML reads 12:30 as 750)'
    return None


def _type_fault(value: object, wanted: str, is_mode: bool = False) -> str | None:
    """Half a sentence if the type is another one. What YAML reads 0755 as is an octal number."""
    if wanted == "raw":
        return None
    if wanted in ("str", "path"):
        if isinstance(value, date):
            return f'write it in quotes, "{value}"'
        if isinstance(value, bool):
            return "write it in quotes"
        if isinstance(value, float):
            return "write it in quotes, as it is meant (3.10 without quotes is 3.1)"
        if isinstance(value, int):
            return f'write it in quotes, "{value:04o}"' if is_mode else f'write it in quotes, "{value}"'
        return None if isinstance(value, str) else "write one text, in quotes"
    if wanted == "bool":
        advice = "write true or false, without quotes"
        if isinstance(value, str) and value.lower() in ("true", "false"):
            # what a list of hosts in INI form and -e hand on are texts
            advice += f' (in an INI file {value.capitalize()}, behind -e as JSON: {{"name": {value.lower()}}})'
        return None if isinstance(value, bool) else advice
    if wanted == "int":
        whole = isinstance(value, int) and not isinstance(value, bool)
        return (
            None if whole or (isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value)) else "write a whole number"
        )
    if wanted == "float":
        return None if isinstance(value, (int, float)) and not isinstance(value, bool) else "write a number"
    if wanted == "list":
        return None if isinstance(value, (list, tuple)) else "write a list, like [one, two]"
    if wanted == "dict":
        return None if isinstance(value, Mapping) else "write a mapping, one `key: value` a line below it"
    return None


def _item_faults(value: Sequence[object], spec: Option, where: str, path: str, secret: bool) -> Iterator[str]:
    element: Option = {"type": spec.get("elements", "raw")}
    if "options" in spec:
        element["options"] = spec["options"]
    if "choices" in spec:
        element["choices"] = spec["choices"]
    if "check" in spec:
        element["check"] = spec["check"]
    seen = []
    for number, item in enumerate(value):
        place = f"{where}[{number}]"
        if item is None or item == "":
            yield f"{place} is empty: write something behind the '-', or take it out."
            continue
        yield from value_faults(item, element, place, f"{path}[]", secret)
        if item is not UNKNOWN and isinstance(item, (str, int, float)):
            if item in seen:
                yield f"{where} has {'the same' if secret else shown(item)} twice: write it once."
            seen.append(item)


def key_fault(key: object) -> str | None:
    """Half a sentence if a key that is a name is none: what YAML reads no, on, 1 or 2026-01-01 as."""
    if isinstance(key, str):
        return None if key.strip() else "has an empty key: write the name before the colon"
    return f"has the key {shown(key)}, {kind(key)}: write the key in quotes, as it is meant (YAML reads no as False)"


def _key_faults(value: Mapping[str, object], spec: Option, where: str, path: str) -> Iterator[str]:
    options = spec.get("options")
    if options is None:
        check = _OF_VALUES.get(path)
        for key, item in value.items():
            if wrong := key_fault(key):
                yield f"{where} {wrong}."
                continue
            if check and isinstance(item, str):
                yield from _form_faults(item, check, f"{where}.{key}", False)
            elif check and item is not UNKNOWN:
                yield f"{where}.{key} is {kind(item)}: write one text, in quotes."
        return
    for key in value:
        if key not in options:
            close = get_close_matches(str(key), options, n=1, cutoff=0.5)
            advice = f"did you mean '{close[0]}'?" if close else f"write one of {', '.join(options)}."
            yield f"{where} has the key {shown(key)}, which is not known: {advice}"
    for key, option in options.items():
        if value.get(key) is None:
            if option.get("required"):
                yield f"{where}.{key} is missing: {_what(option)}."
            elif key in value and "default" in option:
                yield f"{where}.{key} has nothing behind its colon: write a value, or take the line out."
            continue
        yield from value_faults(value[key], option, f"{where}.{key}", f"{path}.{key}")


def _check_name(path: str, spec: Option) -> str | None:
    """The check for an option: an item of a list has that of the list."""
    plain = path[:-2] if path.endswith("[]") else path
    if "check" in spec:
        return spec["check"]
    if plain in _BY_PATH:
        return _BY_PATH[plain]
    if spec.get("type") not in ("str", "path", "int", "float"):
        return None
    return next((check for ending, check in _BY_ENDING if plain.endswith(ending)), None)


def _form_faults(value: object, check: str | None, where: str, secret: bool) -> Iterator[str]:
    if check is None or isinstance(value, bool) or (value == "" and check not in ("calendar", "timespan", "date")):
        return
    advice = CHECKS[check](value)
    if advice:
        # of a path, the end says most
        text = repr(value) if isinstance(value, str) and check in _FILES else shown(value)
        seen = "is not right" if secret else f"is {text}"
        yield f"{where} {seen}{', ' if advice.startswith('which') else ': '}{advice}."

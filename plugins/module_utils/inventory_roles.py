# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Variables of roles that have to go together, as the inventory sets them on a host."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.engine_settings import engine_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.hosts import is_ipv4
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.inventory_accounts import role_account_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.ldap_settings import ldap_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.named_upstreams import upstream_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.no_proxy import no_proxy
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.read_rights import read_right_faults
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.trusted_publishers import (
    publisher_faults,
    right_faults,
    right_warnings,
)
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.value_checks import CHECKS
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import shown

_CERTIFICATE_FILES = {
    "given": ("index_gateway_certificate", "index_gateway_private_key"),
    "company_ca": ("index_gateway_ca_certificate", "index_gateway_ca_private_key"),
}


def role_faults(given: Mapping[str, object], is_index: bool | None, inventory_dir: str) -> Iterator[str]:
    """Yield a sentence per fault.

    given           the variables that the inventory sets, those that could be worked out
    is_index        whether the host is in index_hosts; None where `given` has all that is to be looked at
    inventory_dir   where the files that the intake names are by default
    """
    if is_index or (is_index is None and "index_gateway_certificate_source" in given):
        yield from _certificate_faults(given)
    if is_index or is_index is None:
        yield from _image_faults(given)
    yield from _account_faults(given)
    yield from role_account_faults(given)
    yield from _proxy_faults(given)
    yield from _no_proxy_faults(given)
    yield from _conda_faults(given)
    yield from _package_faults(given, inventory_dir)
    yield from _environment_faults(given)
    yield from _backup_faults(given)
    yield from publisher_faults(given)
    if is_index:
        yield from right_faults(given)
    if is_index or is_index is None:
        yield from read_right_faults(given)
        yield from upstream_faults(given)
        yield from engine_faults(given)
    yield from ldap_faults(given.get("pypi_index_ldap"), "pypi_index_ldap")


def role_warnings(given: Mapping[str, object], is_index: bool, today: date | None = None) -> Iterator[str]:
    """Yield what works, but not as somebody will expect it to: the intake goes on without an exception that is over.

    given       as above
    is_index    whether the host is in index_hosts
    today       by default that of this machine
    """
    if is_index:
        yield from right_warnings(given)
    policy = given.get("package_intake_policy")
    exceptions = policy.get("exceptions") if isinstance(policy, dict) else None
    for number, exception in enumerate(exceptions if isinstance(exceptions, list) else []):
        until = exception.get("until") if isinstance(exception, dict) else None
        if not isinstance(until, str) or CHECKS["date"](until):
            continue
        if date.fromisoformat(until) < (today or date.today()):
            yield (
                f"package_intake_policy.exceptions[{number}].until is {shown(until)}, which has passed, and the "
                "exception lets nothing in any more: write a later day, or take it out."
            )


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _certificate_faults(given: Mapping[str, object]) -> Iterator[str]:
    source = given.get("index_gateway_certificate_source", "given")
    if given.get("index_gateway_state") == "absent":
        return
    url, names = given.get("wheelhouse_index_url"), given.get("index_gateway_certificate_names")
    address = re.fullmatch(r"https://([0-9.]+)(:[0-9]+)?", url) if isinstance(url, str) else None
    if source != "given" and address and is_ipv4(address[1]) and f"IP:{address[1]}" not in _texts(names):
        yield (
            f"wheelhouse_index_url is {shown(url)}, an IP address, and the certificate would be for a name: give the "
            f"index a name, or write index_gateway_certificate_names: ['IP:{address[1]}']."
        )
    for name in _CERTIFICATE_FILES.get(source, ()) if isinstance(source, str) else ():
        if given.get(name, "") == "":
            yield (
                f"{name} is not set, and index_gateway_certificate_source is {shown(source)}: name a PEM file on "
                "this machine, or choose another source (company_ca, self_signed)."
            )


def _image_faults(given: Mapping[str, object]) -> Iterator[str]:
    if given.get("pypi_index_image_source") == "archive" and not given.get("pypi_index_image_archive"):
        yield (
            "pypi_index_image_archive is not set, and pypi_index_image_source is 'archive': name the file that "
            "`docker save` wrote, or set pypi_index_image_source to build or pull."
        )
    image = given.get("pypi_index_image", "")
    if given.get("pypi_index_image_source") == "pull" and isinstance(image, str) and "/" not in image:
        yield (
            "pypi_index_image names no registry, and pypi_index_image_source is 'pull': "
            "write it like registry.acme.example/wheelhouse-index:0.1.0."
        )


def _account_faults(given: Mapping[str, object]) -> Iterator[str]:
    """What the role accounts does to accounts, and does not to those of the directory."""
    if given.get("accounts_source") != "directory":
        return
    if given.get("accounts_shell") is not None:
        yield (
            f"accounts_shell is {shown(given['accounts_shell'])}, and accounts_source is 'directory', which gives"
            " people their shells: take accounts_shell out, and set the shell in the directory, or on the host"
            " (sssd: override_shell)."
        )
    if given.get("accounts_removed_home") == "remove":
        yield (
            "accounts_removed_home is 'remove', and accounts_source is 'directory', whose accounts keep their homes:"
            " take accounts_removed_home out, and delete a home when the account has ended in the directory."
        )


def _proxy_faults(given: Mapping[str, object]) -> Iterator[str]:
    region, regions = given.get("corporate_proxy_region"), given.get("corporate_proxy_regions")
    proxy = given.get("wheelhouse_proxy")
    if regions is None and isinstance(proxy, dict):
        regions = proxy.get("regions")
    if isinstance(region, str) and region and isinstance(regions, dict) and region not in regions:
        yield (
            f"corporate_proxy_region is {shown(region)}: write one of {', '.join(map(str, regions))}, "
            "or leave it out for the nearest."
        )


def _no_proxy_faults(given: Mapping[str, object]) -> Iterator[str]:
    for name in ("corporate_proxy_no_proxy", "onboarding_bundle_no_proxy"):
        _value, dropped = no_proxy(_texts(given.get(name)))
        for sentence in dropped:
            yield f"In {name}, {sentence}"


def _conda_faults(given: Mapping[str, object]) -> Iterator[str]:
    others = _texts(given.get("package_client_conda_other_channels"))
    for channel in others:
        if re.search(r"/t/[^/]+", channel):
            yield (
                f"package_client_conda_other_channels has {shown(channel)} in it, an address with a token, which "
                "everybody on a host could read: write it without /t/ and the token, whose place is ~/.netrc, or a "
                "mirror that needs none."
            )
        elif re.search(r"://[^/]*@", channel):
            yield (
                f"package_client_conda_other_channels has {shown(channel)} in it: write the address without an "
                "account, which belongs into ~/.netrc."
            )
    named = [channel for channel in others if not re.match(r"https?://", channel)]
    if given.get("package_client_conda_locked") is True and named:
        yield (
            f"package_client_conda_other_channels has {shown(named[0])} in it, and package_client_conda_locked is "
            "true: write the whole address of each channel."
        )
    installer, digest = (
        given.get("package_client_conda_installer"),
        given.get("package_client_conda_installer_sha256", ""),
    )
    if installer and not digest:
        yield (
            "package_client_conda_installer is given without package_client_conda_installer_sha256: "
            "write the SHA-256 that the place it comes from publishes beside it."
        )
    mirror, shelf = given.get("conda_channel_mirror"), f"{given.get('pypi_index_directory', '/srv/wheelhouse')}/shelf"
    if not isinstance(mirror, str) or not mirror:
        return
    if not re.fullmatch(r"/[A-Za-z0-9._/-]+", mirror) or f"{mirror}/".startswith(f"{shelf}/"):
        yield (
            f"conda_channel_mirror is {shown(mirror)}: write the absolute path of a directory that is not on the "
            "shelf, of letters, digits, - _ . and /, such as /mnt/share/conda."
        )


def _package_faults(given: Mapping[str, object], inventory_dir: str) -> Iterator[str]:
    packages = given.get("package_intake_packages")
    channels = given.get("package_intake_channels", {})
    files = given.get("package_intake_files", inventory_dir)
    seen = set()
    targets = given.get("package_intake_targets")
    for axis in ("python", "platforms"):
        if isinstance(targets, dict) and targets.get(axis) == []:
            yield f"package_intake_targets.{axis} is empty: write at least one, or take package_intake_targets out."
    for number, line in enumerate(packages if isinstance(packages, list) else []):
        where = f"package_intake_packages[{number}]"
        if not isinstance(line, dict):
            continue
        kinds = [kind for kind in ("pypi", "conda") if line.get(kind) is not None]
        if len(kinds) != 1:
            yield (
                f"{where} has {'both pypi and conda' if kinds else 'neither pypi nor conda'}: write what to bring in "
                "as `pypi: networkx==1.10`, or as `conda: orange3 3.29.3` with `channel: conda-forge`."
            )
            continue
        text = line[kinds[0]]
        if kinds == ["pypi"] and line.get("channel") is not None:
            yield f"{where}.channel is given with pypi, which has none: take it out, or write conda in place of pypi."
        if kinds == ["conda"]:
            yield from _channel_faults(line.get("channel"), channels, f"{where}.channel")
        if not isinstance(text, str):
            continue
        if not text.strip():
            yield f"{where}.{kinds[0]} is empty: write what to bring in, such as networkx==1.10."
            continue
        key = (kinds[0], text.strip(), str(line.get("channel")))
        if key in seen:
            yield f"{where}.{kinds[0]} is {shown(text)}, which is in the list already: write it once."
        seen.add(key)
        if kinds == ["pypi"] and text.strip().startswith("file:") and CHECKS["package"](text) is None:
            yield from _list_faults(text.strip()[len("file:") :], files, f"{where}.pypi")
        elif kinds == ["pypi"] and CHECKS["package"](text) is None:
            yield from _name_faults(text, given, f"{where}.pypi")


def _channel_faults(channel: object, channels: object, where: str) -> Iterator[str]:
    if channel is None:
        yield f"{where} is missing: write where the package comes from, for example channel: conda-forge."
    elif (
        isinstance(channel, str) and channel != "conda-forge" and isinstance(channels, dict) and channel not in channels
    ):
        yield (
            f"{where} is {shown(channel)}, and package_intake_channels has no address for it: "
            f"write one, like {channel}: https://conda.acme.example/{channel}."
        )


def _name_faults(text: str, given: Mapping[str, object], where: str) -> Iterator[str]:
    """The intake lets no name in that the index keeps for the company, or from outside."""
    name = re.match(r"\s*([A-Za-z0-9._-]+)", text)
    project = re.sub(r"[-_.]+", "-", name[1]).lower() if name else ""
    for setting, why in (
        ("pypi_index_reserved", "one of the company's own names"),
        ("pypi_index_restricted", "one of the company's own names"),
        ("pypi_index_denied", "a name that is not let in"),
    ):
        for pattern in _texts(given.get(setting)):
            if fnmatchcase(project, re.sub(r"[-_.]+", "-", pattern).lower()):
                yield f"{where} is {shown(text)}, {why} ({setting} has {shown(pattern)}): take one of the two out."


def _list_faults(name: str, files: object, where: str) -> Iterator[str]:
    """A file that a line names, and what is in it."""
    if not isinstance(files, str) or not Path(files).is_dir():
        return
    path = Path(files) / name
    if not path.is_file():
        yield (
            f"{where} is {shown(f'file:{name}')}, and there is no such file below {files} on this machine: "
            "put it there, or name another directory in package_intake_files."
        )
        return
    if path.suffix == ".toml":
        return
    try:
        lines = re.sub(r"\\\r?\n", " ", path.read_text(encoding="utf-8")).splitlines()
    except (OSError, UnicodeDecodeError):
        yield f"{where} is {shown(f'file:{name}')}, which cannot be read as UTF-8: save it anew."
        return
    for line in lines:
        text = re.sub(r"\s--hash[= ]\S+", "", re.sub(r"(^|\s+)#.*$", "", line)).strip()
        if text and (text.startswith("-") or CHECKS["requirement"](text)):
            yield (
                f"{where} is {shown(f'file:{name}')}, which has {shown(text)} in it: "
                "write requirements alone, such as networkx==1.10."
            )
            return


def _backup_faults(given: Mapping[str, object]) -> Iterator[str]:
    repository = given.get("backup_repository")
    if given.get("backup_homes") is True and repository in (None, "") and given.get("backup_state") != "absent":
        yield (
            "backup_homes is true, and backup_repository is not set for the same host, so that no home is saved: write "
            "it into group_vars/all with backup_password, where the index and Jupyter hosts read it."
        )
    if not isinstance(repository, str) or not repository or given.get("backup_state") == "absent":
        return
    if given.get("backup_password", "") == "":
        yield (
            "backup_password is not set, and backup_repository is: write a long password, and keep it where it is not "
            "lost with the index, such as the vault. No backup can be read without it."
        )
    for name, what in (
        ("backup_ssh_private_key", "name a file on this machine with the key that logs in there"),
        ("backup_ssh_known_hosts", "write what `ssh-keyscan` prints of the server"),
    ):
        if repository.startswith("sftp:") and given.get(name, "") == "":
            yield f"{name} is not set, and backup_repository is behind SFTP: {what}."


def _environment_faults(given: Mapping[str, object]) -> Iterator[str]:
    """Two environments at one place."""
    environments = given.get("virtualenv_environments")
    seen = set()
    for environment in environments if isinstance(environments, list) else []:
        if not isinstance(environment, dict):
            continue
        owner, path = environment.get("owner", "root"), environment.get("path")
        if not isinstance(owner, str) or not isinstance(path, str):
            continue
        if (owner, path) in seen:
            yield f"virtualenv_environments has {shown(path)} of {owner} twice: keep one of them."
        seen.add((owner, path))

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What the package clients of a host or a laptop read: pip.conf, uv.toml, .condarc, and credentials for the index.

The roles package_client and onboarding_bundle write the same files, on managed hosts and into the archives for laptops.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TypedDict
from urllib.parse import urlsplit

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.netrc import netrc_entry

_PIP = """\
[global]
# One index, which knows what comes from where. A proxy does not belong here: pip would send the index through it, too.
index-url = {index_url}/simple/
{certificates}
[search]
# without a slash at its end, which pip would take for the path
index = {index_url}
"""
_PIP_CERTIFICATES = """\
# releases before 24.2, Debian 12's among them, do not look into the host's trust store by themselves
cert = {ca_store}
"""
_UV = """\
# The CAs of the host, the company's among them.
system-certs = true
publish-url = "{index_url}/"
# the index knows people, not the identity services of public CI systems
trusted-publishing = "never"

[[index]]
url = "{index_url}/simple/"
default = true
# at once, and not only after it was refused
authenticate = "always"
# Outside a cooldown (`exclude-newer`): this index keeps an age of its own, and what the company publishes is wanted \
at once.
# A uv that does not know this for an index passes over it.
exclude-newer = false
"""
_PYPIRC = """\
[distutils]
index-servers = pypi

[pypi]
# a plain `twine upload` goes to the section of this name
repository = {index_url}/
username = {login}
"""
_PYPIRC_PASSWORD = "password = {password}\n"
# what the two roles have to take out of a file, also where its marks are gone: passwords for this place
_PYPIRC_PLACE = "[pypi]\nrepository = {index_url}/\n"


class CredentialsFile(TypedDict, total=False):
    """A file as the module managed_files takes it."""

    path: str
    owner: str
    merge: str
    content: str
    state: str


def pip_conf(index_url: str, ca_store: str = "") -> str:
    """The settings of pip; `ca_store` is a file with the certificates to trust, for releases without the system's."""
    certificates = _PIP_CERTIFICATES.format(ca_store=ca_store) if ca_store else ""
    return _PIP.format(index_url=index_url, certificates=certificates)


def uv_toml(index_url: str) -> str:
    """The settings of uv."""
    return _UV.format(index_url=index_url)


def condarc(
    index_url: str, channels: Iterable[str], other_channels: Iterable[str], locked: bool = False, ssl_verify: str = ""
) -> str:
    """The settings of conda and mamba for everyone on a machine.

    channels        of the index, by name, the strongest first
    other_channels  of others, by name or address
    locked          refuse all channels but these
    ssl_verify      what conda's setting of that name is to be; empty for what the tool trusts by itself
    """
    channels, other_channels = list(channels), list(other_channels)
    base = f"{index_url}/conda"
    final = " #!final" if locked else ""
    lines = [
        "# Ansible managed",
        "# `#!top` and `#!final` are no comments to conda: what they mark stays where it is, whatever other files, "
        "variables and options say.",
        "# A proxy does not belong here: conda would send the index through it, too.",
        f"channels:{final}",
    ]
    if locked:
        addresses = [_item(channel) for channel in [*(f"{base}/{name}" for name in channels), *other_channels]]
        lines += [_item(channel) for channel in [*channels, *other_channels]]
        lines += ["# what the word `defaults` means, and a name without an address", "default_channels: #!final"]
        lines += addresses
        lines += [f"channel_alias: {_quoted(base)} #!final", "custom_multichannels: {} #!final"]
        lines += ["allowlist_channels: #!final", *addresses, "override_channels_enabled: false #!final"]
    else:
        lines += [f"{_item(channel)} #!top" for channel in channels]
        lines += [_item(channel) for channel in other_channels]
    lines.append(f"custom_channels:{'' if channels else ' {}'}{final}")
    lines += [f"  {_quoted(channel)}: {_quoted(base)} #!final" for channel in channels]
    lines += [
        "# a package that a stronger channel has never comes from another one, whatever its version there",
        "channel_priority: strict #!final",
    ]
    if ssl_verify:
        lines.append(f"ssl_verify: {_quoted(ssl_verify)}")
    return "\n".join(lines) + "\n"


def _item(channel: str) -> str:
    return f"  - {_quoted(channel)}"


def _quoted(text: str) -> str:
    """A text as YAML and JSON both write it."""
    return json.dumps(text)


def index_credentials(
    people: Iterable[Mapping[str, object]],
    index_url: str,
    removed: Iterable[str] = (),
    machine_username: str = "",
    machine_password: str = "",
    state: str = "present",
) -> list[CredentialsFile]:
    """The files in homes with credentials for the index, for the module managed_files.

    people      each with a `name` and an `index_token`, which may only install, or an `index_password`, with which
                tools publish as well; without either, nothing of theirs is changed
    removed     names of accounts that have no credentials any more
    machine_*   the account that root uses; without one, root's credentials are taken away
    state       'absent' takes away everyone's
    """
    people = list(people)
    host = urlsplit(index_url).hostname or "" if index_url else ""
    files: list[CredentialsFile] = []
    root: CredentialsFile = {"path": "~/.netrc", "owner": "root", "merge": "netrc"}
    if state == "absent":
        files.append({**root, "content": _place_in_netrc(host), "state": "absent"})
        removed = [*(str(person["name"]) for person in people), *removed]
        people = []
    elif machine_username:
        files.append({**root, "content": netrc_entry(host, machine_username, machine_password)})
    else:
        files.append({**root, "state": "absent"})
    for person in people:
        name, token, password = str(person["name"]), person.get("index_token"), person.get("index_password")
        if token is None and password is None:
            continue
        pypirc = _PYPIRC.format(index_url=index_url, login=name)
        if token is None:
            pypirc += _PYPIRC_PASSWORD.format(password=password)
        entry = netrc_entry(host, name, str(password if token is None else token))
        files += [
            {"path": "~/.netrc", "owner": name, "merge": "netrc", "content": entry},
            {"path": "~/.pypirc", "owner": name, "merge": "ini", "content": pypirc},
        ]
    section = _PYPIRC_PLACE.format(index_url=index_url) if host else ""
    for name in dict.fromkeys(removed):
        files += [
            {"path": "~/.netrc", "owner": name, "merge": "netrc", "content": _place_in_netrc(host), "state": "absent"},
            {"path": "~/.pypirc", "owner": name, "merge": "ini", "content": section, "state": "absent"},
        ]
    return files


def _place_in_netrc(host: str) -> str:
    return netrc_entry(host, "x", "x") if host else ""


def removed_users_files(names: Iterable[str]) -> list[CredentialsFile]:
    """What the roles gave to people who were removed, to be taken away before anything else, for managed_files."""
    files: list[CredentialsFile] = []
    for name in names:
        files += [
            {"path": "~/.netrc", "owner": name, "merge": "netrc", "state": "absent"},
            {"path": "~/.pypirc", "owner": name, "merge": "ini", "state": "absent"},
            {"path": f"/etc/wheelhouse/people/{name}.env", "state": "absent"},
            {"path": f"/etc/ssh/authorized_keys.d/{name}", "state": "absent"},
        ]
    return files

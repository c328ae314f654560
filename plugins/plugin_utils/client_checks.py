# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What is wrong with the variables of the role package_client, in sentences that say what to write instead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.redaction import without_secrets

_PREFIX = "package_client_"


def setting_faults(settings: Mapping[str, object], installer_is_file: bool) -> Iterator[str]:
    """Yield a sentence for each fault; none holds a password.

    settings            the role's variables without its name
    installer_is_file   whether `conda_installer` is a file on this machine
    """
    index_url = settings.get("index_url")
    if not re.match(r"https?://[^/@]+\Z", str(index_url or "")):
        shown = without_secrets(str(index_url)) if index_url else "not set"
        yield (
            f"{_PREFIX}index_url is {shown}; write the index's address without a path, for example "
            "https://packages.acme.example (in wheelhouse_index_url, where other roles find it too)."
        )
    yield from _password_faults(settings)
    yield from _channel_faults(settings)
    yield from _installer_faults(settings, installer_is_file)


def _password_faults(settings: Mapping[str, object]) -> Iterator[str]:
    """pip, twine and Poetry send other characters than those of ASCII in another encoding than uv."""
    people = settings.get("people")
    passwords = [(one["name"], one.get("index_password")) for one in (people if isinstance(people, list) else [])]
    passwords.append(("the machine's account", settings.get("machine_password")))
    names = [str(name) for name, password in passwords if password and re.search("[^ -~]", str(password))]
    if names:
        yield (
            f"{_PREFIX}people[].index_password of {', '.join(names)} has a character outside of ASCII in it, which "
            "pip, twine and Poetry send in another encoding than uv; use letters A to Z, digits, spaces and ASCII "
            "punctuation."
        )


def _channel_faults(settings: Mapping[str, object]) -> Iterator[str]:
    own, others = _texts(settings.get("conda_channels")), _texts(settings.get("conda_other_channels"))
    wrong = [channel for channel in own if not re.match(r"[a-z][a-z0-9._-]*\Z", channel)]
    if wrong:
        yield (
            f"{_PREFIX}conda_channels holds {', '.join(json.dumps(without_secrets(one)) for one in wrong)}; write "
            f"names of channels on the index, such as internal; others belong into {_PREFIX}conda_other_channels."
        )
    secret = [channel for channel in others if re.search("://[^/]*@", channel)]
    if secret:
        yield (
            f"{_PREFIX}conda_other_channels holds {', '.join(map(without_secrets, secret))}; write the address "
            "without an account: conda copies it into everything it installs. An account belongs into ~/.netrc."
        )
    named = [channel for channel in others if not re.match("https?://", channel)]
    if settings.get("conda_locked") and named:
        yield (
            f"{_PREFIX}conda_other_channels holds {', '.join(named)} and {_PREFIX}conda_locked is true; write the "
            "whole address of each, because a name could be made to mean another place."
        )


def _installer_faults(settings: Mapping[str, object], installer_is_file: bool) -> Iterator[str]:
    installer, checksum = str(settings.get("conda_installer") or ""), settings.get("conda_installer_sha256")
    if not installer:
        return
    if not re.match(r"[0-9A-Fa-f]{64}\Z", str(checksum or "")):
        yield (
            f"{_PREFIX}conda_installer_sha256 is '{checksum or ''}'; write the 64 hexadecimal digits of the "
            "installer's SHA-256, which the place it comes from publishes beside it."
        )
    if not installer_is_file and not re.match("https?://[^/@]+/", installer):
        yield (
            f"{_PREFIX}conda_installer is {without_secrets(installer)}, which is neither a file on the controller "
            "nor an address; name one, or an address that begins with https:// and holds no account."
        )


def _texts(value: object) -> Sequence[str]:
    return [str(item) for item in value] if isinstance(value, list) else []

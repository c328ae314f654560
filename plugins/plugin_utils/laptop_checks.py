# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What is wrong with the variables of the role onboarding_bundle, in sentences that say what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.redaction import without_secrets

_PREFIX = "onboarding_bundle_"
_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]{40,}={0,2}( [^\n]*)?\n?\Z")


def setting_faults(settings: Mapping[str, object], certificates: int) -> Iterator[str]:
    """Yield a sentence for each fault.

    settings        the role's variables without its name
    certificates    how many certificates are in the file that `ca_bundle` names
    """
    index_url = settings.get("index_url")
    if not re.match(r"https?://[^/@]+\Z", str(index_url or "")):
        shown = without_secrets(str(index_url)) if index_url else "not set"
        yield (
            f"{_PREFIX}index_url is {shown}; write the index's address without a path, for example "
            "https://packages.acme.example (in wheelhouse_index_url, where other roles find it too)."
        )
    if settings.get("ca_bundle") and not certificates:
        yield (
            f"{_PREFIX}ca_bundle is {settings['ca_bundle']}, which holds no PEM certificate; name a file with "
            "-----BEGIN CERTIFICATE----- in it."
        )
    contact = str(settings.get("contact") or "")
    if not re.match(r"[\w .,:;@/+()-]*\Z", contact):
        yield (f"{_PREFIX}contact is {contact}; write letters, digits and simple signs, for example it@acme.example.")
    hosts = settings.get("jupyter_hosts")
    bad = [
        str(name)
        for name, host in (hosts.items() if isinstance(hosts, Mapping) else [])
        if isinstance(host, Mapping) and "host_key" in host and not _KEY.match(str(host["host_key"]))
    ]
    if bad:
        yield (
            f"host_key of {', '.join(bad)} in {_PREFIX}jupyter_hosts is no public key; write it as in "
            "/etc/ssh/ssh_host_ed25519_key.pub of that host."
        )

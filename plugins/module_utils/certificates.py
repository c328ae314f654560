# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""CA certificates in PEM form, for modules on the managed host, where there is nothing but Python's own library."""

from __future__ import annotations

import hashlib
import re
import ssl

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def pem_certificates(text: str) -> list[str]:
    """The certificates in a PEM file, each once, in their order; what else is in it is left out.

    Raises ValueError for one that is damaged.
    """
    found = list(dict.fromkeys(_CERTIFICATE.findall(text)))
    for number, certificate in enumerate(found, 1):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificate)
        except (ssl.SSLError, ValueError) as exc:
            raise ValueError(f"Certificate {number} of {len(found)} is damaged; copy the file again.") from exc
    return found


def fingerprint(certificate: str) -> str:
    """What tells one certificate from another, in the name of its file: 16 hexadecimal digits."""
    return hashlib.sha256(certificate.encode()).hexdigest()[:16]


def described(certificate: str) -> str:
    """Whose a CA certificate is and when it ends, in a line; empty for one that is damaged, or not of a CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError):
        return ""
    for found in context.get_ca_certs():
        names = {key: value for part in found.get("subject", ()) for key, value in part}
        subject = names.get("commonName") or names.get("organizationName") or "a CA without a name"
        return f"{subject}, valid until {found.get('notAfter', 'an unknown date')}"
    return ""

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""CA certificates in PEM form, for modules on the managed host, where there is nothing but Python's own library."""

from __future__ import annotations

import hashlib
import re
import ssl
from typing import Any

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
            which = f"Certificate {number} of {len(found)} in the CA bundle"
            raise ValueError(f"{which} is damaged; copy the file again.") from exc
    return found


def certificate_files(text: str) -> dict[str, str]:
    """{name of a file: certificate} of the certificates in a PEM file; names depend on the content alone.

    Raises ValueError for a damaged one.
    """
    return {f"wheelhouse-{_fingerprint(one)}.crt": one for one in pem_certificates(text)}


def _fingerprint(certificate: str) -> str:
    return hashlib.sha256(certificate.encode()).hexdigest()[:16]


def described(certificate: str) -> str:
    """Whose a CA certificate is and when it ends, in a line; empty for one that is damaged, or not of a CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError):
        return ""
    for found in context.get_ca_certs():
        parts: Any = found.get("subject", ())  # tuples of (name, value), whatever its annotation says
        names = {key: value for part in parts for key, value in part}
        subject = names.get("commonName") or names.get("organizationName") or "a CA without a name"
        return f"{subject}, valid until {found.get('notAfter', 'an unknown date')}"
    return ""

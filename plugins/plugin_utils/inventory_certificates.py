# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The certificate and key on the controller that the index gets, or that its certificate is signed with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
except ImportError:  # a dependency of ansible-core; where it is missing, nginx has to say so
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

# A function from a path to the file's text, also where a vault holds it; None where that cannot be read.
Decrypted = Callable[[Path], "str | None"]

# Days before its end; the role renews the certificates that it makes itself as early as this.
RENEWAL_DAYS = 30
_PAIRS = {
    "given": ("index_gateway_certificate", "index_gateway_private_key"),
    "company_ca": ("index_gateway_ca_certificate", "index_gateway_ca_private_key"),
}


def certificate_faults(
    given: dict[str, Any], decrypted: Decrypted, now: datetime | None = None
) -> tuple[list[str], list[str]]:
    """(faults, warnings) of the two files together; of what is no file or no PEM, others tell.

    given       what the inventory sets on the index's host, wheelhouse_index_url among it
    decrypted   reads a file
    now         with a time zone; by default that of this machine
    """
    source = given.get("index_gateway_certificate_source", "given")
    if not HAS_CRYPTOGRAPHY or given.get("index_gateway_state") == "absent" or not isinstance(source, str):
        return [], []
    faults: list[str] = []
    warnings: list[str] = []
    texts = [_text(given.get(name), decrypted) for name in _PAIRS.get(source, ())]
    if len(texts) != 2 or "-----BEGIN CERTIFICATE-----" not in texts[0]:
        return [], []
    of_certificate, of_key = (
        f"{name} is {given[name]!r}," if texts[i] else name for i, name in enumerate(_PAIRS[source])
    )
    try:
        certificates = x509.load_pem_x509_certificates(texts[0].encode())
        keys = [_public(certificate.public_key()) for certificate in certificates]
    except (ValueError, UnsupportedAlgorithm):
        return [f"{of_certificate} which cannot be read: have the certificate sent again, as a PEM file."], []
    if "PRIVATE KEY-----" in texts[1]:
        faults += _key_faults(texts[1], keys, of_key, of_certificate, _PAIRS[source][0])
    now = now or datetime.now(timezone.utc)
    for sentence, is_fault in _time_faults(certificates, now):
        (faults if is_fault else warnings).append(f"{of_certificate} {sentence}")
    if source == "given":
        faults += [f"{of_certificate} {sentence}" for sentence in _name_faults(certificates[0], _host(given))]
    return faults, warnings


def _text(path: object, decrypted: Decrypted) -> str:
    """The text of a file; empty where it is none, or cannot be read."""
    return (decrypted(Path(path)) or "") if isinstance(path, str) and path and Path(path).is_file() else ""


def _public(key: Any) -> bytes:
    return bytes(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def _key_faults(text: str, keys: list[bytes], of_key: str, of_certificate: str, other: str) -> Iterator[str]:
    """Nothing of the key is in a sentence, nor what the library says of it."""
    try:
        key = _public(serialization.load_pem_private_key(text.encode(), None).public_key())
    except TypeError:
        yield (
            f"{of_key} which has a passphrase, and nobody is there to type it: take it out with `openssl pkey`, and "
            "encrypt the file with ansible-vault."
        )
        return
    except (ValueError, UnsupportedAlgorithm):
        yield f"{of_key} which cannot be read: name a private key in PEM form, whole."
        return
    if key in keys[1:] and key != keys[0]:
        yield (
            f"{of_certificate} which has the certificate of the key further down: put it first, and those that signed "
            "it behind it."
        )
    elif key != keys[0]:
        yield f"{of_key} which is not the key of the certificate in {other}: name the two that belong together."


def _time_faults(certificates: list[x509.Certificate], now: datetime) -> Iterator[tuple[str, bool]]:
    """(half a sentence, whether it is a fault), of the one that ends first."""
    first_end = min(time_of(certificate, "not_valid_after") for certificate in certificates)
    last_beginning = max(time_of(certificate, "not_valid_before") for certificate in certificates)
    which = "which" if len(certificates) == 1 else "of whose certificates one"
    if first_end <= now:
        yield f"{which} has expired, on {first_end.date()}: ask for a new one.", True
    elif last_beginning > now:
        yield f"{which} is not good before {last_beginning.date()}: wait, or look at this machine's clock.", True
    elif first_end <= now + timedelta(days=RENEWAL_DAYS):
        yield f"{which} expires soon, on {first_end.date()}: ask for a new one in time.", False


def time_of(certificate: x509.Certificate, name: str) -> datetime:
    """`not_valid_before` or `not_valid_after`, with a time zone."""
    found: datetime | None = getattr(certificate, f"{name}_utc", None)  # since cryptography 42
    if found is None:
        found = getattr(certificate, name)
    return found.replace(tzinfo=timezone.utc)


def _host(given: dict[str, Any]) -> str:
    url = given.get("pypi_index_url") or given.get("wheelhouse_index_url")
    try:
        return (urlsplit(url).hostname or "") if isinstance(url, str) else ""
    except ValueError:
        return ""


def _name_faults(certificate: x509.Certificate, host: str) -> Iterator[str]:
    """Half a sentence; clients go by these names alone, and not by the subject's."""
    if not host:
        return
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        yield f"which has no subjectAltName, and clients look at nothing else: ask for one for {host}."
        return
    except ValueError:
        return
    names = [name.lower() for name in found.get_values_for_type(x509.DNSName)]
    names += [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    # `*` stands for the first part, and for one part alone
    if host not in names and f"*.{host.partition('.')[2]}" not in names:
        few = ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
        yield f"which is for {few or 'no host'}, and not for {host}, the index's: ask for one with its name."

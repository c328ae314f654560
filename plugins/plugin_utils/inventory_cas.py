# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The company's CA certificates on the controller, and whether they are those that the index's certificate comes from.

Of what is no file, no PEM, or damaged, file_checks.py tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
except ImportError:  # a dependency of ansible-core; where it is missing, nothing is said
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.file_checks import pem_file
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.inventory_certificates import time_of

_BUNDLES = ("wheelhouse_ca_bundle", "ca_certificates_bundle")


def ca_faults(given: Mapping[str, object], is_index: bool, now: datetime | None = None) -> tuple[list[str], list[str]]:
    """(faults, warnings) of a host's bundles of CAs, and of the CA that signs the index's certificate.

    given       what the inventory sets on the host
    is_index    whether it is the index's
    now         with a time zone; by default that of this machine
    """
    faults: list[str] = []
    warnings: list[str] = []
    if not HAS_CRYPTOGRAPHY:
        return faults, warnings
    now = now or datetime.now(timezone.utc)
    names = [name for name in given if name in _BUNDLES or name.endswith("_ca_bundle")]
    signs = is_index and given.get("index_gateway_certificate_source") == "company_ca"
    for name in [*names, *(["index_gateway_ca_certificate"] if signs else [])]:
        for sentence, is_fault in _bundle_faults(_certificates(given.get(name)), now):
            (faults if is_fault else warnings).append(f"{name} is {given[name]!r}, {sentence}")
    if is_index and given.get("index_gateway_state") != "absent":
        warnings += _trust_warnings(given)
    return faults, warnings


def _certificates(path: object) -> list[x509.Certificate]:
    """Those in a file; none where it is none, or is not right."""
    if not isinstance(path, str) or not path or pem_file(path):
        return []
    try:
        return list(x509.load_pem_x509_certificates(Path(path).read_bytes()))
    except (OSError, ValueError, UnsupportedAlgorithm):
        return []


def _name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    text = str(names[0].value) if names else certificate.subject.rfc4514_string()
    return repr(text[:60])


def _is_ca(certificate: x509.Certificate) -> bool:
    """A certificate that says nothing of it is one where it signed itself, as old roots do."""
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except x509.ExtensionNotFound:
        return certificate.issuer == certificate.subject
    except ValueError:
        return True


def _bundle_faults(certificates: list[x509.Certificate], now: datetime) -> Iterator[tuple[str, bool]]:
    """(half a sentence, whether it is a fault): a fault where no certificate is left that somebody can trust."""
    others = [one for one in certificates if not _is_ca(one)]
    over = [one for one in certificates if time_of(one, "not_valid_after") <= now]
    early = [one for one in certificates if time_of(one, "not_valid_before") > now]
    which = "in which the certificate of"
    if others:
        yield (
            f"{which} {_name(others[0])} is a server's and no CA's, and vouches for nothing: write the certificate of "
            "the CA that signed it.",
            len(others) == len(certificates),
        )
    if over:
        end = time_of(over[0], "not_valid_after").date()
        yield (
            f"{which} {_name(over[0])} has expired, on {end}: ask for a new one, and take it out.",
            len(over) == len(certificates),
        )
    if early:
        day = time_of(early[0], "not_valid_before").date()
        yield (
            f"{which} {_name(early[0])} is not good before {day}: wait, or look at this machine's clock.",
            len(early) == len(certificates),
        )


def _trust_warnings(given: Mapping[str, object]) -> Iterator[str]:
    """What keeps clients from trusting the index, unless they have its CA from elsewhere."""
    source, bundle = given.get("index_gateway_certificate_source"), given.get("wheelhouse_ca_bundle")
    if source == "self_signed" and bundle in (None, ""):
        yield (
            "index_gateway_certificate_source is 'self_signed', and wheelhouse_ca_bundle is not set, so that no client "
            "trusts the index: after the first run, copy /etc/nginx/wheelhouse/issuer.pem of the index host to this "
            "machine and name the copy there, or use company_ca."
        )
    if source != "company_ca" or not isinstance(bundle, str):
        return
    mine, known = _certificates(given.get("index_gateway_ca_certificate")), _certificates(bundle)
    if mine and known and not {mine[0].subject, mine[0].issuer} & {one.subject for one in known}:
        yield (
            f"index_gateway_ca_certificate has the certificate of {_name(mine[0])}, which is not in "
            "wheelhouse_ca_bundle, so that clients trust the index only if they have it from elsewhere: put it in."
        )

"""Attestations such as CI systems make, signed with keys of our own."""

import base64
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pypiserver.config import DEFAULTS

GITHUB = "https://token.actions.githubusercontent.com"
REPOSITORY = "https://github.com/acme/tools"
WORKFLOW = f"{REPOSITORY}/.github/workflows/release.yml@refs/tags/v1"
PUBLISH = f"https://docs.{urlsplit(DEFAULTS.FALLBACK_URL).hostname}/attestations/publish/v1"
SLSA = "https://slsa.dev/provenance/v1"
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(key: ec.EllipticCurvePrivateKey = KEY, **claims: str) -> bytes:
    """One as Fulcio issues them, DER."""
    known = {"8": GITHUB, "12": REPOSITORY, "18": WORKFLOW} | claims
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a job")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 17, now, now + timedelta(minutes=10))
    for number, text in known.items():
        der = text.encode()
        length = bytes([len(der)]) if len(der) < 128 else bytes([0x81, len(der)])
        oid = x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{number}")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, b"\x0c" + length + der), critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def attestation(
    filename: str,
    content: bytes,
    kind: str = PUBLISH,
    statement: dict[str, Any] | None = None,
    key: ec.EllipticCurvePrivateKey = KEY,
    of: bytes | None = None,
) -> dict[str, Any]:
    """An attestation of a file; `statement` changes what it says, `of` is another certificate."""
    subject = {"name": filename, "digest": {"sha256": sha256(content).hexdigest()}}
    said = {"_type": "https://in-toto.io/Statement/v1", "subject": [subject], "predicateType": kind, "predicate": None}
    payload = json.dumps({**said, **(statement or {})}).encode()
    media = b"application/vnd.in-toto+json"
    signed = b" ".join([b"DSSEv1", b"%d" % len(media), media, b"%d" % len(payload), payload])
    signature = key.sign(signed, ec.ECDSA(SHA256()))
    return {
        "version": 1,
        "verification_material": {
            "certificate": base64.b64encode(of or certificate(key)).decode(),
            "transparency_entries": [{"logIndex": "1"}],
        },
        "envelope": {
            "statement": base64.b64encode(payload).decode(),
            "signature": base64.b64encode(signature).decode(),
        },
    }

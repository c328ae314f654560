"""Create what a company has already: a CA, a certificate for its index, and passwords for its people.

    python credentials.py STATE_DIRECTORY [HOST ...]

Writes into STATE_DIRECTORY (0700). Files of an earlier run stay as they are:
    vault.json        the secrets, under the names a real inventory would keep in ansible-vault (0600)
    ca.pem, ca.key    the company's CA
    index.pem, index.key    the certificate of the index, signed by it
    HOST.pem, HOST.key      the certificates of other hosts, signed by it
    machine-ca.pem    CAs that this machine trusts beyond the public ones (a proxy that intercepts TLS has one)
    trust.pem         both: what the company's hosts have to trust
    office            a label for the hosts that are started with these; it stays when a rotation replaces the CA
"""

from __future__ import annotations

import argparse
import datetime as dt
import ipaddress
import json
import os
import re
import secrets
import ssl
from collections.abc import Sequence
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_NAME = "Acme demo CA"
INDEX_NAMES = ("packages.acme.example", "localhost")
# Every character that has broken a proxy URL in somebody's guide.
AWKWARD = """@:/#%?&+ "'"""


def write(path: Path, content: bytes) -> None:
    """Write `content` so that only its owner can read it, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    partial.replace(path)


def passwords() -> dict[str, str]:
    """A new password for each secret of the demo's inventory."""
    return {
        "ada_index": secrets.token_urlsafe(15),
        "ada_proxy": secrets.token_urlsafe(9) + AWKWARD,
        "leo_index": secrets.token_urlsafe(9) + '#%@ +"',
        "leo_proxy": secrets.token_urlsafe(9) + AWKWARD,
        "ci_index": secrets.token_urlsafe(18),
        "mallory_index": secrets.token_urlsafe(15),
        "mallory_proxy": secrets.token_urlsafe(9) + AWKWARD,
        "machines_index": secrets.token_urlsafe(18),
        "backup": secrets.token_urlsafe(18),
        "machines_proxy": secrets.token_urlsafe(9) + AWKWARD,
        "database": secrets.token_urlsafe(9) + AWKWARD,
        "replication": secrets.token_urlsafe(9) + AWKWARD,
        "store": secrets.token_urlsafe(24),
    }


def private_key() -> ec.EllipticCurvePrivateKey:
    """A new key on P-256, which every client can verify."""
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as unencrypted PKCS #8."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate(subject: str, public_key: ec.EllipticCurvePublicKey, issuer: str, days: int) -> x509.CertificateBuilder:
    """A certificate without extensions, valid from yesterday (clocks differ)."""
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days))
    )


def company_ca(state: Path) -> None:
    """Make ca.pem and ca.key."""
    ca_key = private_key()
    key_usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    ca = (
        certificate(CA_NAME, ca_key.public_key(), CA_NAME, days=3650)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **key_usage), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write(state / "ca.key", pem(ca_key))
    write(state / "ca.pem", ca.public_bytes(serialization.Encoding.PEM))


def server_certificate(state: Path, file: str, names: Sequence[str]) -> None:
    """Make FILE.pem and FILE.key, for a server of these names, with the company's CA."""
    ca_key = serialization.load_pem_private_key((state / "ca.key").read_bytes(), password=None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key = private_key()
    known: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    if "localhost" in names:
        known.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    signed = (
        certificate(names[0], key.public_key(), CA_NAME, days=365)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(known), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    write(state / f"{file}.key", pem(key))
    write(state / f"{file}.pem", signed.public_bytes(serialization.Encoding.PEM))


def certificates_in(bundle: Path) -> dict[bytes, str]:
    """The certificates of a PEM file, {DER: PEM}; none where the file is missing."""
    if not bundle.is_file():
        return {}
    text = bundle.read_text(errors="replace")
    found = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", text, re.DOTALL)
    return {ssl.PEM_cert_to_DER_cert(one): one + "\n" for one in found}


def machine_ca() -> str:
    """The CAs this machine trusts and the public list doesn't, as PEM; empty on an ordinary machine."""
    configured = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    trusted = certificates_in(Path(configured)) if configured else {}
    public = certificates_in(Path(certifi.where()))
    for file in Path("/usr/share/ca-certificates/mozilla").glob("*.crt"):
        public.update(certificates_in(file))
    return "".join(text for der, text in trusted.items() if der not in public)


def main(state: Path, hosts: Sequence[str]) -> None:
    """Make what is missing in `state`."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    vault = state / "vault.json"
    known = json.loads(vault.read_text()) if vault.is_file() else {}
    write(vault, json.dumps(passwords() | known, indent=2).encode())
    if not (state / "ca.pem").is_file():
        company_ca(state)
    for file, names in {"index": INDEX_NAMES, **{host: (host,) for host in hosts}}.items():
        if not (state / f"{file}.pem").is_file():
            server_certificate(state, file, names)
    if not (state / "office").is_file():
        write(state / "office", secrets.token_hex(8).encode())
    extra = machine_ca()
    write(state / "machine-ca.pem", extra.encode())
    write(state / "trust.pem", (state / "ca.pem").read_bytes() + extra.encode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path, metavar="STATE_DIRECTORY")
    parser.add_argument("hosts", nargs="*", metavar="HOST")
    main(**vars(parser.parse_args()))

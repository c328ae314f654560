"""What the company's CA signs is what the role asked for: a host that adds to its request gets no certificate."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.community.crypto.plugins.filter.openssl_csr_info import FilterModule as Info
from ansible_collections.wheelhouse.onboarding.plugins.filter.as_requested import as_requested_filter
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST = "packages.acme.example"
SAN = x509.SubjectAlternativeName([x509.DNSName(HOST)])
ANOTHER = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.DNSName("login.acme.example")])
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
CODE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CODE_SIGNING])
CA = x509.BasicConstraints(ca=True, path_length=0)
LONG_CA = x509.BasicConstraints(ca=True, path_length=None)
SIGNS = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
ITS_OWN = x509.NameConstraints([x509.DNSName(HOST), x509.IPAddress(ip_network("2001:db8::1/128"))], None)
EVERYTHING = x509.NameConstraints([x509.DNSName("acme.example")], None)
LEAF = {
    "common_name": HOST,
    "subject_alt_name": [f"DNS:{HOST.upper()}"],
    "extended_key_usage": ["TLS Web Server Authentication"],
}
ISSUER = {
    "common_name": f"CA of {HOST}",
    "basic_constraints": ["CA:TRUE", "pathlen:0"],
    "key_usage": ["Certificate Sign", "CRL Sign"],
    "name_constraints_permitted": [f"DNS:{HOST}", "IP:2001:DB8:0::1/128"],
}


def request(name: str, *extensions: tuple[x509.ExtensionType, bool]) -> str:
    builder = x509.CertificateSigningRequestBuilder()
    builder = builder.subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def check(csr: str, asked: dict) -> bool:
    return as_requested_filter(Info().filters()["openssl_csr_info"](csr), asked)


def test_what_was_asked_for_is_signed() -> None:
    assert check(request(HOST, (SAN, False), (SERVER, False)), LEAF)
    assert check(request(f"CA of {HOST}", (CA, True), (SIGNS, True), (ITS_OWN, True)), ISSUER)


@pytest.mark.parametrize(
    "csr",
    [
        request("acme.example", (SAN, False), (SERVER, False)),
        request(HOST, (ANOTHER, False), (SERVER, False)),
        request(HOST, (SERVER, False)),
        request(HOST, (SAN, False), (CODE, False)),
        request(HOST, (SAN, False), (SERVER, False), (LONG_CA, True)),
        request(HOST, (SAN, False), (SERVER, False), (SIGNS, True)),
        request(HOST, (SAN, False), (SERVER, False), (x509.OCSPNoCheck(), False)),
    ],
    ids=["subject", "name", "no-names", "usage", "ca", "signs", "unknown"],
)
def test_nothing_else_is_for_a_server(csr: str) -> None:
    with pytest.raises(AnsibleFilterError, match="not what it was asked for, and was not signed"):
        check(csr, LEAF)


@pytest.mark.parametrize(
    "extensions",
    [
        [(CA, True), (SIGNS, True)],
        [(CA, True), (SIGNS, True), (EVERYTHING, True)],
        [(CA, True), (SIGNS, True), (ITS_OWN, False)],
        [(LONG_CA, True), (SIGNS, True), (ITS_OWN, True)],
        [(CA, True), (SIGNS, True), (ITS_OWN, True), (SAN, False)],
    ],
    ids=["unconstrained", "wider", "optional", "longer", "name"],
)
def test_nothing_else_is_for_a_ca(extensions: list) -> None:
    with pytest.raises(AnsibleFilterError, match="not what it was asked for, and was not signed"):
        check(request(f"CA of {HOST}", *extensions), ISSUER)


def test_a_request_signed_by_another_key_is_refused() -> None:
    info = Info().filters()["openssl_csr_info"](request(HOST, (SAN, False), (SERVER, False)))
    with pytest.raises(AnsibleFilterError, match="not by its own key"):
        as_requested_filter(dict(info) | {"signature_valid": False}, LEAF)


def company_ca(directory: Path) -> dict[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA of Acme")])
    today = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = (
        builder.not_valid_before(today).not_valid_after(today + datetime.timedelta(days=9)).add_extension(LONG_CA, True)
    )
    certificate = builder.sign(key, hashes.SHA256())
    (directory / "ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (directory / "ca.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return {
        "index_gateway_ca_certificate": str(directory / "ca.pem"),
        "index_gateway_ca_private_key": str(directory / "ca.key"),
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="the role's files are root's")
@pytest.mark.parametrize(
    ("issuer", "lies"),
    [
        (True, True),
        (False, False),
        pytest.param(False, True, marks=pytest.mark.long),
        pytest.param(True, False, marks=pytest.mark.long),
    ],
)
def test_a_run_of_the_role(tmp_path: Path, issuer: bool, lies: bool) -> None:
    """A host whose Python answers with another request than the module made gets no certificate, and it is said."""
    name = f"CA of {HOST}" if issuer else HOST
    (tmp_path / "other.csr").write_text(request(name, (SAN, False), (LONG_CA, True)))
    python = tmp_path / "python-of-the-host"
    python.write_text(
        f"#!{sys.executable}\n"
        "import json, subprocess, sys\n"
        f"done = subprocess.run([{sys.executable!r}, *sys.argv[1:]], stdin=sys.stdin, capture_output=True, text=True)\n"
        "out = done.stdout\n"
        f"if '\"csr\"' in out and {lies}:\n"
        "    answer = json.loads(out[out.index('{'):])\n"
        f"    answer['csr'] = open({str(tmp_path / 'other.csr')!r}).read()\n"
        "    out = json.dumps(answer)\n"
        "sys.stdout.write(out)\n"
        "sys.exit(done.returncode)\n"
    )
    python.chmod(0o755)
    hosts = {"index": {"ansible_python_interpreter": str(python)}, "localhost": None}
    every = {"hosts": hosts, "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": every}))
    include = {"name": "wheelhouse.onboarding.index_gateway", "tasks_from": "certificate", "rolespec_validate": False}
    play = {"hosts": "index", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": include}]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    settings = company_ca(tmp_path) | {
        "wheelhouse_index_url": f"https://{HOST}",
        "index_gateway_certificate_source": "company_ca",
        "index_gateway_issuer": issuer,
        "__index_gateway_directory": str(tmp_path / "wheelhouse"),
    }
    (tmp_path / "settings.yml").write_text(yaml.safe_dump(settings))
    command = ["ansible-playbook", "-i", "hosts.yml", "-e", "@settings.yml", "play.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    said = done.stdout + done.stderr
    assert (done.returncode != 0) == lies, said
    assert (tmp_path / "wheelhouse" / "index.pem").exists() != lies
    assert (" is not what it was asked for, and was not signed." in " ".join(said.split())) == lies, said

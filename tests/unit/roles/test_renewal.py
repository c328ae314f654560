"""The program that renews the certificate of the index: real certificates, and stand-ins for nginx and systemd."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from host_programs import install

NAME = "packages.acme.example"
PEM = serialization.Encoding.PEM


def builder(subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, days: float) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=400))
        .not_valid_after(now + dt.timedelta(days=days))
    )


class Host:
    """A directory as the role makes it: a root, an issuer that it signed, and a certificate that the issuer signed."""

    def __init__(self, top: Path, leaf_days: float, issuer_days: float = 1000) -> None:
        self.top, self.runs = top, top / "runs"
        self.program = install("index_gateway/files/wheelhouse-renew-certificate", top)
        self.directory = top / "wheelhouse"
        self.directory.mkdir()
        root_key, issuer_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        is_ca = x509.BasicConstraints(ca=True, path_length=None)
        permitted = x509.NameConstraints([x509.DNSName(NAME)], None)
        root = builder("Acme CA", root_key, "Acme CA", 3000).add_extension(is_ca, True).sign(root_key, hashes.SHA256())
        issuer = (
            builder("Acme index CA", issuer_key, "Acme CA", issuer_days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
            .add_extension(permitted, True)
            .sign(root_key, hashes.SHA256())
        )
        leaf = (
            builder(NAME, self.key, "Acme index CA", leaf_days)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .sign(issuer_key, hashes.SHA256())
        )
        self.root = top / "root.pem"
        self.root.write_bytes(root.public_bytes(PEM))
        (self.directory / "issuer.pem").write_bytes(issuer.public_bytes(PEM))
        (self.directory / "issuer.key").write_bytes(
            issuer_key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        self.file = self.directory / "index.pem"
        self.file.write_bytes(leaf.public_bytes(PEM) + issuer.public_bytes(PEM))
        (top / "bin").mkdir()
        for name in ("nginx", "systemctl"):
            command = top / "bin" / name
            command.write_text(f'#!/bin/sh\necho "{name} $*" >>{top}/asked\n[ "$FAILS" != {name} ]\n')
            command.chmod(0o755)

    def renew(self, **environment: str) -> dict:
        path = f"{self.top}/bin:{os.environ['PATH']}"
        command: list[str | Path] = [sys.executable, "-I", self.program, self.directory, "--days=365", "--before=30"]
        command.append(f"--runs={self.runs}")
        done = subprocess.run(command, env={"PATH": path, **environment}, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        found: dict = json.loads((self.runs / "renewal.json").read_text())
        assert (done.returncode == 0) == (found["outcome"] == "ok"), done.stderr
        return found

    def asked(self) -> list[str]:
        asked = self.top / "asked"
        return asked.read_text().splitlines() if asked.exists() else []


def test_a_certificate_that_is_good_for_long_stays(tmp_path: Path) -> None:
    host = Host(tmp_path, leaf_days=31)
    before = host.file.read_bytes()
    assert host.renew()["facts"]["days_left"] == 30
    assert host.file.read_bytes() == before and host.asked() == []


def test_clients_trust_the_renewed_one(tmp_path: Path) -> None:
    """By the root alone, as openssl checks it; with the same key and names."""
    host = Host(tmp_path, leaf_days=29)
    found = host.renew()
    assert (found["outcome"], found["facts"]["days_left"]) == ("ok", 364)
    assert host.asked() == ["nginx -t -q", "systemctl try-reload-or-restart nginx.service"]
    renewed, *_ = x509.load_pem_x509_certificates(host.file.read_bytes())
    assert renewed.public_key() == host.key.public_key()
    command: list[str | Path] = ["openssl", "verify", "-CAfile", host.root, "-untrusted", host.file]
    command += ["-verify_hostname", NAME]
    assert subprocess.run([*command, host.file], capture_output=True, text=True, check=False).returncode == 0
    assert host.file.stat().st_mode & 0o777 == 0o644
    # once is enough
    assert host.renew()["outcome"] == "ok"
    assert len(host.asked()) == 2


def test_one_that_nginx_refuses_is_taken_back(tmp_path: Path) -> None:
    host = Host(tmp_path, leaf_days=1)
    before = host.file.read_bytes()
    found = host.renew(FAILS="nginx")
    assert (found["outcome"], found["last_ok"]) == ("failed", None)
    assert found["problems"][0].startswith("nginx refuses its configuration, and the old certificate stays")
    assert host.file.read_bytes() == before
    assert host.asked() == ["nginx -t -q"]


def test_it_does_not_outlive_its_issuer(tmp_path: Path) -> None:
    assert Host(tmp_path, leaf_days=1, issuer_days=100).renew()["facts"]["days_left"] in (99, 100)


@pytest.mark.parametrize("days", [0.5, -1])
def test_an_issuer_that_has_ended_signs_nothing(tmp_path: Path, days: float) -> None:
    host = Host(tmp_path, leaf_days=-1, issuer_days=days)
    before = host.file.read_bytes()
    assert "run site.yml, which renews it." in host.renew()["problems"][0]
    assert host.file.read_bytes() == before


def test_a_certificate_of_another_issuer_is_left_alone(tmp_path: Path) -> None:
    host = Host(tmp_path, leaf_days=1)
    host.file.write_bytes((builder(NAME, host.key, "Another", 1).sign(host.key, hashes.SHA256())).public_bytes(PEM))
    assert "run site.yml, which issues it." in host.renew()["problems"][0]
    assert host.asked() == []

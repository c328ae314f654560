"""Where the gateway's certificate comes from: made on the host and signed by the company's CA, or by itself, or given."""

from __future__ import annotations

import json
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from company import STATE, eventually
from cryptography import x509
from gateway import Connection, Gateway
from testinfra.host import Host

KEY = "/etc/nginx/wheelhouse/index.key"
BY_THE_COMPANY = {
    "index_gateway_certificate_source": "company_ca",
    "index_gateway_ca_certificate": str(STATE / "ca.pem"),
    "index_gateway_ca_private_key": str(STATE / "ca.key"),
    "index_gateway_certificate_names": ["DNS:pypi.acme.example"],
}


def shown(gateway: Gateway) -> x509.Certificate:
    """The certificate that clients are shown, trusted or not."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = Connection(gateway.address, gateway.name, context)
    connection.connect()
    found = connection.tls.getpeercert(binary_form=True)
    connection.close()
    assert found
    return x509.load_der_x509_certificate(found)


def names(certificate: x509.Certificate) -> list[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


def days_left(certificate: x509.Certificate) -> float:
    return (certificate.not_valid_after_utc - datetime.now(UTC)) / timedelta(days=1)


@pytest.fixture(scope="module", autouse=True)
def given(gateway: Gateway, settings) -> x509.Certificate:
    """The certificate before all this."""
    return shown(gateway)


@pytest.mark.long
def test_signed_by_itself(gateway: Gateway, settings, index: Host) -> None:
    settings.apply(index_gateway_certificate_source="self_signed", index_gateway_certificate_days=100)
    certificate = shown(gateway)
    # by a CA of its own
    issuer = x509.load_pem_x509_certificate(index.check_output("cat /etc/nginx/wheelhouse/issuer.pem").encode())
    certificate.verify_directly_issued_by(issuer)
    assert gateway.name in names(certificate)
    assert 98 < days_left(certificate) <= 100
    key = index.file(KEY)
    assert (key.user, key.mode) == ("root", 0o600)


def renewed_early(index: Host, days: int) -> None:
    """Have the certificate renewed as the timer does, as if it ended sooner."""
    unit = "wheelhouse-renewal.service"
    drop_in = f"/run/systemd/system/{unit}.d"
    program = "/usr/local/sbin/wheelhouse-renew-certificate /etc/nginx/wheelhouse"
    text = f"[Service]\\nExecStart=\\nExecStart={program} --days {days} --before 1000\\n"
    index.check_output(f"mkdir -p {drop_in} && printf '{text}' >{drop_in}/early.conf && systemctl daemon-reload")
    try:
        index.check_output(f"systemctl start {unit} || {{ journalctl --no-pager -u {unit} >&2; exit 1; }}")
    finally:
        index.check_output(f"rm -r {drop_in} && systemctl daemon-reload")


def test_the_host_renews_it_without_a_run(gateway: Gateway, settings, index: Host) -> None:
    """Signed by a CA that the company's signed, whatever there was before: clients need nothing new."""
    settings.apply(**BY_THE_COMPANY, index_gateway_issuer=True)
    before = shown(gateway)
    assert gateway.ask("/simple/").status == 200
    assert index.service("wheelhouse-renewal.timer").is_running
    assert index.file("/etc/nginx/wheelhouse/issuer.key").mode == 0o600
    renewed_early(index, 500)
    # nginx answers with the earlier one until its workers have been replaced
    eventually(lambda: shown(gateway).serial_number != before.serial_number, "nginx has the renewed one", 15)
    after = shown(gateway)
    assert after.public_key() == before.public_key()
    assert 498 < days_left(after) <= 500
    assert gateway.ask("/simple/").status == 200
    left = json.loads(index.check_output("cat /var/lib/wheelhouse/runs/renewal.json"))
    assert (left["outcome"], left["facts"]["days_left"]) == ("ok", 499)
    # a run leaves the renewed one alone
    assert settings.again("index_gateway").changed == 0
    assert shown(gateway) == after
    settings.apply(**BY_THE_COMPANY)
    # nothing waits for the next renewal
    assert not index.file("/usr/local/sbin/wheelhouse-renew-certificate").exists
    assert not index.file("/var/lib/wheelhouse/runs/renewal.json").exists


def test_signed_by_the_company(gateway: Gateway, settings, index: Host) -> None:
    """As the test before has left it; clients that trust the company need nothing new."""
    settings.apply(**BY_THE_COMPANY)
    certificate = shown(gateway)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((STATE / "ca.pem").read_bytes()))
    assert set(names(certificate)) == {gateway.name, "pypi.acme.example"}
    assert gateway.ask("/simple/").status == 200
    body_of_ca_key = (STATE / "ca.key").read_text().splitlines()[1]
    assert index.run("grep -rlF -e %s /etc /root /tmp /var/tmp /srv/wheelhouse/config", body_of_ca_key).stdout == ""
    # once is enough
    assert settings.play("site", "--limit", "index_hosts", "--tags", "index").changed == 0
    assert shown(gateway) == certificate


@pytest.mark.long
def test_a_new_key_on_request(gateway: Gateway, settings) -> None:
    """By rotate.yml. Nobody who reads meanwhile notices."""
    settings.apply(**BY_THE_COMPANY)
    before, statuses, done = shown(gateway), set(), threading.Event()

    def read() -> None:
        while not done.wait(0.05):
            statuses.add(gateway.ask("/simple/").status)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        settings.play("rotate", "--extra-vars", "rotate_certificate=true")
    finally:
        done.set()
        reader.join()
    after = shown(gateway)
    assert after.public_key() != before.public_key()
    assert (after.issuer, names(after)) == (before.issuer, names(before))
    assert statuses == {200}


def test_given_again(gateway: Gateway, settings, given: x509.Certificate) -> None:
    settings.apply()
    assert shown(gateway) == given

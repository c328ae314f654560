"""What is wrong between this machine, its proxy and its index: each fault is named, once, with what to do."""

from __future__ import annotations

import datetime as dt
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pip._internal.models.index import PyPI
from wheelhouse_doctor import network, proxy, report
from wheelhouse_doctor.findings import OK, SKIPPED, WARN
from wheelhouse_doctor.network import Answer

from doctor.office import OUTSIDE, PASSWORD, Index, new_ca


def row(findings, check):
    (finding,) = [finding for finding in findings if finding.check == check]
    return finding


def test_all_is_well(office):
    findings = office.ask()
    assert report.verdict_of(findings) == "Everything works."
    assert {finding.verdict for finding in findings} == {OK, SKIPPED}
    assert "Basic offered, EMEA\\ada is accepted" in row(findings, "proxy login").sentence
    assert row(findings, "outside").sentence == "trusted, signed by Public CA"
    assert row(findings, "index certificate").sentence == "trusted, signed by Acme Root CA"
    assert row(findings, "index answer").sentence == "accepts ada"


def test_without_a_proxy(office):
    for name in list(office.environ):
        if "proxy" in name.lower():
            del office.environ[name]
    findings = office.ask()
    assert report.verdict_of(findings) == "Everything works."
    assert row(findings, "proxy login").verdict == SKIPPED


# --- the proxy


def test_wrong_proxy_password(office):
    office.proxy.password = "another"
    fault = office.only_fault()
    assert fault.check == "proxy login"
    assert fault.sentence == (
        "The proxy does not accept the password of EMEA\\ada: it is wrong or has expired (the proxy does not say)."
    )


@pytest.mark.parametrize(
    ("headers", "page", "sentence"),
    [
        ([], "<p>Your password has expired.</p>", "The password of EMEA\\ada at the proxy has expired."),
        ([("X-Auth-Error", "NT_STATUS_PASSWORD_EXPIRED")], "", "The password of EMEA\\ada at the proxy has expired."),
        ([], "80090308: AcceptSecurityContext error, data 773, v4563", "has expired"),
        ([], "<b>NT_STATUS_ACCOUNT_LOCKED_OUT</b>", "The account EMEA\\ada is locked at the proxy."),
        ([], "Message: NT_STATUS_WRONG_PASSWORD", "The proxy says that the password of EMEA\\ada is wrong."),
        # what might be is no reason
        ([], "If your password has expired, call 1234. Wrong user name or password.", "says that the password"),
        ([], "If your password has expired, call 1234.", "wrong or has expired (the proxy does not say)"),
        ([], "Your password has expired. Your account is locked.", "wrong or has expired (the proxy does not say)"),
        ([], "The password is wrong or expired.", "wrong or has expired (the proxy does not say)"),
        ([], "<style>.expired {}</style>", "wrong or has expired (the proxy does not say)"),
    ],
)
def test_the_proxy_says_why(office, headers, page, sentence):
    office.proxy.password, office.proxy.headers, office.proxy.page = "another", headers, page
    fault = office.only_fault()
    assert fault.check == "proxy login"
    assert sentence in fault.sentence


def test_the_shell_has_an_older_password_than_it_set(office):
    office.proxy.password = "another"
    office.set_by_it(office.proxy_url("another"))
    fault = office.only_fault()
    assert fault.remedy.startswith("This shell has other proxy settings than ")
    assert "another" not in fault.remedy


def test_no_account_for_the_proxy(office):
    office.use_proxy(f"http://localhost:{office.proxy_port}")
    assert office.only_fault().sentence == "The proxy asks for an account, and https_proxy has none in it."
    assert [authorization for _, authorization in office.proxy.asked] == [None]


def test_the_relay_has_a_password_that_the_proxy_refuses(office):
    office.use_proxy(f"http://127.0.0.1:{office.proxy_port}")
    assert "does not accept the account of the relay on this machine" in office.only_fault().sentence


def test_the_relay_is_down(office, closed_port):
    office.use_proxy(f"http://127.0.0.1:{closed_port}")
    fault = office.only_fault()
    assert fault.sentence.startswith(f"The relay on this machine, 127.0.0.1:{closed_port}, cannot be reached: nothing")
    assert "wheelhouse-relay" in fault.remedy


@pytest.mark.parametrize("schemes", [["NTLM"], ["Negotiate", "NTLM"]])
def test_a_proxy_that_offers_no_basic(office, schemes):
    office.proxy.schemes = schemes
    fault = office.only_fault()
    assert fault.check == "proxy login"
    assert f"offers only {' and '.join(schemes)}; pip, uv, conda and Poetry" in fault.sentence
    assert "relay" in fault.remedy
    # a password is not sent where it cannot help
    assert [authorization for _, authorization in office.proxy.asked] == [None]


def test_a_proxy_that_offers_basic_besides(office):
    office.proxy.schemes = ["Negotiate", "NTLM", 'basic realm="x"']
    assert row(office.ask(), "proxy login").sentence.startswith("Negotiate and NTLM and basic offered")


def test_a_proxy_that_asks_for_nothing(office):
    office.proxy.schemes = []
    assert row(office.ask(), "proxy login").sentence == "asks for no account"


def test_the_password_is_tried_once(office):
    office.proxy.password = "another"
    office.ask()
    assert len([1 for _, authorization in office.proxy.asked if authorization]) == 1


def test_an_account_without_a_password_may_be_a_secret(office):
    office.secrets.add("t0ken-9")
    office.use_proxy(f"http://t0ken-9@127.0.0.1:{office.proxy_port}")
    assert office.only_fault().check == "proxy login"


def test_proxy_down(office, closed_port):
    office.use_proxy(office.proxy_url(port=closed_port))
    fault = office.only_fault()
    assert fault.check == "proxy"
    assert f"127.0.0.1:{closed_port} cannot be reached: nothing listens there (connection refused)" in fault.sentence


def test_proxy_that_hangs(office, silent_port, monkeypatch):
    monkeypatch.setattr(network, "ANSWER_TIME", 0.2)
    office.use_proxy(office.proxy_url(port=silent_port))
    fault = office.only_fault()
    assert fault.check == "proxy login"
    assert "gave no answer" in fault.sentence


def test_proxy_that_is_none(office):
    office.use_proxy(office.proxy_url(port=office.index_port))
    assert "127.0.0.1" in office.only_fault().sentence


def test_proxy_name_unknown(office):
    office.use_proxy("http://proxy.invalid:3128")
    fault = office.only_fault()
    assert fault.check == "proxy name"
    assert "no address for the name of the proxy, proxy.invalid" in fault.sentence


def test_a_proxy_that_leads_nowhere_is_worth_a_look(office):
    office.proxy.status, office.proxy.headers = 403, [("X-Squid-Error", "ERR_ACCESS_DENIED 0")]
    findings = office.ask()
    assert row(findings, "proxy login").verdict == OK
    assert row(findings, "outside").verdict == WARN
    assert "403 ERR_ACCESS_DENIED." in row(findings, "outside").sentence
    assert report.verdict_of(findings) == "Everything works; 1 thing is worth a look."


def test_interception_by_an_unknown_ca(office):
    office.world.tls = office.stranger.sign(office.directory, OUTSIDE)
    fault = office.only_fault()
    assert fault.check == "outside"
    assert "'Nosy Box'" in fault.sentence and "opens the connection" in fault.sentence


def test_interception_by_the_companys_ca(office):
    office.world.tls = office.company.sign(office.directory, OUTSIDE)
    assert row(office.ask(), "outside").sentence == "trusted, signed by Acme Root CA"


def test_where_packages_come_from_is_pips_word():
    assert proxy.public_index() == PyPI.netloc


def test_where_packages_come_from_without_a_pip(tmp_path):
    """As on a new Debian, which has pip only in the wheel that virtualenvs are made with."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path], check=True)
    source = Path(proxy.__file__).parents[1]
    ask = f"""
import sys
sys.path.insert(0, {str(source)!r})
from wheelhouse_doctor import proxy
print(proxy.public_index())
"""
    done = subprocess.run([tmp_path / "bin" / "python", "-IBc", ask], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == PyPI.netloc


# --- the index


def test_index_down(office, closed_port):
    office.index_port = closed_port
    fault = office.only_fault()
    assert fault.check == "index"
    assert f"localhost:{closed_port} cannot be reached: nothing listens there" in fault.sentence


@pytest.mark.parametrize("step", [1, -1])
def test_an_address_of_another_kind_is_not_what_is_wrong(monkeypatch, closed_port, step):
    """As of IPv6, on a machine without it."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, closed_port))
        for address in ("127.0.0.1", "255.255.255.255")  # which no connection leads to
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found[::step])
    with pytest.raises(network.NoAnswer, match="nothing listens there"):
        network.connect("packages.acme.example", closed_port)


def test_index_without_its_program(office):
    office.index.status = 503
    fault = office.only_fault()
    assert fault.check == "index answer"
    assert "is in trouble itself: it answers 503" in fault.sentence


def test_index_that_does_not_speak_tls(office):
    plain = Index(None)
    office.index_port = plain.start()
    fault = office.only_fault()
    plain.server.shutdown()
    plain.server.server_close()
    assert (fault.check, "does not speak TLS" in fault.sentence) == ("index certificate", True)


def test_index_password_wrong(office):
    office.netrc.write_text(f"machine localhost login ada password {PASSWORD[:5]}x\n")
    fault = office.only_fault()
    assert fault.check == "index answer"
    assert f"does not accept ada with the password in {office.netrc}" in fault.sentence
    assert len(office.index.asked) == 1


@pytest.mark.parametrize("text", [None, "machine other.acme.example login ada password x\n"])
def test_no_account_for_the_index(office, text):
    office.netrc.unlink()
    if text:
        office.netrc.write_text(text)
    fault = office.only_fault()
    assert f"asks for an account, and {office.netrc} has none for localhost" in fault.sentence


def test_an_index_that_asks_for_nothing_needs_no_netrc(office):
    office.netrc.unlink()
    office.index.status = 200
    findings = office.ask()
    assert report.verdict_of(findings) == "Everything works."
    assert row(findings, "index answer").sentence == "asks for no account"


def test_an_index_with_nothing_on_it_yet(office):
    office.index.empty = True
    assert row(office.ask(), "index answer").sentence == "accepts ada; nothing is published yet"


def test_a_server_that_may_be_no_index(office):
    office.index.status = 404
    finding = row(office.ask(), "index answer")
    assert (finding.verdict, "or it is no package index" in finding.sentence) == (WARN, True)


def test_an_index_that_has_moved(office):
    office.index.status = 301
    assert "The index sends elsewhere: it answers 301." in office.only_fault().sentence


def test_too_many_wrong_passwords(office):
    office.index.status = 429
    assert office.only_fault().remedy == "Wait a minute, and look for what sends them."


def test_ca_missing_from_the_store(office):
    office.store.write_text(office.public.pem)
    fault = office.only_fault()
    assert fault.check == "index certificate"
    assert (
        f"The company's CA, which signed the certificate of localhost, is missing from {office.store}" in fault.sentence
    )
    # nor is the password sent
    assert office.index.asked == [None]


def test_ca_missing_explains_what_the_proxy_intercepts_with_it(office):
    office.store.write_text(office.public.pem)
    office.world.tls = office.company.sign(office.directory, OUTSIDE)
    assert office.only_fault().check == "index certificate"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_ca_missing_from_another_store(office, variable):
    other = office.directory / "other.pem"
    other.write_text(office.public.pem)
    office.environ[variable] = str(other)
    fault = office.only_fault()
    assert f"is missing from {other} (named by {variable})" in fault.sentence
    assert fault.remedy.startswith(f"Unset {variable}")


def test_store_that_is_not_there(office):
    office.environ["REQUESTS_CA_BUNDLE"] = "/nowhere.pem"
    assert "REQUESTS_CA_BUNDLE is /nowhere.pem, which is not there" in office.only_fault().sentence


def test_index_with_a_certificate_of_a_stranger(office):
    office.index.server.tls = office.stranger.sign(office.directory, "localhost")
    fault = office.only_fault()
    assert fault.check == "index certificate"
    assert "signed by 'Nosy Box'" in fault.sentence and "is not the company's CA" in fault.sentence
    assert office.index.asked == [None]


def test_a_ca_of_the_same_name_is_still_a_stranger(office):
    office.index.server.tls = new_ca("Acme Root CA").sign(office.directory, "localhost")
    assert "is not the company's CA" in office.only_fault().sentence


def test_certificate_of_another_server(office):
    office.index.server.tls = office.company.sign(office.directory, "other.acme.example")
    assert "a certificate of somebody else than localhost" in office.only_fault().sentence


def test_certificate_expired(office):
    office.index.server.tls = office.company.sign(office.directory, "localhost", -30, -1)
    fault = office.only_fault()
    assert (fault.check, "has expired" in fault.sentence) == ("index certificate", True)


@pytest.mark.parametrize(("days", "words"), [(365, "365 days ahead of"), (-365, "365 days behind")])
def test_clock_off_by_a_year(office, days, words):
    office.index.behind = days * 86400
    fault = office.only_fault()
    assert fault.check == "clock"
    assert f"This machine's clock is {words}" in fault.sentence


def test_the_clock_explains_certificates_that_are_not_valid(office):
    office.index.behind = 365 * 86400
    office.index.server.tls = office.company.sign(office.directory, "localhost", -380, -300)
    office.world.tls = office.public.sign(office.directory, OUTSIDE, -380, -300)
    assert office.only_fault().check == "clock"


def test_clock_off_by_minutes_is_worth_a_look(office):
    office.index.behind = 600
    finding = row(office.ask(), "clock")
    assert (finding.verdict, "10 minutes ahead" in finding.sentence) == (WARN, True)


def test_offered_schemes_are_named_once():
    answer = Answer(407, {"proxy-authenticate": ["NTLM", "Basic realm=x", "Basic realm=y"]})
    assert proxy.offered(answer) == ["NTLM", "Basic"]


TOKEN = "whl_" + "a2" * 23 + "a"


def use_token(office, **about):
    office.netrc.write_text(f"machine localhost login ada password {TOKEN}\n")
    office.index.password = TOKEN
    office.index.about = {"publishes": [], "token": {"name": "laptop", "until": None}, **about}


def test_a_token_that_may_only_install(office):
    use_token(office)
    findings = office.ask()
    assert row(findings, "index answer").sentence == "accepts ada with the token 'laptop', which may only install"
    assert TOKEN not in str(findings)


@pytest.mark.parametrize(("hours", "words"), [(80, "ends in 3 days"), (30, "ends in 1 day."), (3, "ends today")])
def test_a_token_that_ends_soon(office, hours, words):
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)).isoformat()
    use_token(office, token={"name": "laptop", "until": until})
    assert words in row(office.ask(), "index answer").sentence


def test_a_token_that_has_ended(office):
    use_token(office)
    office.index.password = "another"
    fault = office.only_fault()
    assert "has ended, or was revoked." in fault.sentence and "run site.yml" in fault.remedy

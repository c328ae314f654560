"""What is wrong with the variables, ~/.netrc and the disk, and what is shown of them."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from wheelhouse_doctor import environment, report
from wheelhouse_doctor.findings import FAIL, OK, SKIPPED, WARN
from wheelhouse_doctor.redaction import redacted, shown_url

from doctor.office import INDEX_PASSWORD, NETRC, rows

# --- the variables


def test_lower_case_contradicts_upper_case(office, closed_port):
    office.environ["https_proxy"] = office.proxy_url(port=closed_port)
    fault = office.only_fault()
    assert fault.check == "proxy settings"
    assert fault.sentence.startswith("https_proxy and HTTPS_PROXY contradict each other")


def test_no_proxy_misses_the_index(office):
    office.environ["NO_PROXY"] = office.environ["no_proxy"] = "127.0.0.1,.acme.example"
    fault = office.only_fault()
    assert fault.check == "NO_PROXY"
    assert fault.sentence.startswith("no_proxy and NO_PROXY does not name localhost")


@pytest.mark.parametrize("spelling", ["NO_PROXY", "no_proxy"])
def test_one_spelling_of_no_proxy_misses_the_index(office, spelling):
    office.environ[spelling] = "127.0.0.1"
    assert office.only_fault().sentence.startswith(f"{spelling} does not name localhost")


def test_no_proxy_is_not_set(office):
    del office.environ["NO_PROXY"], office.environ["no_proxy"]
    assert office.only_fault().check == "NO_PROXY"


@pytest.mark.parametrize(
    ("no_proxy", "covered"),
    [
        ("packages.acme.example", True),
        (".acme.example", True),
        ("localhost, .acme.example", True),
        ("acme.example", True),
        ("*", True),
        ("evilacme.example,ckages.acme.example", False),
        ("", False),
    ],
)
def test_what_no_proxy_covers(no_proxy, covered):
    assert environment.covers(no_proxy, "packages.acme.example") is covered


def test_only_http_proxy_is_set(office):
    for name in ("HTTPS_PROXY", "https_proxy"):
        del office.environ[name]
    assert office.only_fault().sentence.startswith("Only HTTP_PROXY is set")


def test_it_has_set_a_proxy_and_the_shell_has_none(office):
    office.set_by_it(office.proxy_url())
    office.use_proxy("")
    fault = office.only_fault()
    assert "No proxy is set in this shell, although IT has set one for you" in fault.sentence
    assert "corporate-env" in fault.remedy


@pytest.mark.parametrize("url", ["http://ada:p@ss/word@h:1", "http://ada:p#s@h:1", "http://h:99999", "a:b:1"])
def test_a_proxy_address_that_is_none(office, url):
    office.secrets |= {"p@ss/word", "p#s"}
    office.use_proxy(url)
    fault = office.only_fault()
    assert "is no address that all tools read alike" in fault.sentence


@pytest.mark.parametrize(
    ("url", "host", "port", "username", "password"),
    [
        ("http://proxy.acme.example:3128", "proxy.acme.example", 3128, None, ""),
        ("proxy.acme.example:3128", "proxy.acme.example", 3128, None, ""),
        ("http://EMEA%5Cada:p%40s%2F@[2001:db8::1]:8080/", "2001:db8::1", 8080, "EMEA\\ada", "p@s/"),
        ("https://ada@proxy.acme.example", "proxy.acme.example", 443, "ada", ""),
    ],
)
def test_a_proxy_address_is_read(url, host, port, username, password):
    proxy = environment.parse("HTTPS_PROXY", url)
    assert proxy and (proxy.host, proxy.port, proxy.username, proxy.password) == (host, port, username, password)
    assert not password or password not in repr(proxy)


# --- ~/.netrc


def test_a_comment_after_an_empty_line(office):
    office.netrc.write_text(f"machine other.acme.example login x password y\n\n# the index\n{NETRC}")
    fault = office.only_fault()
    assert fault.check == "credentials"
    assert f"Line 3 of {office.netrc} is a comment after an empty line" in fault.sentence


def test_a_malformed_netrc_is_named_without_its_words(office):
    office.netrc.write_text(f"{NETRC}{INDEX_PASSWORD}\n")
    fault = office.only_fault()
    assert f"{office.netrc} is malformed at or before line" in fault.sentence


def test_netrc_in_another_place(office):
    other = office.directory / "netrc"
    office.netrc.rename(other)
    office.environ["NETRC"] = str(other)
    assert rows(office.ask(), "credentials")[0].looked_at == str(other)


def test_netrc_that_others_can_read(office):
    office.netrc.chmod(0o644)
    (finding,) = rows(office.ask(), "credentials")
    assert (finding.verdict, finding.remedy) == (WARN, f"chmod 600 {office.netrc}")


# --- the disk


@pytest.mark.parametrize(
    ("free", "files", "verdict", "words"),
    [
        (10**6, 10**6, FAIL, "There is no room in"),
        (10**9, 0, FAIL, "no more files"),
        (10**8, 10**6, WARN, "Only 95 MiB are left"),
        (10**9, 10, WARN, "Only 10 files are left"),
    ],
)
def test_a_disk_that_is_full(office, monkeypatch, free, files, verdict, words):
    space = SimpleNamespace(f_bavail=free, f_frsize=1, f_files=10**7, f_favail=files)
    monkeypatch.setattr(os, "statvfs", lambda path: space)
    (finding,) = rows(office.ask(), "disk")
    assert (finding.verdict, words in finding.sentence) == (verdict, True)


def test_a_file_system_without_a_number_of_files(office, monkeypatch):
    space = SimpleNamespace(f_bavail=10**10, f_frsize=1, f_files=0, f_favail=0)
    monkeypatch.setattr(os, "statvfs", lambda path: space)
    assert rows(office.ask(), "disk")[0].verdict == OK


def test_a_cache_that_belongs_to_root(office, monkeypatch):
    cache = office.home / ".cache" / "pip"
    cache.mkdir(parents=True)
    access = os.access
    # whoever runs the tests: to root, everything is writable
    monkeypatch.setattr(os, "access", lambda path, mode: path != str(cache) and access(path, mode))
    assert "is not yours to write in" in office.only_fault().sentence


# --- secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://packages.acme.example/simple/", "https://packages.acme.example/simple/"),
        ("https://ada:pw@packages.acme.example:8443/simple/", "https://***@packages.acme.example:8443/simple/"),
        ("https://token@packages.acme.example/", "https://***@packages.acme.example/"),
        ("https://packages.acme.example/simple?token=pw", "https://packages.acme.example/simple"),
        ("https://ada:p@w@packages.acme.example/", "an address with an account that is not percent-encoded"),
        ("https://ada:p/w@packages.acme.example/", "an address that is not well-formed"),
        ("https://ada:p w@packages.acme.example/", "an address with an account that is not percent-encoded"),
        ("https://ada:pw", "an address that is not well-formed"),
        ("/srv/wheels", "/srv/wheels"),
    ],
)
def test_how_an_address_is_shown(url, shown):
    assert shown_url(url) == shown


def test_redaction_of_a_text():
    assert redacted("see https://ada:p@w@h/x and https://h/y") == "see https://***@h/x and https://h/y"


def test_skipped_is_no_fault(office):
    findings = office.ask()
    assert rows(findings, "uv")[0].verdict == SKIPPED
    assert report.verdict_of(findings) == "Everything works."

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""netrc_entry, read back by Python, requests, pip, curl and uv."""

from __future__ import annotations

import netrc

import pip._vendor.requests.utils as pip_requests
import pytest
import requests.utils
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.netrc import LONGEST, netrc_entry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .strategies import CONTROLS, ascii_passwords

SECRET = "S3ntinel"
NEIGHBOURS_BEFORE = "# BEGIN managed\nmachine first.acme.example login x password y\n"
NEIGHBOURS_AFTER = "# END managed block\nmachine last.acme.example\n  login x\n  password y\n"
EVERY_CHARACTER = "".join(map(chr, range(32, 127)))
TRICKY = [
    "a b",
    " a",
    "a ",
    '"',
    '"a"',
    "\\",
    "a\\",
    "\\n",
    '\\"',
    "#",
    "#a",
    "a#",
    "a #b",
    "'",
    "machine",
    "default",
    "$x`y`%41",
]

logins = st.one_of(st.just("EMEA\\ada"), ascii_passwords.filter(lambda text: ":" not in text))


@pytest.mark.parametrize(
    ("login", "password", "line"),
    [
        ("ada", "s3cret", "machine packages.acme.example login ada password s3cret\n"),
        ("ada", "s3'c;r@e:t", "machine packages.acme.example login ada password s3'c;r@e:t\n"),
        ("EMEA\\ada", "s3cret", 'machine packages.acme.example login "EMEA\\\\ada" password s3cret\n'),
        ("ada", 'a "b"', 'machine packages.acme.example login ada password "a \\"b\\"" #\n'),
    ],
)
def test_netrc_entry(login, password, line):
    assert netrc_entry("Packages.acme.example", login, password) == line


def read_back(path, monkeypatch):
    """What the readers in Python find for the loopback address."""
    monkeypatch.setenv("NETRC", str(path))
    found = netrc.netrc(path).authenticators("127.0.0.1")
    assert found
    yield found[0], found[2]
    yield requests.utils.get_netrc_auth("http://127.0.0.1:8855/simple/", raise_errors=True)
    yield pip_requests.get_netrc_auth("http://127.0.0.1:8855/simple/", raise_errors=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(logins, ascii_passwords)
def test_python_reads_every_entry_back(tmp_path, monkeypatch, login, password):
    path = tmp_path / "netrc"
    path.write_text(NEIGHBOURS_BEFORE + netrc_entry("127.0.0.1", login, password) + NEIGHBOURS_AFTER)
    for account in read_back(path, monkeypatch):
        assert account == (login, password)
    assert netrc.netrc(path).authenticators("last.acme.example") == ("x", "", "y")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(logins, ascii_passwords)
def test_curl_and_uv_read_every_entry_back(tmp_path, server, run, ask_with_uv, login, password):
    assert_sent(tmp_path, server, run, ask_with_uv, login, password)


@pytest.mark.parametrize("password", [*TRICKY, EVERY_CHARACTER, "x" * LONGEST, '"' * LONGEST])
def test_curl_and_uv_read_tricky_passwords_back(tmp_path, server, run, ask_with_uv, password):
    assert_sent(tmp_path, server, run, ask_with_uv, "EMEA\\ada", password)


def assert_sent(tmp_path, server, run, ask_with_uv, login, password):
    """Both clients send the account that stands in a netrc file between other entries and comments."""
    path = tmp_path / "netrc"
    path.write_text(NEIGHBOURS_BEFORE + netrc_entry("127.0.0.1", login, password) + NEIGHBOURS_AFTER)
    path.chmod(0o600)
    account = f"{login}:{password}".encode()
    server.taken()
    asked = run(["curl", "--silent", "--show-error", "--netrc-file", str(path), server.url])
    assert [request.account for request in server.taken()] == [account], asked
    asked = ask_with_uv(server.url, {"NETRC": str(path)})
    assert account in [request.account for request in server.taken()], asked


@pytest.mark.parametrize(
    ("host", "login", "password", "word"),
    [
        ("https://packages.acme.example", "ada", SECRET, "without scheme"),
        ("packages.acme.example:443", "ada", SECRET, "without scheme"),
        ("packages.acme.example/simple", "ada", SECRET, "without scheme"),
        (f"ada:{SECRET}@packages.acme.example", "ada", SECRET, "without scheme"),
        ("[2001:db8::1]", "ada", SECRET, "IPv4"),
        ("default", "ada", SECRET, "every server"),
        ("a b", "ada", SECRET, "host name"),
        ("", "ada", SECRET, "host name"),
        ("h", "", SECRET, "login"),
        ("h", None, SECRET, "login"),
        ("h", "ada", None, "password"),
        ("h", "ada", "", "password is empty"),
        ("h", "a:da", SECRET, "login has a ':'"),
        ("h", "ädä", SECRET, "login has a character outside ASCII"),
        ("h", "ada", f"{SECRET}ü", "password has a character outside ASCII"),
        ("h", "ada", SECRET * LONGEST, "password is longer"),
        ("h", "ada", 12345, "a number, not a string"),
        *[("h", "ada", SECRET + character, "control") for character in CONTROLS],
        *[("h", "ada" + character, SECRET, "control") for character in CONTROLS],
    ],
)
def test_what_readers_do_not_read_alike_is_refused(host, login, password, word):
    with pytest.raises(ValueError, match=word) as refusal:
        netrc_entry(host, login, password)
    assert SECRET not in str(refusal.value)
    assert "12345" not in str(refusal.value)

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""proxy_url and with_credentials, read back by the clients they are for."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pip._internal.utils.misc as pip_misc
import pip._vendor.requests.utils as pip_requests
import pytest
import requests.utils
import urllib3.util
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import (
    check_printable_ascii,
    proxy_url,
    with_credentials,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from .strategies import AWKWARD, CONTROLS, passwords, usernames

SECRET = "S3ntinel"


def read_by_urllib(url):
    parts = urlsplit(url)
    return unquote(parts.username), unquote(parts.password)


def read_by_urllib3(url):
    user, _, password = (urllib3.util.parse_url(url).auth or "").partition(":")
    return unquote(user), unquote(password)


def read_by_pip(url):
    _url, _netloc, account = pip_misc.split_auth_netloc_from_url(url)
    return account


READERS = [
    read_by_urllib,
    read_by_urllib3,
    requests.utils.get_auth_from_url,
    pip_requests.get_auth_from_url,
    read_by_pip,
]


@pytest.mark.parametrize(
    ("server", "username", "password", "url"),
    [
        ("proxy.acme:8080", "user", "p@ss", "http://user:p%40ss@proxy.acme:8080"),
        ("http://proxy.acme:8080", "user", "p@ss", "http://user:p%40ss@proxy.acme:8080"),
        ("https://proxy.acme:8080", "user", "p@ss", "https://user:p%40ss@proxy.acme:8080"),
        ("proxy.acme:8080", "EMEA\\ada", "x", "http://EMEA%5Cada:x@proxy.acme:8080"),
        ("proxy.acme:8080", "ada", "", "http://ada:@proxy.acme:8080"),
        ("proxy.acme:8080", "ada", "aZ0-._~", "http://ada:aZ0-._~@proxy.acme:8080"),
        ("proxy.acme:8080", "ü", "€ /", "http://%C3%BC:%E2%82%AC%20%2F@proxy.acme:8080"),
        ("proxy.acme:8080", None, None, "http://proxy.acme:8080"),
        ("proxy.acme:8080", "", "", "http://proxy.acme:8080"),
        ("192.0.2.7:65535", None, None, "http://192.0.2.7:65535"),
        ("[2001:db8::1]:3128", "a", "b", "http://a:b@[2001:db8::1]:3128"),
        ("https://[2001:db8::1]:3128", None, None, "https://[2001:db8::1]:3128"),
    ],
)
def test_proxy_url(server, username, password, url):
    assert proxy_url(server, username, password) == url


@pytest.mark.parametrize(
    ("server", "word"),
    [
        (f"ada:{SECRET}@proxy.acme:8080", "credentials"),
        (f"http://ada:{SECRET}@proxy.acme:8080", "credentials"),
        ("ada@proxy.acme:8080", "credentials"),
        ("proxy.acme", "without a port"),
        ("http://proxy.acme", "without a port"),
        ("[2001:db8::1]", "without a port"),
        ("proxy.acme:", "port"),
        ("proxy.acme:0", "port"),
        ("proxy.acme:65536", "port"),
        ("proxy.acme:http", "port"),
        ("proxy.acme:80\n", "port"),
        ("proxy.acme:٣", "port"),
        ("proxy.acme:80:80", "port"),
        ("2001:db8::1", "brackets"),
        ("2001:db8::1:8080", "brackets"),
        ("[2001:db8::zz]:80", "IPv6"),
        ("[fe80::1%eth0]:80", "IPv6"),
        ("proxy.acme:8080/", "path"),
        ("http://proxy.acme:8080/pac", "path"),
        ("http://proxy.acme:8080?a", "path"),
        ("socks5://proxy.acme:1080", "http://"),
        ("proxy acme:80", "host name"),
        ("próxy.acme:80", "xn--"),
        ("999.0.2.1:80", "host name"),
        (":8080", "host name"),
        ("", "port"),
    ],
)
def test_proxy_url_refuses_a_server(server, word):
    with pytest.raises(ValueError, match=word) as refusal:
        proxy_url(server, "ada", SECRET)
    assert SECRET not in str(refusal.value)


ACCOUNTS_REFUSED = [
    ("", SECRET, "without username"),
    (None, SECRET, "without username"),
    (None, 0, "without username"),
    ("ada", None, "without password"),
    (f"ada:{SECRET}", SECRET, "':'"),
    ("ada", 12345, "a number, not a string"),
    (True, SECRET, "true or false, not a string"),
    ("ada", [SECRET], "a list, not a string"),
    ("ada", f"{SECRET}\ud800", "Unicode"),
    *[("ada", f"{SECRET}{character}x", "control character") for character in CONTROLS],
    *[(f"a{character}da", SECRET, "control character") for character in CONTROLS],
]


@pytest.mark.parametrize(("username", "password", "words"), ACCOUNTS_REFUSED)
@pytest.mark.parametrize(
    "filter_of",
    [lambda *account: proxy_url("p.acme:1", *account), lambda *account: with_credentials("http://h", *account)],
)
def test_accounts_that_http_basic_cannot_carry_are_refused(filter_of, username, password, words):
    with pytest.raises(ValueError, match=words) as refusal:
        filter_of(username, password)
    assert SECRET not in str(refusal.value)
    assert "12345" not in str(refusal.value)


@given(usernames, passwords)
def test_every_account_comes_back_from_proxy_url(username, password):
    for server in ("proxy.acme:8080", "https://[2001:db8::1]:3128"):
        url = proxy_url(server, username, password)
        for read in READERS:
            assert read(url) == (username, password), read


@given(usernames, passwords, st.sampled_from(["", "/", "/simple/a%2fb/@x?q=a@b&c=%20#f:@", "?a@b:c", "#x@y", "/ü;:="]))
def test_every_account_comes_back_from_with_credentials(username, password, rest):
    url = with_credentials("https://Packages.acme.example:8443" + rest, username, password)
    assert url.endswith("@Packages.acme.example:8443" + rest)
    for read in READERS:
        assert read(url) == (username, password), read


@settings(max_examples=4)
@given(st.lists(st.tuples(usernames, passwords), min_size=1, max_size=40))
def test_every_account_comes_back_from_curl(server, run, accounts):
    """One process of the real curl for many accounts, each for a proxy and for a server."""
    accounts = [*accounts, ("EMEA\\ada", AWKWARD)]
    requests_of_curl = [
        f'proxy = "{proxy_url(server.url, *account)}"\nurl = "{with_credentials("http://h.acme.example/", *account)}"\n'
        for account in accounts
    ]
    server.taken()
    done = run(
        ["curl", "--silent", "--show-error", "--noproxy", "", "--config", "-"], text="next\n".join(requests_of_curl)
    )
    assert done.stderr == ""
    sent = [f"{username}:{password}".encode() for username, password in accounts]
    taken = server.taken()
    assert [request.proxy_account for request in taken] == sent
    assert [request.account for request in taken] == sent


def test_uv_sends_the_account_to_proxy_and_index(server, ask_with_uv):
    account = ("EMEA\\ada", AWKWARD)
    proxy = proxy_url(server.url, *account)
    server.taken()
    ask_with_uv(with_credentials("http://packages.acme.example/simple", *account), {"HTTP_PROXY": proxy})
    taken = server.taken()
    assert {request.proxy_account for request in taken} == {":".join(account).encode()}
    assert ":".join(account).encode() in {request.account for request in taken}


@pytest.mark.parametrize(
    ("url", "word"),
    [
        (f"https://ada:{SECRET}@packages.acme.example/", "credentials"),
        ("https://ada@packages.acme.example/", "credentials"),
        ("https://@packages.acme.example/", "credentials"),
        ("packages.acme.example/simple", "https://"),
        ("ftp://packages.acme.example/", "https://"),
        ("https:///simple", "host"),
        ("https://packages.acme.example:x/", "port"),
        ("https://packages.acme.example:/", "port"),
        ("https://packages.acme.example/a b", "space"),
        ("https://packages.acme.example/\nX: y", "control"),
        ("https://packages.acme.example\\@evil.example/", "credentials"),
        ("https://packages.acme.example\\/", "host"),
        ("", "https://"),
    ],
)
def test_with_credentials_refuses_a_url(url, word):
    with pytest.raises(ValueError, match=word) as refusal:
        with_credentials(url, "ada", SECRET)
    assert SECRET not in str(refusal.value)


def test_with_credentials_without_an_account_changes_nothing():
    assert with_credentials("HTTPS://Packages.acme.example/a?b#c") == "HTTPS://Packages.acme.example/a?b#c"


@given(st.text(), st.text())
def test_what_is_not_carried_is_refused_with_a_sentence(username, password):
    """Any text at all either makes a URL that reads back, or is refused."""
    try:
        url = proxy_url("proxy.acme:8080", username, password)
    except ValueError as refusal:
        assert str(refusal).endswith(".")
        assert not username or any(c in username for c in [":", *CONTROLS]) or any(c in password for c in CONTROLS)
    else:
        assert (username == password == "") or read_by_urllib(url) == (username, password)


def test_latin_1_and_utf_8_clients_differ_outside_ascii():
    with pytest.raises(ValueError, match="ASCII"):
        check_printable_ascii("pässword", "index_password")

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""no_proxy, as curl, urllib, requests, pip and uv understand its value."""

from __future__ import annotations

import urllib.request

import pip._vendor.requests.utils as pip_requests
import pytest
import requests.utils
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.no_proxy import no_proxy
from hypothesis import given
from hypothesis import strategies as st

LOCAL = "localhost,127.0.0.1,::1"
COMPANY = [
    "packages.acme.example",
    ".intranet.example",
    "*.Lab.example",
    "192.0.2.7",
    "198.51.100.0/24",
    "127.9.0.0/16",
]
# (host, whether the proxy is passed by)
DIRECT = [
    "packages.acme.example",
    "a.intranet.example",
    "a.b.intranet.example",
    "x.lab.example",
    "192.0.2.7",
    "localhost",
]
PROXIED = ["acme.example", "other.example", "notintranet.example", "192.0.2.8", "198.51.101.1", "intranet.example.org"]
DIRECT_BY_NETWORK = ["198.51.100.9"]


@pytest.mark.parametrize(
    ("entries", "value"),
    [
        ([], LOCAL),
        (["acme.example"], f"{LOCAL},acme.example"),
        ([".acme.example", "*.acme.example", ".ACME.example"], f"{LOCAL},.acme.example"),
        (["acme.example", ".acme.example"], f"{LOCAL},acme.example,.acme.example"),
        (["b.example", "a.example", "b.example"], f"{LOCAL},b.example,a.example"),
        (["localhost", "::1", "[::1]", "127.0.0.1", "127.0.0.1/32"], LOCAL),
        (["intranet", "my_host"], f"{LOCAL},intranet,my_host"),
        (["10.1.2.3/8", "192.0.2.0/255.255.255.0", "192.0.2.7/32"], f"{LOCAL},10.0.0.0/8,192.0.2.0/24,192.0.2.7"),
        (["2001:DB8:0::/32", "[2001:db8::7]"], f"{LOCAL},2001:db8::/32,2001:db8::7"),
    ],
)
def test_no_proxy(entries, value):
    assert no_proxy(entries) == (value, [])


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("http://packages.acme.example", "has a scheme"),
        ("packages.acme.example:443", "has a port"),
        ("192.0.2.7:443", "has a port"),
        ("[2001:db8::1]:443", "has a port"),
        ("packages.acme.example/simple", "without a path"),
        ("192.0.2.0/33", "is no network"),
        ("*", "would turn the proxy off"),
        ("packages.*.example", "not at its beginning"),
        ("192.0.2.*", "not at its beginning"),
        ("*acme.example", "not at its beginning"),
        ("a.example,b.example", "one per entry"),
        (" acme.example", "one per entry"),
        ("acme.example\n", "one per entry"),
        ("acme example", "one per entry"),
        ("bücher.example", "is no host"),
        ("192.0.2", "is no host"),
        ("fe80::1%eth0", "is no host"),
        (".", "is no host"),
        ("", "is no host"),
        (10, "a number, not a string"),
        (None, "nothing, not a string"),
        (["acme.example"], "a list, not a string"),
    ],
)
def test_what_is_not_portable_is_dropped_and_said(entry, words):
    value, dropped = no_proxy(["a.example", entry, "b.example"])
    assert value == f"{LOCAL},a.example,b.example"
    [sentence] = dropped
    assert words in sentence
    assert sentence.endswith(".")


def test_passwords_in_dropped_entries_are_not_shown():
    _value, dropped = no_proxy(["http://ada:S3ntinel@proxy.acme.example", "ada:S3ntinel@proxy.acme.example"])
    assert len(dropped) == 2
    assert "S3ntinel" not in "".join(dropped)


def by_urllib(host, value):
    return urllib.request.proxy_bypass_environment(host, {"no": value})  # type: ignore[attr-defined]  # it is there


def by_requests(host, value):
    return requests.utils.should_bypass_proxies(f"http://{host}/", value)


def by_pip(host, value):
    return pip_requests.should_bypass_proxies(f"http://{host}/", value)


@pytest.mark.parametrize("bypasses", [by_urllib, by_requests, by_pip])
def test_python_understands_it(bypasses):
    value, _dropped = no_proxy(COMPANY)
    assert [host for host in DIRECT + PROXIED if bypasses(host, value)] == DIRECT


@pytest.mark.parametrize("bypasses", [by_requests, by_pip])
def test_requests_understands_networks(bypasses):
    value, _dropped = no_proxy(COMPANY)
    assert [host for host in DIRECT_BY_NETWORK + PROXIED if bypasses(host, value)] == DIRECT_BY_NETWORK


def test_curl_understands_it(server, run):
    """The server is the proxy, and for direct requests every host: only a proxy is asked for whole URLs."""
    direct = DIRECT + DIRECT_BY_NETWORK
    value, _dropped = no_proxy(COMPANY)
    variables = {"http_proxy": server.url, "no_proxy": value}
    server.taken()
    everywhere = ["--connect-to", f"::127.0.0.1:{server.server_port}"]
    run(["curl", "--silent", *everywhere, *(f"http://{host}/{host}" for host in direct)], variables)
    assert [request.target for request in server.taken()] == [f"/{host}" for host in direct]
    run(["curl", "--silent", *(f"http://{host}/" for host in PROXIED)], variables)
    assert [request.target for request in server.taken()] == [f"http://{host}/" for host in PROXIED]


@pytest.mark.parametrize(
    ("host", "proxied"),
    [("other.example", True), ("packages.acme.example", False), ("a.intranet.example", False), ("127.9.1.1", False)],
)
def test_uv_understands_it(server, ask_with_uv, host, proxied):
    """Port 9 answers nobody: a direct client fails there, and the proxy never hears of it."""
    value, _dropped = no_proxy(COMPANY)
    server.taken()
    ask_with_uv(f"http://{host}:9/simple", {"HTTP_PROXY": server.url, "NO_PROXY": value})
    assert bool(server.taken()) == proxied


@given(st.lists(st.one_of(st.text(), st.sampled_from(COMPANY), st.integers(), st.none())))
def test_any_list_gives_a_value_that_needs_no_quotes(entries):
    value, dropped = no_proxy(entries)
    assert value.startswith(LOCAL)
    assert all(character.isascii() and (character.isalnum() or character in ".,:/_-") for character in value)
    parts = value.split(",")
    assert len(parts) == len(set(parts))
    assert no_proxy(parts) == (value, [])
    assert len(dropped) <= len(entries)

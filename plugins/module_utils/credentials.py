# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Credentials in URLs, as HTTP basic authentication carries them.

Every ValueError is a sentence that names the argument and what to write instead, and holds no password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.hosts import is_ipv4, is_ipv6, is_name
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.values import kind, shown

_SCHEME = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<rest>.*)", re.DOTALL)
_AUTHORITY = re.compile(r"(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?P<colon>:)?(?P<port>.*)", re.DOTALL)
_PORT = re.compile(r"[1-9][0-9]{0,4}")


def proxy_url(server: str, username: str | None = None, password: str | None = None) -> str:
    """The URL of a proxy, for example in HTTPS_PROXY.

    server      `host:port`, or the same after `http://` or `https://`; IPv6 addresses in brackets
    username    the account at the proxy as it is typed, for example `EMEA\\ada`; None or "" for no account
    password    its password as it is typed
    """
    scheme, authority = split_server(server)
    return (scheme or "http") + "://" + userinfo(username, password) + authority


def with_credentials(url: str, username: str | None = None, password: str | None = None) -> str:
    """`url`, an http or https URL, with an account in it; everything else in it stays as it is, byte for byte.

    username    the account as it is typed; None or "" for no account
    password    its password as it is typed
    """
    scheme, authority, rest = split_url(url)
    return scheme + "://" + userinfo(username, password) + authority + rest


def userinfo(username: str | None, password: str | None) -> str:
    """`user:password@` percent-encoded after RFC 3986, or "" for no account."""
    if username in (None, "") and password in (None, ""):
        return ""
    check_account(username, password)  # after which both are texts
    return quote(str(username), safe="") + ":" + quote(str(password), safe="") + "@"


def check_account(
    username: object, password: object, username_name: str = "username", password_name: str = "password"
) -> None:
    """Refuse a user name and password that HTTP basic authentication can't carry; an empty password it can."""
    for sentence in account_faults(username, password, username_name, password_name):
        raise ValueError(sentence)


def account_faults(username: object, password: object, username_name: str, password_name: str) -> Iterator[str]:
    """Yield a sentence for everything that keeps HTTP basic authentication from carrying the two."""
    if username is None or username == "":
        yield f"{password_name} is given without {username_name}: give both, or neither."
    else:
        yield from _text_faults(username, username_name)
    if isinstance(username, str) and ":" in username:
        yield (
            f"{username_name} has a ':' in it, which HTTP basic authentication can't carry: "
            "give only the account's name, and the password apart from it."
        )
    if password is None:
        yield f"{username_name} is given without {password_name}: give both, or neither."
    else:
        yield from _text_faults(password, password_name)


def _text_faults(secret: object, what: str) -> Iterator[str]:
    """Yield why a user name or a password can't be sent: no text, or control characters in it (RFC 7617)."""
    if not isinstance(secret, str):
        yield f"{what} is {kind(secret)}, not a string: write it in quotes."
        return
    if any(character < " " or character == "\x7f" for character in secret):
        yield (
            f"{what} has a line break, a tab or another control character in it, "
            "which no HTTP client can send: write it without."
        )
    if any("\ud800" <= character <= "\udfff" for character in secret):
        yield f"{what} is not valid Unicode: save the file it comes from as UTF-8."


def check_printable_ascii(secret: object, what: str) -> str:
    """The user name or password; refused is one that clients of the index would each send in another encoding."""
    for sentence in _text_faults(secret, what):
        raise ValueError(sentence)
    checked = str(secret)  # which it is
    if not checked.isascii():
        raise ValueError(
            f"{what} has a character outside ASCII in it, which pip and twine send in another encoding "
            "than curl and uv: use letters A to Z, digits, spaces and ASCII punctuation."
        )
    return checked


def _parts(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    """The parts of a text; each of these patterns matches any."""
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError("it has none of the parts of an address.")
    return match


def split_server(server: str, what: str = "The proxy server") -> tuple[str, str]:
    """(scheme or "", `host:port`) of a proxy, which has to have a port and must not have credentials or a path."""
    if "@" in server:
        raise ValueError(
            f"{what} already has credentials (an '@') in it: write only host:port, for example "
            "'proxy.acme.example:8080', and give user name and password apart from it."
        )
    parts = _parts(_SCHEME, server)
    scheme, authority = parts["scheme"] or "", parts["rest"]
    if scheme.lower() not in ("", "http", "https"):
        raise ValueError(f"{what} begins with {shown(scheme + '://')}: write http:// or https://, or only host:port.")
    if re.search(r"[/?#]", authority):
        raise ValueError(f"{what} is {shown(server)}: write only host:port, without a path or anything else after it.")
    _check_host_and_port(authority, what, port_required=True)
    return scheme, authority


def split_url(url: str, what: str = "The URL") -> tuple[str, str, str]:
    """(scheme, `host` or `host:port`, the rest from the path on) of an http or https URL without credentials."""
    parts = _parts(_SCHEME, url)
    scheme = parts["scheme"] or ""
    authority, rest = _parts(_AUTHORITY, parts["rest"]).group("authority", "rest")
    if "@" in authority:
        raise ValueError(f"{what} already has credentials in it: write it without, and give them apart from it.")
    if scheme.lower() not in ("http", "https"):
        raise ValueError(f"{what} is {shown(url)}: write a URL that begins with https:// or http://.")
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError(f"{what} has a space or a control character in it: write it without, or as %20.")
    _check_host_and_port(authority, what, port_required=False)
    return scheme, authority, rest


def _check_host_and_port(authority: str, what: str, port_required: bool) -> None:
    """Refuse anything but `host:port`. What stands for the port is never shown: it may be a password."""
    host, colon, port = _parts(_HOST_AND_PORT, authority).group("host", "colon", "port")
    if is_ipv6(authority):
        raise ValueError(f"{what} has an IPv6 address without brackets: write it like '[2001:db8::1]:8080'.")
    if port_required and not colon and not port:
        raise ValueError(
            f"{what} is {shown(authority)}, without a port: write host:port, like 'proxy.acme.example:8080'."
        )
    if (colon or port) and not (colon and _PORT.fullmatch(port) and int(port) <= 65535):
        raise ValueError(f"{what} has no valid port after its host: write a number from 1 to 65535 after one ':'.")
    if host.startswith("["):
        if not is_ipv6(host[1:-1]):
            raise ValueError(f"{what} has {shown(host)} for a host, which is no IPv6 address.")
    elif not is_name(host) and not is_ipv4(host):
        raise ValueError(
            f"{what} has {shown(host)} for a host: write a host name or an IP address "
            "(a name with other letters than A to Z in its xn-- form)."
        )

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The proxy variables of this shell, as the tools read them."""

from __future__ import annotations

import os
import pwd
import re
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from wheelhouse_doctor.findings import Finding, fail, ok, skipped
from wheelhouse_doctor.settings import Settings

CHECK, NO_PROXY = "proxy settings", "NO_PROXY"
_PROXY = re.compile(
    r"(?:(?P<scheme>[a-z0-9]+)://)?"
    r"(?:(?P<user>[^:@/?#\s]*)(?::(?P<password>[^:@/?#\s]*))?@)?"
    r"(?P<host>\[[0-9a-f:.]+\]|[^:@/?#\s\[\]]+)(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Proxy:
    """One proxy, as a variable names it. `username` is None where the variable has no account."""

    variable: str
    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str = field(default="", repr=False)

    @property
    def account(self) -> str:
        """The account's name as it can be shown: one without a password may itself be what is secret."""
        return (self.username or "") if self.password else "***"

    @property
    def is_relay(self) -> bool:
        """Whether it is a program on this machine that knows the account and passes things on."""
        return self.host.startswith("127.") and not self.username

    @property
    def address(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def value(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """(variable, value) of a proxy setting: in small letters before large ones, as Python's tools look for it."""
    for variable in (name.lower(), name.upper()):
        if environ.get(variable):
            return variable, environ[variable].strip()
    return name.upper(), ""


def parse(variable: str, url: str) -> Proxy | None:
    """The proxy that a variable names, or None where its value is no address that all tools read alike."""
    match = _PROXY.fullmatch(url)
    if not match or int(match["port"] or 1) not in range(1, 65536):
        return None
    scheme = (match["scheme"] or "http").lower()
    port = int(match["port"] or (443 if scheme == "https" else 80))
    username = None if match["user"] is None else unquote(match["user"])
    return Proxy(variable, scheme, match["host"].strip("[]"), port, username, unquote(match["password"] or ""))


def proxy_of(environ: Mapping[str, str], scheme: str = "https") -> Proxy | None:
    """The proxy that tools take for an address of that scheme, or None."""
    for name in (f"{scheme}_proxy", "all_proxy"):
        variable, url = value(environ, name)
        if url:
            return parse(variable, url)
    return None


def settings_of_it(settings: Settings) -> tuple[str, dict[str, str]]:
    """(file, variables in it) with which IT has set the proxy up for the calling account; none if it cannot be read."""
    name = pwd.getpwuid(os.getuid()).pw_name
    path = os.path.join(settings.environments, f"{name}.env")
    if name == "root":
        path = os.path.join(os.path.dirname(settings.environments), "proxy.env")
    try:
        with open(path, encoding="utf-8") as stream:
            return path, dict(line.rstrip("\n").split("=", 1) for line in stream if "=" in line)
    except (OSError, UnicodeDecodeError):
        return path, {}


def check(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What the variables say, before anything is asked over the network."""
    contradictions = [
        name
        for name in ("http_proxy", "https_proxy", "all_proxy")
        if environ.get(name) and environ.get(name.upper()) and environ[name].strip() != environ[name.upper()].strip()
    ]
    variable, url = value(environ, "https_proxy")
    proxy = proxy_of(environ)
    if contradictions:
        names = " and ".join(contradictions)
        large = " and ".join(name.upper() for name in contradictions)
        yield fail(
            CHECK,
            names,
            f"{names} and {large} contradict each other: pip, conda and Poetry go by small letters, uv by large ones.",
            f"Look for {contradictions[0]} in ~/.profile, ~/.bashrc and the like, take it out, and log in anew.",
        )
    elif url and parse(variable, url) is None:
        yield fail(
            CHECK,
            variable,
            f"{variable} is no address that all tools read alike; most often its password is not percent-encoded.",
            "If IT set it, log in anew, or ask them to run site.yml; otherwise take it out of ~/.profile or ~/.bashrc.",
        )
    elif proxy:
        account = f", as {proxy.account}" if proxy.username else ", without an account"
        yield ok(CHECK, proxy.variable, f"{proxy.scheme}://{proxy.address}{account}")
    else:
        yield from _without_proxy(settings, environ)
        return
    yield _no_proxy(settings, environ)


def _without_proxy(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    path, wanted = settings_of_it(settings)
    if value(environ, "http_proxy")[1]:
        yield fail(
            CHECK,
            "HTTPS_PROXY",
            "Only HTTP_PROXY is set, and packages come over https, which goes by HTTPS_PROXY.",
            "Log in anew; if it stays so, take HTTP_PROXY out of ~/.profile or ~/.bashrc.",
        )
    elif proxy_of(wanted):
        yield fail(
            CHECK,
            "HTTPS_PROXY",
            f"No proxy is set in this shell, although IT has set one for you in {path}.",
            "Log in anew (`su - NAME`, not `su NAME`); where no login shell runs, start commands with `corporate-env`.",
        )
    else:
        yield ok(CHECK, "HTTPS_PROXY", "no proxy is set, and IT has set none for you")
    yield from skipped([NO_PROXY], "no proxy is set")


def _no_proxy(settings: Settings, environ: Mapping[str, str]) -> Finding:
    """Whether the index is reached directly, by both spellings of the variable."""
    host = settings.index_host
    spellings = [variable for variable in ("no_proxy", "NO_PROXY") if variable in environ]
    everything = [name for name in spellings if "*" in re.split(r"[\s,]+", environ[name])]
    if everything:
        names = " and ".join(everything)
        return fail(
            NO_PROXY,
            everything[0],
            f"{names} {'is' if len(everything) == 1 else 'are'} `*`, so that nothing goes through the proxy, and what "
            "is outside the company is not found.",
            "Log in anew; if it stays so, take the variable out of ~/.profile or ~/.bashrc, or ask IT to run site.yml.",
        )
    missing = [name for name in spellings or ["NO_PROXY"] if not covers(environ.get(name, ""), host)]
    if missing:
        return fail(
            NO_PROXY,
            missing[0],
            f"{' and '.join(missing)} does not name {host}, so tools look for the index behind the proxy instead "
            "of reaching it directly.",
            "Log in anew; if it stays so, take the variable out of ~/.profile or ~/.bashrc, or ask IT to run site.yml.",
        )
    return ok(NO_PROXY, spellings[0], f"names {host}")


def covers(no_proxy: str, host: str) -> bool:
    """Whether NO_PROXY has `host` reached directly, by the rule that Python's tools and uv share."""
    return bool(urllib.request.proxy_bypass_environment(host, {"no": no_proxy}))  # type: ignore[attr-defined]  # it is there

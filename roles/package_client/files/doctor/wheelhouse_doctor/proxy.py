# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The way through the proxy. It speaks HTTP itself, because libraries hide what a proxy says when it refuses."""

from __future__ import annotations

import base64
import html
import importlib.util
import re
import socket
import ssl
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from wheelhouse_doctor import environment, tls
from wheelhouse_doctor.environment import Proxy
from wheelhouse_doctor.findings import Finding, fail, ok, skipped, warn
from wheelhouse_doctor.network import Answer, NoAnswer, address_of, ask, connect, unanswered
from wheelhouse_doctor.settings import Settings

NAME, REACHED, LOGIN, OUTSIDE = "proxy name", "proxy", "proxy login", "outside"
CHECKS = (NAME, REACHED, LOGIN, OUTSIDE)
NOWHERE = "outside.invalid"

# What proxies and the directories behind them say of a login, where they say more than no.
_REASONS = {
    "expired": r"(?<![a-z])expired\b|must change (your|the) password|PASSWORD_MUST_CHANGE|\bdata (532|773)\b",
    "locked": r"(?<![a-z])lock(ed)?[ _]out\b|\baccount\b.{0,20}\block(ed)?\b|\bdata 775\b",
    "disabled": r"\baccount\b.{0,20}\bdisabled\b|\bdata 533\b",
    "wrong": r"WRONG_PASSWORD|LOGON_FAILURE|\bdata 52e\b|\b(wrong|invalid|incorrect) password\b",
}
_SENTENCES = {
    "expired": "The password of {account} at the proxy has expired.",
    "locked": "The account {account} is locked at the proxy.",
    "disabled": "The account {account} is disabled at the proxy.",
    "wrong": "The proxy says that the password of {account} is wrong.",
    "": "The proxy does not accept the password of {account}: it is wrong or has expired (the proxy does not say).",
}


def look(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings of CHECKS, in that order."""
    proxy = environment.proxy_of(environ)
    if proxy is None:
        set_to = environment.value(environ, "https_proxy")[1] or environment.value(environ, "all_proxy")[1]
        yield from skipped(CHECKS, "see proxy settings" if set_to else "no proxy is set")
        return
    if proxy.scheme not in ("http", "https"):
        yield from skipped(CHECKS, f"a {proxy.scheme} proxy is not looked into")
        return
    cause = (environment.CHECK,)
    try:
        yield ok(NAME, proxy.host, address_of(proxy.host, proxy.port))
    except NoAnswer as problem:
        yield unanswered(
            problem,
            NAME,
            proxy.host,
            f"There is no address for the name of the proxy, {proxy.host}: {problem}.",
            _shell_or(settings, environ, "Is this machine in the company's network, or on its VPN? If so, ask IT."),
            cause,
        )
        yield from skipped(CHECKS[1:], "the proxy's name is not known")
        return
    try:
        connect(proxy.host, proxy.port).close()
    except NoAnswer as problem:
        sentence = f"The proxy {proxy.address} cannot be reached: {problem}. It is down, or that is not its address."
        remedy = "Is this machine in the company's network, or on its VPN? If so, ask IT."
        if proxy.is_relay:
            sentence = f"The relay on this machine, {proxy.address}, cannot be reached: {problem}."
            remedy = "Ask IT; `systemctl status wheelhouse-relay` says more."
        yield unanswered(problem, REACHED, proxy.address, sentence, _shell_or(settings, environ, remedy), cause)
        yield from skipped(CHECKS[2:], "the proxy cannot be reached")
        return
    if proxy.scheme == "https" and not _speaks_tls(proxy):
        yield fail(
            REACHED,
            proxy.address,
            f"{proxy.variable} begins with https://, which means TLS to the proxy itself, and {proxy.address} does not "
            "speak that.",
            _shell_or(
                settings,
                environ,
                f"Write http:// in {proxy.variable}: what goes to an https address is encrypted all the same. "
                "If IT set it so, ask them.",
            ),
            cause,
        )
        yield from skipped(CHECKS[2:], "the proxy is not spoken to as it is named")
        return
    yield ok(REACHED, proxy.address)
    yield from _login(settings, environ, proxy)


def _speaks_tls(proxy: Proxy) -> bool:
    try:
        _connection(proxy).close()
    except NoAnswer as problem:
        return "does not speak TLS" not in str(problem)
    except ssl.SSLError:
        return True
    return True


def public_index() -> str:
    """The host that a package comes from when nobody says otherwise, by the word of a pip on this machine.

    It is the only place outside that a package's path can be walked to without asking IT for one; a name of our own
    choice might not be allowed through. The index itself would do for the login, but what asks the proxy for it is
    just what the proxy's log should never show. Where there is no pip, it is a name that is nowhere: a proxy asks for
    the login first.
    """
    # the wheel that virtualenvs are made with: the distribution's, or Python's own
    folders = [sysconfig.get_config_var("WHEEL_PKG_DIR"), Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled")]
    wheels = [str(wheel) for folder in folders if folder for wheel in Path(folder).glob("pip-*.whl")]
    path = sys.path[:]
    try:
        if importlib.util.find_spec("pip") is None:
            sys.path.extend(wheels[:1])
        from pip._internal.models.index import PyPI  # noqa: PLC0415

        return PyPI.netloc
    except (ImportError, AttributeError):
        return NOWHERE
    finally:
        sys.path[:] = path


def _connection(proxy: Proxy) -> socket.socket:
    connection = connect(proxy.host, proxy.port)
    if proxy.scheme == "https":
        # its certificate is not what is asked here; a proxy that tools distrust shows itself in their own words
        return tls.handshake(tls.Server(lambda: connection, proxy.host, proxy.address), tls.unverified())
    return connection


def _tunnel(proxy: Proxy, target: str, with_account: bool) -> tuple[socket.socket, Answer]:
    """Ask for a way to `target` (host:port); the connection and the proxy's answer."""
    headers = {"Host": target, "User-Agent": "wheelhouse-doctor"}
    if with_account:
        account = f"{proxy.username}:{proxy.password}".encode()
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(account).decode()
    connection = _connection(proxy)
    try:
        return connection, ask(connection, "CONNECT", target, headers)
    except NoAnswer:
        connection.close()
        raise


def _login(settings: Settings, environ: Mapping[str, str], proxy: Proxy) -> Iterator[Finding]:
    """Ask without the account first: that shows what the proxy offers, and spares a try that cannot succeed."""
    host = public_index()
    target = f"{host}:443"
    cause = (environment.CHECK,)
    step = "asked for a way out"
    try:
        connection, answer = _tunnel(proxy, target, with_account=False)
        connection.close()
        schemes = offered(answer)
        if answer.status == 407 and "basic" in map(str.lower, schemes) and proxy.username:
            step = "given the account"
            connection, answer = _tunnel(proxy, target, with_account=True)
            connection.close()
    except NoAnswer as problem:
        yield unanswered(
            problem,
            LOGIN,
            proxy.address,
            f"The proxy {proxy.address} was {step}, and failed: {problem}.",
            "Try again in a minute; if it stays so, ask IT.",
            cause,
        )
        yield from skipped([OUTSIDE], "the proxy does not answer")
        return
    if answer.status == 407:
        sentence, remedy = refusal(proxy, schemes, answer)
        yield fail(LOGIN, proxy.address, sentence, _shell_or(settings, environ, remedy), cause)
        yield from skipped([OUTSIDE], "the proxy does not let you through")
        return
    how = f"{' and '.join(schemes)} offered, {proxy.account} is accepted" if schemes else "asks for no account"
    yield ok(LOGIN, proxy.address, how)
    yield from _outside(settings, environ, proxy, host, answer, bool(schemes))


def offered(answer: Answer) -> list[str]:
    """The schemes of authentication that a proxy offers, as it spells them."""
    return list(dict.fromkeys(line.split(None, 1)[0] for line in answer.headers.get("proxy-authenticate", []) if line))


def refusal(proxy: Proxy, schemes: list[str], answer: Answer) -> tuple[str, str]:
    """(sentence, remedy) for an answer 407."""
    if "basic" not in map(str.lower, schemes):
        return (
            f"The proxy offers only {' and '.join(schemes) or 'an unknown scheme'}; pip, uv, conda and Poetry can send "
            "a password as Basic alone.",
            "Ask IT for a relay on this machine that speaks it (px, cntlm), with proxy variables that lead to it.",
        )
    if proxy.is_relay:
        return (
            "The proxy does not accept the account of the relay on this machine: its password is wrong or has expired.",
            "Ask IT, who set it in the vault and run rotate.yml.",
        )
    if not proxy.username:
        return (
            f"The proxy asks for an account, and {proxy.variable} has none in it.",
            "Log in anew; if it stays so, ask IT to give you a proxy_username and a proxy_password.",
        )
    reason = said_of(answer)
    remedy = {
        "expired": "Change it as your company has it done, tell IT, who run site.yml, and log in anew.",
        "locked": "Ask IT to unlock it; programs that go on with an old password lock it again.",
        "disabled": "Ask IT.",
    }.get(reason, "If you changed it, tell IT, who run site.yml; then log in anew.")
    return _SENTENCES[reason].format(account=proxy.account), remedy


def said_of(answer: Answer) -> str:
    """Which of _REASONS the proxy gives in its headers or its page; empty where it gives none, or more than one.

    A page that says what might be the reason (“if your password has expired, ...”) gives none.
    """
    page = html.unescape(re.sub(r"(?is)<(style|script)\b.*?</\1>|<[^>]*>", "\n", answer.body))
    page = re.sub(r"(?i)\buser ?name or password\b", "password", page)
    texts = [text for values in answer.headers.values() for text in values] + re.split(r"[.!?\n]", page)
    certain = [text for text in texts if not re.search(r"(?i)\b(if|may|might|can|or|whether)\b", text)]
    found = {reason for reason, words in _REASONS.items() for text in certain if re.search(f"(?i){words}", text)}
    return found.pop() if len(found) == 1 else ""


def _shell_or(settings: Settings, environ: Mapping[str, str], remedy: str) -> str:
    """The remedy; where this shell goes by another proxy or password than IT has set by now, that comes first."""
    path, wanted = environment.settings_of_it(settings)
    set_by_it = environment.value(wanted, "https_proxy")[1]
    if set_by_it and set_by_it != environment.value(environ, "https_proxy")[1]:
        return f"This shell has other proxy settings than {path}, where IT has set yours: log in anew. {remedy}"
    return remedy


def _outside(
    settings: Settings, environ: Mapping[str, str], proxy: Proxy, host: str, answer: Answer, with_account: bool
) -> Iterator[Finding]:
    """Whether the world is behind the proxy, and whose certificate it shows there."""
    if host == NOWHERE:
        yield from skipped([OUTSIDE], "there is no pip on this machine to say where packages come from")
        return
    if not 200 <= answer.status < 300:
        code = answer.first("x-squid-error").split(" ")[0]
        yield warn(
            OUTSIDE,
            host,
            f"The proxy lets you in but does not lead to {host}: it answers {answer.status} {code}".rstrip() + ".",
            "Where your index fetches public packages itself, nothing is wrong; otherwise show this to IT.",
        )
        return
    if proxy.scheme == "https":
        yield ok(OUTSIDE, host, "reached; behind a proxy that speaks TLS itself, the certificate is not looked at")
        return

    def dial() -> socket.socket:
        connection, again = _tunnel(proxy, f"{host}:443", with_account)
        if not 200 <= again.status < 300:
            connection.close()
            raise NoAnswer(f"the proxy now answers {again.status}")
        return connection

    try:
        trusted = tls.stores(settings, environ)
        server = tls.Server(dial, host, host)
        yield from tls.check(OUTSIDE, server, trusted, settings.company_ca, ("index certificate",))
    except NoAnswer as problem:
        yield warn(
            OUTSIDE, host, f"{host} could not be looked at through the proxy: {problem}.", "Try again in a minute."
        )

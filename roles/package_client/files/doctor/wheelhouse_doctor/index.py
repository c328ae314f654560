# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The way to the company's index, which is reached directly, and what it answers to the account in ~/.netrc."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from urllib.parse import urlsplit

from wheelhouse_doctor import credentials, machine, tls
from wheelhouse_doctor.credentials import Account
from wheelhouse_doctor.findings import OK, Finding, fail, ok, skipped, warn
from wheelhouse_doctor.network import Answer, NoAnswer, address_of, ask, connect, unanswered
from wheelhouse_doctor.settings import Settings

NAME, REACHED, CERTIFICATE, ANSWER = "index name", "index", "index certificate", "index answer"
ENDS_SOON = 8
"""Days before the end of a token from which on it is worth a word."""
CHECKS = (NAME, REACHED, CERTIFICATE, ANSWER, machine.CLOCK)


def look(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings of CHECKS, in that order."""
    host, port = settings.index_host, settings.index_port
    address = f"{host}:{port}"
    try:
        yield ok(NAME, host, address_of(host, port))
    except NoAnswer as problem:
        yield unanswered(
            problem,
            NAME,
            host,
            f"There is no address for the name of the index, {host}: {problem}.",
            "Is this machine in the company's network, or on its VPN? If so, ask IT.",
        )
        yield from skipped(CHECKS[1:], "the index's name is not known")
        return
    try:
        connect(host, port).close()
    except NoAnswer as problem:
        yield unanswered(
            problem,
            REACHED,
            address,
            f"The index {address} cannot be reached: {problem}. It is down, or nothing is let through to it.",
            "Try again in a minute; if it stays so, ask IT.",
        )
        yield from skipped(CHECKS[2:], "the index cannot be reached")
        return
    yield ok(REACHED, address)

    encrypted = urlsplit(settings.index_url).scheme == "https"
    server = tls.Server(lambda: connect(host, port), host, address)
    trusted = True
    try:
        if encrypted:
            *_, found = tls.check(CERTIFICATE, server, tls.stores(settings, environ), settings.company_ca, ())
            yield found
            trusted = found.verdict == OK
        else:
            yield from skipped([CERTIFICATE], "the index is spoken to without TLS")
        account = credentials.account(settings, environ)
        # what a stranger asks is enough for the time of day, and a stranger gets no password
        answer = _ask(settings, server, encrypted, account if trusted else None, trusted)
        is_good_token = trusted and account is not None and account.is_token and 200 <= answer.status < 300
        question = "GET", "/api/tokens/current"
        about = _ask(settings, server, encrypted, account, trusted, question) if is_good_token else None
        stranger = _ask(settings, server, encrypted, None, trusted) if trusted and answer.status == 404 else answer
    except NoAnswer as problem:
        yield unanswered(
            problem,
            CERTIFICATE if encrypted else ANSWER,
            address,
            f"The index {address} takes the connection, but {problem}.",
            "Try again in a minute; if it stays so, ask IT.",
        )
        rest = (ANSWER, machine.CLOCK) if encrypted else (machine.CLOCK,)
        yield from skipped(rest, "the index gives no answer")
        return
    if about and account:
        yield _token(about, account, credentials.path_of(environ))
    elif trusted and answer.status == 404:
        yield _empty(settings, account, stranger)
    elif trusted:
        yield _judged(settings, environ, account, answer)
    else:
        yield from skipped([ANSWER], "no password is sent to whom nobody trusts")
    yield machine.clock(answer.first("date"), time.time(), host)


def _ask(
    settings: Settings,
    server: tls.Server,
    encrypted: bool,
    account: Account | None,
    trusted: bool,
    question: tuple[str, str] = ("HEAD", "/simple/"),
) -> Answer:
    """The index's answer, by default to a question for its list of projects: only its head, the list may be long."""
    headers = {"Host": urlsplit(settings.index_url).netloc, "User-Agent": "wheelhouse-doctor", "Connection": "close"}
    if account:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{account.name}:{account.password}".encode()).decode()
    connection: socket.socket
    if encrypted:
        context = tls.unverified()
        if trusted:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cafile=settings.ca_store)
        connection = tls.handshake(server, context)
    else:
        connection = server.dial()
    with connection:
        return ask(connection, *question, headers)


def _token(answer: Answer, account: Account, path: str) -> Finding:
    """A finding about the token that is in the place of a password, from what the index says of it."""
    again = "Ask IT to run site.yml, which writes another one."
    try:
        about = json.loads(answer.body)
        token, publishes = about["token"], about["publishes"]
        name, until = ascii(token["name"]), token["until"]
        days = (datetime.fromisoformat(until[:19] + "+00:00") - datetime.now(timezone.utc)).days if until else None
        may = f"publish {' '.join(publishes)}" if publishes else "only install"
    except (ValueError, KeyError, TypeError):
        return ok(ANSWER, path, f"accepts {account.name} with a token, and does not say which")
    if days is not None and days < ENDS_SOON:
        soon = "today" if days < 1 else f"in {days} day{'s' if days > 1 else ''}"
        return warn(ANSWER, path, f"The token {name} in {path} ends {soon}.", again)
    return ok(ANSWER, path, f"accepts {account.name} with the token {name}, which may {may}")


def _empty(settings: Settings, account: Account | None, stranger: Answer) -> Finding:
    """A finding about an index without a list of projects, as it is until something is published."""
    if account and stranger.status == 401:
        return ok(ANSWER, settings.simple_url, f"accepts {account.name}; nothing is published yet")
    return warn(
        ANSWER,
        settings.simple_url,
        "The index has no list of projects: either nothing is published yet, or it is no package index.",
        "In the latter case, ask IT whether wheelhouse_index_url is right.",
    )


def _judged(settings: Settings, environ: Mapping[str, str], account: Account | None, answer: Answer) -> Finding:
    url, path = settings.simple_url, credentials.path_of(environ)
    if 200 <= answer.status < 300:
        return ok(ANSWER, url, f"accepts {account.name}" if account else "asks for no account")
    if answer.status == 401 and not account:
        return fail(
            ANSWER,
            url,
            f"The index asks for an account, and {path} has none for {settings.index_host}.",
            "Ask IT to give you an index_password and to run site.yml, which writes that file.",
            (credentials.CHECK,),
        )
    if account and account.is_token and answer.status in (401, 403):
        why = "may publish, and may not install" if answer.status == 403 else "has ended, or was revoked"
        return fail(
            ANSWER,
            url,
            f"The token in {path} {why}.",
            "Ask IT to run site.yml, which writes another one.",
        )
    if answer.status == 401 and account:
        return fail(
            ANSWER,
            url,
            f"The index does not accept {account.name} with the password in {path}: one of them is wrong.",
            "Ask IT to run site.yml, which writes the password anew, and do not change it there by hand.",
        )
    moved = ("sends elsewhere", "Ask IT whether wheelhouse_index_url is right.")
    sentences = {
        403: ("knows you and lets you read nothing", "Ask IT which rights your account has."),
        429: ("has seen too many wrong passwords from this machine", "Wait a minute, and look for what sends them."),
    }
    trouble = ("is in trouble itself", "Try again in a minute; if it stays so, ask IT.")
    sentence, remedy = sentences.get(answer.status, moved if answer.status < 400 else trouble)
    return fail(ANSWER, url, f"The index {sentence}: it answers {answer.status}.", remedy)

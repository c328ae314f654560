# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Whether a server's certificate is trusted, who signed it, and if it is not trusted, why.

A name in a certificate can be anybody's, so whether the company signed it is found out as trust is: by a handshake that
trusts the company's own CA and nothing else.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wheelhouse_doctor.findings import Finding, fail, ok
from wheelhouse_doctor.network import ANSWER_TIME, NoAnswer
from wheelhouse_doctor.settings import Settings

EXPIRED, NOT_YET_VALID, OTHER_NAME, OTHER_ADDRESS = 10, 9, 62, 64  # OpenSSL's X509_V_ERR_*
PARTIAL_CHAIN = 0x80000  # ssl.VERIFY_X509_PARTIAL_CHAIN, which has a name from Python 3.10 on
STORE_VARIABLES = {
    "SSL_CERT_FILE": "uv and Python",
    "REQUESTS_CA_BUNDLE": "pip, Poetry, twine and conda",
    "CURL_CA_BUNDLE": "curl and pip",
}

Dial = Callable[[], socket.socket]


@dataclass(frozen=True)
class Server:
    """Who is asked for a certificate: `dial` makes a new connection, or raises NoAnswer; `name` is to be shown."""

    dial: Dial
    name: str
    address: str


@dataclass(frozen=True)
class Store:
    """A file of trusted certificates; `source` says where it is named, `readers` which tools go by it."""

    path: str
    source: str
    readers: str


def stores(settings: Settings, environ: Mapping[str, str]) -> list[Store]:
    """Every store that a tool of this environment goes by, the machine's first."""
    found = [Store(settings.ca_store, "this machine's trust store", "the tools")]
    for variable, readers in STORE_VARIABLES.items():
        path = environ.get(variable)
        if path and os.path.realpath(path) not in {os.path.realpath(store.path) for store in found}:
            found.append(Store(path, variable, readers))
    return found


def check(
    name: str, server: Server, trusted: list[Store], company_ca: str, explained_by: tuple[str, ...]
) -> Iterator[Finding]:
    """A finding for the first store that does not trust the server, or one that says who signed its certificate.

    Raises NoAnswer where there is no handshake to be had.
    """
    signers = []
    for store in trusted:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        problem = ""
        if not os.path.isfile(store.path):  # what is a pipe would be waited for
            problem = "which is no file" if os.path.exists(store.path) else "which is not there"
        else:
            try:
                context.load_verify_locations(cafile=store.path)
            except (OSError, ssl.SSLError):
                problem = "which holds no certificates"
        if problem:
            yield fail(
                name,
                server.address,
                f"{store.source} is {store.path}, {problem}: {store.readers} can trust nobody.",
                f"Unset {store.source}." if store.source in STORE_VARIABLES else "Ask IT to run site.yml.",
                explained_by,
            )
            return
        try:
            with handshake(server, context) as connection:
                signers.append(signer(connection))
        except ssl.SSLCertVerificationError as error:
            yield _distrust(name, server, store, company_ca, error, explained_by)
            return
    yield ok(name, server.address, f"trusted, signed by {signers[0]}")


def handshake(server: Server, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection that speaks TLS; raises SSLCertVerificationError if it is not trusted, NoAnswer otherwise."""
    connection = server.dial()
    connection.settimeout(ANSWER_TIME)
    try:
        return context.wrap_socket(connection, server_hostname=server.name)
    except ssl.SSLCertVerificationError:
        connection.close()
        raise
    except (OSError, ValueError) as error:
        connection.close()
        if isinstance(error, socket.timeout):
            raise NoAnswer("it gives no TLS answer in time", slow=True) from None
        raise NoAnswer("it does not speak TLS there") from None


def unverified() -> ssl.SSLContext:
    """For what is not secret and decides nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def signer(connection: ssl.SSLSocket) -> str:
    """Who signed the certificate of a verified connection, in the certificate's words."""
    issuer = (connection.getpeercert() or {}).get("issuer", ())
    return named(issuer if isinstance(issuer, tuple) else ())


def named(rdns: tuple[Any, ...]) -> str:
    """A name in a certificate as a person would say it: `Acme CA (Acme Ltd)`."""
    parts = {key: value for rdn in rdns for key, value in rdn}
    common, organisation = parts.get("commonName"), parts.get("organizationName")
    if common and organisation and common != organisation:
        return f"{common} ({organisation})"
    return common or organisation or "somebody without a name"


def _distrust(
    name: str,
    server: Server,
    store: Store,
    company_ca: str,
    error: ssl.SSLCertVerificationError,
    explained_by: tuple[str, ...],
) -> Finding:
    """What is behind a certificate that a store does not trust."""
    code = error.verify_code
    signed_by_company = False
    if company_ca and code not in (EXPIRED, NOT_YET_VALID, OTHER_NAME, OTHER_ADDRESS):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=company_ca)
        try:
            handshake(server, context).close()
            signed_by_company = True
        except ssl.SSLCertVerificationError as second:
            code = second.verify_code if second.verify_code in (EXPIRED, NOT_YET_VALID, OTHER_NAME) else code
    if code in (EXPIRED, NOT_YET_VALID):
        state = "has expired" if code == EXPIRED else "is not valid yet"
        return fail(
            name,
            server.address,
            f"The certificate of {server.name} {state}, going by this machine's clock.",
            "If the clock is right, the server needs a new certificate: ask IT.",
            ("clock",),
        )
    if code in (OTHER_NAME, OTHER_ADDRESS):
        return fail(
            name,
            server.address,
            f"What answers shows a certificate of somebody else than {server.name}.",
            "Send no password there; ask IT.",
        )
    if signed_by_company:
        named_by = f" (named by {store.source})" if store.source in STORE_VARIABLES else ""
        return fail(
            name,
            server.address,
            f"The company's CA, which signed the certificate of {server.name}, is missing from {store.path}{named_by}: "
            f"{store.readers} will not connect.",
            f"Unset {store.source}, or set it to the machine's trust store."
            if store.source in STORE_VARIABLES
            else "Ask IT to run site.yml, which puts it there; `update-ca-certificates --fresh` may be enough.",
            explained_by,
        )
    return fail(
        name,
        server.address,
        f"The certificate of {server.name} is signed by {_claimed_signer(server)}, which {store.path} does not trust "
        f"and which is not {'the' if company_ca else 'known as the'} company's CA: somebody on the way there opens the "
        "connection, or the server has a certificate from an unknown CA.",
        "Send no password there; ask IT. If they know that CA, it belongs in wheelhouse_ca_bundle of the inventory.",
        explained_by,
    )


def _claimed_signer(server: Server) -> str:
    """Who a certificate that is not trusted says has signed it.

    Python takes a certificate apart only where it is trusted; so this one is, for the length of this handshake.
    """
    try:
        with handshake(server, unverified()) as connection:
            certificate = connection.getpeercert(binary_form=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= PARTIAL_CHAIN
        context.load_verify_locations(cadata=certificate)
        with handshake(server, context) as connection:
            return repr(signer(connection))
    except (NoAnswer, ssl.SSLError):
        return "an unknown CA"

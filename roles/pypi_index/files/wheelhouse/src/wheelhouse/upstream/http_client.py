"""The way out: through which proxy, and trusting whom, the index host asks public servers.

    proxy.env   KEY=value lines (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY), the URLs percent-encoded
    ca.pem      certificates of the company's CA, trusted besides the public ones

Both may be missing. The proxy's password stays in here: what is logged or answered is made of our own words, never of
the text of a network library's exception.
"""

import contextlib
import ipaddress
import logging
import re
import shlex
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment

import httpx

PROXY_FILE = "proxy.env"
CA_FILE = "ca.pem"
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 12.0
"""Seconds of silence. pip gives up on us after 15, and a retry of ours would come too late."""
PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between the attempts of who is patient."""
LONGEST_PAUSE = 120.0
"""Seconds that a server may ask for."""
_FOR_A_WHILE = frozenset({408, 425, 429, 500, 502, 503, 504})
"""What servers answer that another attempt may change."""
T = TypeVar("T")
log = logging.getLogger(__name__)
_PROXY_KEYS = ("http_proxy", "https_proxy", "all_proxy")


class Unreachable(Exception):
    """A server gave no usable answer; the text is the end of a sentence (`it answers 502`) and holds no secret."""


class BrokenOff(Unreachable):
    """Its answer came, and stopped in the middle."""


@dataclass(frozen=True)
class Outside:
    """What the administrator said about the way out. Equal if nothing about it changed."""

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    """`http_proxy`, `https_proxy`, `all_proxy` -> URL with credentials."""
    no_proxy: str = ""
    ca: str = field(default="", repr=False)
    """PEM."""

    def client(self, *, patient: bool = False) -> httpx.Client:
        """A client for many threads. It knows nothing of the environment's proxies, .netrc and certificates.

        One that is `patient` asks again, after a pause, where a server fails as servers do for a while.
        """
        return httpx.Client(
            transport=_Patient(_Route(self)) if patient else _Route(self),
            trust_env=False,
            follow_redirects=True,
            timeout=httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
            headers={"User-Agent": "wheelhouse"},
        )

    def trust(self) -> ssl.SSLContext:
        """The public certificates and those of the company."""
        trust = httpx.create_ssl_context(trust_env=False)
        if self.ca:
            trust.load_verify_locations(cadata=self.ca)
        return trust

    def proxy_for(self, url: httpx.URL) -> str | None:
        """The URL of the proxy that leads to `url`; None if it is asked directly."""
        if _is_listed(url.host, self.no_proxy):
            return None
        return self.proxies.get(f"{url.scheme}_proxy") or self.proxies.get("all_proxy")


class _Route(httpx.BaseTransport):
    """Sends each request through its proxy, also those that a redirect leads to another host."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        trust = outside.trust()
        # httpx allows 100 connections, more than there are threads to use them.
        self._direct = httpx.HTTPTransport(verify=trust, trust_env=False)
        self._proxied = {
            url: httpx.HTTPTransport(verify=trust, trust_env=False, proxy=_with_trust(url, trust))
            for url in set(outside.proxies.values())
        }

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        proxy = self._outside.proxy_for(request.url)
        return (self._proxied[proxy] if proxy else self._direct).handle_request(request)


class _Patient(httpx.BaseTransport):
    """Sends a request again that met a server, or a proxy, which is overloaded or being restarted.

    Once one has waited in vain, the next ones do not, until somebody is answered: a run against a server that is down
    ends soon, and says so.
    """

    def __init__(self, route: httpx.BaseTransport) -> None:
        self._route = route
        self._is_hopeless = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        pauses = () if self._is_hopeless else PAUSES
        for pause in (*pauses, None):
            try:
                response = self._route.handle_request(request)
            except (httpx.TransportError, OSError) as error:
                if pause is None or not _passes(error):
                    self._is_hopeless = self._is_hopeless or _passes(error)
                    raise
                said = _reason(error)
            else:
                if response.status_code not in _FOR_A_WHILE:
                    self._is_hopeless = False
                    return response
                if pause is None:
                    self._is_hopeless = True
                    return response
                said = f"it answers {response.status_code}"
                pause = _asked_for(response, pause)
                response.close()
            log.warning("%s: %s; the next attempt is in %g s.", request.url.host, said, pause)
            time.sleep(pause)
        raise AssertionError("the last attempt has no pause behind it")


def _passes(error: Exception) -> bool:
    """Whether a failure may be over in a while: not one of certificates, or of a proxy that wants another login."""
    if isinstance(error, httpx.ProxyError):
        status = re.match(r"[1-5][0-9]{2}\b", str(error))
        return bool(status) and int(status[0]) in _FOR_A_WHILE
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return False
        cause = cause.__cause__ or cause.__context__
    return not isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError))


def _asked_for(response: httpx.Response, pause: float) -> float:
    """The seconds that a server asks to be left alone, within reason."""
    text = response.headers.get("Retry-After", "")
    seconds = float(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0.0
    if text and not seconds:
        with contextlib.suppress(ValueError, TypeError):
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
    return min(max(pause, seconds), LONGEST_PAUSE)


def patiently(ask: Callable[[], T], times: int) -> T:
    """Do something that reads an answer, and do it again if that broke off; raises what the last attempt did."""
    for pause in PAUSES[: times - 1]:
        try:
            return ask()
        except BrokenOff:
            time.sleep(pause)
    return ask()


def read(directory: Path) -> Outside:
    """Read both files; raises ValueError with one sentence, in which no secret is."""
    variables = _variables(directory / PROXY_FILE)
    proxies = {key: _proxy(directory / PROXY_FILE, key, variables[key]) for key in _PROXY_KEYS if variables.get(key)}
    return Outside(proxies, variables.get("no_proxy", ""), _certificates(directory / CA_FILE))


@contextlib.contextmanager
def get(client: httpx.Client, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
    """The response to GET, redirects followed, its body still to be read; raises `Unreachable` until that is done."""
    kind: type[Unreachable] = Unreachable
    try:
        with client.stream("GET", url, headers=headers) as response:
            kind = BrokenOff
            yield response
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise kind(_reason(error)) from None


def _with_trust(url: str, trust: ssl.SSLContext) -> httpx.Proxy:
    # httpcore refuses certificates for a proxy that is spoken to in the clear.
    return httpx.Proxy(url, ssl_context=trust if urlsplit(url).scheme == "https" else None)


def _variables(path: Path) -> dict[str, str]:
    """The file's variables with their names in small letters, as tools take both."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text.") from None
    variables = {}
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)  # read as the shell and systemd do
        except ValueError:
            words = ["unbalanced", "quotes"]
        if words:
            key, equals, value = words[0].partition("=")
            if len(words) > 1 or not equals:
                raise ValueError(f"{path}: line {number} is not KEY=value.")
            variables[key.lower()] = value
    return variables


def _proxy(path: Path, key: str, url: str) -> str:
    """The proxy's URL with a scheme."""
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True) and httpx.Proxy(url)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise ValueError(f"{path}: {key.upper()} is not the address of a proxy; write one like http://proxy:8080.")
    return url


def _certificates(path: Path) -> str:
    try:
        # What is not ASCII are remarks between the certificates.
        pem = path.read_bytes().decode("ascii", "ignore")
    except FileNotFoundError:
        return ""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise ValueError(f"{path} holds no certificates in PEM form.") from None
    return pem


def _is_listed(host: str, no_proxy: str) -> bool:
    """Whether NO_PROXY names `host`: as it is, by a suffix, or as an address in a network."""
    if proxy_bypass_environment(host, {"no": no_proxy}):
        return True
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        return any(address in network for network in _networks(no_proxy))
    return False


def _networks(no_proxy: str) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for entry in no_proxy.split(","):
        if "/" in entry:
            with contextlib.suppress(ValueError):
                yield ipaddress.ip_network(entry.strip(), strict=False)


def _reason(error: Exception) -> str:
    """Why a request failed, in words that are not the exception's: those may quote the proxy's URL."""
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {READ_TIMEOUT:g} s"
    if isinstance(error, httpx.ProxyError):
        status = re.match(r"[1-5][0-9]{2}\b", str(error))
        return f"the proxy answers {status[0]}" if status else "the proxy refuses"
    cause: BaseException | None = error
    while cause:  # what the operating system or OpenSSL said of it
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return f"the connection failed ({type(error).__name__})"

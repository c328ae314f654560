"""The HTTP client that asks public servers: through the company's proxy, patiently where somebody can wait.

What is logged or raised is made of our own words, never of the text of a network library's exception: that may quote
the proxy's URL, with the password in it.
"""

import base64
import contextlib
import logging
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from wheelhouse.errors import BrokenOff, Unreachable
from wheelhouse.network import Network

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 12.0
"""Seconds of silence. pip gives up on us after 15, and a retry of ours would come too late."""
ATTEMPTS = 6
"""Of a client that is patient."""
FIRST_PAUSE = 1.0
"""Seconds before the second attempt; each later pause is twice as long, and a little longer by chance."""
LONGEST_PAUSE = 120.0
"""Seconds that a server may ask for."""
LONGEST_OWN_PAUSE = 15.0
"""Seconds that are waited where it does not ask."""
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""What servers answer that another attempt may change."""
T = TypeVar("T")
log = logging.getLogger(__name__)


def client(network: Network, *, patient: bool = False) -> httpx.Client:
    """A client for many threads. It knows nothing of the environment's proxies, .netrc and certificates.

    One that is `patient` asks again, after a pause, where a server fails as servers do for a while.
    """
    route = _Route(network)
    return httpx.Client(
        transport=_Patient(route) if patient else route,
        trust_env=False,
        follow_redirects=True,
        timeout=httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT),
        headers={"User-Agent": "wheelhouse"},
    )


@contextlib.contextmanager
def get(client: httpx.Client, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
    """The response to GET, redirects followed, its body still to be read.

    Raises `Unreachable`, and `BrokenOff` once the body has begun.
    """
    kind: type[Unreachable] = Unreachable
    try:
        with client.stream("GET", url, headers=headers) as response:
            kind = BrokenOff
            yield response
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise kind(reason(error)) from None


def patiently(ask: Callable[[], T], times: int) -> T:
    """Do something that reads an answer, and do it again if that broke off; raises what the last attempt did."""
    for attempt in retrying(BrokenOff, times):
        with attempt:
            return ask()
    raise AssertionError("the last attempt returns or raises")


def retrying(on: "type[Exception] | Callable[[Exception], bool | float]", attempts: int) -> Iterator[stamina.Attempt]:
    """stamina's attempts with this module's pauses; `on` says after which exceptions there is another one.

    It may say so by the seconds to wait.
    """
    return iter(
        stamina.retry_context(
            on=on,
            attempts=attempts,
            timeout=None,
            wait_initial=FIRST_PAUSE,
            wait_max=LONGEST_OWN_PAUSE,
            wait_jitter=FIRST_PAUSE,
        )
    )


def reason(error: Exception) -> str:
    """Why a request failed, as the end of a sentence that holds no secret."""
    if isinstance(error, httpx.ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {READ_TIMEOUT:g} s"
    if isinstance(error, httpx.ProxyError):
        status = _status(error)
        return f"the proxy answers {status}" if status else "the proxy refuses"
    cause: BaseException | None = error
    while cause:  # what the operating system or OpenSSL said of it
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return f"the connection failed ({type(error).__name__})"


class _Route(httpx.BaseTransport):
    """Sends each request through its proxy, also those that a redirect leads to another host."""

    def __init__(self, network: Network) -> None:
        self._network = network
        trust = network.trust()
        # httpx allows 100 connections, more than there are threads to use them.
        self._direct = httpx.HTTPTransport(verify=trust, trust_env=False)
        self._proxied = {
            url: httpx.HTTPTransport(verify=trust, trust_env=False, proxy=_with_trust(url, trust))
            for url in set(network.proxies.values())
        }

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        # Here, and not with the question, because a redirect may lead to another server.
        if login := self._network.login_for(request.url):
            request.headers["Authorization"] = _basic(*login)
        proxy = self._network.proxy_for(request.url)
        return (self._proxied[proxy] if proxy else self._direct).handle_request(request)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class _Patient(httpx.BaseTransport):
    """Sends a request again that met a server, or a proxy, which is overloaded or being restarted.

    Once one has waited in vain, the next ones do not, until somebody is answered: a run against a server that is down
    ends soon, and says so.
    """

    def __init__(self, route: httpx.BaseTransport) -> None:
        self._route = route
        self._is_hopeless = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            for attempt in retrying(_pause, 1 if self._is_hopeless else ATTEMPTS):
                with attempt:
                    response = self._ask(request)
        except _Overloaded as error:
            self._is_hopeless = True
            return httpx.Response(error.status)
        except _Failed as error:
            self._is_hopeless = self._is_hopeless or _passes(error.cause)
            raise error.cause from error.cause.__cause__  # what the operating system said is in there
        self._is_hopeless = False
        return response

    def _ask(self, request: httpx.Request) -> httpx.Response:
        """Raises `_Overloaded`, `_Failed`."""
        host = request.url.host
        try:
            response = self._route.handle_request(request)
        except (httpx.TransportError, OSError) as error:
            raise _Failed(host, error) from None
        if response.status_code in _PASSING:
            response.close()
            raise _Overloaded(host, response.status_code, response.headers.get("Retry-After", ""))
        return response


class _Attempt(Exception):
    """An attempt that may be worth another one; the text can be logged."""

    def __init__(self, host: str, said: str) -> None:
        super().__init__(f"{host}: {said}")


class _Overloaded(_Attempt):
    def __init__(self, host: str, status: int, asks_for: str) -> None:
        super().__init__(host, f"it answers {status}")
        self.status = status
        self.asks_for = asks_for
        """Its `Retry-After`."""


class _Failed(_Attempt):
    def __init__(self, host: str, cause: Exception) -> None:
        super().__init__(host, reason(cause))
        self.cause = cause


def _pause(error: Exception) -> bool | float:
    """Whether there is another attempt; in how many seconds, where the server asks for it."""
    if isinstance(error, _Failed):
        return _passes(error.cause)
    if isinstance(error, _Overloaded):
        return min(_seconds(error.asks_for), LONGEST_PAUSE) or True
    return False


def _passes(error: Exception) -> bool:
    """Whether a failure may be over in a while: not one of certificates, or of a proxy that wants another login."""
    if isinstance(error, httpx.ProxyError):
        return _status(error) in _PASSING
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return False
        cause = cause.__cause__ or cause.__context__
    return not isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError))


def _status(error: httpx.ProxyError) -> int | None:
    """What the proxy answered, if it did."""
    status = re.match(r"[1-5][0-9]{2}\b", str(error))
    return int(status[0]) if status else None


def _seconds(text: str) -> float:
    """What `Retry-After` says, which is a number of seconds or a date; 0 for nothing, or what is past."""
    if re.fullmatch(r"[0-9]{1,6}", text):
        return float(text)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        at = parsedate_to_datetime(text)
        return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp())
    return 0.0


def _with_trust(url: str, trust: ssl.SSLContext) -> httpx.Proxy:
    # httpcore refuses certificates for a proxy that is spoken to in the clear.
    return httpx.Proxy(url, ssl_context=trust if urlsplit(url).scheme == "https" else None)


def _tell(details: RetryDetails) -> None:
    log.warning("%s; the next attempt is in %g s.", details.caused_by, round(details.wait_for, 1))


# stamina's own hook logs the representation of exceptions, which may hold what ours do not.
set_on_retry_hooks([_tell])

"""How the index host reaches public servers: through which proxy, and trusting whom.

    proxy.env   KEY=value lines (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY), the URLs percent-encoded
    ca.pem      certificates of the company's CA, trusted besides the public ones

Both may be missing. The proxy's password stays in here.
"""

import contextlib
import ipaddress
import shlex
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import httpx

PROXY_FILE = "proxy.env"
CA_FILE = "ca.pem"
_PROXY_KEYS = ("http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True)
class Network:
    """What the administrator said about it. Equal if nothing changed."""

    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    """`http_proxy`, `https_proxy`, `all_proxy` -> URL with credentials."""
    no_proxy: str = ""
    ca: str = field(default="", repr=False)
    """PEM."""
    logins: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    """Address of an index -> user and password. They are sent to its server, and to no other."""

    def trust(self) -> ssl.SSLContext:
        """The public certificates and those of the company."""
        trust = httpx.create_ssl_context(trust_env=False)
        if self.ca:
            trust.load_verify_locations(cadata=self.ca)
        return trust

    def login_for(self, url: httpx.URL) -> tuple[str, str] | None:
        """The user and password for the server at `url`, if there are any, and it is spoken to with encryption."""
        for address, login in self.logins.items():
            known = httpx.URL(address)
            if (url.scheme, url.host, url.port) == (known.scheme, known.host, known.port) and url.scheme == "https":
                return login
        return None

    def proxy_for(self, url: httpx.URL) -> str | None:
        """The URL of the proxy that leads to `url`; None if it is asked directly."""
        if _is_listed(url.host, self.no_proxy):
            return None
        return self.proxies.get(f"{url.scheme}_proxy") or self.proxies.get("all_proxy")


def read(directory: Path) -> Network:
    """Read both files; raises OSError, and ValueError with one sentence, in which no secret is."""
    variables = _variables(directory / PROXY_FILE)
    proxies = {key: _proxy(directory / PROXY_FILE, key, variables[key]) for key in _PROXY_KEYS if variables.get(key)}
    return Network(proxies, variables.get("no_proxy", ""), _certificates(directory / CA_FILE))


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

"""Whether the proxy and the index answer, as programs of this host would find them."""

from __future__ import annotations

import re
import shlex
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

from wheelhouse_monitoring import small_files
from wheelhouse_monitoring.textfile import Family

_WAIT = 5.0


def proxy(environment: Path) -> list[Family]:
    """Whether the proxy, or the relay of this host, speaks HTTP. No login is sent, and nothing is asked of it."""
    up = Family("wheelhouse_proxy_up", "1 if the proxy or the relay that this host uses answers.")
    address = proxy_address(small_files.read(environment, 65536).decode()) if environment.exists() else None
    if address:
        up.add(float(speaks_http(*address)), proxy=f"{address[0]}:{address[1]}")
    return [up]


def proxy_address(environment: str) -> tuple[str, int] | None:
    """Host and port of the proxy in a file of variables; what it has of accounts goes nowhere."""
    for line in environment.splitlines():
        match = re.fullmatch(r"\s*(?:export\s+)?https_proxy=(.*)", line, re.IGNORECASE)
        value = "".join(shlex.split(match[1])) if match else ""
        if value:
            parts = urlsplit(value if "://" in value else f"http://{value}")
            return (parts.hostname, parts.port or 3128) if parts.hostname else None
    return None


def speaks_http(host: str, port: int) -> bool:
    """Whether something answers there at all, with whatever status."""
    try:
        with socket.create_connection((host, port), _WAIT) as connection:
            connection.settimeout(_WAIT)
            connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False


def index(url: str, authorities: str | None = None) -> list[Family]:
    """Whether the index answers under its own name, with a certificate that this host trusts, and when that ends."""
    up = Family("wheelhouse_index_reachable", "1 if this host reaches the index and trusts its certificate.")
    healthy = Family("wheelhouse_index_healthy", "1 if /health of the index is 200.")
    took = Family("wheelhouse_index_answer_seconds", "Time that /health took.")
    ends = Family("wheelhouse_index_certificate_end_timestamp_seconds", "When the certificate that it shows ends.")
    start = time.monotonic()
    try:
        status, end = _ask(url, authorities)
    except (OSError, ValueError):
        return [up.add(0), healthy.add(0)]
    took.add(time.monotonic() - start)
    return [up.add(1), healthy.add(float(status == 200)), took, ends.add(end)]


def _ask(url: str, authorities: str | None) -> tuple[int, float]:
    """Raises OSError, ValueError."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    context = ssl.create_default_context(cafile=authorities)
    plain = socket.create_connection((host, port), _WAIT)
    with plain, context.wrap_socket(plain, server_hostname=host) as connection:
        certificate = connection.getpeercert() or {}
        connection.sendall(f"GET /health HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode("ascii"))
        status = connection.recv(64).split()
    if len(status) < 2 or not status[1].isdigit():
        raise ValueError("This is no HTTP.")
    return int(status[1]), float(ssl.cert_time_to_seconds(str(certificate["notAfter"])))

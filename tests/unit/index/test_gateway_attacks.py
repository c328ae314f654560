"""What strangers send to the gateway to learn passwords, to lock others out, or to fill the disk."""

import contextlib
import os
import re
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory import in_memory

from . import nginx
from .nginx import Gateway, Program, basic, hashed
from .samples import PASSWORD, Wheel
from .sites import SiteOfTests

pytestmark = pytest.mark.skipif(not nginx.IS_THERE, reason="nginx with Lua is not installed")

METHODS = ("GET", "POST", "PUT", "DELETE")
COUNTED = "a user name or a password is wrong"
"""What the gateway writes down for each guess that it counts."""
PATHS = (
    "/account/tokens",
    "/account/tokens/abcdefgh/revoke",
    "/api/tokens",
    "/api/tokens/current",
    "/api/tokens/..%2f..%2fprojects/acme-open",
    "/projects/acme-open/..%2f..%2fapi/tokens",
    "/search/..%2fapi/tokens",
    "/simple/..%2fapi/tokens/",
    "/pypi/x/..%2f..%2f..%2fapi/tokens",
    "/.%2fapi/tokens",
    "/",
    "/search",
    "/projects/acme-open",
    "/simple/acme-open/",
    "/simple/nowhere/",
    "/RPC2",
    "/osv/v1/query",
    "/fleet/heartbeat",
    "/_/oidc/audience",
    "/_/oidc/mint-token",
    "/.well-known/pytp",
    "/health",
    "/logins/check",
    "/publishers/ada",
)


@pytest.fixture(scope="module")
def site() -> Iterator[SiteOfTests]:
    with tempfile.TemporaryDirectory(dir=in_memory()) as directory:
        site = SiteOfTests(Path(directory, "site"))
        site.configure(publishes={"ada": ["acme-*"]})
        (site.root / "config/htpasswd").write_text("".join(f"{name}:{hashed()}\n" for name in ("ada", "bob", "eve")))
        site.publish("acme_open-1.0-py3-none-any.whl", Wheel("acme_open").build(), "ada", "192.0.2.7")
        with Program(site).running():
            yield site


@pytest.fixture
def gateway(site: SiteOfTests, tmp_path: Path) -> Iterator[Gateway]:
    with Gateway(site, tmp_path / "gateway").running() as gateway:
        yield gateway


@pytest.mark.parametrize("anonymous", [False, True], ids=["with a login", "open"])
def test_no_address_tells_whether_a_password_is_right(site: SiteOfTests, tmp_path: Path, anonymous: bool) -> None:
    """But for those that count the guesses, as a few names and passwords that nobody has show."""
    with Gateway(site, tmp_path / "gateway", index_gateway_anonymous_read=anonymous).running() as gateway:
        telling = []
        for path in PATHS:
            for method in METHODS:
                wrong, right = (gateway.ask(path, basic("bob", password), method) for password in ("guess", PASSWORD))
                assert max(wrong.status, right.status) < 500, (path, method)
                if (wrong.status, wrong.body) != (right.status, right.body):
                    telling.append((path, method))
        assert ("/api/tokens", "GET") in telling and ("/api/tokens", "PUT") not in telling
        log = gateway.place / "error.log"
        for number, (path, method) in enumerate(telling):
            before = log.read_text().count(COUNTED)
            assert gateway.ask(path, basic(f"nobody-{number}", "guess"), method).status == 401
            assert log.read_text().count(COUNTED) == before + 1, (path, method)


def test_a_name_locks_no_other_out(gateway: Gateway) -> None:
    """Whatever somebody calls themselves, only guesses at a name make those wait who have it."""
    for prefix in ("until", "ntilu", "luntil", "l", "lu", "u", "h", "a", "c", "w", "s", "p", "r", "i", "d", "slot1"):
        for name in (f"{prefix}eve", f"{prefix}eve\n127.0.0.1", prefix):
            gateway.ask("/simple/", basic(name, "x"))
    assert gateway.ask("/simple/", basic("eve")).status == 200


def test_patterns_of_restricted_projects_take_no_time(site: SiteOfTests, gateway: Gateway) -> None:
    rights = site.root / "config/read-rights"
    rights.write_text("restricted acme-*-x-*-x-*-secret\nrestricted *o*p*e*n\nrestricted a*b*c\n")
    try:
        give_up = time.monotonic() + nginx.START
        while gateway.ask("/simple/acme-open/", basic("ada")).status != 404:
            assert time.monotonic() < give_up
            time.sleep(0.1)
        hidden = ("acme-1-x-2-x-3-secret", "acme-x-x-x-x-x-secret", "abc", "axbxc", "open")
        shown = ("acme-x-x-x-secret", "acme-x-x-secre", "xacme-1-x-2-x-3-secret", "ab", "abcd", "acme-1-x-secret")
        for names, gone in ((hidden, True), (shown, False)):
            for name in names:
                assert gateway.ask(f"/packages/{name}/x.whl", basic("ada")).status == 404
                text = (gateway.place / "error.log").read_text()
                assert (f"packages/{name}/x.whl" not in text) is gone, name
        before = cpu(gateway)
        for middle in ("x-", "x-x", "-x-"):
            gateway.ask(f"/simple/acme-{middle * 2400}y/", basic("ada"))
        assert cpu(gateway) - before < 2  # seconds; it took minutes
    finally:
        rights.unlink()


def cpu(gateway: Gateway) -> float:
    """Seconds of processor time that the workers have had."""
    master = int((gateway.place / "pid").read_text())
    workers = Path(f"/proc/{master}/task/{master}/children").read_text().split()
    ticks = 0
    for worker in workers:
        fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    "path", ["/health", "/.well-known/pytp", "/", "/search", "/simple/nowhere/", "/account/tokens"]
)
def test_what_comes_with_a_read_fills_no_disk(gateway: Gateway, path: str) -> None:
    login = "" if path in ("/health", "/.well-known/pytp") else f"Authorization: {basic('ada')['Authorization']}\r\n"
    size = 64 * 2**20
    for length in (f"Content-Length: {size}", "Transfer-Encoding: chunked"):
        raw = socket.create_connection(("127.0.0.1", gateway.port), 30)
        with gateway._context.wrap_socket(raw, server_hostname="localhost") as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{login}{length}\r\n\r\n".encode())
            with contextlib.suppress(OSError):  # it is refused, and the connection ended
                for _ in range(size // 2**20 - 1):
                    connection.sendall(b"100000\r\n" + b"x" * 2**20 + b"\r\n" if "chunked" in length else b"x" * 2**20)
            assert stored(gateway) < 2**20, length


def stored(gateway: Gateway) -> int:
    """Bytes of bodies that nginx has on the disk, in files that have no name any more."""
    master = (gateway.place / "pid").read_text().strip()
    total = 0
    for worker in Path(f"/proc/{master}/task/{master}/children").read_text().split():
        for descriptor in Path(f"/proc/{worker}/fd").iterdir():
            with contextlib.suppress(OSError):
                if re.match(re.escape(f"{gateway.place}/body"), str(descriptor.readlink())):
                    total += descriptor.stat().st_size
    return total

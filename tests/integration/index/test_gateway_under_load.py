"""What clients do not notice of nginx: that it is reloaded, how many files are in use, and who else holds connections."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import resource
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from company import Office, eventually
from gateway import JSON, PAGE, Gateway
from index.samples import MULTIPART, Wheel
from shelf import PLACE
from testinfra.host import Host


@pytest.fixture
def many_pages(index: Host) -> Iterator[list[str]]:
    """Pages of more projects than a process may open files by default; their addresses."""
    names = [f"acme-many-{number:04}" for number in range(1500)]
    simple = f"{PLACE}/simple"
    index.check_output(
        "cd %s && for number in $(seq -w 0 1499); do install -D -m 644 acme-gateway/index.json acme-many-$number/index.json; done",
        simple,
    )
    yield [f"/simple/{name}/" for name in names]
    index.check_output("rm -r %s/acme-many-*", simple)


def test_many_files_in_use_leave_room_for_new_clients(gateway: Gateway, wheel: Wheel, many_pages: list[str]) -> None:
    """nginx keeps files open that were asked for lately, and may not run out of what it can open."""

    def read(pages: list[str]) -> set[int]:
        connection = gateway.connection()
        headers = gateway.authorization("ada") | {"Accept": JSON}
        answers = {connection.ask(page, headers=headers).status for page in pages}
        connection.close()
        return answers

    # each of them reads all, so that every worker has
    with ThreadPoolExecutor(8) as threads:
        assert set().union(*threads.map(read, [many_pages] * 8)) == {200}
    assert gateway.ask(PAGE).status == 200


def workers(index: Host) -> set[str]:
    return set(index.run("pgrep --parent $(cat /run/nginx.pid)").stdout.split())


def are_gone(index: Host, before: set[str]) -> bool:
    """Whether none of these workers is there any more."""
    return not before & workers(index)


def test_a_reload_drops_no_request(gateway: Gateway, index: Host, wheel: Wheel, file: str) -> None:
    """A connection that was used may be closed between two requests, as clients expect (RFC 9112, 9.3.1), and no other."""
    digest = hashlib.sha256(wheel.build()).hexdigest()
    done = threading.Event()

    def read() -> int:
        count = 0
        connection = gateway.connection()
        reused = False
        while not done.is_set():
            path = file if count % 3 == 0 else PAGE
            try:
                answer = connection.ask(path, headers=gateway.authorization("ada"))
            except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
                assert reused, "a new connection was dropped"
                connection.close()
                connection, reused = gateway.connection(), False
                continue
            assert answer.status == 200
            assert path == PAGE or hashlib.sha256(answer.body).hexdigest() == digest
            reused = answer.headers.get("Connection") != "close"
            count += 1
        connection.close()
        return count

    with ThreadPoolExecutor(3) as threads:
        readers = [threads.submit(read) for _ in range(3)]
        try:
            for _ in range(5):
                before = workers(index)
                index.check_output("systemctl reload nginx")
                eventually(partial(are_gone, index, before), "new workers have taken over", 30)
        finally:
            done.set()
        assert sum(reader.result() for reader in readers) > 100


IDLE = 1_700
"""More connections than Debian's nginx has for all clients together, on two processors."""


ASK = (
    "import sys, urllib.request as u;"
    " print(u.urlopen(u.Request(sys.argv[1], headers={'Authorization': sys.argv[2]}), timeout=5).status)"
)


def ask_elsewhere(office: Office, gateway: Gateway) -> str:
    """The status that a workstation gets."""
    login = gateway.authorization("ada")["Authorization"]
    return office.succeed_as("leo", f"python3 -c \"{ASK}\" {office.index_url}/simple/ '{login}'").strip()


@contextlib.contextmanager
def idle_connections(gateway: Gateway, port: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Somebody who opens connections, sends the beginning of something, and waits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, IDLE + 1_000), hard))
    held: list[socket.socket] = []
    try:
        for _ in range(IDLE):
            held.append(socket.create_connection((gateway.address, port), 10))
            held[-1].sendall(sent)
        yield held
    finally:
        for connection in held:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("port", "sent"),
    [(443, b""), (443, b"\x16\x03\x01"), (80, b"GET / HT")],
    ids=["nothing", "half a greeting", "half a request"],
)
def test_connections_that_say_nothing_stop_nobody(
    office: Office, gateway: Gateway, wheel: Wheel, port: int, sent: bytes
) -> None:
    with idle_connections(gateway, port, sent) as held:
        for _ in range(10):
            began = time.monotonic()
            assert gateway.ask(PAGE).status == 200
            assert time.monotonic() - began < 5
        assert ask_elsewhere(office, gateway) == "200"
        # and they do not stay
        held[0].settimeout(30)
        with contextlib.suppress(ConnectionResetError):
            assert held[0].recv(1) == b""


AT_A_TIME = 40


def test_slow_uploads_from_one_address_are_limited(office: Office, gateway: Gateway, settings, wheel: Wheel) -> None:
    """Who sends many bodies a byte at a time gets so many answered at a time, and others are not concerned."""
    settings.apply(index_gateway_connections_per_address=AT_A_TIME)
    login = gateway.authorization("ada")["Authorization"]
    head = f"POST / HTTP/1.1\r\nHost: {gateway.name}\r\nAuthorization: {login}\r\nContent-Type: {MULTIPART}\r\n"
    slow = []
    try:
        for _ in range(AT_A_TIME + 20):
            connection = gateway.connection()
            connection.connect()
            connection.sock.sendall(f"{head}Content-Length: 1000000\r\n\r\n-".encode())
            connection.sock.settimeout(0.05)
            slow.append(connection.sock)
        refused = 0
        for _ in range(3):
            for sock in slow:
                with contextlib.suppress(OSError):
                    sock.sendall(b"-")
                    refused += b" 429 " in sock.recv(100)
        assert refused + 5 >= 20, "the limit of an address holds"
        assert ask_elsewhere(office, gateway) == "200", "another address is not concerned"
    finally:
        for sock in slow:
            sock.close()
        settings.apply()
    eventually(lambda: gateway.ask(PAGE).status == 200, "the index answers here again", 30)


def test_a_body_that_does_not_go_on_is_cut_off(gateway: Gateway) -> None:
    login = gateway.authorization("ada")["Authorization"]
    head = f"POST / HTTP/1.1\r\nHost: {gateway.name}\r\nAuthorization: {login}\r\nContent-Type: {MULTIPART}\r\n"
    began = time.monotonic()
    with contextlib.suppress(ConnectionResetError, ssl.SSLError):
        gateway.raw(f"{head}Content-Length: 1000000\r\n\r\n-".encode())
    assert time.monotonic() - began < 45

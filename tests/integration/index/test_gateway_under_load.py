"""What clients do not notice of nginx: that it is reloaded, and how many files are in use."""

from __future__ import annotations

import hashlib
import http.client
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from company import eventually
from gateway import JSON, PAGE, Gateway
from index.samples import Wheel
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
                eventually(lambda before=before: not before & workers(index), "new workers have taken over", 30)
        finally:
            done.set()
        assert sum(reader.result() for reader in readers) > 100

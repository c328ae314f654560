"""The office in which the doctor is asked, and ports at which something is wrong."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from wheelhouse_doctor import findings, proxy

from doctor.office import OUTSIDE, Office


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr(proxy, "public_index", lambda: OUTSIDE)
    # a machine on which tests run may well be busy
    monkeypatch.setattr(findings, "load", lambda: (0.1, 2))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    office = Office(tmp_path)
    yield office
    office.close()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""

    class Silent(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            stop.wait(10)

    stop = threading.Event()
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silent)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield server.server_address[1]
    stop.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

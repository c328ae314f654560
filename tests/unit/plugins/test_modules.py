# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The modules, each run as Ansible runs it, on real files."""

from __future__ import annotations

import base64
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.modules import (
    nearest_proxy,
    proxy_auth_check,
    unread_settings,
)

from .conftest import RunModule

try:
    socket.create_server(("::1", 0), family=socket.AF_INET6).close()
except OSError:  # as in containers of Docker
    HAS_IPV6 = False
else:
    HAS_IPV6 = True

# --- unread_settings


def test_what_is_newer_than_its_product_is_unread(run_module: RunModule, tmp_path: Path) -> None:
    certificates, store = tmp_path / "certificates", tmp_path / "store"
    (certificates / "below").mkdir(parents=True)
    (certificates / "a.crt").touch()

    def look() -> dict:
        return run_module(unread_settings, product=str(store), paths=[str(certificates), str(tmp_path / "none")])

    assert look()["changed"], "there is no product yet"
    store.touch()
    assert (look()["changed"], look()["paths"]) == (False, [])

    def wait_for_the_clock() -> None:
        """Until a change gets another time than the last one: file systems count in some milliseconds."""
        probe = tmp_path / "probe"
        probe.touch()
        while probe.stat().st_ctime <= store.stat().st_ctime:
            probe.touch()

    def is_noticed(path: Path) -> None:
        answer = look()
        assert answer["changed"] and str(path) in answer["paths"]
        store.touch()
        assert not look()["changed"]
        wait_for_the_clock()

    wait_for_the_clock()
    written = certificates / "below" / "b.crt"
    written.write_text("b")
    is_noticed(written)
    os.utime(written, (0, 0))  # as a copying program does that keeps the times
    is_noticed(written)
    written.unlink()
    is_noticed(written.parent)


def test_an_idle_unit_has_nothing_to_read_again(run_module: RunModule, tmp_path: Path) -> None:
    answer = run_module(unread_settings, unit="no-such-unit.service", paths=[str(tmp_path)])
    assert not answer["changed"] and "failed" not in answer


# --- nearest_proxy


def test_the_fastest_proxy_that_answers_is_chosen_and_kept(run_module: RunModule, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "proxy-region"
    regions = {"gone": "127.0.0.1:1", "far": "http://127.0.0.1:2", "near": "[::1]:3" if HAS_IPV6 else "127.0.0.1:3"}
    ports: dict[int, int] = {}
    near = (("::1", 0), socket.AF_INET6) if HAS_IPV6 else (("127.0.0.1", 0), socket.AF_INET)
    listeners = {2: socket.create_server(("127.0.0.1", 0)), 3: socket.create_server(near[0], family=near[1])}
    connect = socket.create_connection

    def to_listener(address: tuple[str, int], timeout: float) -> socket.socket:
        """The connection that was asked for, to ports that are free here; that to `far` takes longer."""
        host, port = address
        ports[port] = ports.get(port, 0) + 1
        time.sleep(0.05 if port == 2 else 0)
        return connect((host, listeners[port].getsockname()[1] if port in listeners else port), timeout)

    monkeypatch.setattr(socket, "create_connection", to_listener)

    def choose(**arguments) -> dict:
        return run_module(nearest_proxy, path=str(path), regions=regions, **arguments)

    checked = choose(check_mode=True)
    assert (checked["region"], checked["changed"], path.exists()) == ("near", True, False)
    assert set(checked["milliseconds"]) == {"far", "near"} and checked["milliseconds"]["far"] >= 50
    assert choose()["changed"] and (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("near\n", 0o644)
    path.write_text("far\n")
    again = choose()
    assert (again["region"], again["changed"]) == ("far", False), "a proxy that answers is kept"
    listeners[2].close()
    assert (choose()["region"], path.read_text()) == ("near", "near\n")
    listeners[3].close()
    assert (choose()["region"], choose()["changed"]) == ("near", False), "there is none to change to"
    path.unlink()
    assert choose()["region"] == "gone"


@pytest.mark.parametrize("server", [":{}", "http://:{}", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999"])
def test_what_is_no_address_of_a_proxy_answers_nobody(run_module: RunModule, tmp_path: Path, server: str) -> None:
    """Without a host, it would be this one that answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        regions = {"wrong": server.format(listener.getsockname()[1]), "right": f"127.0.0.1:{listener.getsockname()[1]}"}
        answer = run_module(nearest_proxy, path=str(tmp_path / "proxy-region"), regions=regions)
    assert answer["region"] == "right" and set(answer["milliseconds"]) == {"right"}


# --- proxy_auth_check

SECRET = "S3ntinel"


class OfficeProxy(ThreadingHTTPServer):
    schemes: tuple[str, ...]
    seen: list[str | None]


@pytest.fixture
def office_proxy() -> Iterator[Callable[..., OfficeProxy]]:
    """A proxy that knows one login, and asks for it by the schemes given; its address. Its tries are in `seen`."""
    servers = []

    class Proxy(BaseHTTPRequestHandler):
        server: OfficeProxy

        def do_CONNECT(self) -> None:
            login = self.headers.get("Proxy-Authorization")
            self.server.seen.append(login)
            good = "Basic " + base64.b64encode(f"EMEA\\ada:{SECRET}".encode()).decode()
            self.send_response(502 if login == good or not self.server.schemes else 407)
            for scheme in self.server.schemes:
                self.send_header("Proxy-Authenticate", scheme)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    def start(*schemes: str) -> OfficeProxy:
        server = OfficeProxy(("127.0.0.1", 0), Proxy)
        server.schemes, server.seen = schemes, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


LOGINS = [
    {"name": "ada", "username": "EMEA\\ada", "password": SECRET},
    {"name": "leo", "username": "EMEA\\leo wu", "password": SECRET},
]


def test_refused_logins_are_named_and_tried_once(run_module: RunModule, office_proxy) -> None:
    proxy = office_proxy("Negotiate", 'Basic realm="x"')
    answer = run_module(proxy_auth_check, proxy=f"127.0.0.1:{proxy.server_port}", logins=LOGINS)
    assert (answer["refused"], answer["unasked"], answer["changed"]) == (["leo"], "", False)
    assert sorted(map(bool, proxy.seen)) == [False, True, True], "a second try counts as a second wrong one"
    assert SECRET not in json.dumps(answer)


@pytest.mark.parametrize("schemes", [(), ("NTLM", "Negotiate")])
def test_a_proxy_that_takes_no_password_is_not_given_any(
    run_module: RunModule, office_proxy, schemes: tuple[str, ...]
) -> None:
    proxy = office_proxy(*schemes)
    answer = run_module(proxy_auth_check, proxy=f"http://127.0.0.1:{proxy.server_port}", logins=LOGINS)
    assert answer["refused"] == [] and "proxy" in answer["unasked"]
    assert proxy.seen == [None]


def test_a_proxy_that_does_not_answer_is_a_failure(run_module: RunModule) -> None:
    answer = run_module(proxy_auth_check, proxy="127.0.0.1:1", logins=LOGINS)
    assert answer["failed"] and "127.0.0.1:1 does not answer" in answer["msg"]
    assert SECRET not in json.dumps(answer)


@pytest.mark.parametrize("proxy", ["", ":3128", "proxy.acme.example", "proxy.acme.example:99999"])
def test_what_is_no_address_of_a_proxy_is_a_failure(run_module: RunModule, proxy: str) -> None:
    answer = run_module(proxy_auth_check, proxy=proxy, logins=LOGINS)
    assert answer["failed"] and answer["msg"].startswith(f"The proxy {proxy} cannot be asked: ")

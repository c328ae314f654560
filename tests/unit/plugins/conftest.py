# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What tests of the plugins share: real clients, and a server that notes what they send."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from ansible.module_utils.testing import patch_module_args

RunModule = Callable[..., dict[str, Any]]
RunClient = Callable[..., subprocess.CompletedProcess[str]]


class Request(NamedTuple):
    """What a client sent."""

    target: str  # a path from a direct client, a whole URL from one that takes us for a proxy
    account: bytes | None  # user:password of Authorization
    proxy_account: bytes | None  # user:password of Proxy-Authorization


def basic_account(header: str | None) -> bytes | None:
    """user:password of a header of HTTP basic authentication, None without one."""
    if header is None:
        return None
    scheme, _, encoded = header.partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(encoded, validate=True)


class Handler(BaseHTTPRequestHandler):
    """Notes the request and asks for credentials, which is when most clients look for them."""

    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(
            Request(
                self.path,
                basic_account(self.headers["Authorization"]),
                basic_account(self.headers["Proxy-Authorization"]),
            )
        )
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic realm=test")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server and proxy on the loopback interface; `requests` is what it was asked, in order."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Request] = []
        self.errors: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def taken(self) -> list[Request]:
        """What came in since this was asked last."""
        assert not self.errors, self.errors
        taken, self.requests = self.requests, []
        return taken

    def handle_error(self, *_: object) -> None:
        """Fail the test instead of closing the connection, which looks like a client that sent nothing."""
        self.errors.append(traceback.format_exc())


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunClient:
    """Run a client with nothing of this machine's configuration: run([program, ...], {variable: value}, input)."""
    home = tmp_path_factory.mktemp("home")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    def run_client(
        command: Sequence[str | Path],
        variables: Mapping[str, str] | None = None,
        text: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        program = shutil.which(command[0], path=path)
        assert program, f"{command[0]} is not installed"
        environment = {"PATH": path, "HOME": str(home), **(variables or {})}
        return subprocess.run(
            [program, *command[1:]],
            env=environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run_client


@pytest.fixture(scope="session")
def ask_with_uv(run: RunClient) -> Callable[[str, dict[str, str]], subprocess.CompletedProcess[str]]:
    """Let uv ask an index for a project: ask_with_uv(index URL, {variable: value})."""
    command = ["uv", "--no-config", "pip", "install", "--dry-run", "--no-cache", "--python", sys.executable]

    def ask(index: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return run([*command, "--index-url", index, "no-such-project"], {"UV_HTTP_RETRIES": "0", **variables})

    return ask


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A place that others than root can reach: each start of pytest closes its own to them."""
    with tempfile.TemporaryDirectory(prefix="wheelhouse-") as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> RunModule:
    """Run a module with these arguments; what it reports."""

    def run(module: ModuleType, check_mode: bool = False, **arguments: object) -> dict[str, Any]:
        with patch_module_args(arguments | {"_ansible_check_mode": check_mode}), pytest.raises(SystemExit):
            module.main()
        return dict(json.loads(capsys.readouterr().out))

    return run

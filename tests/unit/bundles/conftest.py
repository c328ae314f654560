"""Bundles as bundles.yml makes them, a Windows to unpack them on, and an index and proxy that check passwords."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from .windows import Windows

ROOT = Path(__file__).resolve().parents[3]
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqhC3KTnDrgHu0Pqvkbl9oRHxTHQXbVYzbFUC1tTcyR"


class Office(ThreadingHTTPServer):
    """The index, and a proxy in front of everything: each asks for its own account."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.index_account = self.proxy_account = ""
        self.accepted = 0  # requests with the right password
        self.token_of: dict[str, str] = {}  # those that the index gives, by account, in the place of the password

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Office

    def do_GET(self) -> None:
        # not told apart by the path: Wine's client takes all requests to a proxy that the environment names
        if "Proxy-Authorization" in self.headers:
            header, wanted, refusal = "Proxy-Authorization", self.server.proxy_account, 407
        else:
            header, wanted, refusal = "Authorization", self.server.index_account, 401
        accounts = [wanted, *(f"{name}:{token}" for name, token in self.server.token_of.items())]
        known = self.headers[header] in ["Basic " + base64.b64encode(one.encode()).decode() for one in accounts]
        self.server.accepted += known
        self.send_response(200 if known else refusal)
        if not known:
            self.send_header("WWW-Authenticate" if refusal == 401 else "Proxy-Authenticate", 'Basic realm="office"')
        body = b"<!doctype html><title>index</title>"
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """A token, for the password."""
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = self.server.index_account.partition(":")[0]
        expected = "Basic " + base64.b64encode(self.server.index_account.encode()).decode()
        known = self.headers["Authorization"] == expected and self.path == "/api/tokens"
        is_right = set(wanted) == {"name", "for"} and wanted["name"].startswith("laptop ")
        token = self.server.token_of.get(name)
        body = (json.dumps({"token": token}) if token and known and is_right else "IT says no.").encode()
        self.send_response(201 if token and known and is_right else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def office() -> Iterator[Office]:
    with Office() as office:
        threading.Thread(target=office.serve_forever, daemon=True).start()
        yield office
        office.shutdown()


def inventory(office: Office, ca: Path) -> dict[str, object]:
    return {
        "wheelhouse_index_url": "https://packages.acme.example",  # the preflight asks for https; the role takes both
        "onboarding_bundle_index_url": f"http://{office.server}",
        "wheelhouse_ca_bundle": str(ca),
        "wheelhouse_proxy": {"regions": {"europe": office.server}, "no_proxy": [".acme.example"]},
        "onboarding_bundle_jupyter_hosts": {"jupyter-1": {"address": "jupyter.acme.example", "host_key": HOST_KEY}},
        "onboarding_bundle_contact": "it@acme.example",
        "wheelhouse_people": [
            {
                "name": "ada",
                "laptops": ["windows"],
                "proxy_username": "EMEA\\ada",
                "proxy_password": "x",
                "jupyter": True,
            },
            {"name": "leo", "laptops": ["windows"]},
            {"name": "eve", "state": "absent"},
        ],
    }


class Company:
    """An inventory on this machine, and what bundles.yml makes of it."""

    def __init__(self, directory: Path, settings: dict[str, Any]) -> None:
        self.settings = settings
        self._inventory = directory / "acme"
        self._inventory.mkdir()
        self.bundles = directory / "acme-bundles"

    def run(self, *arguments: str, **settings: object) -> str:
        """Run the playbook; what Ansible said."""
        group: dict[str, object] = {"children": {"jupyter_hosts": {"hosts": {"jupyter-1": {}}}}}
        (self._inventory / "hosts.yml").write_text(yaml.safe_dump({"all": group}))
        # not in the inventory's files, where passwords in clear are an error
        variables = self._inventory.with_name("settings.yml")
        variables.write_text(yaml.safe_dump(self.settings | settings))
        done = subprocess.run(
            [
                "ansible-playbook",
                "-i",
                self._inventory,
                ROOT / "playbooks" / "bundles.yml",
                "-e",
                f"@{variables}",
                *arguments,
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def company(office: Office, tmp_path_factory: pytest.TempPathFactory) -> Company:
    directory = tmp_path_factory.mktemp("company")
    ca = directory / "ca.pem"
    command: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ed25519",
        "-nodes",
        "-keyout",
        "/dev/null",
        "-out",
        ca,
    ]
    subprocess.run([*command, "-days", "30", "-subj", "/CN=Acme CA"], check=True, capture_output=True)
    company = Company(directory, inventory(office, ca))
    company.run()
    return company


@pytest.fixture(scope="session")
def with_tokens(office: Office, company: Company, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """Another inventory, of an index that gives tokens."""
    directory = tmp_path_factory.mktemp("with tokens")
    another = Company(directory, {**company.settings, "onboarding_bundle_store_passwords": False})
    another.run()
    return another


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Windows]:
    """One Windows for all tests: it takes a quarter of a minute to be made."""
    if not shutil.which("wine") and "CI" not in os.environ:
        pytest.skip("there is no wine")
    machine = Windows(tmp_path_factory.mktemp("windows") / "wine")
    yield machine
    machine.close()


@pytest.fixture
def windows(machine: Windows) -> Windows:
    """The machine, new."""
    machine.reset()
    return machine


class Bundle:
    """An unpacked bundle on a Windows machine."""

    def __init__(self, archive: Path, directory: Path, windows: Windows | None = None, proxy: str = "") -> None:
        self.directory = directory
        self._windows = windows
        self._proxy = proxy
        with zipfile.ZipFile(archive) as unpacked:
            unpacked.extractall(directory)

    def install(self, *answers: str) -> tuple[int, str]:
        """Run install.cmd. The proxy that it names to the HTTP client, Wine's takes from the environment alone."""
        assert self._windows
        command = ("cmd", "/c", "install.cmd", "/quiet")
        return self._windows.run(*command, cwd=self.directory, answers=answers, variables={"http_proxy": self._proxy})

    def uninstall(self) -> tuple[int, str]:
        assert self._windows
        return self._windows.run("cmd", "/c", "uninstall.cmd", "/quiet", cwd=self.directory)


@pytest.fixture
def ada(company: Company, windows: Windows, office: Office, tmp_path: Path) -> Bundle:
    """Hers: a proxy that asks for a password, and a JupyterLab."""
    return Bundle(company.bundles / "ada-windows.zip", tmp_path / "ada-windows", windows, office.server)


@pytest.fixture
def leo(company: Company, windows: Windows, tmp_path: Path) -> Bundle:
    """His: neither."""
    return Bundle(company.bundles / "leo-windows.zip", tmp_path / "leo-windows", windows)

"""The gateway as the role writes it, and the program behind it, on ports and sockets of this machine."""

import base64
import contextlib
import copy
import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import trustme
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from wheelhouse import cli

from . import slapd
from .samples import PASSWORD
from .sites import SiteOfTests

REPOSITORY = Path(__file__).parents[3]
ROLE = REPOSITORY / "roles/index_gateway"
PROGRAM = REPOSITORY / "roles/pypi_index/files/wheelhouse"
MODULES = Path("/usr/lib/nginx/modules")
IS_THERE = shutil.which("nginx") is not None and (MODULES / "ngx_http_lua_module.so").exists()
START = 120.0
"""Seconds after which a server hangs."""
_TEMPLATES = ("site.conf", "login.lua", "upload.lua", "format.lua", "login_settings.lua")
_MAIN = """
{user}
load_module {modules}/ndk_http_module.so;
load_module {modules}/ngx_http_lua_module.so;
worker_processes {workers};
pid {place}/pid;
error_log {place}/error.log;
events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types;
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi; uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
    include {place}/site.conf;
}}
"""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def basic(user: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def hashed(password: str = PASSWORD) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


GUNICORN = f"import sys; sys.path.append({slapd.LIBRARY!r}); from gunicorn.app.wsgiapp import run; sys.exit(run())"
"""With Debian's libraries last in the path, as in the image."""


class Program:
    """gunicorn on a socket, with a site."""

    def __init__(self, site: SiteOfTests, environment: Mapping[str, str] | None = None) -> None:
        self.site = site
        self.socket = site.root / "index.sock"
        self._environment = dict(environment or {})

    @contextlib.contextmanager
    def running(self) -> Iterator["Program"]:
        (self.site.root / "cache").mkdir(exist_ok=True)
        command = [sys.executable, "-c", GUNICORN, "--config", str(PROGRAM / "gunicorn.conf.py")]
        command += ["--workers", "1", "--bind", f"unix:{self.socket}", "wheelhouse.web.app:application()"]
        places = {"SHELF": "shelf", "CONFIG": "config", "CACHE": "cache"}
        environment = {f"WHEELHOUSE_{name}": str(self.site.root / place) for name, place in places.items()}
        log = self.site.root / "program.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={
                    **os.environ,
                    **environment,
                    **self._environment,
                    "PYTHONPATH": str(Path(cli.__file__).parents[1]),
                },
            )
        try:
            give_up = time.monotonic() + START
            while not _listens(self.socket):
                assert time.monotonic() < give_up and process.poll() is None, log.read_text()
                time.sleep(0.05)
            yield self
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait(START)


class Gateway:
    """nginx, set up as the role does."""

    def __init__(self, site: SiteOfTests, place: Path, *, workers: int = 2, **variables: Any) -> None:
        self.place = place
        self.workers = workers
        place.mkdir()
        self.port, login_port, plain_port = _free_ports(3)
        self._connection: http.client.HTTPSConnection | None = None
        self._authority = trustme.CA()
        certificate = self._authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(place / "index.key")
        for blob in certificate.cert_chain_pems:
            blob.write_to_path(place / "index.pem", append=True)
        given = {
            "ansible_managed": "by a test",
            "ansible_facts": {"all_ipv6_addresses": []},
            "groups": {},
            "hostvars": {},
            "pypi_index_url": f"https://localhost:{self.port}",
            "pypi_index_directory": str(site.root),
            "__index_gateway_directory": str(place),
            "__index_gateway_program": str(site.root / "index.sock"),
            "__index_gateway_page_cache": str(place / "pages"),
            "__index_gateway_downloads": str(place / "downloads.log"),
            "__index_gateway_login_port": login_port,
            **variables,
        }
        loader = DataLoader()
        known: dict[str, Any] = {}
        for folder in ("defaults", "vars"):
            known |= loader.load_from_file(str(ROLE / folder / "main.yml"), trusted_as_template=True)
        templar = Templar(loader=loader, variables={**known, **given}).copy_with_new_env(
            searchpath=[str(ROLE / "templates")]
        )
        for name in _TEMPLATES:
            template = (ROLE / "templates" / f"{name}.j2").read_text(encoding="utf-8")
            (place / name).write_text(templar.template(trust_as_template(template)), encoding="utf-8")
        for name in ("logins.lua", "fetch.lua"):
            shutil.copy(ROLE / "files" / name, place)
        text = (place / "site.conf").read_text()
        self.listens = re.findall(r"^ +listen (.*);$", text, re.MULTILINE)
        self.locations = re.findall(r"^ +location (.*) \{$", text, re.MULTILINE)
        text = text.replace("/var/log/nginx/", f"{place}/")
        text = re.sub(r"listen 80;", f"listen 127.0.0.1:{plain_port};", text)
        text = text.replace(f"listen {self.port} ssl;", f"listen 127.0.0.1:{self.port} ssl;")
        (place / "site.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""
        (place / "nginx.conf").write_text(_MAIN.format(place=place, modules=MODULES, user=user, workers=workers))
        self._context = ssl.create_default_context()
        self._authority.configure_trust(self._context)

    @contextlib.contextmanager
    def running(self) -> Iterator["Gateway"]:
        for name in ("output", "error.log"):
            (self.place / name).touch()
        command = ["nginx", "-p", str(self.place), "-c", str(self.place / "nginx.conf")]
        with (self.place / "output").open("ab") as output:
            process = subprocess.Popen([*command, "-g", "daemon off;"], stdout=output, stderr=output)
        try:
            give_up = time.monotonic() + START
            while not self._answers():
                said = (self.place / "output").read_text() + (self.place / "error.log").read_text()
                assert time.monotonic() < give_up and process.poll() is None, said
                time.sleep(0.05)
            yield self
        finally:
            process.terminate()
            process.wait(START)

    def ask(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: bytes | None = None
    ) -> Answer:
        """One request, as it is written."""
        if self._connection is None or self._connection.sock is None:  # the server has ended it
            self._connection = http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self._context)
            self._connection.sock = self._context.wrap_socket(
                socket.create_connection(("127.0.0.1", self.port), 60), server_hostname="localhost"
            )
        connection = self._connection
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        except BaseException:
            connection.close()
            self._connection = None
            raise

    def another(self) -> "Gateway":
        """Another client of it."""
        client = copy.copy(self)
        client._connection = None
        return client

    @contextlib.contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """A connection, for whoever does not speak HTTP to its end."""
        with (
            socket.create_connection(("127.0.0.1", self.port), 60) as plain,
            self._context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            yield connection

    def _answers(self) -> bool:
        try:
            return self.ask("/health").status in (200, 503)
        except OSError:
            return False


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]

"""A company on the loopback interface: an index with TLS, a proxy that wants a password, and a world behind it."""

from __future__ import annotations

import base64
import datetime as dt
import getpass
import json
import socket
import ssl
import subprocess
import sys
import sysconfig
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from wheelhouse_doctor import report
from wheelhouse_doctor.findings import FAIL, Finding
from wheelhouse_doctor.runner import run_checks
from wheelhouse_doctor.settings import Settings

OUTSIDE = "public.acme.example"
ACCOUNT, PASSWORD = "EMEA\\ada", "pa:ss/w@rd#1% 7"
INDEX_ACCOUNT, INDEX_PASSWORD = "ada", "index-secret-81"
NETRC = f"machine localhost login {INDEX_ACCOUNT} password {INDEX_PASSWORD}\n"


@dataclass(frozen=True)
class Ca:
    """A CA that signs certificates, and its own in PEM form."""

    name: str
    key: ec.EllipticCurvePrivateKey
    pem: str

    def sign(self, directory: Path, host: str, begins: int = -1, ends: int = 30) -> ssl.SSLContext:
        """A server's context with a certificate for `host`, valid between these days from now on."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(host, key.public_key(), self.name, begins, ends).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False
        )
        file = directory / f"{host}-{x509.random_serial_number()}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(private + certificate.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _certificate(
    subject: str, key: ec.EllipticCurvePublicKey, issuer: str, begins: int, ends: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=begins))
        .not_valid_after(now + dt.timedelta(days=ends))
    )


def new_ca(name: str) -> Ca:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(name, key.public_key(), name, -400, 400).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    signed = certificate.sign(key, hashes.SHA256())
    return Ca(name, key, signed.public_bytes(serialization.Encoding.PEM).decode())


State = TypeVar("State")


class Quiet(ThreadingHTTPServer, Generic[State]):
    """A server that serves from a thread, and says nothing of clients that go away; its handlers look into `state`."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None, state: State) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.tls, self.state = tls, state
        threading.Thread(target=self.serve_forever, args=[0.02], daemon=True).start()

    def finish_request(self, request: Any, client_address: Any) -> None:
        # in the thread of the request, so that a client that gives up its handshake holds up nobody
        if self.tls:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class IndexHandler(BaseHTTPRequestHandler):
    server: Quiet[Index]
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        index = self.server.state
        authorization = self.headers["Authorization"]
        index.asked.append(authorization)
        expected = base64.b64encode(f"{INDEX_ACCOUNT}:{index.password}".encode()).decode()
        right = 404 if index.empty else 200
        self.send_response_only(index.status or (right if authorization == f"Basic {expected}" else 401))
        self.send_header("Date", formatdate(dt.datetime.now().timestamp() - index.behind, usegmt=True))
        self.end_headers()

    def do_GET(self) -> None:
        """What it says of a token, which is its password at the moment."""
        content = json.dumps(self.server.state.about).encode()
        self.send_response_only(200 if self.path == "/api/tokens/current" else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Index:
    """`asked` has the Authorization headers it was sent; `behind` are the seconds by which its clock is late.

    One that is `empty` answers 404 to those whom it lets in. `about` is what it says of a token.
    """

    tls: ssl.SSLContext | None
    status: int = 0
    behind: float = 0
    empty: bool = False
    password: str = INDEX_PASSWORD
    about: object = None
    asked: list[str | None] = field(default_factory=list)

    def start(self) -> int:
        self.server = Quiet(IndexHandler, self.tls, self)
        return self.server.server_port


class ProxyHandler(BaseHTTPRequestHandler):
    server: Quiet[Proxy]
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        proxy = self.server.state
        authorization = self.headers["Proxy-Authorization"]
        proxy.asked.append((self.path, authorization))
        expected = "Basic " + base64.b64encode(f"{ACCOUNT}:{proxy.password}".encode()).decode()
        if proxy.schemes and authorization != expected:
            self._answer(407, [("Proxy-Authenticate", scheme) for scheme in proxy.schemes] + proxy.headers, proxy.page)
        elif proxy.status != 200:
            self._answer(proxy.status, proxy.headers, "no")
        else:
            self._answer(200, [], None)
            if proxy.leads_to:
                _shovel(self.connection, socket.create_connection(("127.0.0.1", proxy.leads_to)))
        self.close_connection = True

    def _answer(self, status: int, headers: list[tuple[str, str]], page: str | None) -> None:
        self.send_response_only(status)
        body = (page or "").encode()
        for name, value in headers + ([] if page is None else [("Content-Length", str(len(body)))]):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _shovel(one: socket.socket, other: socket.socket) -> None:
    def carry(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    threads = [threading.Thread(target=carry, args=pair, daemon=True) for pair in ((one, other), (other, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()


@dataclass
class Proxy:
    """What it offers, whom it lets in, what it says to others, and where every tunnel ends."""

    leads_to: int
    schemes: list[str] = field(default_factory=lambda: ['Basic realm="proxy"'])
    password: str = PASSWORD
    headers: list[tuple[str, str]] = field(default_factory=list)
    page: str = "<p>You have to authenticate yourself.</p>"
    status: int = 200
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def start(self) -> int:
        self.server = Quiet(ProxyHandler, None, self)
        return self.server.server_port


CAS = tuple(map(new_ca, ("Acme Root CA", "Public CA", "Nosy Box")))


class Office:
    """A healthy one, until a test changes something; `ask` is what the doctor then finds."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.bin = directory / "bin"
        for path in (self.home, self.bin, directory / "people"):
            path.mkdir()
        self.company, self.public, self.stranger = CAS
        self.index = Index(self.company.sign(directory, "localhost"))
        self.index_port = self.index.start()
        self.world = Quiet(IndexHandler, self.public.sign(directory, OUTSIDE), Index(None))
        self.proxy = Proxy(self.world.server_port)
        self.proxy_port = self.proxy.start()
        self.netrc = self.home / ".netrc"
        self.netrc.write_text(NETRC)
        self.netrc.chmod(0o600)
        self.store = directory / "store.pem"
        self.store.write_text(self.company.pem + self.public.pem)
        self.environ = {"PATH": str(self.bin), "HOME": str(self.home)}
        self.use_proxy(self.proxy_url())
        self.secrets = {PASSWORD, INDEX_PASSWORD, quote(PASSWORD, safe="")}
        self.company_ca = self.company.pem
        self.poetry = ""

    def proxy_url(self, password: str = PASSWORD, port: int = 0) -> str:
        return f"http://{quote(ACCOUNT, safe='')}:{quote(password, safe='')}@127.0.0.1:{port or self.proxy_port}"

    def use_proxy(self, url: str, no_proxy: str = "localhost,127.0.0.1") -> None:
        for name, value in (("HTTP_PROXY", url), ("HTTPS_PROXY", url), ("NO_PROXY", no_proxy)):
            self.environ |= {name: value, name.lower(): value}

    def settings(self) -> Settings:
        return Settings(
            f"https://localhost:{self.index_port}",
            str(self.store),
            self.company_ca,
            self.poetry,
            str(self.directory / "people"),
        )

    def set_by_it(self, url: str) -> None:
        """What IT's playbook has written for everybody, whoever runs the tests."""
        (self.directory / "proxy.env").write_text(f"HTTPS_PROXY={url}\n")
        (self.directory / "people" / f"{getpass.getuser()}.env").write_text(f"HTTPS_PROXY={url}\n")

    def ask(self) -> list[Finding]:
        """The findings; in no form of them is a secret."""
        findings = run_checks(self.settings(), self.environ, lambda running: None)
        table, document = report.table(findings, 100, colour=False), report.as_json(findings, 1.0)
        shown = "\n".join([repr(findings), table, document, json.dumps(json.loads(document), ensure_ascii=False)])
        for secret in self.secrets:
            assert secret not in shown
        return findings

    def only_fault(self) -> Finding:
        """The one thing that the doctor finds wrong: one cause gives one failure."""
        (fault,) = self.faults()
        assert fault.remedy
        return fault

    def faults(self) -> list[Finding]:
        return [finding for finding in self.ask() if finding.verdict == FAIL]

    def command(self, name: str, text: str) -> Path:
        """A command on the PATH of the office's person."""
        path = self.bin / name
        path.unlink(missing_ok=True)  # what a link there leads to is no test's
        path.write_text(text)
        path.chmod(0o755)
        return path

    def activate_virtualenv(self) -> Path:
        """Make a virtualenv with this machine's pip in it, and activate it; the directory."""
        place = self.directory / "venv"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
        (site,) = place.glob("lib/python*/site-packages")
        (site / "pip.pth").write_text(sysconfig.get_path("purelib") + "\n")
        pip = place / "bin" / "pip"
        pip.write_text(f"#!{place}/bin/python\nimport sys\nfrom pip._internal.cli.main import main\nsys.exit(main())\n")
        pip.chmod(0o755)
        self.environ["VIRTUAL_ENV"] = str(place)
        return place

    def close(self) -> None:
        servers: list[ThreadingHTTPServer] = [self.index.server, self.world, self.proxy.server]
        for server in servers:
            server.shutdown()
            server.server_close()


def rows(findings: list[Finding], check: str) -> list[Finding]:
    """The findings of one check."""
    return [finding for finding in findings if finding.check == check]

"""A public index and a company's proxy, as real servers on 127.0.0.1 that can be made to misbehave."""

import base64
import datetime
import hashlib
import html
import json
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx
import trustme

from .samples import Wheel, metadata

JSON = "application/vnd.pypi.simple.v1+json"
SIGNATURE = "signature=a%2Fb"
"""What the address of each file ends with; a client that writes it any other way is turned away."""


def days_ago(days: float) -> datetime.datetime:
    return datetime.datetime.now(UTC) - timedelta(days=days)


@dataclass
class PublicFile:
    """A file on the public index: what it holds, and what the page says about it, which may be something else."""

    name: str
    content: bytes
    uploaded: datetime.datetime | None = field(default_factory=lambda: days_ago(1000))
    described: bytes | None = None
    """Its core metadata."""
    says: dict[str, Any] = field(default_factory=dict)
    """What replaces keys of its entry on the page; None takes the key away."""
    sends: bytes | None = None
    """What comes instead of `content`."""
    says_length: bool = True
    after: int | None = None
    """Bytes after which the answer waits for `go_on`..."""
    go_on: threading.Event = field(default_factory=threading.Event)
    stops: bool = False
    """... and then ends, as if the server were killed."""
    continues: bool = False
    """Whether the rest of it can be asked for."""

    def entry(self, project: str) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "filename": self.name,
            "url": f"../../moved/{project}/{quote(self.name)}?{SIGNATURE}",
            "hashes": {"sha256": hashlib.sha256(self.content).hexdigest(), "blake2b": "0" * 64},
            "size": len(self.content),
            "requires-python": ">=3.9",
            "yanked": False,
            "core-metadata": {"sha256": hashlib.sha256(self.described).hexdigest()} if self.described else False,
            "upload-time": self.uploaded.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if self.uploaded else None,
        }
        return {key: value for key, value in {**entry, **self.says}.items() if value is not None}


def public_wheel(name: str = "requests", version: str = "1.0", **changes: Any) -> PublicFile:
    wheel = Wheel(name, version, members={f"{name}/__init__.py": b"answer = 42\n"})
    return PublicFile(wheel.filename, wheel.build(), described=metadata(name, version), **changes)


class Public:
    """A server, with a certificate or without, that can be stopped and started again. It remembers what was asked."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], certificate: Path | None) -> None:
        self.asked: list[str] = []
        self._handler = handler
        self._certificate = certificate
        self._server: Server | None = None
        self.port = 0
        self.start()

    @property
    def origin(self) -> str:
        return f"http{'s' if self._certificate else ''}://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = Server(("127.0.0.1", self.port), self._handler)
        if self._certificate:
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trust.load_cert_chain(self._certificate)
            self._server.socket = trust.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """From here on, connections are refused."""
        if self._server:
            self._server.stop()
            self._server = None


class PublicIndex(Public):
    """Serves `projects`."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.projects: dict[str, list[PublicFile]] = {}
        self.gone_away: list[str] = []
        """Files whose receiver hung up."""
        self.pages: dict[str, tuple[int, str, bytes]] = {}
        """Project -> status, content type and body of a page that is not made of `projects`."""
        self.provenance: dict[str, tuple[int, bytes]] = {}
        """Path -> status and body."""
        self.speaks_json = True
        self.given: list[str | None] = []
        """The logins that came with questions."""
        self.wants: str | None = None
        """The only login that is answered; None for whatever there is."""
        self.moved_to: str | None = None
        """Another index, where all questions about pages are sent."""
        self.before_page: Callable[[], None] = lambda: None
        super().__init__(_handler(self), certificate)

    @property
    def url(self) -> str:
        return f"{self.origin}/simple/"

    def page(self, project: str) -> tuple[int, str, bytes]:
        self.before_page()
        if project in self.pages:
            return self.pages[project]
        if project not in self.projects:
            return 404, "text/plain", b"nothing of this name"
        entries = [file.entry(project) for file in self.projects[project]]
        if self.speaks_json:
            page = {
                "meta": {"api-version": "1.3", "_last-serial": 7},
                "name": project,
                "files": entries,
                "versions": [],
            }
            return 200, JSON, json.dumps(page).encode()
        links = "".join(
            f'<a href="{entry["url"]}#sha256={entry["hashes"]["sha256"]}"'
            f' data-requires-python="{html.escape(entry["requires-python"])}">{entry["filename"]}</a>\n'
            for entry in entries
        )
        return 200, "text/html; charset=utf-8", f"<!DOCTYPE html><html><body>{links}</body></html>".encode()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def stop(self) -> None:
        """Also what is being answered, as when it is killed."""
        self.shutdown()
        self.server_close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are part of the tests."""


def _handler(index: PublicIndex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            index.asked.append(self.path)
            index.given.append(self.headers["Authorization"])
            if index.wants not in (None, self.headers["Authorization"]):
                self._send(401, "text/plain", b"who are you?")
                return
            path, _, query = self.path.partition("?")
            _, kind, project, *rest = path.split("/")
            if path in index.provenance:
                status, body = index.provenance[path]
                self._send(status, "application/vnd.pypi.integrity.v1+json", body)
            elif kind == "simple" and index.moved_to:
                self.send_response(302)
                self.send_header("Location", f"{index.moved_to}{project}/")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif kind == "simple":
                self._send(*index.page(project))
            elif query != SIGNATURE:
                self._send(403, "text/plain", b"wrong signature")
            elif kind == "moved":
                self.send_response(302)
                self.send_header("Location", f"/files/{project}/{rest[0]}?{query}")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._send_file(project, unquote(rest[0]))

        def _send(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _send_file(self, project: str, name: str) -> None:
            (file,) = [one for one in index.projects[project] if one.name == name.removesuffix(".metadata")]
            if file.name != name:
                self._send(200, "text/plain", file.described or b"")
                return
            body = file.content if file.sends is None else file.sends
            start = int((self.headers["Range"] or "bytes=0-")[6:-1]) if file.continues else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
                body = body[start:]
            if file.says_length:
                self.send_header("Content-Length", str(len(body)))
            self.close_connection = not file.says_length
            self.end_headers()
            try:
                if file.after is not None:
                    self.wfile.write(body[: file.after])
                    file.go_on.wait(30)
                    body = body[file.after :]
                if file.stops:
                    self.close_connection = True
                    return
                self.wfile.write(body)
            except OSError:
                index.gone_away.append(name)

    return Handler


class CompanyProxy:
    """A forward proxy that wants a name and a password, for http and (with CONNECT) https."""

    def __init__(self, username: str, password: str) -> None:
        self.password = password
        self._username = username
        self.forwarded: list[str] = []
        """What was asked with the right password: addresses, or host:port of tunnels."""
        self.refused = 0
        self._server = Server(("127.0.0.1", 0), _proxy_handler(self))
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.stop()

    def admits(self, given: str | None) -> bool:
        expected = base64.b64encode(f"{self._username}:{self.password}".encode()).decode()
        return given == f"Basic {expected}"


def _proxy_handler(proxy: CompanyProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _refuses(self) -> bool:
            if proxy.admits(self.headers["Proxy-Authorization"]):
                proxy.forwarded.append(self.path)
                return False
            proxy.refused += 1
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="company"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return True

        def do_GET(self) -> None:
            if self._refuses():
                return
            with httpx.stream("GET", self.path, trust_env=False, headers={"Accept": self.headers["Accept"]}) as answer:
                self.send_response(answer.status_code)
                for key in ("Content-Type", "Content-Length", "Location"):
                    if key in answer.headers:
                        self.send_header(key, answer.headers[key])
                self.end_headers()
                for piece in answer.iter_raw():
                    self.wfile.write(piece)

        def do_CONNECT(self) -> None:
            if self._refuses():
                return
            parts = urlsplit(f"//{self.path}")
            with socket.create_connection((parts.hostname or "", parts.port or 443)) as other:
                self.send_response(200)
                self.end_headers()
                ends = {self.connection: other, other: self.connection}
                while True:
                    for end in select.select(list(ends), [], [], 30)[0]:
                        if not (piece := end.recv(2**16)):
                            self.close_connection = True
                            return
                        ends[end].sendall(piece)

    return Handler


@contextmanager
def stopping(server: Any) -> Iterator[Any]:
    """The server, stopped at the end of the block."""
    try:
        yield server
    finally:
        server.stop()


def certificates(directory: Path) -> tuple[Path, Path]:
    """Make a CA and a server on 127.0.0.1 that it vouches for: the CA's certificate, and the server's with its key."""
    authority = trustme.CA(organization_name="Company CA")
    ca, server = directory / "company-ca.pem", directory / "server.pem"
    ca.write_bytes("# the CA of Müller & Söhne\n".encode() + authority.cert_pem.bytes())
    server.write_bytes(authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes())
    return ca, server

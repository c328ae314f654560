"""The index as an HTTP client sees it: requests go out as they are written, answers are taken as they come."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from index.samples import MULTIPART, multipart

PAGE = "/simple/acme-gateway/"
"""The page of the project that fixture `wheel` publishes."""
JSON = "application/vnd.pypi.simple.v1+json"
Login = str | tuple[str, str] | None
"""A person's name, a name and a password, or nobody."""


@dataclass(frozen=True)
class Answer:
    """What the gateway answered."""

    status: int
    reason: str
    headers: Message
    body: bytes

    def __repr__(self) -> str:
        return f"<{self.status} {self.reason}: {self.text[:300]!r}>"

    @property
    def text(self) -> str:
        packed = self.headers.get("Content-Encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode(errors="replace")

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.text))

    @property
    def vary(self) -> set[str]:
        """What the answer depends on, in small letters."""
        return {name.strip().lower() for line in self.headers.get_all("Vary", []) for name in line.split(",")}


class Connection(http.client.HTTPSConnection):
    """To an address, under the name that the certificate is for."""

    def __init__(self, address: str, name: str, context: ssl.SSLContext) -> None:
        super().__init__(name, timeout=60, context=context)
        self._place = (address, 443)
        self._tls = context

    def connect(self) -> None:
        self.sock = self._tls.wrap_socket(
            socket.create_connection(self._place, self.timeout), server_hostname=self.host
        )

    @property
    def tls(self) -> ssl.SSLSocket:
        assert isinstance(self.sock, ssl.SSLSocket), "there is no connection"
        return self.sock

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """One request, and its answer read to the end."""
        # http.client would ask for `identity` by itself
        self.putrequest(method, path, skip_accept_encoding=True)
        headers = dict(headers or {})
        if isinstance(body, bytes):
            headers.setdefault("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.putheader(name, value)
        self.endheaders(body, encode_chunked="Transfer-Encoding" in headers)
        answer = self.getresponse()
        return Answer(answer.status, answer.reason, answer.headers, answer.read())


def basic(user: str, password: str) -> str:
    """An Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


ON_NO_MACHINE = "ci-acme-hello"
"""An account that tests may take away for a moment: the index revokes its tokens then, and machines would need others."""
TOO_MANY_REFUSED = "Too many of your uploads were refused: wait a minute."


class Gateway:
    """The way to the index from the machine that the tests run on, as itself a client with an address of its own."""

    def __init__(self, address: str, name: str, ca: Path, passwords: Mapping[str, str]) -> None:
        self.address = address
        self.name = name
        self.ca = ca
        self._passwords = passwords
        self._context = ssl.create_default_context(cafile=str(ca))

    def connection(self) -> Connection:
        """A new connection, made with the first request."""
        return Connection(self.address, self.name, self._context)

    def authorization(self, login: Login) -> dict[str, str]:
        """The header with which somebody logs in."""
        if login is None:
            return {}
        user, password = (login, self._passwords[login]) if isinstance(login, str) else login
        return {"Authorization": basic(user, password)}

    def ask(
        self,
        path: str,
        method: str = "GET",
        login: Login = "ada",
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        connection = self.connection()
        try:
            return connection.ask(path, method, self.authorization(login) | dict(headers or {}), body)
        finally:
            connection.close()

    def upload(
        self, filename: str | None, content: bytes, login: Login = "ada", patient: bool = True, **fields: str
    ) -> Answer:
        """Send a file as twine and uv do; again, if `patient`, where the account has had too many refused just now."""
        form = {":action": "file_upload", "protocol_version": "1", **fields}
        body = multipart(form, filename, content)
        end = time.monotonic() + 120
        while True:
            answer = self.ask("/", "POST", login, {"Content-Type": MULTIPART}, body)
            if not (patient and TOO_MANY_REFUSED in answer.text) or time.monotonic() > end:
                return answer
            time.sleep(1)

    def page(self, project: str, login: Login = "ada") -> dict[str, Any]:
        """A project's page, in JSON."""
        answer = self.ask(f"/simple/{project}/", login=login, headers={"Accept": JSON})
        assert answer.status == 200, (project, answer)
        return answer.json

    def raw(self, request: bytes) -> bytes:
        """Send bytes and return all that comes back."""
        with self._plain_tls() as tls:
            tls.sendall(request)
            received = b""
            with contextlib.suppress(ConnectionResetError, ssl.SSLError):
                while piece := tls.recv(65536):
                    received += piece
            return received

    def first_line(self, request: bytes) -> str:
        """Send bytes, more of which may be due, and return the status line that comes back."""
        with self._plain_tls() as tls:
            tls.sendall(request)
            return tls.recv(4096).decode("latin-1").partition("\r\n")[0]

    def abandon(self, request: bytes) -> None:
        """Send bytes and hang up; returns when the gateway has noticed."""
        with self._plain_tls() as tls:
            tls.sendall(request)
            with contextlib.suppress(OSError):
                tls.unwrap()

    def _plain_tls(self) -> ssl.SSLSocket:
        plain = socket.create_connection((self.address, 443), 60)
        return self._context.wrap_socket(plain, server_hostname=self.name)

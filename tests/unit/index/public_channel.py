"""A public conda channel, laid out like conda-forge, as a real server on 127.0.0.1 that can be made to misbehave."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from conda_package_streaming.package_streaming import zstd

from .conda_samples import CondaPackage
from .public import Public


@dataclass
class PublicPackage:
    """A package on the channel: what it holds, and what is said or sent instead."""

    package: CondaPackage
    content: bytes
    says: dict[str, Any] = field(default_factory=dict)
    """What its record says otherwise than it does: a patch of the channel's. None takes the key away."""
    sends: bytes | None = None
    stops_after: int | None = None
    """Bytes after which each answer ends, as if the server were killed."""
    listed: bool = True

    @property
    def path(self) -> str:
        return f"{self.package.subdir}/{self.package.filename}"

    def record(self) -> dict[str, Any]:
        package = self.package
        record = {
            "name": package.name,
            "version": package.version,
            "build": package.build,
            "build_number": 0,
            "depends": list(package.depends),
            "subdir": package.subdir,
            "timestamp": 1_600_000_000_000,
            "license": "MIT",
            "md5": hashlib.md5(self.content).hexdigest(),
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "size": len(self.content),
            **({"noarch": "generic"} if package.subdir == "noarch" else {}),
        }
        return {key: value for key, value in {**record, **self.says}.items() if value is not None}


def repodata(packages: Iterable[PublicPackage], subdir: str) -> bytes:
    """The index of a subdir."""
    page: dict[str, Any] = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}, "removed": []}
    for one in packages:
        if not one.listed:
            page["removed"].append(one.package.filename)
        elif one.package.subdir == subdir:
            group = "packages.conda" if one.package.suffix == ".conda" else "packages"
            page[group][one.package.filename] = one.record()
    return json.dumps({**page, "repodata_version": 1}).encode()


class PublicChannel(Public):
    """Serves `packages`."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.packages: list[PublicPackage] = []
        self.unchanged = 0
        """Answers that nothing has changed."""
        self.has_zst = True
        self.broken: dict[str, bytes] = {}
        """Path -> what is sent for it."""
        super().__init__(_handler(self), certificate)

    @property
    def url(self) -> str:
        return f"{self.origin}/conda-forge"

    def repodata(self, subdir: str) -> bytes | None:
        """The index of a subdir; None for one that is not there."""
        if subdir != "noarch" and not any(one.package.subdir == subdir and one.listed for one in self.packages):
            return None
        return repodata(self.packages, subdir)


def _handler(channel: PublicChannel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            path = self.path.removeprefix("/conda-forge/")
            channel.asked.append(path)
            subdir, _, name = path.partition("/")
            if name.startswith("repodata.json"):
                self._index(path, subdir, packed=name.endswith(".zst"))
                return
            for one in channel.packages:
                if one.path == path:
                    self._package(one)
                    return
            self._answer(404, b"there is no such package")

        def _index(self, path: str, subdir: str, *, packed: bool) -> None:
            body = channel.repodata(subdir)
            if body is None or (packed and not channel.has_zst):
                self._answer(404, b"nothing")
                return
            etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            if self.headers["If-None-Match"] == etag and path not in channel.broken:
                channel.unchanged += 1
                self._answer(304, b"")
                return
            if packed:
                body = zstd.compress(body)
            self._answer(200, channel.broken.get(path, body), ETag=etag)

        def _package(self, one: PublicPackage) -> None:
            body = one.content if one.sends is None else one.sends
            start = int((self.headers["Range"] or "bytes=0-")[6:-1])
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            body = body[start:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: one.stops_after])
            self.close_connection = one.stops_after is not None

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler

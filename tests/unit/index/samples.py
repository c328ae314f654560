"""Distributions, good and bad, and a client that sends them to the application."""

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PASSWORD = "s3cret"
SETTINGS: dict[str, Any] = {
    "upstream": "closed",
    "upstream_url": None,
    "reserved": ["acme-*"],
    "denied": ["evil-*"],
    "minimum_age": 3,
    "publishes": {"ada": ["acme-*"], "bob": []},
    "max_file_size": 8 * 2**20,
    "index_url": "https://packages.acme.example",
    "contact": "it@acme.example",
}


def metadata(name: str = "acme-tools", version: str = "1.0", extra: str = "Requires-Python: >=3.9\n") -> bytes:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{extra}".encode()


def record_line(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(content)}"


@dataclass
class Wheel:
    """A wheel to be spoilt: change the fields, then `build`."""

    name: str = "acme_tools"
    version: str = "1.0"
    members: dict[str, bytes] = field(default_factory=lambda: {"acme_tools/__init__.py": b"answer = 42\n"})
    metadata: bytes | None = None
    wheel: bytes = b"Wheel-Version: 1.0\nGenerator: samples\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    without: tuple[str, ...] = ()
    record: Callable[[list[str]], Iterable[str]] = list
    """Changes the lines of RECORD."""
    entries: Callable[[zipfile.ZipFile], None] | None = None
    """Adds entries that RECORD does not know."""
    directory: str = ""

    @property
    def filename(self) -> str:
        return f"{self.name}-{self.version}-py3-none-any.whl"

    def build(self) -> bytes:
        directory = self.directory or f"{self.name}-{self.version}.dist-info"
        described = self.metadata if self.metadata is not None else metadata(self.name, self.version)
        members = {**self.members, f"{directory}/METADATA": described, f"{directory}/WHEEL": self.wheel}
        lines = [record_line(path, content) for path, content in members.items()] + [f"{directory}/RECORD,,"]
        members[f"{directory}/RECORD"] = "\n".join(self.record(lines)).encode()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in members.items():
                if path.rpartition("/")[2] not in self.without:
                    # with a fixed time, so that the same wheel is the same bytes
                    archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
            if self.entries:
                self.entries(archive)
        return packed.getvalue()


def sdist(
    name: str = "acme_tools",
    version: str = "1.0",
    members: Mapping[str, bytes] | None = None,
    entries: Iterable[tarfile.TarInfo] = (),
    pkg_info: bytes | None = None,
) -> bytes:
    """A .tar.gz of `members` (default: PKG-INFO and a module), and of `entries` that have no contents."""
    top = f"{name}-{version}"
    if members is None:
        members = {f"{top}/PKG-INFO": pkg_info or metadata(name, version), f"{top}/{name}.py": b"answer = 42\n"}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in members.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in entries:
            archive.addfile(info)
    return gzip.compress(packed.getvalue(), mtime=0)


@dataclass(frozen=True)
class Answer:
    """What the application answered."""

    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


def multipart(fields: Mapping[str, str], filename: str | None, content: bytes, boundary: str = "b0undary") -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    if filename is not None:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n'
        parts.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


MULTIPART = "multipart/form-data; boundary=b0undary"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Client:
    """Calls a WSGI application as a server would."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.application = application

    def send(self, method: str, path: str, body: bytes = b"", **environ: Any) -> Answer:
        told: list[Any] = []
        request = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_X_FORWARDED_FOR": "203.0.113.9, 192.0.2.7",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            **environ,
        }
        content = b"".join(self.application(request, lambda *given: told.append(given)))
        status, headers = told[0][:2]
        return Answer(int(status[:3]), status[4:], dict(headers), content)

    def upload(
        self,
        filename: str | None,
        content: bytes,
        user: str = "ada",
        password: str = PASSWORD,
        action: str | None = "file_upload",
        **fields: str,
    ) -> Answer:
        form = {":action": action, "protocol_version": "1", **fields} if action else fields
        return self.send(
            "POST",
            "/",
            multipart(form, filename, content),
            CONTENT_TYPE=MULTIPART,
            HTTP_AUTHORIZATION=basic(user, password),
        )


def snapshot(shelf: Path) -> dict[str, tuple[object, ...]]:
    """Everything on a shelf but its state and its lock files: contents, times and modes."""
    return {
        str(path.relative_to(shelf)): (
            path.is_dir() or path.read_bytes(),
            path.stat().st_mode,
            0 if path.is_dir() else path.stat().st_mtime_ns,
        )
        for path in sorted(shelf.rglob("*"))
        if path.relative_to(shelf).parts[0] not in ("state", "locks")
        # a directory for bytes that were nobody's may stay
        if not (path.is_dir() and path.relative_to(shelf).parts[0] == "blobs")
    }

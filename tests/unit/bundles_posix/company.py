"""A company on the loopback interface with an index that wants a login, and the laptop of somebody who works there."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from doctor.office import ACCOUNT, OUTSIDE, PASSWORD, Proxy, Quiet, new_ca
from index.samples import Wheel, metadata

NAME = "ada"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqhC3KTnDrgHu0Pqvkbl9oRHxTHQXbVYzbFUC1tTcyR"
INTERNAL, PUBLIC = (Wheel(name, "1.0", metadata=metadata(name, "1.0", "")) for name in ("acme_tools", "public_thing"))
TOOLS = Path(sys.executable).parent
PLAY = [{"hosts": "localhost", "connection": "local", "gather_facts": False,
         "roles": ["wheelhouse.onboarding.onboarding_bundle"]}]  # fmt: skip


def unpack(archive: Path, directory: Path) -> None:
    """As people do it, who have no Python."""
    directory.mkdir(exist_ok=True)
    subprocess.run(["tar", "-xf", archive, "-C", directory], check=True)


class PagesHandler(BaseHTTPRequestHandler):
    """A simple index with one project of the company's and one whose file is outside, behind the proxy."""

    server: Quiet[Pages]
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        index = self.server.state
        if not self._is_known():
            self._answer(401, b"")
        else:
            found = index.pages.get(self.path)
            self._answer(404 if found is None else 200, found or b"")

    do_GET = do_HEAD

    def do_POST(self) -> None:
        """A token, for the password."""
        index = self.server.state
        given = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/api/tokens" or not self._is_known():
            self._answer(401, b"")
            return
        index.wanted.append(json.loads(given))
        index.tokens.append("whl_" + "abcdefg2"[len(index.tokens)] * 47)
        self._answer(201, json.dumps({"id": "x", "token": index.tokens[-1]}).encode())

    def _is_known(self) -> bool:
        index = self.server.state
        logins = [f"{NAME}:{one}".encode() for one in (index.password, *index.tokens)]
        return not index.password or self.headers["Authorization"] in [
            "Basic " + base64.b64encode(login).decode() for login in logins
        ]

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="packages"')
        self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Pages:
    password: str
    pages: dict[str, bytes] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    """Those that it accepts besides the password."""
    wanted: list[dict[str, str]] = field(default_factory=list)
    """What was asked of it when it made them."""


class Company:
    """Its servers run for the whole session; tests change the two passwords."""

    def __init__(self, directory: Path) -> None:
        self.ca = new_ca("Acme Root CA")
        self.ca_file = directory / "acme-ca.pem"
        self.ca_file.write_text(self.ca.pem)
        outside = Pages("", {f"/files/{PUBLIC.filename}": PUBLIC.build()})
        self.world = Quiet(PagesHandler, self.ca.sign(directory, OUTSIDE), outside)
        inside = Pages("", {
            "/simple/": b"",
            "/simple/acme-tools/": _page(f"/packages/{INTERNAL.filename}", INTERNAL.build()),
            f"/packages/{INTERNAL.filename}": INTERNAL.build(),
            "/simple/public-thing/": _page(f"https://{OUTSIDE}/files/{PUBLIC.filename}", PUBLIC.build()),
        })  # fmt: skip
        self.index = Quiet(PagesHandler, self.ca.sign(directory, "localhost"), inside)
        self.url = f"https://localhost:{self.index.server_port}"
        self.proxy = Proxy(self.world.server_port)
        self.proxy_port = self.proxy.start()
        self.reset()

    def reset(self) -> None:
        self.index_password = "index-secret-81"
        self.index.state.tokens.clear()
        self.index.state.wanted.clear()
        self.proxy.password, self.proxy.schemes = PASSWORD, ['Basic realm="proxy"']
        self.proxy.asked.clear()

    @property
    def index_password(self) -> str:
        return self.index.state.password

    @index_password.setter
    def index_password(self, password: str) -> None:
        self.index.state.password = password

    @property
    def answers(self) -> list[str]:
        """What a person who knows the passwords types."""
        return [self.index_password, self.proxy.password]

    def settings(self, directory: Path, **changed: object) -> dict[str, object]:
        """The variables of the role onboarding_bundle."""
        return {
            "onboarding_bundle_directory": str(directory),
            "onboarding_bundle_state": "present",
            "onboarding_bundle_people": [
                {"name": NAME, "laptops": ["linux", "macos"], "proxy_username": ACCOUNT, "jupyter": True}
            ],
            "onboarding_bundle_index_url": self.url,
            "onboarding_bundle_ca_bundle": str(self.ca_file),
            "onboarding_bundle_proxy": f"127.0.0.1:{self.proxy_port}",
            "onboarding_bundle_no_proxy": [".inside.acme.example", "localhost"],
            "onboarding_bundle_jupyter_hosts": {"jupyter-1": {"address": "192.0.2.9", "host_key": HOST_KEY}},
            "onboarding_bundle_contact": "it@acme.example",
            **changed,
        }

    def close(self) -> None:
        servers: list[ThreadingHTTPServer] = [self.index, self.world, self.proxy.server]
        for server in servers:
            server.shutdown()
            server.server_close()


def _page(url: str, content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    return f'<a href="{url}#sha256={digest}">{url.rpartition("/")[2]}</a>'.encode()


def build(directory: Path, settings: dict[str, object]) -> str:
    """Have the role write its archives, as IT does; what Ansible said."""
    play, variables = directory / "play.yml", directory / "variables.json"
    play.write_text(json.dumps(PLAY))
    variables.write_text(json.dumps({**settings, "ansible_python_interpreter": sys.executable}))
    command: list[str | Path] = [TOOLS / "ansible-playbook", "-i", "localhost,", "-e", f"@{variables}", play]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Laptop:
    """A home directory, and the bundle unpacked somewhere else; nothing of this machine's account is seen from it."""

    def __init__(self, directory: Path, archive: Path) -> None:
        self.home = directory / "a person's home"
        self.home.mkdir()
        self.bin = directory / "bin"
        self.bin.mkdir()
        unpack(archive, directory / "Downloads")
        (self.bundle,) = (directory / "Downloads").iterdir()
        self.environ = {"HOME": str(self.home), "PATH": f"{self.bin}:/usr/bin:/bin", "SHELL": "/bin/bash"}
        self.base = self.home / ".config" / "wheelhouse"

    def run(
        self, *arguments: str, answers: list[str] | None = None, shell: str = "dash"
    ) -> subprocess.CompletedProcess[bytes]:
        """Run install.sh with this shell, and type these answers."""
        return subprocess.run(
            [*shell.split(), self.bundle / "install.sh", *arguments],
            input="".join(f"{answer}\n" for answer in answers or []).encode(),
            env=self.environ,
            cwd=self.bundle.parent,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def install(self, company: Company, shell: str = "dash") -> None:
        done = self.run(answers=company.answers, shell=shell)
        assert done.returncode == 0, done.stderr.decode()

    def uninstall(self, shell: str = "dash") -> None:
        done = self.run("--uninstall", shell=shell)
        assert done.returncode == 0, done.stderr.decode()

    def log_in(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the person does, in a login shell."""
        return subprocess.run(
            ["bash", "--login", "-c", f'PATH="{TOOLS}:$PATH"; {command}'],
            env=self.environ, cwd=self.home, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> Path:
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        file.chmod(mode)
        return file

    def holds(self) -> dict[str, tuple[int, int, str | bytes]]:
        """Everything in the home: {path: (kind, permissions, content)}."""
        found: dict[str, tuple[int, int, str | bytes]] = {}
        for directory, folders, files in os.walk(self.home):
            for name in [*folders, *files]:
                path = Path(directory, name)
                status = path.lstat()
                content: str | bytes = b""
                if path.is_symlink():
                    content = str(path.readlink())
                elif not path.is_dir():
                    content = path.read_bytes()
                kind = stat.S_IFMT(status.st_mode)
                found[str(path.relative_to(self.home))] = (kind, stat.S_IMODE(status.st_mode), content)
        return found

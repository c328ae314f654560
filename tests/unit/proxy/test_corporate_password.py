"""corporate-password: what it makes of a proxy's answer, and of the file it keeps the password in."""

from __future__ import annotations

import base64
import importlib.machinery
import importlib.util
import io
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.module_utils.credentials import proxy_url
from hypothesis import given
from hypothesis import strategies as st

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "corporate_proxy" / "files" / "corporate-password"
USER, PASSWORD = "EMEA\\leo wu", 'a@b:c/d#e%f?&+ "q\u00fc\u2603'
PASSWORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


def load() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("corporate_password", str(PROGRAM))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


corporate_password = load()


class Server(ThreadingHTTPServer):
    offers: list[str]


class Proxy(BaseHTTPRequestHandler):
    """Takes PASSWORD, as far as the server's `offers` let it."""

    server: Server

    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        right = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        accepted = not self.server.offers or self.headers.get("Proxy-Authorization") == right
        self.send_response(503 if accepted else 407)
        for offer in () if accepted else self.server.offers:
            self.send_header("Proxy-Authenticate", offer)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def proxy() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Proxy) as server:
        server.offers = ["NTLM", 'Basic realm="x"']
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Person:
    """Somebody who types a password."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
        self.file, self.monkeypatch, self.capsys = file, monkeypatch, capsys

    def types(self, password: str) -> tuple[int, str]:
        """The exit code, and what is said."""
        self.monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
        code = corporate_password.main([])
        said = "".join(self.capsys.readouterr())
        assert PASSWORD not in said and (not password or password not in said)
        return code, said


@pytest.fixture
def person(tmp_path: Path, proxy: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, capsys) -> Person:
    name = corporate_password.pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(corporate_password, "ENVIRONMENTS", str(tmp_path))
    url = proxy_url(f"127.0.0.1:{proxy.server_port}", USER, "").replace(":@", "@")
    lines = [corporate_password.OWN, f"HTTPS_PROXY={url}", "NO_PROXY=localhost,.acme.example", f"https_proxy={url}"]
    file = tmp_path / f"{name}.env"
    file.write_text("\n".join(lines) + "\n")
    return Person(file, monkeypatch, capsys)


def test_a_right_password_is_saved_and_can_be_changed(person: Person, proxy: Server) -> None:
    before, inode = person.file.read_text(), person.file.stat().st_ino
    code, said = person.types(PASSWORD)
    assert (code, "accepts the password of EMEA\\leo wu" in said) == (0, True)
    url = proxy_url(f"127.0.0.1:{proxy.server_port}", USER, PASSWORD)
    after = person.file.read_text()
    assert after.splitlines() == [
        corporate_password.OWN,
        f"HTTPS_PROXY={url}",
        "NO_PROXY=localhost,.acme.example",
        f"https_proxy={url}",
    ]
    assert person.file.stat().st_ino == inode, "the directory is root's: no other file can be put there"
    assert corporate_password.with_password(after, "x") == corporate_password.with_password(before, "x")
    assert person.types(PASSWORD)[0] == 0 and person.file.read_text() == after


def test_a_wrong_password_is_not_saved(person: Person) -> None:
    before = person.file.read_text()
    code, said = person.types("wrong")
    assert (code, person.file.read_text()) == (corporate_password.REFUSED, before)
    assert "mistyped, has expired" in said


def test_a_proxy_that_is_down_is_not_a_wrong_password(person: Person, proxy: Server) -> None:
    proxy.shutdown()
    proxy.server_close()
    before = person.file.read_text()
    code, said = person.types(PASSWORD)
    assert (code, person.file.read_text()) == (corporate_password.UNREACHABLE, before)
    assert "cannot be reached (Connection refused)" in said


def test_a_proxy_that_takes_no_basic(person: Person, proxy: Server) -> None:
    proxy.offers = ["Negotiate", "NTLM"]
    code, said = person.types(PASSWORD)
    assert (code, "it offers negotiate and ntlm" in said) == (corporate_password.REFUSED, True)


def test_a_proxy_that_asks_nobody(person: Person, proxy: Server) -> None:
    proxy.offers = []
    code, said = person.types(PASSWORD)
    assert (code, "could not be tried" in said) == (0, True)


@pytest.mark.parametrize("password", ["", "a\tb", "a\x7f"])
def test_what_is_no_password(person: Person, password: str) -> None:
    assert person.types(password)[0] == corporate_password.USAGE


def test_where_it_keeps_the_password(person: Person) -> None:
    person.file.write_text("HTTPS_PROXY=http://EMEA%5Cada:x@proxy.acme.example:3128\n")
    code, said = person.types(PASSWORD)
    assert (code, "give IT the new one" in said) == (corporate_password.NOTHING, True)
    person.file.unlink()
    assert person.types(PASSWORD)[0] == corporate_password.NOTHING


def test_help(capsys: pytest.CaptureFixture) -> None:
    assert corporate_password.main(["--help"]) == 0
    assert "exit code: 0 saved" in capsys.readouterr().out
    assert corporate_password.main(["secret"]) == corporate_password.USAGE
    assert "secret" not in "".join(capsys.readouterr())


@given(password=PASSWORDS)
def test_it_encodes_as_the_filter_does(password: str) -> None:
    """The command is alone on its host; the collection's own way of writing URLs is on the controller."""
    begun = "HTTPS_PROXY=" + proxy_url("proxy.acme.example:80", USER, "").replace(":@", "@")
    wanted = "HTTPS_PROXY=" + proxy_url("proxy.acme.example:80", USER, password)
    assert corporate_password.with_password(begun, password) == wanted
    assert corporate_password.proxy_of(begun).account == unquote(urlsplit(wanted.partition("=")[2]).username or "")

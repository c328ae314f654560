"""`wheelhouse-token` against the program itself, behind TLS."""

import json
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server
from wheelhouse.web.app import application
from wheelhouse_doctor import token_command

from .samples import PASSWORD

TOKEN = re.compile(r"whl_[a-z2-7]{47}")
SHOW = """
import os, sys
print(os.environ["UV_PUBLISH_USERNAME"], os.environ["UV_PUBLISH_PASSWORD"], os.environ["TWINE_PASSWORD"])
sys.exit(7)
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("tls")
    certificate, key = directory / "index.pem", directory / "index.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of somebody who has no keyring, and a password in ~/.netrc."""
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    (home / ".netrc").write_text(f"machine localhost\nlogin ada\npassword {PASSWORD}\n")
    (home / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(home / "bin"))
    monkeypatch.delenv("NETRC", raising=False)
    return home


@pytest.fixture
def command(
    environment: None,
    home: Path,
    tmp_path: Path,
    certificate: tuple[Path, Path],
    configure: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Runs it; returns its exit code and what it said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = make_server("localhost", 0, application(), threaded=True, ssl_context=context)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    url = f"https://localhost:{server.port}"
    configure(index_url=url)
    settings = tmp_path / "doctor.json"
    settings.write_text(json.dumps({"index_url": url, "ca_store": str(certificate[0])}))

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = token_command.main(["--settings", str(settings), *arguments])
        said = capfd.readouterr()
        errors = [line for line in said.err.splitlines() if "HTTP/1." not in line]  # the server's log
        return code, said.out, "\n".join(errors)

    yield run
    server.shutdown()
    server.server_close()


def test_a_token_is_created_listed_and_revoked(command: Callable[..., tuple[int, str, str]]) -> None:
    code, text, _ = command("create", "laptop", "--publish", "acme-hello", "--for", "2d")
    assert code == 0 and TOKEN.fullmatch(text.strip())
    listed = command("list")[1]
    assert "laptop: installs, publishes acme-hello, until 20" in listed and "never used" in listed
    assert text.strip() not in listed
    assert command("revoke", "laptop")[:2] == (0, f"revoked {text[4:12]}  laptop\n")
    assert command("list")[:2] == (0, "")
    assert "revoked" in command("list", "--all")[1]


def test_a_token_for_publishing_ends_with_the_command(command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, errors = command("publish", "acme-hello", "--for", "10m", "--", sys.executable, "-c", SHOW)
    user, text, again = out.split()
    assert (code, errors, user, text) == (7, "", "__token__", again)
    assert TOKEN.fullmatch(text)
    assert command("list")[1] == ""
    shown = command("list", "--all")[1]
    assert "publish acme-hello" in shown and "publishes acme-hello" in shown and shown.rstrip().endswith("revoked")


def test_a_token_for_publishing_is_printed(command: Callable[..., tuple[int, str, str]]) -> None:
    code, text, _ = command("publish", "acme-hello", "acme-more")
    assert code == 0 and TOKEN.fullmatch(text.strip())
    assert ": publishes acme-hello acme-more, until" in command("list")[1]


def test_the_password_comes_from_keyring_first(command: Callable[..., tuple[int, str, str]], home: Path) -> None:
    program = home / "bin/keyring"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nprint('{PASSWORD}' if sys.argv[1::2] == ['get', 'bob'] else '')\n"
    )
    program.chmod(0o755)
    assert command("--user", "bob", "create", "mine")[0] == 0
    assert command("list")[1] == ""  # ada's, with the password in ~/.netrc
    assert "mine" in command("--user", "bob", "list")[1]


def test_a_token_in_netrc_is_no_password(
    command: Callable[..., tuple[int, str, str]], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = command("create", "netrc")[1].strip()
    (home / ".netrc").write_text(f"machine localhost\nlogin ada\npassword {token}\n")
    asked: list[str] = []
    monkeypatch.setattr(token_command, "_has_terminal", lambda: True)
    monkeypatch.setattr(token_command.getpass, "getpass", lambda prompt: (asked.append(prompt), PASSWORD)[1])
    assert command("list")[0] == 0
    assert asked == ["Password of ada at localhost: "]
    monkeypatch.setattr(token_command, "_has_terminal", lambda: False)
    code, _, errors = command("list")
    assert (code, errors) == (
        1,
        "wheelhouse-token: Your index password is needed, and there is no terminal to ask for it.",
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["create", "x", "--publish", "requests"], "The token cannot publish requests: ada may publish acme-*."),
        (["create", "x", "--for", "soon"], "'soon' is no duration"),
        (["create", "x", "--until", "2020-01-01"], "The token would have ended already"),
        (["publish", "acme-x", "--", "no-such-command"], "There is no command no-such-command."),
        (["revoke", "nothing"], "You have no token 'nothing' in force."),
        (["revoke", "whl_" + "a" * 47], "Name a token by its id"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, list) else "",
)
def test_what_is_wrong_gets_a_sentence(
    command: Callable[..., tuple[int, str, str]], arguments: list[str], sentence: str
) -> None:
    code, out, errors = command(*arguments)
    assert (code, out) == (1, "") and errors.startswith(f"wheelhouse-token: {sentence}")


def test_a_wrong_password_gets_a_sentence(command: Callable[..., tuple[int, str, str]], home: Path) -> None:
    (home / ".netrc").write_text("machine localhost\nlogin ada\npassword guess\n")
    code, _, errors = command("list")
    assert code == 1 and "The user name or the password is wrong" in errors


@pytest.mark.parametrize("arguments", [["list", "--", "x"], ["publish", "acme-x", "--"], ["publish"], []])
def test_wrong_usage(command: Callable[..., tuple[int, str, str]], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command(*arguments)
    assert ended.value.code == 2


def test_no_password_goes_to_whom_nobody_trusts(command: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    settings = tmp_path / "doctor.json"
    written = json.loads(settings.read_text())
    settings.write_text(json.dumps({**written, "index_url": written["index_url"].replace("https", "http")}))
    assert "is not encrypted: no password is sent there" in command("list")[2]
    settings.write_text(json.dumps({"index_url": written["index_url"]}))  # the system's authorities
    assert "cannot be reached" in command("list")[2]

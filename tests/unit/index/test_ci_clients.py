"""What publishes from CI without a password: uv as it is, twine with the recipe, against the program and an issuer."""

import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from werkzeug.serving import make_server
from wheelhouse.index.opening import open_index
from wheelhouse.index.tokens import Tokens
from wheelhouse.web.app import application

from .issuer import ENTRY, GITHUB, GITLAB, REQUEST_TOKEN, Issuer
from .journal import journal
from .public import certificates, stopping
from .samples import Wheel

EXCHANGE = Path(__file__).parents[3] / "examples/ci/exchange-identity.py"
Publish = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def issuer(tls: tuple[Path, Path], config: Path) -> Iterator[Issuer]:
    (config / "ca.pem").write_bytes(tls[0].read_bytes())
    with stopping(Issuer(tls[1])) as issuer:
        yield issuer


@pytest.fixture
def host(environment: None, issuer: Issuer, tls: tuple[Path, Path], configure: Callable[..., None]) -> Iterator[str]:
    """Host and port of the index, which takes jobs of GitLab and GitHub."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls[1])
    server = make_server("127.0.0.1", 0, application(), threaded=True, ssl_context=context)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    host = f"127.0.0.1:{server.port}"
    of_github = {**ENTRY, "claims": {"repository": "acme/hello"}}
    configure(index_url=f"https://{host}", publishers=[{"issuer": issuer.origin, **one} for one in (ENTRY, of_github)])
    yield host
    server.shutdown()
    server.server_close()


def of_gitlab(host: str, identity: str) -> dict[str, str]:
    """The environment of a job there; the identity's variable is named after the index."""
    name = host.replace(".", "_").replace(":", "_")
    # of a name that begins with a digit, uv and twine's `id` make different ones
    return {"GITLAB_CI": "true", f"{name}_ID_TOKEN": identity, f"_{name[1:]}_ID_TOKEN": identity}


def of_github(issuer: Issuer) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer.origin}/job?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST_TOKEN,
    }


@pytest.fixture
def run(tmp_path: Path, tls: tuple[Path, Path]) -> Callable[..., tuple[int, str]]:
    """Run a Python program as a job would; what it says is on one line."""

    def run(environ: dict[str, str], *command: str) -> tuple[int, str]:
        keep = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
        trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(tls[0]))
        bare = {"HOME": str(tmp_path), "UV_NO_CONFIG": "1", "NO_COLOR": "1", "COLUMNS": "1000"}
        ended = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={**keep, **trust, **bare, **environ},
        )
        return ended.returncode, " ".join((ended.stdout + ended.stderr).split())

    return run


@pytest.fixture
def uv_publish(host: str, tmp_path: Path, run: Publish) -> Publish:
    if not find_spec("uv"):
        pytest.skip("uv is not installed")

    def publish(environ: dict[str, str], *options: str, wheel: Wheel | None = None) -> tuple[int, str]:
        wheel = wheel or Wheel("acme_hello")
        file = tmp_path / wheel.filename
        file.write_bytes(wheel.build())
        return run(environ, "-m", "uv", "publish", "--publish-url", f"https://{host}/", *options, str(file))

    return publish


ALWAYS = ("--trusted-publishing", "always")


def test_uv_publishes_from_gitlab(uv_publish: Publish, host: str, issuer: Issuer, root: Path) -> None:
    identity = issuer.identity(GITLAB, aud=host)
    code, said = uv_publish(of_gitlab(host, identity), *ALWAYS)
    assert code == 0, said
    assert (root / "packages/acme-hello/acme_hello-1.0-py3-none-any.whl").exists()
    (token,) = Tokens(open_index(root).database).of()
    assert token.state == "revoked", "uv burns the token when it has published"
    assert [one["event"] for one in journal(root)] == ["create token", "publish", "revoke token"]
    code, said = uv_publish(of_gitlab(host, identity), *ALWAYS)
    assert code != 0 and "This identity was used before, and each counts once" in said


def test_uv_publishes_from_github(uv_publish: Publish, issuer: Issuer, root: Path) -> None:
    code, said = uv_publish(of_github(issuer), *ALWAYS)
    assert code == 0, said
    assert journal(root, "publish")[0]["job"]["repository"] == "acme/hello"
    assert "/job?api-version=2.0&audience=" in issuer.asked[0]


def test_uv_needs_nothing_but_the_address(uv_publish: Publish, host: str, issuer: Issuer, root: Path) -> None:
    code, said = uv_publish(of_gitlab(host, issuer.identity(GITLAB, aud=host)))
    assert code == 0, said
    assert journal(root, "publish")


def test_uv_shows_the_sentence(uv_publish: Publish, host: str, issuer: Issuer, root: Path) -> None:
    fork = issuer.identity({**GITLAB, "project_path": "mallory/hello"}, aud=host)
    code, said = uv_publish(of_gitlab(host, fork), *ALWAYS)
    assert code != 0 and "may not publish here, because project_path is 'mallory/hello'" in said
    code, said = uv_publish(of_gitlab(host, issuer.identity(GITLAB, aud="pypi")), *ALWAYS)
    assert code != 0 and f"is for 'pypi', and not for this index: ask for one for {host}." in said
    issuer.job = lambda audience: issuer.identity(GITHUB, aud=audience, exp=1)
    code, said = uv_publish(of_github(issuer), *ALWAYS)
    assert code != 0 and "The identity ended at 1970-01-01 00:00:01 UTC" in said
    assert journal(root) == []


def test_uv_publishes_nothing_else(uv_publish: Publish, host: str, issuer: Issuer) -> None:
    identity = issuer.identity(GITLAB, aud=host)
    code, said = uv_publish(of_gitlab(host, identity), *ALWAYS, wheel=Wheel("acme_other"))
    assert code != 0 and "127.0.0.1:acme/hello may publish acme-hello; to change that, ask it@acme.example." in said


def test_twine_publishes_with_the_recipe(run: Publish, host: str, issuer: Issuer, root: Path, tmp_path: Path) -> None:
    if not (find_spec("twine") and find_spec("id")):
        pytest.skip("twine is not installed")
    job, wheel = of_gitlab(host, issuer.identity(GITLAB, aud=host)), Wheel("acme_hello")
    code, token = run(job, str(EXCHANGE), host)
    assert code == 0, token
    (tmp_path / wheel.filename).write_bytes(wheel.build())
    login = {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": token, "TWINE_NON_INTERACTIVE": "1"}
    address = f"https://{host}/"
    code, said = run(login, "-m", "twine", "upload", "--repository-url", address, str(tmp_path / wheel.filename))
    assert code == 0 and token not in said, said
    assert journal(root, "publish")[0]["who"] == "127.0.0.1:acme/hello"
    code, said = run(job, str(EXCHANGE), host)
    assert (code, said) == (1, "This identity was used before, and each counts once: have the job ask for another one.")
    assert run({}, str(EXCHANGE), host) == (1, "This is no CI job, or it has no identity for this index.")

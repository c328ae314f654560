"""Clients with a cooldown find what IT let in, by upstream's dates, and the company's own releases whatever their age.

uv and pip are the real ones; so is Poetry, where there is one with its plugin (WHEELHOUSE_POETRY names its Python). The
scenario `index` asks the workstation's.
"""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jinja2
import pytest
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.client_settings import uv_toml

from .intake import Office
from .public import JSON, days_ago
from .samples import Client, Wheel

ROLE = Path(__file__).parents[3] / "roles/package_client/templates"
OWN = Wheel("acme_tools")


@pytest.fixture
def index(office: Office, client: Client) -> Iterator[str]:
    """The shelf over HTTP, as the gateway serves it: a release of today, and one that is from outside and older."""
    assert client.upload(OWN.filename, OWN.build()).status == 200
    office.publish("alpha", uploaded=days_ago(40))
    office.wants("alpha")
    assert office.run() == 0

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            path = self.path.removeprefix("/")
            as_json = JSON in self.headers.get("Accept", "")
            if path.startswith("simple/"):
                path += "index.json" if as_json else "index.html"
            try:
                content = (office.shelf / path).read_bytes()
            except OSError:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", JSON if as_json and path.startswith("simple/") else "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    directory = tmp_path / "home"
    directory.mkdir()
    return {
        "HOME": str(directory),
        "PATH": os.environ["PATH"],
        "UV_CACHE_DIR": str(directory / "uv"),
        "UV_NO_PROGRESS": "1",
    }


def poetry_program(index: str) -> str:
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(ROLE), keep_trailing_newline=True)
    return environment.get_template("poetry.j2").render(package_client_index_url=index)


def uv(index: str, home: dict[str, str], wanted: str, *, ours: bool = True) -> str:
    config = Path(home["HOME"]) / "uv.toml"
    # without logins here, and so without the demand for one
    written = uv_toml(index).replace('authenticate = "always"', "")
    assert "exclude-newer = false" in written
    config.write_text(written if ours else written.replace("exclude-newer = false", ""))
    command = ["uv", "pip", "compile", "--config-file", config, "--exclude-newer", "7 days", "-"]
    done = subprocess.run(command, input=wanted, env=home, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_uv(index: str, home: dict[str, str]) -> None:
    assert "acme-tools==1.0" in uv(index, home, "acme-tools")
    assert "alpha==1.0" in uv(index, home, "alpha")
    assert "alpha==1.0" in uv(index, home, "alpha", ours=False), "by upstream's date"
    assert "acme-tools==1.0" not in uv(index, home, "acme-tools", ours=False), "which is what the setting is for"


def test_pip(index: str, home: dict[str, str], tmp_path: Path) -> None:
    """It knows no exception: what comes from outside is found by its date, and own releases a week later."""

    def pip(wanted: str) -> str:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--dest",
            tmp_path,
            "--index-url",
            f"{index}/simple/",
        ]
        command += ["--uploaded-prior-to", "P7D", wanted]
        done = subprocess.run(command, env=home, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    help_ = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--help"], capture_output=True, text=True, check=True
    )
    if "--uploaded-prior-to" not in help_.stdout:
        pytest.skip("this pip is older than cooldowns")
    assert "alpha-1.0-py3-none-any.whl" in pip("alpha") and (tmp_path / "alpha-1.0-py3-none-any.whl").exists()
    pip("acme-tools")
    assert not (tmp_path / OWN.filename).exists()


def test_poetry(index: str, home: dict[str, str], tmp_path: Path) -> None:
    python = os.environ.get("WHEELHOUSE_POETRY") or shutil.which("/opt/wheelhouse/poetry/bin/python")
    if not python:
        pytest.skip("there is no Poetry here")
    program = tmp_path / "poetry.py"
    program.write_text(poetry_program(index))
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["acme-tools", "alpha"]\n'
    )
    environment = {**home, "POETRY_SOLVER_MIN_RELEASE_AGE": "7", "POETRY_VIRTUALENVS_CREATE": "false"}

    def lock(**more: str) -> str:
        done = subprocess.run(
            [python, "-I", program, "lock", "--no-cache"],
            cwd=tmp_path,
            env={**environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        locked = tmp_path / "poetry.lock"
        return locked.read_text() if locked.exists() else done.stdout + done.stderr

    locked = lock()
    assert 'name = "acme-tools"' in locked and 'name = "alpha"' in locked, locked
    (tmp_path / "poetry.lock").unlink()
    program.write_text(program.read_text().replace('f"{INDEX}/simple/"]))', '"https://other.acme.example/"]))'))
    assert "acme-tools" in lock() and not (tmp_path / "poetry.lock").exists(), "which is what the setting is for"

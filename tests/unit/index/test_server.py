"""The program as it runs: gunicorn with its own configuration, many clients at once, and kills under load."""

import base64
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.formats.distribution import read

from . import served
from .samples import MULTIPART, PASSWORD, Wheel, basic, metadata, multipart

SOURCE = Path(cli.__file__).parents[1]
SETTINGS = Path(__file__).parents[3] / "roles/pypi_index/files/wheelhouse/gunicorn.conf.py"
START = 180.0
"""Seconds after which a server hangs; a busy machine takes long to start one."""


class Server:
    """gunicorn on a port of 127.0.0.1, with everything it says in a file."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "--config", str(SETTINGS), "--bind", f"127.0.0.1:{self.port}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "wheelhouse.web.app:application()"],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(SOURCE)},
            )
        give_up = time.monotonic() + START
        while True:
            try:
                if self.ask("GET", "/health")[0] == 200:
                    return
            except OSError:
                assert time.monotonic() < give_up and self._process.poll() is None, self.log.read_text()
                time.sleep(0.05)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self._process:
            os.killpg(self._process.pid, number)
            self._process.wait(START)
            self._process = None

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def upload(self, wheel: Wheel, user: str = "ada", password: str = PASSWORD) -> tuple[int, str]:
        body = multipart({":action": "file_upload"}, wheel.filename, wheel.build())
        return self.ask("POST", "/", body, {"Content-Type": MULTIPART, "Authorization": basic(user, password)})


@pytest.fixture
def server(environment: None, tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "log")
    server.start()
    yield server
    server.kill()


def listed(root: Path, project: str = "acme-tools") -> dict[str, str]:
    page = json.loads((root / "simple" / project / "index.json").read_text())
    return {file["filename"]: file["hashes"]["sha256"] for file in page["files"]}


def received(root: Path) -> list[Path]:
    """Files that are on their way."""
    return [path for path in (root / "incoming").iterdir() if path.is_file()]


def test_one_of_many_uploads_of_one_name_wins(server: Server, root: Path) -> None:
    wheels = [Wheel(members={"acme_tools/x.py": f"answer = {number}\n".encode()}) for number in range(12)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(server.upload, wheels))
    assert sorted(status for status, _ in answers) == [200] + [409] * 11
    (winner,) = [wheel for wheel, (status, _) in zip(wheels, answers, strict=True) if status == 200]
    assert listed(root) == {winner.filename: hashlib.sha256(winner.build()).hexdigest()}
    assert served.content(root, f"packages/acme-tools/{winner.filename}") == winner.build()
    assert cli.main(["verify"]) == 0


def test_uploads_and_commands_at_once_lose_nothing(server: Server, root: Path) -> None:
    names = ["acme_tools", "acme_more", "acme_other"]
    wheels = [Wheel(name, f"1.{number}") for number in range(12) for name in names]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(server.upload, wheels)
        commands = pool.map(lambda _: cli.main(["reindex"]), range(3))
        assert {status for status, _ in answers} == {200}
        assert set(commands) == {0}
    for name in names:
        assert sorted(listed(root, name.replace("_", "-"))) == sorted(w.filename for w in wheels if w.name == name)
    projects = json.loads((root / "simple/index.json").read_text())["projects"]
    assert [project["name"] for project in projects] == ["acme-more", "acme-other", "acme-tools"]
    assert cli.main(["verify"]) == 0


@pytest.mark.parametrize("kills", [3, pytest.param(40, marks=pytest.mark.long)])
def test_kills_under_load_lose_nothing_that_was_acknowledged(server: Server, root: Path, kills: int) -> None:
    acknowledged: dict[str, str] = {}
    running = threading.Event()
    running.set()

    def keep_uploading(worker: int) -> None:
        for number in range(100_000):
            if not running.is_set():
                return
            wheel = Wheel(f"acme_{worker % 3}", f"{worker}.{number}", members={"big.bin": random.randbytes(200_000)})
            try:
                status, _ = server.upload(wheel)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
                continue
            assert status == 200
            acknowledged[wheel.filename] = wheel.name.replace("_", "-")

    with ThreadPoolExecutor(6) as pool:
        workers = [pool.submit(keep_uploading, worker) for worker in range(6)]
        try:
            for _ in range(kills):
                some = len(acknowledged) + 4
                while len(acknowledged) < some:
                    assert not any(worker.done() for worker in workers)
                    time.sleep(0.01)
                time.sleep(random.uniform(0.0, 0.5))
                server.kill()
                check_whole(root)
                server.start()
        finally:
            running.clear()
        for worker in workers:
            worker.result(30)
    server.kill()
    assert len(acknowledged) > 10
    check_whole(root)
    for filename, project in acknowledged.items():
        assert filename in listed(root, project)
    assert cli.main(["reindex"]) == 0
    assert cli.main(["verify"]) == 0


def check_whole(root: Path) -> None:
    """Every listed file is there, whole, with the hash the page promises."""
    for page in (root / "simple").glob("*/index.json"):
        for filename, promised in listed(root, page.parent.name).items():
            path = f"packages/{page.parent.name}/{filename}"
            assert served.content(root, path), path
            assert read(root / path, filename).hashes["sha256"] == promised


def test_an_upload_that_breaks_off_leaves_nothing(server: Server, root: Path) -> None:
    body = multipart({":action": "file_upload"}, Wheel().filename, Wheel().build())
    head = (
        f"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {basic('ada', PASSWORD)}\r\nContent-Type: {MULTIPART}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    for sent in (0, 100, len(body) - 1):
        with socket.create_connection(("127.0.0.1", server.port), timeout=120) as connection:
            connection.sendall(head.encode() + body[:sent])
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1000)
    assert not list((root / "packages").iterdir())
    assert received(root) == []
    assert server.upload(Wheel())[0] == 200


def test_a_stop_lets_uploads_finish(server: Server, root: Path) -> None:
    wheel = Wheel(members={"big.bin": random.randbytes(6 * 2**20)})
    with ThreadPoolExecutor(1) as pool:
        upload = pool.submit(server.upload, wheel)
        while not received(root) and not upload.done():
            time.sleep(0.001)
        server.kill(signal.SIGTERM)
        assert upload.result(30)[0] == 200
    assert wheel.filename in listed(root)


def test_no_secret_is_logged(server: Server) -> None:
    server.upload(Wheel())
    server.upload(Wheel(), password="not-the-password")
    server.ask("GET", "/simple/x/?token=very-secret", headers={"Authorization": basic("ada", PASSWORD)})
    server.kill(signal.SIGTERM)
    log = server.log.read_text()
    assert "ada published acme_tools-1.0-py3-none-any.whl from 127.0.0.1." in log
    for secret in (PASSWORD, "not-the-password", "very-secret", base64.b64encode(f"ada:{PASSWORD}".encode()).decode()):
        assert secret not in log


@pytest.mark.parametrize("spoil", [Path.unlink, partial(Path.write_text, data="{")])
def test_it_refuses_to_start_with_one_sentence(
    environment: None, config: Path, spoil: Callable[[Path], object]
) -> None:
    spoil(config / "config.json")
    command = [sys.executable, "-m", "gunicorn", "--config", str(SETTINGS), "--bind", "127.0.0.1:0"]
    ended = subprocess.run(
        [*command, "wheelhouse.web.app:application()"],
        capture_output=True,
        text=True,
        timeout=START,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    assert ended.returncode != 0
    said = [line for line in ended.stderr.splitlines() if "[INFO]" not in line]
    assert len(said) == 1 and str(config / "config.json") in said[0]


class Quiet(SimpleHTTPRequestHandler):
    """The shelf as plain files."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def files(root: Path, server: Server) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root))) as plain:
        threading.Thread(target=plain.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{plain.server_port}/simple/"
        plain.shutdown()


def tool(*command: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a client as a person without any settings of their own would, with `path` among the places of packages."""
    keep = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
    environ = {**keep, "HOME": "/nonexistent", "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "NO_COLOR": "1"}
    environ |= {"UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1", "COLUMNS": "1000"}
    environ |= {"PYTHONPATH": str(path)} if path else {}
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=300, check=False, env=environ
    )


PUBLISHERS = {
    "twine": ["twine", "upload", "--non-interactive", "--disable-progress-bar", "--repository-url"],
    "uv": ["uv", "publish", "--no-progress", "--publish-url"],
}


@pytest.mark.parametrize("name", PUBLISHERS)
def test_people_see_the_sentence(server: Server, tmp_path: Path, name: str) -> None:
    if not find_spec(name):
        pytest.skip(f"{name} is not installed")
    good, foreign = Wheel(), Wheel("requests", "99.0")
    for wheel in (good, foreign):
        (tmp_path / wheel.filename).write_bytes(wheel.build())
    command = [*PUBLISHERS[name], f"http://127.0.0.1:{server.port}/"]

    def publish(wheel: Wheel, user: str = "ada", password: str = PASSWORD) -> tuple[int, str]:
        ended = tool(*command, "--username", user, "--password", password, str(tmp_path / wheel.filename))
        return ended.returncode, " ".join((ended.stdout + ended.stderr).split())

    assert publish(good)[0] == 0
    assert publish(good)[0] == 0, "and again"
    for attempt, says in (
        (
            partial(publish, foreign),
            "ada may not publish requests: ada may publish acme-*; to change that, ask it@acme.",
        ),
        (partial(publish, good, "bob"), "bob may not publish anything; to change that, ask it@acme."),
        (
            partial(publish, good, "ada", "guess"),
            "The user name or the password is wrong; if you have none, ask it@acme.",
        ),
    ):
        code, said = attempt()
        assert code != 0 and says in said, said
    (tmp_path / good.filename).write_bytes(Wheel(members={"x.py": b""}).build())
    code, said = publish(good)
    assert code != 0 and "already exists on the shelf with other contents; a published file is never" in said, said


def test_what_is_uploaded_is_installed_at_once(server: Server, files: str, tmp_path: Path) -> None:
    for version in ("1.0", "1.1", "1.2"):
        assert server.upload(Wheel(version=version))[0] == 200
        ended = tool(
            "pip", "download", "--no-deps", "--index-url", files, "--dest", str(tmp_path / "pip"), "acme.tools"
        )
        assert ended.returncode == 0, ended.stderr
        assert (tmp_path / "pip" / f"acme_tools-{version}-py3-none-any.whl").exists()
    assert cli.main(["yank", "acme-tools", "1.2", "--reason", "wrong"]) == 0
    if find_spec("uv"):
        target = tmp_path / "uv"
        ended = tool("uv", "pip", "install", "--default-index", files, "--target", str(target), "Acme_Tools")
        assert ended.returncode == 0, ended.stderr
        assert (target / "acme_tools-1.1.dist-info").is_dir(), "the yanked release is passed over"
    shutil.rmtree(tmp_path / "pip")
    ended = tool("pip", "download", "--no-deps", "--index-url", files, "--dest", str(tmp_path / "pip"), "acme-tools")
    assert [path.name for path in (tmp_path / "pip").iterdir()] == ["acme_tools-1.1-py3-none-any.whl"], ended.stderr


def test_pip_search(server: Server, files: str, tmp_path: Path) -> None:
    for name, version, summary in (
        ("acme_tools", "1.0", "Tools for all"),
        ("acme_tools", "1.1", "Tools for <all> & more"),
        ("acme_tools", "2.0rc1", "Tools of tomorrow"),
        ("acme_more", "3.0", "What the tools leave out"),
        ("acme_other", "1.0", ""),
    ):
        described = metadata(name.replace("_", "-"), version, f"Summary: {summary}\n" if summary else "")
        assert server.upload(Wheel(name, version, metadata=described))[0] == 200
    index = f"http://127.0.0.1:{server.port}"
    target = tmp_path / "target"
    installed = tool("pip", "install", "--no-deps", "--index-url", files, "--target", str(target), "acme-tools==1.0")
    assert installed.returncode == 0, installed.stderr
    found = tool("pip", "search", "--index", index, "acme", "TOOLS", path=target)
    assert found.returncode == 0, found.stderr
    assert [re.sub(r" +", " ", line) for line in found.stdout.splitlines()] == [
        "acme-tools (1.1) - Tools for <all> & more",
        " INSTALLED: 1.0",
        " LATEST: 1.1",
        "acme-more (3.0) - What the tools leave out",
    ]
    nothing = tool("pip", "search", "--index", index, "nothing-like-it")
    assert (nothing.returncode, nothing.stdout) == (23, ""), nothing.stderr
    assert "Traceback" not in server.log.read_text()

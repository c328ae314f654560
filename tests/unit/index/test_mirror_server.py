"""The policy `cached` under gunicorn: files on their way, clients that leave, kills, and real clients."""

import base64
import http.client
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import pytest

from .public import CompanyProxy, PublicFile, PublicIndex, public_wheel, stopping
from .test_server import Server, tool

NAME = "torch-1.0-py3-none-any.whl"
FILE = f"/cached/torch/{NAME}"
CONTENT = os.urandom(6 * 2**20)
HALF = 3 * 2**20


@pytest.fixture
def public() -> Iterator[PublicIndex]:
    with stopping(PublicIndex()) as index:
        index.projects["torch"] = [PublicFile(NAME, CONTENT)]
        yield index


@pytest.fixture
def torch(public: PublicIndex) -> PublicFile:
    return public.projects["torch"][0]


@pytest.fixture
def server(environment: None, configure: Callable[..., None], public: PublicIndex, tmp_path: Path) -> Iterator[Server]:
    configure(upstream="cached", upstream_url=public.url)
    server = Server(tmp_path / "log")
    server.start()
    yield server
    server.kill()


def download(server: Server, path: str = FILE) -> bytes:
    """All of it, or http.client.IncompleteRead."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        return answer.read()
    finally:
        connection.close()


def some_of_it(server: Server, size: int) -> socket.socket:
    """A client that has read the first `size` bytes of an answer."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=120)
    connection.sendall(f"GET {FILE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    got = b""
    while len(got) < size:
        piece = connection.recv(2**16)
        assert piece, "it broke off"
        got += piece
    return connection


def eventually(holds: Callable[[], object]) -> None:
    give_up = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def kept(cache: Path) -> list[str]:
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())


def test_a_file_is_sent_while_it_comes(server: Server, torch: PublicFile, cache: Path) -> None:
    """Clients give up after 15 seconds of silence, and a large file takes longer than that."""
    torch.after = HALF
    connection = some_of_it(server, HALF - 2**17)
    assert len(kept(cache)) == 1 and kept(cache)[0].startswith("incoming/")
    torch.go_on.set()
    rest = b""
    while not rest.endswith(CONTENT[-100:]):
        rest += connection.recv(2**16)
    connection.close()
    assert kept(cache) == [f"cached/torch/{NAME}"], "before the last byte is out"
    assert (cache / "cached/torch" / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("says_length", [True, False])
def test_wrong_bytes_end_in_an_error(server: Server, torch: PublicFile, cache: Path, *, says_length: bool) -> None:
    torch.sends = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    torch.says_length = says_length
    with pytest.raises(http.client.IncompleteRead) as raised:
        download(server)
    assert len(raised.value.partial) < len(CONTENT)
    eventually(lambda: kept(cache) == [])
    assert f"ERROR {NAME} was not taken from upstream: its SHA-256 is not the one in" in server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_a_size_nobody_knows(
    server: Server, torch: PublicFile, public: PublicIndex, configure: Callable[..., None], cache: Path
) -> None:
    """Then the file goes out in chunks, and a wrong one is as incomplete."""
    configure(minimum_age=0)
    public.speaks_json = False
    torch.sends = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(http.client.IncompleteRead):
        download(server)
    torch.sends = None
    assert download(server) == CONTENT
    assert kept(cache) == [f"cached/torch/{NAME}"]


def test_upstream_dies_half_way(server: Server, torch: PublicFile, public: PublicIndex, cache: Path) -> None:
    torch.after = HALF
    with ThreadPoolExecutor(1) as pool:
        client = pool.submit(download, server)
        eventually(lambda: [path for path in kept(cache) if (cache / path).stat().st_size > HALF // 2])
        public.stop()
        with pytest.raises(http.client.IncompleteRead):
            client.result(20)
    eventually(lambda: kept(cache) == [])
    public.start()
    torch.after = None
    assert download(server) == CONTENT


def test_a_client_that_leaves(server: Server, torch: PublicFile, public: PublicIndex, cache: Path) -> None:
    torch.content = CONTENT * 5  # more than the buffers between upstream and the client hold
    some_of_it(server, 2**20).close()
    eventually(lambda: kept(cache) == [])
    eventually(lambda: public.gone_away == [NAME])
    assert "Traceback" not in server.log.read_text()
    assert download(server) == torch.content
    assert kept(cache) == [f"cached/torch/{NAME}"]


def test_a_kill_leaves_nothing_for_long(server: Server, torch: PublicFile, cache: Path) -> None:
    torch.after = HALF
    with some_of_it(server, 2**20):
        server.kill(signal.SIGKILL)
    assert len(kept(cache)) == 1, "or this test shows nothing"
    server.start()
    eventually(lambda: kept(cache) == [])
    torch.go_on.set()
    assert download(server) == CONTENT


def fetched(public: PublicIndex) -> int:
    """How often the file was asked for upstream."""
    return len([path for path in public.asked if path.startswith("/files/") and NAME in path])


def test_many_clients_want_the_same(server: Server, torch: PublicFile, public: PublicIndex, cache: Path) -> None:
    """It comes once, though they are asking several processes."""
    torch.after = HALF
    with ThreadPoolExecutor(24) as pool:
        clients = [pool.submit(download, server) for _ in range(24)]
        eventually(lambda: fetched(public) and (cache / kept(cache)[0]).stat().st_size > HALF // 2)
        # Whoever asks for something else is not kept waiting.
        began = time.monotonic()
        assert server.ask("GET", "/health")[0] == 200
        assert time.monotonic() - began < 5
        torch.go_on.set()
        assert all(client.result(60) == CONTENT for client in clients)
    assert kept(cache) == [f"cached/torch/{NAME}"]
    assert fetched(public) == 1


def test_the_others_get_it_while_it_comes(server: Server, torch: PublicFile, public: PublicIndex) -> None:
    torch.after = HALF
    connections = [some_of_it(server, HALF - 2**18) for _ in range(8)]
    assert fetched(public) == 1
    for connection in connections:
        connection.close()
    torch.go_on.set()


def test_when_the_first_one_leaves_the_others_get_all_of_it(
    server: Server, torch: PublicFile, public: PublicIndex, cache: Path
) -> None:
    torch.content = CONTENT * 5
    torch.after = HALF * 2
    first = some_of_it(server, 2**20)
    with ThreadPoolExecutor(6) as pool:
        others = [pool.submit(download, server) for _ in range(6)]
        time.sleep(0.5)
        first.close()
        torch.go_on.set()
        assert all(other.result(60) == torch.content for other in others)
    eventually(lambda: kept(cache) == [f"cached/torch/{NAME}"])
    assert fetched(public) <= 2
    assert "Traceback" not in server.log.read_text()


def test_wrong_bytes_reach_none_of_them(server: Server, torch: PublicFile, cache: Path) -> None:
    torch.sends = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    torch.after = HALF

    def broken() -> bool:
        with pytest.raises(http.client.IncompleteRead):
            download(server)
        return True

    with ThreadPoolExecutor(6) as pool:
        clients = [pool.submit(broken) for _ in range(6)]
        time.sleep(0.3)
        torch.go_on.set()
        assert all(client.result(60) for client in clients)
    eventually(lambda: kept(cache) == [])


@pytest.mark.parametrize("name", ["pip", "uv"])
def test_real_clients_install(server: Server, public: PublicIndex, tmp_path: Path, cache: Path, name: str) -> None:
    if not find_spec(name):
        pytest.skip(f"{name} is not installed")
    public.projects["requests"] = [
        public_wheel(version="1.0"),
        public_wheel(version="1.1"),
        public_wheel(version="2.0", uploaded=None),
    ]
    target = tmp_path / "target"
    index = f"http://127.0.0.1:{server.port}/simple/"
    commands = {
        "pip": ["pip", "install", "--no-deps", "--index-url", index, "--target", str(target), "Requests"],
        "uv": ["uv", "pip", "install", "--default-index", index, "--target", str(target), "Requests"],
    }
    ended = tool(*commands[name])
    assert ended.returncode == 0, ended.stderr
    assert (target / "requests-1.1.dist-info").is_dir()
    wheel = "cached/requests/requests-1.1-py3-none-any.whl"
    assert kept(cache) == [wheel, f"{wheel}.metadata"], "and by its metadata alone was it chosen"


@pytest.mark.parametrize("name", ["pip", "uv"])
def test_real_clients_refuse_what_is_broken(
    server: Server, public: PublicIndex, tmp_path: Path, cache: Path, name: str
) -> None:
    if not find_spec(name):
        pytest.skip(f"{name} is not installed")
    wheel = public_wheel()
    wheel.sends = wheel.content[:-1] + b"x"
    public.projects["requests"] = [wheel]
    target = tmp_path / "target"
    index = f"http://127.0.0.1:{server.port}/simple/"
    commands = {
        "pip": [
            "pip",
            "--retries=1",
            "install",
            "--no-deps",
            "--index-url",
            index,
            "--target",
            str(target),
            "requests",
        ],
        "uv": ["uv", "pip", "install", "--default-index", index, "--target", str(target), "requests"],
    }
    ended = tool(*commands[name])
    assert ended.returncode != 0
    assert not list(target.glob("*.dist-info"))
    assert kept(cache) == ["cached/requests/requests-1.0-py3-none-any.whl.metadata"]


def test_no_secret_of_the_proxy_is_logged(
    server: Server, configure: Callable[..., None], config: Path, torch: PublicFile
) -> None:
    right, wrong = "s3cr3t/one", "s3cr3t/two"
    with stopping(CompanyProxy("ada", right)) as proxy:
        for number, (password, port) in enumerate([(wrong, proxy.port), (right, 9), (right, proxy.port)]):
            url = f"http://ada:{quote(password, safe='')}@127.0.0.1:{port}"
            (config / "new").write_text(f"HTTP_PROXY={url}\nHTTPS_PROXY={url}\n")
            (config / "new").rename(config / "proxy.env")
            for path in (f"/simple/x{number}/", f"/cached/x{number}/x-1.tar.gz"):
                said = server.ask("GET", path)[1]
                assert "s3cr3t" not in said
        assert download(server) == CONTENT
        assert proxy.forwarded
        (config / "proxy.env").write_text(f"HTTP_PROXY=http://ada:{quote(right, safe='')}@:80\n")
        server.ask("GET", "/simple/torch/")
    server.kill(signal.SIGTERM)
    log = server.log.read_text()
    assert "HTTP_PROXY is not the address of a proxy" in log and "Connection refused" in log
    for secret in ("s3cr3t", *(base64.b64encode(f"ada:{text}".encode()).decode() for text in (right, wrong))):
        assert secret not in log

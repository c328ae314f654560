"""Files from upstream: continued where they broke off, begun anew where that is no use, whole or not there."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from wheelhouse.errors import Damaged, Unreachable
from wheelhouse.network import Network
from wheelhouse.store.downloads import Cache, Received
from wheelhouse.upstream import http_client
from wheelhouse.upstream.download import Promised, download

from .mirror import FILE, NAME, kept
from .public import SIGNATURE, PublicFile, PublicIndex, stopping
from .samples import Client

CONTENT = os.urandom(300_000)
DIGEST = sha256(CONTENT).hexdigest()


@pytest.fixture
def public() -> Iterator[PublicIndex]:
    with stopping(PublicIndex()) as index:
        index.projects["requests"] = [PublicFile(NAME, CONTENT)]
        yield index


@pytest.fixture
def file(public: PublicIndex, monkeypatch: pytest.MonkeyPatch) -> PublicFile:
    monkeypatch.setattr(http_client, "FIRST_PAUSE", 0.001)
    return public.projects["requests"][0]


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with http_client.client(Network()) as client:
        yield client


def promised(public: PublicIndex, size: int | None = len(CONTENT), digest: str = DIGEST) -> Promised:
    return Promised(NAME, f"{public.origin}/files/requests/{NAME}?{SIGNATURE}", digest, size, len(CONTENT))


def left_behind(cache: Cache, content: bytes) -> None:
    """What came of the file before."""
    with cache.resume(DIGEST) as received:
        received.write(content)


def fetched(cache: Cache, public: PublicIndex, http: httpx.Client) -> bytes:
    with cache.resume(DIGEST) as received:
        download(http, promised(public), received)
        cache.place(received, "requests", NAME)
    return cache.path("requests", NAME).read_bytes()


@pytest.mark.parametrize("continues", [True, False])
@pytest.mark.parametrize("before", [b"", CONTENT[:1000], CONTENT[:-1], CONTENT])
def test_what_came_before_is_continued_or_thrown_away(
    cache: Path, public: PublicIndex, http: httpx.Client, file: PublicFile, before: bytes, *, continues: bool
) -> None:
    """A server that knows no ranges sends all of it, and nothing of what came before is left in the file."""
    file.continues = continues
    left_behind(Cache(cache), before)
    assert fetched(Cache(cache), public, http) == CONTENT
    assert kept(cache) == [f"cached/requests/{NAME}"]


def test_what_came_before_was_wrong(cache: Path, public: PublicIndex, http: httpx.Client, file: PublicFile) -> None:
    file.continues = True
    left_behind(Cache(cache), b"x" * 1000)
    with pytest.raises(Damaged, match="do not have the SHA-256"):
        fetched(Cache(cache), public, http)
    assert fetched(Cache(cache), public, http) == CONTENT, "and the next time it begins anew"


@pytest.mark.parametrize("begun", ["resume", "receive", "fetching"])
def test_one_that_is_begun_anew_has_nothing_of_the_old_one(cache: Path, begun: str) -> None:
    kinds: dict[str, Callable[[Cache], object]] = {
        "resume": lambda cache: cache.resume(DIGEST),
        "receive": lambda cache: cache.receive(),
        "fetching": lambda cache: cache.fetching("requests", NAME),
    }
    with ExitStack() as stack:
        received = stack.enter_context(kinds[begun](Cache(cache)))  # type: ignore[arg-type]
        assert isinstance(received, Received)
        received.write(b"old" * 1000)
        received.restart()
        received.write(b"new")
        assert (received.size, received.sha256) == (3, sha256(b"new").hexdigest())
        Cache(cache).place(received, "requests", NAME)
    assert (cache / "cached/requests" / NAME).read_bytes() == b"new"


def test_what_a_kill_left_is_no_part_of_the_next(cache: Path) -> None:
    with Cache(cache).fetching("requests", NAME) as received:
        assert isinstance(received, Received)
    received.path.write_bytes(b"left behind" * 1000)
    with Cache(cache).fetching("requests", NAME) as received:
        assert isinstance(received, Received)
        received.write(b"new")
        Cache(cache).place(received, "requests", NAME)
    assert (cache / "cached/requests" / NAME).read_bytes() == b"new"


def test_nothing_is_kept_that_is_not_what_came(cache: Path) -> None:
    with Cache(cache).receive() as received:
        received.write(b"right")
        with received.path.open("ab") as other:
            other.write(b"wrong")
        with pytest.raises(OSError, match="other bytes"):
            Cache(cache).place(received, "requests", NAME)
    assert kept(cache) == []


def test_a_file_that_breaks_off_again_and_again(
    cache: Path, public: PublicIndex, http: httpx.Client, file: PublicFile
) -> None:
    file.continues, file.after, file.stops = True, 40_000, True
    file.go_on.set()
    assert fetched(Cache(cache), public, http) == CONTENT
    assert len([path for path in public.asked if path.startswith("/files/")]) == 8


def test_one_of_which_nothing_comes_any_more(
    cache: Path, public: PublicIndex, http: httpx.Client, file: PublicFile
) -> None:
    file.continues, file.after, file.stops = True, 0, True
    file.go_on.set()
    left_behind(Cache(cache), CONTENT[:1000])
    with pytest.raises(Unreachable):
        fetched(Cache(cache), public, http)
    assert len([path for path in public.asked if path.startswith("/files/")]) == http_client.ATTEMPTS
    file.after, file.stops = None, False
    assert fetched(Cache(cache), public, http) == CONTENT


# while a client of the index waits


@pytest.fixture
def client(client: Client, public: PublicIndex, configure: Callable[..., None]) -> Client:
    configure(upstream="cached", upstream_url=public.url)
    return client


def test_a_client_does_not_see_that_it_broke_off(
    client: Client, public: PublicIndex, cache: Path, file: PublicFile, caplog: pytest.LogCaptureFixture
) -> None:
    file.continues, file.after, file.stops = True, 100_000, True
    file.go_on.set()
    assert client.send("GET", FILE).content == CONTENT
    assert kept(cache) == [f"cached/requests/{NAME}"]
    assert "after 100000 bytes; it goes on there" in caplog.text


def test_the_rest_of_another_file_is_found_out(
    client: Client, public: PublicIndex, cache: Path, file: PublicFile
) -> None:
    file.continues, file.after, file.stops = True, 100_000, True
    file.go_on.set()
    file.sends = CONTENT[:200_000] + os.urandom(100_000)
    with pytest.raises(ConnectionResetError):
        client.send("GET", FILE)
    assert kept(cache) == []


@pytest.mark.parametrize("change", ["denied", "closed"])
def test_what_is_denied_while_it_comes_does_not_stay(
    client: Client, public: PublicIndex, cache: Path, file: PublicFile, configure: Callable[..., None], change: str
) -> None:
    file.after = 200_000
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.send, "GET", FILE)
        while not [path for path in kept(cache) if (cache / path).stat().st_size >= 100_000]:
            assert not asked.done()
            time.sleep(0.01)
        configure(**({"denied": ["requests"]} if change == "denied" else {"upstream": "closed"}))
        client.send("GET", "/simple/other/")  # whatever leads the program to see it
        file.go_on.set()
        with pytest.raises(ConnectionResetError):
            asked.result(30)
    assert kept(cache) == []
    assert client.send("GET", FILE).status == 404


def test_a_large_file_is_never_in_memory(
    client: Client, public: PublicIndex, cache: Path, file: PublicFile, configure: Callable[..., None]
) -> None:
    """Neither while it comes nor from the cache: its pieces are given on as they are read."""
    file.content = os.urandom(3_000_000)
    for _ in range(2):
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": FILE,
            "SERVER_NAME": "x",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
        }
        pieces = client.application(environ, lambda *_: None)
        assert max(len(piece) for piece in pieces) <= 2**17
        pieces.close()  # type: ignore[attr-defined]
    assert kept(cache) == [f"cached/requests/{NAME}"]


# the size of the cache


def test_with_much_room_the_cache_is_not_looked_through_each_time(cache: Path) -> None:
    looked: list[str] = []
    one = Cache(cache)
    barrier = threading.Lock()

    def add(number: int, size: int) -> None:
        with barrier, one.receive() as received:
            received.write(bytes(size))
            one.place(received, f"p{number:04}", "x.whl")
        at = time.time() - 10_000 + number
        os.utime(cache / f"cached/p{number:04}/x.whl", (at, at))
        one.trim(1_000_000, lambda project: looked.append(project) or 0.0, size)

    for number in range(150):
        add(number, 10_000)
        total = sum(path.stat().st_size for path in cache.glob("cached/*/*"))
        assert total <= 1_000_000
    assert not (cache / "cached/p0000/x.whl").exists() and (cache / "cached/p0149/x.whl").exists()

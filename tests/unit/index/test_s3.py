"""The object store, on a real server: creating once, reading back what was stored, and a server that fails."""

import hashlib
import os
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import obstore
import pytest
import trustme
from wheelhouse.errors import Busy, Damaged, Full, NotFound, Rejected
from wheelhouse.store import s3
from wheelhouse.store.base import blob
from wheelhouse.store.s3 import S3Store
from wheelhouse.store_settings import ObjectStore

from .relay import Relay
from .seaweed import Seaweed


@pytest.fixture
def server(seaweed_server: Seaweed) -> Seaweed:
    return seaweed_server


@pytest.fixture
def settings(server: Seaweed) -> ObjectStore:
    return server.settings()


@pytest.fixture
def store(settings: ObjectStore) -> S3Store:
    return S3Store(settings)


@pytest.fixture(autouse=True)
def patience_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "RETRIED_FOR", 2)


class Content:
    """A file with some contents."""

    def __init__(self, directory: Path, content: bytes) -> None:
        self.content = content
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.key = blob(self.sha256)
        self.path = directory / self.sha256
        self.path.write_bytes(content)


def put(store: S3Store, one: Content) -> bool:
    return store.put(one.key, one.path, one.sha256)


def read(store: S3Store, key: str) -> bytes:
    with store.open(key) as stream:
        return stream.read()


def overwrite(settings: ObjectStore, key: str, content: bytes) -> None:
    """As an administrator could, with a tool of their own."""
    obstore.put(S3Store(settings)._objects, key, content, mode="overwrite")


def test_what_was_put_is_there(store: S3Store, tmp_path: Path) -> None:
    one = Content(tmp_path, b"wheel" * 1000)
    assert store.head(one.key) is None
    assert put(store, one)
    found = store.head(one.key)
    assert found and (found.key, found.size) == (one.key, 5000) and abs(found.changed.timestamp() - time.time()) < 60
    assert read(store, one.key) == one.content
    assert [stat.key for stat in store.list("blobs/")] == [one.key]
    store.delete(one.key)
    store.delete(one.key)
    assert (store.head(one.key), list(store.list("blobs/"))) == (None, [])
    with pytest.raises(NotFound):
        store.open(one.key)


def test_nothing_is_also_something(store: S3Store, tmp_path: Path) -> None:
    one = Content(tmp_path, b"")
    assert put(store, one) and read(store, one.key) == b"" and not put(store, one)


def test_keys_come_in_order_and_by_what_they_begin_with(store: S3Store, tmp_path: Path) -> None:
    several = sorted((Content(tmp_path, f"{number}".encode()) for number in range(30)), key=lambda one: one.key)
    for one in reversed(several):
        put(store, one)
    assert [stat.key for stat in store.list("blobs/")] == [one.key for one in several]
    beginning = several[7].key[:8]
    assert [stat.key for stat in store.list(beginning)] == [one.key for one in several if one.key.startswith(beginning)]


def test_others_in_the_same_bucket_are_left_alone(server: Seaweed, store: S3Store, tmp_path: Path) -> None:
    one, other = Content(tmp_path, b"one"), S3Store(server.settings())
    put(store, one)
    assert (other.head(one.key), list(other.list("blobs/"))) == (None, [])


def test_the_same_again_is_fine(settings: ObjectStore, store: S3Store, tmp_path: Path) -> None:
    one = Content(tmp_path, b"wheel")
    assert [put(store, one), put(store, one), put(S3Store(settings), one)] == [True, False, False]


@pytest.mark.parametrize("wrong", [b"whe", b"WHEEL"], ids=["shorter", "other bytes"])
def test_what_is_wrong_there_is_put_right(
    settings: ObjectStore, store: S3Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: bytes
) -> None:
    one = Content(tmp_path, b"wheel")
    overwrite(settings, one.key, wrong)
    assert not put(store, one)
    assert read(store, one.key) == b"wheel"
    assert f"{one.key} was not whole in the object store" in caplog.text


@pytest.mark.parametrize("wrong", [b"", b"whe", b"WHEEL", b"wheel, and more"])
def test_what_is_wrong_there_is_not_read(settings: ObjectStore, store: S3Store, tmp_path: Path, wrong: bytes) -> None:
    one = Content(tmp_path, b"wheel")
    overwrite(settings, one.key, wrong)
    with pytest.raises(Damaged):
        read(store, one.key)


def test_one_of_many_creates_it(settings: ObjectStore, tmp_path: Path) -> None:
    several = [Content(tmp_path, f"{number}".encode()) for number in range(8)]
    stores = [S3Store(settings) for _ in several]
    together = threading.Barrier(len(several))

    def create(number: int) -> bool:
        together.wait()
        return stores[number].create("race", several[number].path)

    with ThreadPoolExecutor(len(several)) as threads:
        created = list(threads.map(create, range(len(several))))
    assert created.count(True) == 1
    assert read(stores[0], "race") == several[created.index(True)].content


def test_more_than_one_request_takes(store: S3Store, tmp_path: Path) -> None:
    large = tmp_path / "large.whl"
    with large.open("wb") as stream:
        stream.truncate(s3.MOST + 1)
    with pytest.raises(Rejected, match=r"^large.whl has 5368709121 bytes, and an object store takes at most 536870912"):
        store.put(blob("0" * 64), large, "0" * 64)


def test_a_connection_that_breaks_is_made_again(server: Seaweed, settings: ObjectStore, tmp_path: Path) -> None:
    """What has come counts, and only the rest is asked for."""
    one = Content(tmp_path, os.urandom(8 * 2**20))
    put(S3Store(settings), one)
    with Relay(server.port).running() as relay:
        store = S3Store(msgspec.structs.replace(settings, endpoint=f"http://127.0.0.1:{relay.port}"))
        relay.cut_after = [3 * 2**20, 2**20]
        assert read(store, one.key) == one.content
        assert relay.connections == 3


def test_a_server_that_is_away(server: Seaweed, store: S3Store, settings: ObjectStore, tmp_path: Path) -> None:
    one = Content(tmp_path, b"wheel")
    put(store, one)
    with server.away():
        before = time.monotonic()
        for ask in (lambda: put(store, one), lambda: read(store, one.key), lambda: store.head(one.key)):
            with pytest.raises(Busy, match=r"^The object store does not answer as it should: try again in a minute\.$"):
                ask()
        with pytest.raises(Busy):
            list(store.list("blobs/"))
        with pytest.raises(Busy):
            store.delete(one.key)
        assert time.monotonic() - before < 60
    assert read(store, one.key) == b"wheel"


def test_a_server_that_hangs(
    server: Seaweed, settings: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(s3, "READ_TIMEOUT", 1)
    store, one = S3Store(settings), Content(tmp_path, b"wheel")
    put(store, one)
    with server.hanging():
        before = time.monotonic()
        with pytest.raises(Busy):
            read(store, one.key)
        assert time.monotonic() - before < 20
    assert read(store, one.key) == b"wheel"


def test_a_server_that_is_full(
    server: Seaweed, store: S3Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """SeaweedFS does not say why it takes nothing more, other servers do. What it has, it still gives."""
    before, after = Content(tmp_path, b"before"), Content(tmp_path, b"after")
    put(store, before)
    with server.full():
        with pytest.raises((Busy, Full)):
            put(store, after)
        assert "The object store failed: " in caplog.text
        assert store.open(before.key).read() == before.content
        assert store.head(after.key) is None
    assert put(store, after) and store.open(after.key).read() == after.content


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"secret_key": "another-secret"}, "The object store refuses the keys of this index: check http://127.0.0.1:"),
        ({"access_key": "nobody"}, "The object store refuses the keys of this index: check http://127.0.0.1:"),
    ],
)
def test_wrong_settings_are_no_absence(
    settings: ObjectStore, caplog: pytest.LogCaptureFixture, tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    wrong = msgspec.structs.replace(settings, **change)
    store, one = S3Store(wrong), Content(tmp_path, b"wheel")
    for ask in (lambda: put(store, one), lambda: read(store, one.key)):
        with pytest.raises(Busy) as caught:
            ask()
        assert str(caught.value).startswith(sentence)
    assert wrong.secret_key not in caplog.text


def test_a_bucket_that_is_not_there(settings: ObjectStore) -> None:
    store = S3Store(msgspec.structs.replace(settings, bucket="nowhere"))
    for ask in (lambda: read(store, "blobs/x"), lambda: list(store.list("blobs/"))):
        with pytest.raises(Busy, match=r"^There is no bucket nowhere at http://127.0.0.1:\d+: have it made\.$"):
            ask()


def test_a_company_of_its_own(server: Seaweed, settings: ObjectStore, tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(tls)
    one = Content(tmp_path, b"wheel")
    with Relay(server.port, tls).running() as relay:
        secure = msgspec.structs.replace(settings, endpoint=f"https://127.0.0.1:{relay.port}")
        with pytest.raises(Busy):
            put(S3Store(secure), one)
        trusting = S3Store(msgspec.structs.replace(secure, ca=authority.cert_pem.bytes()))
        assert put(trusting, one) and read(trusting, one.key) == b"wheel"


_MEMORY = """
import hashlib, resource, sys
from pathlib import Path
import msgspec
from wheelhouse.store.base import blob
from wheelhouse.store.s3 import S3Store
from wheelhouse.store_settings import ObjectStore

store = S3Store(msgspec.json.decode(sys.stdin.buffer.read(), type=ObjectStore))
path, sha256 = Path(sys.argv[1]), sys.argv[2]
store.head("nothing")
def anonymous():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) * 1024
highest = before = anonymous()
import threading, time
done = threading.Event()
def watch():
    global highest
    while not done.is_set():
        highest = max(highest, anonymous())
        time.sleep(0.005)
threading.Thread(target=watch, daemon=True).start()
assert store.put(blob(sha256), path, sha256)
with store.open(blob(sha256)) as stream:
    while stream.read(2**20):
        pass
done.set()
print(highest - before)
"""


def test_a_large_file_takes_little_memory(settings: ObjectStore, tmp_path: Path) -> None:
    one = Content(tmp_path, os.urandom(2**20) * 100)
    command = [sys.executable, "-c", _MEMORY, str(one.path), one.sha256]
    environment = {**os.environ, "PYTHONPATH": str(Path(s3.__file__).parents[2])}
    given = msgspec.json.encode(settings)
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True, env=environment)
    assert int(done.stdout) < 32 * 2**20

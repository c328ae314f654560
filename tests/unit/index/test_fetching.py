"""Files that are published and not on this host: the gateway has them fetched from the object store, a real one."""

import contextlib
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import obstore
import pytest
from memory import in_memory
from wheelhouse.index.fetching import COUNTERS
from wheelhouse.store.base import blob
from wheelhouse.store.s3 import S3Store
from wheelhouse.store_settings import ObjectStore

from . import nginx, seaweed
from .conda_samples import CondaPackage
from .nginx import Answer, Gateway, Program, basic, hashed
from .samples import MULTIPART, Wheel, multipart
from .seaweed import Seaweed
from .sites import SiteOfTests

pytestmark = pytest.mark.skipif(not nginx.IS_THERE, reason="nginx with its Lua module is not installed")
ADA, EVE = basic("ada"), basic("eve")
_numbers = count(1)


class Place:
    """A gateway and its program, which the tests share; each publishes a wheel of its own."""

    def __init__(self, site: SiteOfTests, gateway: Gateway, settings: ObjectStore) -> None:
        self.site = site
        self.gateway = gateway
        self.settings = settings
        self.store = S3Store(settings)

    def published(self) -> Wheel:
        wheel = Wheel(version=f"1.{next(_numbers)}")
        with self.site.here():
            self.site.admit(wheel, who="ada", origin="test")
        return wheel

    def fetched(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return int(json.loads((self.site.shelf / "state" / COUNTERS).read_text()).get("fetched", 0))
        return 0


class Host:
    """The place as one test sees it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.site, self.gateway, self.store = place.site, place.gateway, place.store
        self.wheel = place.published()
        self.content = self.wheel.build()
        self.path = f"packages/acme-tools/{self.wheel.filename}"
        self.key = blob(hashlib.sha256(self.content).hexdigest())
        self._fetched_before = place.fetched()

    def ask(self, path: str | None = None, headers: dict[str, str] | None = None, method: str = "GET") -> Answer:
        """By default for the wheel."""
        return self.gateway.ask(f"/{path or self.path}", {**ADA, **(headers or {})}, method)

    def upload(self, wheel: Wheel) -> Answer:
        body = multipart({":action": "file_upload", "protocol_version": "1"}, wheel.filename, wheel.build())
        return self.gateway.ask("/", {**ADA, "Content-Type": MULTIPART}, "POST", body)

    def forget(self, path: str | None = None) -> Path:
        """The host has no copy any more."""
        copy = self.site.shelf / (path or self.path)
        copy.unlink()
        return copy

    def fetched(self) -> int:
        """How often that was during this test."""
        return self._place.fetched() - self._fetched_before

    def overwrite(self, content: bytes) -> None:
        """Have the store give other bytes, as a broken disk does."""
        obstore.put(self.store._objects, self.key, content, mode="overwrite")


@pytest.fixture(scope="module")
def place(seaweed_server: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(dir=in_memory()) as directory:
        site = SiteOfTests(Path(directory, "site"))
        settings = seaweed_server.settings()
        seaweed.write(settings, site.root / "config")
        (site.root / "config/htpasswd").write_text(f"ada:{hashed()}\neve:{hashed()}\n")
        (site.root / "config/read-rights").write_text("restricted acme-secret-*\nreads ada acme-secret-*\n")
        site.configure(publishes={"ada": ["acme-*"]})
        nginx_place = tmp_path_factory.mktemp("gateway") / "nginx"
        gateway = Gateway(site, nginx_place, pypi_index_store={"bucket": "wheelhouse"})
        with Program(site).running(), gateway.running():
            yield Place(site, gateway, settings)


@pytest.fixture
def host(place: Place) -> Host:
    """With one published wheel."""
    return Host(place)


def test_what_was_published_here_is_here(host: Host) -> None:
    assert host.ask().body == host.content
    assert host.fetched() == 0
    another = Wheel(version="2.1")
    assert host.upload(another).status == 200
    assert host.ask(f"packages/acme-tools/{another.filename}").body == another.build()
    assert host.ask(f"packages/acme-tools/{another.filename}.metadata").status == 200
    assert host.fetched() == 0
    assert host.store.head(blob(hashlib.sha256(another.build()).hexdigest()))


def test_what_is_not_here_is_fetched_and_kept(host: Host) -> None:
    before = host.ask()
    copy = host.forget()
    after = host.ask()
    assert (after.status, after.body) == (200, host.content)
    told = ("Content-Type", "Cache-Control", "Last-Modified", "ETag", "Content-Length", "X-Content-Type-Options")
    assert [after.headers.get(name) for name in told] == [before.headers.get(name) for name in told]
    assert copy.read_bytes() == host.content and copy.stat().st_mode & 0o777 == 0o644
    assert host.ask().status == 200 and host.fetched() == 1
    assert not list(host.site.shelf.glob("locks/fetch-*"))


@pytest.mark.parametrize(
    ("method", "headers", "status", "length"),
    [
        ("HEAD", {}, 200, 0),
        ("GET", {"Range": "bytes=0-9"}, 206, 10),
    ],
)
def test_every_kind_of_question(host: Host, method: str, headers: dict[str, str], status: int, length: int) -> None:
    host.forget()
    answer = host.ask(None, headers, method)
    assert (answer.status, len(answer.body)) == (status, length)
    assert host.fetched() == 1


def test_whoever_has_it_is_told_so(host: Host) -> None:
    before = host.ask()
    host.forget()
    answer = host.ask(None, {"If-None-Match": before.headers["ETag"]})
    assert (answer.status, answer.body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "packages/%61cme-tools/{}",
        "packages//acme-tools/./{}",
        "packages/x/../acme-tools/{}",
        "packages/acme-tools/{}?x=y",
    ],
)
def test_every_spelling_of_its_path(host: Host, path: str) -> None:
    host.forget()
    assert host.ask(path.format(host.wheel.filename)).body == host.content


def test_metadata(host: Host) -> None:
    content = host.forget(f"{host.path}.metadata")
    answer = host.ask(f"{host.path}.metadata")
    assert answer.status == 200 and b"Name: acme_tools" in answer.body and content.read_bytes() == answer.body


def test_what_is_nowhere_is_not_here(host: Host) -> None:
    nowhere = f"{host.path}.asc", "packages/no/no-1.0.tar.gz", "packages/acme-tools/x"
    [sentence] = {host.ask(path).body for path in nowhere}
    assert sentence.startswith(b"There is nothing of this name on ")
    assert {host.ask(path).status for path in (*nowhere, "packages/a/b/c")} == {404}


def test_many_ask_and_it_is_fetched_once(host: Host) -> None:
    content = bytes(range(256)) * 2**14
    wheel = Wheel(version="2.0", members={"acme_tools/data": content})
    assert host.upload(wheel).status == 200
    path = f"packages/acme-tools/{wheel.filename}"
    host.forget(path)

    def ask(_: int) -> bytes:
        return host.gateway.another().ask(f"/{path}", ADA).body

    with ThreadPoolExecutor(32) as threads:
        bodies = set(threads.map(ask, range(64)))
    assert bodies == {wheel.build()}
    assert host.fetched() == 1


def test_a_client_that_goes_away_stops_nothing(host: Host) -> None:
    copy = host.forget()
    with host.gateway.another().connected() as connection:
        login = ADA["Authorization"]
        connection.sendall(f"GET /{host.path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {login}\r\n\r\n".encode())
    wait(copy.exists)
    assert copy.read_bytes() == host.content


def test_a_store_that_is_away(host: Host, place: Place, seaweed_server: Seaweed) -> None:
    copy, here = host.forget(), Host(place)
    with seaweed_server.away():
        answers = [host.ask() for _ in range(2)]
        assert not copy.exists()
        wait(lambda: host.ask("health").status == 503)  # not at once
        assert (here.ask().body, here.ask("simple/acme-tools/").status) == (here.content, 200)
    for answer in answers:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert answer.body == b"The object store does not answer as it should: try again in a minute.\n"
    wait(lambda: host.ask().status == 200)
    assert copy.read_bytes() == host.content
    wait(lambda: host.ask("health").status == 200)


@pytest.mark.parametrize("kind", ["none", "cut short", "others"])
def test_wrong_bytes_are_never_served(host: Host, kind: str) -> None:
    copy = host.forget()
    wrong = {"none": b"", "cut short": host.content[:-1], "others": b"x" * len(host.content)}[kind]
    host.overwrite(wrong)
    answer = host.ask()
    assert (answer.status, wrong in answer.body and wrong != b"") == (502, False)
    assert b"are damaged in the index's store, or gone" in answer.body
    assert not copy.exists() and not list((host.site.shelf / "incoming").glob("tmp*"))


def test_an_object_that_is_gone(host: Host) -> None:
    host.forget()
    host.store.delete(host.key)
    assert host.ask().status == 502
    assert "run `wheelhouse reindex`" in (host.site.root / "program.log").read_text()


def test_what_was_removed_is_not_fetched(host: Host) -> None:
    with host.site.here():
        assert host.site.run("remove", "acme-tools", host.wheel.version, "--reason", "a leak").code == 0
    assert not (host.site.shelf / host.path).exists()
    assert host.ask().status == 404 and host.fetched() == 0


def test_what_is_restricted_is_hidden_here_or_not(host: Host) -> None:
    secret = Wheel(name="acme_secret_plans")
    assert host.upload(secret).status == 200
    path = f"packages/acme-secret-plans/{secret.filename}"
    nowhere = host.gateway.ask("/packages/acme-secret-tales/x-1.0.tar.gz", EVE)
    hidden = [host.gateway.ask(f"/{path}", EVE)]
    host.forget(path)
    hidden += [host.gateway.ask(f"/{path}", EVE), host.gateway.ask(f"/{path}.metadata", EVE)]
    assert {(one.status, one.body) for one in hidden} == {(404, nowhere.body)} and nowhere.status == 404
    assert host.fetched() == 0
    assert host.gateway.ask(f"/{path}", {}).status == 401
    assert host.ask(path).body == secret.build()
    assert host.gateway.ask(f"/{path}", EVE).body == nowhere.body


def test_conda_packages_also_withheld_ones(host: Host) -> None:
    package = CondaPackage()
    path = f"conda/conda-forge/{package.subdir}/{package.filename}"
    with host.site.here():
        host.site.admit_package(package)
        with host.site.index() as index:
            assert index.withhold("conda-forge", {f"{package.subdir}/{package.filename}": "a finding"}, "ada")
    content = host.forget(path)
    assert host.ask(path).status == 200 and content.exists() and host.fetched() == 1


def wait(condition: Callable[[], bool], seconds: float = 300) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.2)  # the gateway answers no more than ten questions a second for its health

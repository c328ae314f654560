"""Files that are published and not on this host: the gateway has them fetched from the object store, a real one."""

import contextlib
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
WHEEL = Wheel()
PATH = f"packages/acme-tools/{WHEEL.filename}"


@pytest.fixture
def server(seaweed_server: Seaweed) -> Seaweed:
    return seaweed_server


class Host:
    """A gateway and its program, and what they have."""

    def __init__(self, site: SiteOfTests, gateway: Gateway, settings: ObjectStore) -> None:
        self.site = site
        self.gateway = gateway
        self.settings = settings
        self.store = S3Store(settings)

    def ask(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Answer:
        return self.gateway.ask(f"/{path}", {**ADA, **(headers or {})}, method)

    def upload(self, wheel: Wheel) -> Answer:
        body = multipart({":action": "file_upload", "protocol_version": "1"}, wheel.filename, wheel.build())
        return self.gateway.ask("/", {**ADA, "Content-Type": MULTIPART}, "POST", body)

    def forget(self, path: str = PATH) -> Path:
        """The host has no copy any more."""
        copy = self.site.shelf / path
        copy.unlink()
        return copy

    def fetched(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return int(json.loads((self.site.shelf / "state" / COUNTERS).read_text()).get("fetched", 0))
        return 0

    def overwrite(self, content: bytes, with_: bytes) -> None:
        """Have the store give other bytes, as a broken disk does."""
        key = blob(hashlib.sha256(content).hexdigest())
        obstore.put(self.store._objects, key, with_, mode="overwrite")


@pytest.fixture
def host(server: Seaweed, tmp_path: Path) -> Iterator[Host]:
    """With one published wheel."""
    with tempfile.TemporaryDirectory(dir=in_memory()) as directory:
        site = SiteOfTests(Path(directory))
        settings = server.settings()
        seaweed.write(settings, site.root / "config")
        (site.root / "config/htpasswd").write_text(f"ada:{hashed()}\neve:{hashed()}\n")
        (site.root / "config/read-rights").write_text("restricted acme-secret-*\nreads ada acme-secret-*\n")
        site.configure(publishes={"ada": ["acme-*"]})
        with site.here():
            site.admit(WHEEL, who="ada", origin="test")
        gateway = Gateway(site, tmp_path / "nginx", pypi_index_store={"bucket": "wheelhouse"})
        with Program(site).running(), gateway.running():
            yield Host(site, gateway, settings)


def test_what_was_published_here_is_here(host: Host) -> None:
    assert host.ask(PATH).body == WHEEL.build()
    assert host.fetched() == 0
    another = Wheel(version="1.1")
    assert host.upload(another).status == 200
    assert host.ask(f"packages/acme-tools/{another.filename}").body == another.build()
    assert host.ask(f"packages/acme-tools/{another.filename}.metadata").status == 200
    assert host.fetched() == 0
    assert host.store.head(blob(hashlib.sha256(another.build()).hexdigest()))


def test_what_is_not_here_is_fetched_and_kept(host: Host) -> None:
    before = host.ask(PATH)
    copy = host.forget()
    after = host.ask(PATH)
    assert (after.status, after.body) == (200, WHEEL.build())
    told = ("Content-Type", "Cache-Control", "Last-Modified", "ETag", "Content-Length", "X-Content-Type-Options")
    assert [after.headers.get(name) for name in told] == [before.headers.get(name) for name in told]
    assert copy.read_bytes() == WHEEL.build() and copy.stat().st_mode & 0o777 == 0o644
    assert host.ask(PATH).status == 200 and host.fetched() == 1
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
    answer = host.ask(PATH, headers, method)
    assert (answer.status, len(answer.body)) == (status, length)
    assert host.fetched() == 1


def test_whoever_has_it_is_told_so(host: Host) -> None:
    before = host.ask(PATH)
    host.forget()
    answer = host.ask(PATH, {"If-None-Match": before.headers["ETag"]})
    assert (answer.status, answer.body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        f"packages/%61cme-tools/{WHEEL.filename}",
        f"packages//acme-tools/./{WHEEL.filename}",
        f"packages/x/../acme-tools/{WHEEL.filename}",
        f"{PATH}?x=y",
    ],
)
def test_every_spelling_of_its_path(host: Host, path: str) -> None:
    host.forget()
    assert host.ask(path).body == WHEEL.build()


def test_metadata(host: Host) -> None:
    content = host.forget(f"{PATH}.metadata")
    answer = host.ask(f"{PATH}.metadata")
    assert answer.status == 200 and b"Name: acme_tools" in answer.body and content.read_bytes() == answer.body


def test_what_is_nowhere_is_not_here(host: Host) -> None:
    answers = {host.ask(path).body for path in (f"{PATH}.asc", "packages/no/no-1.0.tar.gz", "packages/acme-tools/x")}
    [sentence] = answers
    assert sentence.startswith(b"There is nothing of this name on ")
    assert {host.ask(path).status for path in (f"{PATH}.asc", "packages/no/no-1.0.tar.gz", "packages/a/b/c")} == {404}


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
        connection.sendall(f"GET /{PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {login}\r\n\r\n".encode())
    wait(copy.exists)
    assert copy.read_bytes() == WHEEL.build()


def test_a_store_that_is_away(host: Host, server: Seaweed) -> None:
    copy = host.forget()
    with server.away():
        answers = [host.ask(PATH) for _ in range(2)]
        assert not copy.exists()
    for answer in answers:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert answer.body == b"The object store does not answer as it should: try again in a minute.\n"
    wait(lambda: host.ask(PATH).status == 200)
    assert copy.read_bytes() == WHEEL.build()


@pytest.mark.parametrize("wrong", [b"", WHEEL.build()[:-1], b"x" * len(WHEEL.build())])
def test_wrong_bytes_are_never_served(host: Host, wrong: bytes) -> None:
    copy = host.forget()
    host.overwrite(WHEEL.build(), wrong)
    answer = host.ask(PATH)
    assert (answer.status, wrong in answer.body and wrong != b"") == (502, False)
    assert b"are damaged in the index's store, or gone" in answer.body
    assert not copy.exists() and not list((host.site.shelf / "incoming").glob("tmp*"))


def test_an_object_that_is_gone(host: Host) -> None:
    host.forget()
    host.store.delete(blob(hashlib.sha256(WHEEL.build()).hexdigest()))
    assert host.ask(PATH).status == 502
    assert "run `wheelhouse reindex`" in (host.site.root / "program.log").read_text()


def test_what_was_removed_is_not_fetched(host: Host) -> None:
    with host.site.here():
        assert host.site.run("remove", "acme-tools", "1.0", "--reason", "a leak").code == 0
    assert not (host.site.shelf / PATH).exists()
    assert host.ask(PATH).status == 404 and host.fetched() == 0


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


def test_the_store_away_for_long_is_unhealthy(host: Host, server: Seaweed) -> None:
    assert host.ask("health").status == 200
    with server.away():
        wait(lambda: host.ask("health").status == 503)
        assert host.ask(PATH).status == 200  # what is here is served
        assert host.ask("simple/acme-tools/").status == 200
    wait(lambda: host.ask("health").status == 200)


def wait(condition: Callable[[], bool], seconds: float = 300) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.2)  # the gateway answers no more than ten questions a second for its health

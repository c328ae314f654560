"""Fetching from the object store, a real one, without the gateway: what is kept or refused, and what makes room."""

import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest
from wheelhouse.errors import Busy, Damaged, Full, NotFound
from wheelhouse.index.fetching import COUNTERS, Fetcher
from wheelhouse.index.opening import open_index
from wheelhouse.store import s3
from wheelhouse.store.base import blob
from wheelhouse.store.counters import Counters
from wheelhouse.store.partial_site import PartialSite
from wheelhouse.store.s3 import S3Store
from wheelhouse.store.staging import Staging

from . import seaweed
from .conda_samples import CondaPackage
from .samples import Wheel
from .seaweed import Seaweed
from .sites import SiteOfTests

WHEEL, PACKAGE = Wheel(), CondaPackage()
PATH = f"packages/acme-tools/{WHEEL.filename}"
CONDA_PATH = f"conda/conda-forge/noarch/{PACKAGE.filename}"


@pytest.fixture
def server(seaweed_server: Seaweed) -> Seaweed:
    return seaweed_server


class Host:
    """A shelf whose bytes a server keeps, with a wheel and a conda package of which there are no copies."""

    def __init__(self, site: SiteOfTests) -> None:
        self.site = site
        with site.here():
            site.admit(WHEEL, who="ada", origin="test")
            site.admit_package(PACKAGE)
            self.index = open_index(site.shelf)
        assert isinstance(self.index.site, PartialSite) and isinstance(self.index.store, S3Store)
        self.tree, self.store = self.index.site, self.index.store
        self.fetcher = Fetcher(self.index, self.index.site)
        for path in (PATH, f"{PATH}.metadata", CONDA_PATH):
            self.copy(path).unlink()  # what was published here was placed here

    def keeping(self, most: int) -> Fetcher:
        """With so many bytes for copies."""
        self.tree.most = most
        return Fetcher(self.index, self.tree)

    def copy(self, path: str = PATH) -> Path:
        return self.site.shelf / path

    def counted(self, name: str) -> float:
        return Counters(self.site.shelf / "state" / COUNTERS).read().get(name, 0)

    def nothing_is_left(self) -> bool:
        left = [path for path in (self.site.shelf / "incoming").iterdir() if path.is_file()]
        return not left and not list(self.site.shelf.glob("locks/fetch-*"))


@pytest.fixture
def host(server: Seaweed, tmp_path: Path) -> Iterator[Host]:
    site = SiteOfTests(tmp_path / "site")
    seaweed.write(server.settings(), site.root / "config")
    host = Host(site)
    yield host
    host.index.database.close()


def test_what_is_published_is_fetched(host: Host) -> None:
    for path in (PATH, f"{PATH}.metadata", CONDA_PATH):
        host.fetcher.fetch(path)
    assert host.copy().read_bytes() == WHEEL.build() and host.copy(CONDA_PATH).read_bytes() == PACKAGE.build_it()
    assert b"Name: acme_tools" in host.copy(f"{PATH}.metadata").read_bytes()
    assert (host.counted("fetched"), host.nothing_is_left()) == (3, True)
    assert time.time() - host.copy().stat().st_atime < 600  # used just now, whenever it was published
    host.fetcher.fetch(PATH)
    assert host.counted("fetched") == 3


@pytest.mark.parametrize("path", ["packages/acme-tools/x", "packages/x", "conda/a/b/c", "simple/acme-tools", ""])
def test_what_is_not_published_is_not(host: Host, path: str) -> None:
    with pytest.raises(NotFound):
        host.fetcher.fetch(path)


def test_many_at_once(host: Host) -> None:
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(host.fetcher.fetch, [PATH] * 32))
    assert host.copy().read_bytes() == WHEEL.build() and host.counted("fetched") == 1


@pytest.mark.parametrize("wrong", [b"", WHEEL.build()[:-1], WHEEL.build() + b"x", b"x" * len(WHEEL.build()), None])
def test_what_is_wrong_there_is_not_kept(host: Host, wrong: bytes | None) -> None:
    key = blob(hashlib.sha256(WHEEL.build()).hexdigest())
    if wrong is None:
        host.store.delete(key)
    else:
        obstore.put(host.store._objects, key, wrong, mode="overwrite")
    with pytest.raises(Damaged, match=r"are damaged in the index's store, or gone\.$"):
        host.fetcher.fetch(PATH)
    assert not host.copy().exists() and host.nothing_is_left() and host.counted("damaged") == 1


def test_what_is_removed_while_it_is_fetched_is_not_kept(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Staging.receive

    def removed_meanwhile(self: Staging, *given: object, **more: object) -> object:
        host.index.remove("acme-tools", "1.0", "a leak", "ada")
        return whole(self, *given, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Staging, "receive", removed_meanwhile)
    with pytest.raises(NotFound):
        host.fetcher.fetch(PATH)
    assert not host.copy().exists() and host.nothing_is_left()


def test_the_server_is_away(host: Host, server: Seaweed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "RETRIED_FOR", 1)
    with server.away(), pytest.raises(Busy):
        host.fetcher.fetch(PATH)
    assert not host.copy().exists() and host.nothing_is_left()
    host.fetcher.fetch(PATH)


def test_a_full_disk_makes_room_for_what_is_asked_for(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.fetcher.fetch(CONDA_PATH)
    os.utime(host.copy(CONDA_PATH), (1, 1_600_000_000))
    taken = len(WHEEL.build()) - 1

    def room(self: Staging) -> int:
        return taken + (0 if host.copy(CONDA_PATH).exists() else len(PACKAGE.build_it()))

    monkeypatch.setattr(Staging, "room", room)
    host.fetcher.fetch(PATH)
    assert host.copy().exists() and not host.copy(CONDA_PATH).exists()


def test_a_disk_without_room_says_so(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Staging, "room", lambda self: 10)
    with pytest.raises(Full, match=r"^There is no room for this file on the disk of the index host\.$"):
        host.fetcher.fetch(PATH)
    assert not host.copy().exists() and host.nothing_is_left()


def test_copies_are_tended(host: Host) -> None:
    host.fetcher.fetch(PATH)
    host.fetcher.fetch(CONDA_PATH)
    os.utime(host.copy(CONDA_PATH), (1, 1_600_000_000))
    host.keeping(100_000).tend()
    assert host.copy().exists() and host.copy(CONDA_PATH).exists() and host.counted("files") >= 2
    host.keeping(1).tend()
    assert not host.copy().exists() and host.counted("removed") == 2
    assert (host.site.shelf / "conda/conda-forge/noarch/repodata.json").exists()
    host.fetcher.fetch(PATH)


def test_what_the_server_has_lost_is_not_removed_here(host: Host) -> None:
    host.fetcher.fetch(PATH)
    host.index.note_missing("acme-tools", {WHEEL.filename: True})
    host.keeping(1).tend()
    assert host.copy().exists()


def test_reading_counts_as_use_by_the_log_of_the_gateway(host: Host) -> None:
    host.fetcher.fetch(PATH)
    os.utime(host.copy(), (1, 1_600_000_000))
    host.fetcher.note_used({PATH: 1_700_000_000.0, "../x": 5.0})
    assert (host.copy().stat().st_atime, host.copy().stat().st_mtime) == (1_700_000_000, 1_600_000_000)

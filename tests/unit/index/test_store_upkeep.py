"""What the object store has lost, and what it has that nobody names; on a real server."""

import contextlib
import hashlib
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from wheelhouse import store_upkeep
from wheelhouse.index.dropbox import Drop, Report
from wheelhouse.index.opening import open_index
from wheelhouse.store.base import blob
from wheelhouse.store.s3 import S3Store
from wheelhouse.store_settings import ObjectStore
from wheelhouse.store_upkeep import StoreUpkeep

from . import seaweed
from .conda_samples import CondaPackage
from .samples import Wheel
from .seaweed import Seaweed
from .sites import SiteOfTests

WHEELS = [Wheel(version=f"1.{number}") for number in range(5)]
PACKAGE = CondaPackage()


@pytest.fixture
def server(seaweed_server: Seaweed) -> Seaweed:
    return seaweed_server


class Shelf:
    """A site whose bytes a server keeps, with a few files."""

    def __init__(self, site: SiteOfTests, settings: ObjectStore) -> None:
        self.site = site
        self.store = S3Store(settings)
        self.told: list[str] = []
        with site.here():
            self.index = open_index(site.shelf)
            for wheel in WHEELS:
                site.admit(wheel, who="ada", origin="test")
            site.admit_package(PACKAGE)

    def upkeep(self) -> StoreUpkeep:
        return StoreUpkeep(Drop(self.index, "housekeeping", Report(self.told.append)))

    def key(self, wheel: Wheel) -> str:
        return blob(hashlib.sha256(wheel.build()).hexdigest())

    def copy(self, wheel: Wheel) -> Path:
        return self.site.shelf / "packages/acme-tools" / wheel.filename

    def lose(self, wheel: Wheel, *, also_here: bool) -> None:
        self.store.delete(self.key(wheel))
        if also_here:
            self.copy(wheel).unlink()

    def listed(self) -> set[str]:
        return set(self.site.listed())

    def stray(self, content: bytes = b"nobody's") -> str:
        key = blob(hashlib.sha256(content).hexdigest())
        obstore.put(self.store._objects, key, content)
        return key


@pytest.fixture
def shelf(server: Seaweed, tmp_path: Path) -> Iterator[Shelf]:
    site, settings = SiteOfTests(tmp_path / "site"), server.settings()
    seaweed.write(settings, site.root / "config")
    shelf = Shelf(site, settings)
    yield shelf
    shelf.index.database.close()


@pytest.fixture
def a_day_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_upkeep, "_EVERY", timedelta(seconds=-5))


def names(*wheels: Wheel) -> set[str]:
    return {wheel.filename for wheel in wheels}


def test_nothing_is_wrong(shelf: Shelf) -> None:
    before = [stat.key for stat in shelf.store.list("blobs/")]
    assert shelf.upkeep().compare() == 0 and shelf.told == []
    assert [stat.key for stat in shelf.store.list("blobs/")] == before and shelf.listed() == names(*WHEELS)


@pytest.mark.usefixtures("a_day_is_short")
def test_what_nobody_names_goes_and_nothing_else(shelf: Shelf) -> None:
    before = {stat.key for stat in shelf.store.list("blobs/")}
    strays = {shelf.stray(f"{number}".encode()) for number in range(60)}
    assert shelf.upkeep().compare() == 60
    assert {stat.key for stat in shelf.store.list("blobs/")} == before and not strays & before


def test_what_was_stored_today_may_be_somebodys_soon(shelf: Shelf) -> None:
    stray = shelf.stray()
    assert shelf.upkeep().compare() == 0 and shelf.store.head(stray)


@pytest.mark.usefixtures("a_day_is_short")
def test_who_publishes_what_is_swept_meanwhile_has_it(shelf: Shelf) -> None:
    """Between the moment at which bytes are stored and that at which a row names them, another gateway sweeps."""
    wheel = Wheel(version="9.0")
    with contextlib.ExitStack() as stack:
        copy = stack.enter_context(shelf.index.staging.receive(io.BytesIO(wheel.build())))
        sha256 = hashlib.sha256(wheel.build()).hexdigest()
        keep = stack.enter_context(shelf.index._storing({sha256: copy}))
        assert shelf.upkeep().compare() == 1 and shelf.store.head(blob(sha256)) is None
        keep()
        assert shelf.store.head(blob(sha256))


def test_what_is_lost_is_put_back_from_a_copy(shelf: Shelf) -> None:
    shelf.lose(WHEELS[1], also_here=False)
    shelf.upkeep().compare()
    assert shelf.store.head(shelf.key(WHEELS[1])) and shelf.listed() == names(*WHEELS)
    assert shelf.told == [f"{WHEELS[1].filename} of acme-tools was restored."]


def test_what_is_lost_without_a_copy_is_listed_no_more_until_one_comes(shelf: Shelf) -> None:
    content = shelf.copy(WHEELS[1]).read_bytes()
    shelf.lose(WHEELS[1], also_here=True)
    shelf.upkeep().compare()
    assert shelf.told == [f"{WHEELS[1].filename} of acme-tools was published and is not on the shelf any more."]
    assert shelf.listed() == names(*WHEELS) - names(WHEELS[1])
    shelf.upkeep().put_back()
    assert shelf.listed() == names(*WHEELS) - names(WHEELS[1])
    shelf.copy(WHEELS[1]).write_bytes(content)  # as on another gateway
    shelf.upkeep().put_back()
    assert shelf.listed() == names(*WHEELS) and shelf.store.head(shelf.key(WHEELS[1]))


def test_what_was_cut_short_is_as_good_as_lost(shelf: Shelf) -> None:
    obstore.put(shelf.store._objects, shelf.key(WHEELS[2]), b"short", mode="overwrite")
    shelf.upkeep().compare()
    with shelf.store.open(shelf.key(WHEELS[2])) as stream:
        assert stream.read() == WHEELS[2].build()


def test_of_a_channel(shelf: Shelf) -> None:
    key = blob(hashlib.sha256(PACKAGE.build_it()).hexdigest())
    shelf.store.delete(key)
    shelf.upkeep().compare()
    assert shelf.store.head(key) and f"noarch/{PACKAGE.filename}" in shelf.site.packages()


def test_once_a_day_and_by_one_of_all_gateways(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    monkeypatch.setattr(StoreUpkeep, "compare", lambda self: compared.append(1) or 0)
    with shelf.index.database.alone("store comparison"):
        shelf.upkeep().daily()
    assert compared == []
    shelf.upkeep().daily()
    shelf.upkeep().daily()
    assert compared == [1]


def test_reindex_and_verify_want_no_copies(shelf: Shelf) -> None:
    for wheel in WHEELS:
        shelf.copy(wheel).unlink()
    (shelf.site.shelf / "conda/conda-forge/noarch" / PACKAGE.filename).unlink()
    for command in (["reindex", "--new"], ["reindex"], ["reindex", "acme-tools"], ["verify"]):
        said = shelf.site.run(*command)
        assert (said.code, "restored" in said.text) == (0, False), said.text
    assert shelf.listed() == names(*WHEELS) and f"noarch/{PACKAGE.filename}" in shelf.site.packages()
    assert not list(shelf.site.shelf.glob("packages/*/*.whl"))


def test_verify_says_what_is_wrong_there(shelf: Shelf) -> None:
    shelf.copy(WHEELS[0]).unlink()
    obstore.put(shelf.store._objects, shelf.key(WHEELS[0]), WHEELS[1].build(), mode="overwrite")
    said = shelf.site.run("verify")
    assert said.code == 1 and f"{WHEELS[0].filename} of acme-tools" in said.text


def test_what_is_copied_in_is_published(shelf: Shelf) -> None:
    wheel = Wheel(version="7.0")
    (shelf.site.shelf / "drop" / wheel.filename).write_bytes(wheel.build())
    assert shelf.site.run("reindex").code == 0
    assert wheel.filename in shelf.listed() and shelf.store.head(shelf.key(wheel))


def test_what_is_removed_goes_from_the_server(shelf: Shelf) -> None:
    assert shelf.site.run("remove", "acme-tools", "1.3", "--reason", "a leak").code == 0
    assert shelf.store.head(shelf.key(WHEELS[3])) is None and not shelf.copy(WHEELS[3]).exists()
    assert shelf.store.head(shelf.key(WHEELS[2]))


def test_what_is_there_again_is_listed_again(shelf: Shelf) -> None:
    """As an administrator restored it."""
    shelf.lose(WHEELS[1], also_here=True)
    shelf.upkeep().compare()
    assert shelf.listed() == names(*WHEELS) - names(WHEELS[1])
    obstore.put(shelf.store._objects, shelf.key(WHEELS[1]), WHEELS[1].build())
    shelf.upkeep().compare()
    assert shelf.listed() == names(*WHEELS)


def test_another_store_is_no_loss(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_upkeep, "_MANY", 4)
    strays = [shelf.stray()]
    for stat in list(shelf.store.list("blobs/")):
        if stat.key not in strays:
            shelf.store.delete(stat.key)
    monkeypatch.setattr(store_upkeep, "_EVERY", timedelta(seconds=-5))
    assert shelf.upkeep().compare() == 0
    assert shelf.told == [
        "The object store lacks 11 of 11 files, and nothing was changed: does pypi_index_store name the bucket and the"
        " prefix that the index has always had?"
    ]
    assert shelf.listed() == names(*WHEELS) and shelf.store.head(strays[0])

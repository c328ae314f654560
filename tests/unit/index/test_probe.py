"""`wheelhouse probe-store`: a server that can be used, one that overwrites, and what becomes of the answer."""

import contextlib
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
from wheelhouse.errors import Busy
from wheelhouse.store import probe, s3
from wheelhouse.store.s3 import S3Store
from wheelhouse.store_settings import ObjectStore

from . import seaweed
from .relay import Relay
from .seaweed import Seaweed, free_port
from .sites import SiteOfTests

SMALL = 2**20
"""Of the large object, where it is not what a test is about."""
OVERWRITES = "It overwrites an object that it was to create only if there is none (`If-None-Match: *`)."


@pytest.fixture
def server(seaweed_server: Seaweed) -> Seaweed:
    return seaweed_server


@pytest.fixture
def settings(server: Seaweed) -> ObjectStore:
    return server.settings()


def left(settings: ObjectStore) -> list[str]:
    return [stat.key for stat in S3Store(settings).list("")]


def test_a_server_that_can_be_used(settings: ObjectStore, tmp_path: Path) -> None:
    outcome = probe.probe(S3Store(settings), tmp_path)
    assert outcome.faults == [] and outcome.seconds.keys() == {"create", "race", "large", "delete"}
    assert left(settings) == []


def test_one_that_overwrites(tmp_path: Path) -> None:
    """It checks no signatures, so that a proxy can take the condition away."""
    with seaweed.server(has_keys=False) as careless, Relay(careless.port).running() as relay:
        relay.replaced = {b"if-none-match": b"x-none-match"}
        settings = careless.settings(endpoint=f"http://127.0.0.1:{relay.port}")
        outcome = probe.probe(S3Store(settings), tmp_path, SMALL)
        assert outcome.faults == [
            OVERWRITES,
            "Of 8 who created one object at the same moment, it told 8 that they did.",
        ]
        assert left(settings) == []


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("rclone"), reason="rclone is not installed")
def test_rclone_overwrites(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "wheelhouse").mkdir()
    command = ["rclone", "serve", "s3", str(tmp_path), "--addr", f"127.0.0.1:{port}", "--auth-key", "key,secret"]
    process = subprocess.Popen(command)
    try:
        given = {"access_key": "key", "secret_key": "secret", "cache_size": 1, "bucket": "wheelhouse"}
        store = S3Store(ObjectStore(endpoint=f"http://127.0.0.1:{port}", **given))  # type: ignore[arg-type]
        give_up = time.monotonic() + 30
        while True:
            with contextlib.suppress(Busy):
                store.head("x")
                break
            assert time.monotonic() < give_up
        assert OVERWRITES in probe.probe(store, tmp_path, SMALL).faults
    finally:
        process.kill()
        process.wait()


def test_one_that_takes_no_large_object(
    server: Seaweed, settings: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(s3, "RETRIED_FOR", 1)
    with Relay(server.port).running() as relay:
        relay.most = 8 * 2**20
        through = msgspec.structs.replace(settings, endpoint=f"http://127.0.0.1:{relay.port}")
        assert probe.probe(S3Store(through), tmp_path, 16 * 2**20).faults == [
            "It does not take an object of 16 MiB in one request."
        ]
    assert left(settings) == []


@seaweed.ON_A_DISK
def test_without_a_store_there_is_nothing_to_probe(tmp_path: Path) -> None:
    said = SiteOfTests(tmp_path / "site").run("probe-store")
    sentence = "wheelhouse: There is no object store: set pypi_index_store, and run site.yml.\n"
    assert (said.code, said.text) == (1, sentence)


def test_the_command(tmp_path: Path, settings: ObjectStore) -> None:
    site = SiteOfTests(tmp_path / "site")
    seaweed.write(settings, site.root / "config")
    said = site.run("probe-store")
    assert said.code == 0 and [line.partition(":")[0] for line in said.text.splitlines()] == [
        "create",
        "race",
        "large",
        "delete",
    ]


def test_a_bucket_that_is_not_ours(tmp_path: Path, settings: ObjectStore) -> None:
    site = SiteOfTests(tmp_path / "site")
    seaweed.write(msgspec.structs.replace(settings, bucket="nowhere"), site.root / "config")
    said = site.run("probe-store")
    sentence = f"wheelhouse: The object store refuses the keys of this index: check {settings.endpoint}/nowhere/"
    assert said.code == 1 and sentence in said.text


def test_housekeeping_probes_once_a_day_and_metrics_say_so(tmp_path: Path, settings: ObjectStore) -> None:
    site = SiteOfTests(tmp_path / "site")
    seaweed.write(settings, site.root / "config")
    assert "wheelhouse_store_faults" not in site.run("metrics").text
    assert site.run("housekeeping").code == 0
    metrics = site.run("metrics").text
    assert "wheelhouse_store_faults 0" in metrics and "wheelhouse_store_probed_timestamp_seconds 1" in metrics
    probed = (site.shelf / "state/store-probes.json").read_text()
    assert site.run("housekeeping").code == 0
    assert (site.shelf / "state/store-probes.json").read_text() == probed

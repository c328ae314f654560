"""An object store: SeaweedFS with its S3 gateway on 127.0.0.1, thrown away afterwards. Each test has its own prefix."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wheelhouse.store_settings import ObjectStore

WEED = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
ACCESS_KEY, SECRET_KEY = "wheelhouse-test", "s3-secret-of-a-test"
BUCKET = "wheelhouse"
CACHE = 2**30
SERVER = "WHEELHOUSE_TEST_STORE"
"""The address of a server in which tests are to have the bytes of packages instead of a directory."""
ON_A_DISK = pytest.mark.skipif(SERVER in os.environ, reason="a server keeps the bytes: see test_store_upkeep")
"""Of tests of what the store is, where that is a directory: bytes that are served and those that are kept are one."""
_START = 300.0
"""Seconds after which it is given up."""


_given_out: set[int] = set()
"""Ports that this process has chosen, whether or not somebody listens there yet."""


class Seaweed:
    """The server."""

    def __init__(self, root: Path, *, has_keys: bool) -> None:
        self.root = root
        self._has_keys = has_keys
        self.port = free_port()
        self._filer = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **changes: Any) -> ObjectStore:
        """With a prefix that nobody else has."""
        return ObjectStore(**{**_given(self.endpoint), **changes})

    def start(self, *, is_full: bool = False) -> None:
        """Start it, with what it has; returns when it answers. One that is full takes no more bytes."""
        assert WEED
        command = [WEED, "server", f"-dir={self.root}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
        command += [f"-master.port={free_port()}", f"-volume.port={free_port()}", f"-filer.port={self._filer}"]
        command += [f"-s3.port={self.port}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=100"]
        command += [f"-s3.config={self._identities()}"] if self._has_keys else []
        command += ["-master.volumeSizeLimitMB=64", "-master.telemetry=false"]
        command += ["-volume.minFreeSpace=1000000GiB"] if is_full else []
        with (self.root / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        give_up = time.monotonic() + _START
        while not (self._make_bucket() and self._has_room() is not is_full and self._answers()):
            assert time.monotonic() < give_up and self._process.poll() is None, (self.root / "log").read_text()[-5000:]
            time.sleep(0.1)

    def stop(self) -> None:
        """As a crash does."""
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGKILL)
        if self._process:
            self._process.wait(_START)

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """It is down for the block."""
        self.stop()
        yield
        self.start()

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """It has no room for the block."""
        self.stop()
        self.start(is_full=True)
        yield
        self.stop()
        self.start()

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """It takes connections for the block, and says nothing."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _identities(self) -> Path:
        path = self.root / "identities.json"
        known = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
        actions = ["Read", "List", "Write"]  # an administrator would make buckets by writing to them
        path.write_text(json.dumps({"identities": [{"name": "test", "credentials": [known], "actions": actions}]}))
        return path

    def _make_bucket(self) -> bool:
        return self._ask(self._filer, "POST", f"/buckets/{BUCKET}/") in (200, 201, 409)

    def _has_room(self) -> bool:
        """Whether its volumes are there, also those from before a crash."""
        return self._ask(self._filer, "PUT", "/there", b"x") in (200, 201)

    def _answers(self) -> bool:
        return self._ask(self.port, "GET", f"/{BUCKET}") == (403 if self._has_keys else 200)

    def _ask(self, port: int, method: str, path: str, body: bytes | None = None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request(method, path, body)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


def _given(endpoint: str) -> dict[str, Any]:
    return {
        "endpoint": endpoint,
        "bucket": BUCKET,
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "cache_size": CACHE,
        "prefix": f"test/{uuid.uuid4().hex}",
    }


def of_this_run() -> ObjectStore | None:
    """A prefix of its own in the server that tests are to use; None if they have a directory."""
    endpoint = os.environ.get(SERVER)
    return ObjectStore(**_given(endpoint)) if endpoint else None


def configure(directory: Path, settings: ObjectStore | None) -> None:
    """Have the program of a configuration directory use a store; None is for a directory."""
    if settings:
        write(settings, directory)


@contextlib.contextmanager
def server(*, has_keys: bool = True) -> Iterator[Seaweed]:
    """Without keys, everybody may do everything."""
    with tempfile.TemporaryDirectory() as root:
        seaweed = Seaweed(Path(root), has_keys=has_keys)
        try:
            seaweed.start()
            yield seaweed
        finally:
            seaweed.stop()


def write(settings: ObjectStore, directory: Path) -> None:
    """Have the program of a configuration directory use a store."""
    known = {name: getattr(settings, name) for name in settings.__struct_fields__ if name != "ca"}
    path = directory / "store.json"
    path.write_text(json.dumps(known))
    path.chmod(0o640)
    if settings.ca:
        (directory / "store-ca.pem").write_bytes(settings.ca)


def free_port() -> int:
    """One that nobody uses, and neither the one 10000 above it, which SeaweedFS takes as well."""
    while True:
        with socket.socket() as probe, socket.socket() as above:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            both = {port, port + 10_000}
            if port < 2**16 - 10_000 and not both & _given_out:
                with contextlib.suppress(OSError):
                    above.bind(("127.0.0.1", port + 10_000))
                    _given_out.update(both)
                    return port

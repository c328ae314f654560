"""What enrolled hosts fetch from the gateway and report to it, without a login, and what nobody gets there."""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from memory import in_memory
from wheelhouse.index.heartbeats import NAMESPACE, SIGNERS

from .nginx import IS_THERE, Gateway, Program
from .sites import SiteOfTests

pytestmark = pytest.mark.skipif(not IS_THERE, reason="nginx with Lua is not installed")
DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def site() -> Iterator[SiteOfTests]:
    with tempfile.TemporaryDirectory(dir=in_memory()) as directory:
        site = SiteOfTests(Path(directory, "site"))
        site.configure()
        files = site.root / "fleet/files"
        files.mkdir(parents=True)
        (site.root / "fleet/release").write_text('{"release": 1}')
        (files / DIGEST).write_bytes(b"encrypted")
        (site.root / "secret").write_text("secret")
        (files / "cd").symlink_to(site.root / "secret")
        with Program(site).running():
            yield site


@pytest.fixture
def gateway(site: SiteOfTests, tmp_path: Path) -> Iterator[Gateway]:
    with Gateway(site, tmp_path / "gateway").running() as gateway:
        yield gateway


def test_hosts_need_no_login(gateway: Gateway) -> None:
    release = gateway.ask("/fleet/release")
    assert (release.status, release.body) == (200, b'{"release": 1}')
    assert release.headers["Cache-Control"] == "no-store" and release.headers["Content-Type"] == "application/json"
    file = gateway.ask(f"/fleet/files/{DIGEST}")
    assert (file.status, file.body) == (200, b"encrypted")
    assert "immutable" in file.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path",
    [
        "/fleet/",
        "/fleet/files/",
        "/fleet/files",
        "/fleet/files/..%2f..%2fconfig/config.json",
        "/fleet/files/%2e%2e/%2e%2e/secret",
        f"/fleet/files/{DIGEST}/",
        f"/fleet/files/{DIGEST}.gz",
        "/fleet/files/cd",
        "/fleet/release/x",
        "/fleet/heartbeat",
    ],
)
def test_nothing_else_is_shown(gateway: Gateway, path: str) -> None:
    answer = gateway.ask(path)
    assert answer.status in (401, 403, 404), path


def test_reports_arrive_and_others_are_refused(gateway: Gateway, site: SiteOfTests, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = key.with_name("key.pub").read_text()
    (site.root / "config" / SIGNERS).write_text(f'ws-ada namespaces="{NAMESPACE}" {public}')
    beat = {"name": "ws-ada", "sequence": 1, "before": 0, "number": 1, "version": "1", "outcome": "ok", "problems": []}
    text = json.dumps(beat)
    sign = ["ssh-keygen", "-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key)]
    proof = subprocess.run(sign, input=text.encode(), capture_output=True, check=True).stdout.decode()
    body = json.dumps({"heartbeat": text, "signature": proof}).encode()
    assert gateway.ask("/fleet/heartbeat", {}, "POST", body).status == 200
    assert gateway.ask("/fleet/heartbeat", {}, "POST", body).status == 409
    forged = body.replace(b'\\"number\\": 1', b'\\"number\\": 2')
    assert forged != body and gateway.ask("/fleet/heartbeat", {}, "POST", forged).status == 403
    assert gateway.ask("/fleet/heartbeat", {}, "POST", b"x" * 20_000).status == 413
    foreign = {"Origin": "https://evil.example"}
    assert gateway.ask("/fleet/heartbeat", foreign, "POST", body).status == 403
    assert gateway.ask("/fleet/release", {}, "POST", b"x").status == 405

"""Reports of enrolled hosts: none can be made for another host, or twice, and the last one of each is kept."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wheelhouse import cli
from wheelhouse.index.heartbeats import MAX_SIZE, NAMESPACE, SIGNERS

from .samples import Client

BEAT = {
    "name": "ws-ada",
    "sequence": 10,
    "before": 0,
    "number": 1000,
    "version": "0.1.0",
    "outcome": "ok",
    "problems": [],
}


class Hosts:
    """Enrolled hosts, with their keys."""

    def __init__(self, directory: Path, config: Path, client: Client) -> None:
        self.directory = directory
        self.config = config
        self.client = client
        for name in ("ws-ada", "ws-leo"):
            self.enroll(name)

    def enroll(self, name: str) -> None:
        key = self.directory / name
        for path in (key, key.with_name(f"{name}.pub")):
            path.unlink(missing_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        self.write()

    def write(self) -> None:
        lines = [f'{path.stem} namespaces="{NAMESPACE}" {path.read_text()}' for path in self.directory.glob("ws-*.pub")]
        (self.config / SIGNERS).write_text("".join(lines))

    def signed(self, text: str, signer: str, namespace: str = NAMESPACE) -> bytes:
        command = ["ssh-keygen", "-Y", "sign", "-q", "-n", namespace, "-f", str(self.directory / signer)]
        done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
        return json.dumps({"heartbeat": text, "signature": done.stdout.decode()}).encode()

    def send(self, signer: str = "ws-ada", namespace: str = NAMESPACE, **changes: object) -> Any:
        text = json.dumps(BEAT | {"name": signer} | changes)
        return self.post(self.signed(text, signer, namespace))

    def post(self, body: bytes) -> Any:
        return self.client.send("POST", "/fleet/heartbeat", body, CONTENT_TYPE="application/json")


@pytest.fixture
def hosts(tmp_path: Path, config: Path, client: Client) -> Hosts:
    directory = tmp_path / "hosts"
    directory.mkdir()
    return Hosts(directory, config, client)


@pytest.fixture
def known(hosts: Hosts, capsys: pytest.CaptureFixture[str]) -> Callable[[], dict[str, Any]]:
    """What `wheelhouse status` says of them."""

    def ask() -> dict[str, Any]:
        capsys.readouterr()
        assert cli.main(["status"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)["heartbeats"]
        return found

    return ask


def test_the_last_report_of_each_host_is_kept(hosts: Hosts, known: Callable[[], dict[str, Any]]) -> None:
    assert known() == {}
    assert hosts.send().status == 200
    assert hosts.send("ws-leo", outcome="failed", problems=["a", "b"]).status == 200
    assert hosts.send(sequence=11, before=10, number=1001).status == 200
    found = known()
    assert (found["ws-ada"]["number"], found["ws-ada"]["outcome"], found["ws-ada"]["shared"]) == (1001, "ok", None)
    assert (found["ws-leo"]["outcome"], found["ws-leo"]["problems"]) == ("failed", ["a", "b"])
    assert found["ws-ada"]["seen"].endswith("Z")


def test_nobody_reports_for_another_host(hosts: Hosts, known: Callable[[], dict[str, Any]]) -> None:
    assert hosts.send("ws-leo", name="ws-ada").status == 403
    assert hosts.send("ws-leo", name="*").status == 403
    assert hosts.send("ws-leo", name="ws-*").status == 403
    assert hosts.send("ws-leo", name="").status == 403
    assert hosts.send("ws-ada", namespace="file").status == 403
    body = json.loads(hosts.signed(json.dumps(BEAT), "ws-ada"))
    body["heartbeat"] = body["heartbeat"].replace("1000", "9999")
    assert hosts.post(json.dumps(body).encode()).status == 403
    assert known() == {}


def test_a_report_counts_once(hosts: Hosts, known: Callable[[], dict[str, Any]]) -> None:
    first = hosts.signed(json.dumps(BEAT), "ws-ada")
    assert hosts.post(first).status == 200
    assert hosts.send(sequence=11, before=10, number=1001).status == 200
    assert hosts.post(first).status == 409
    assert known()["ws-ada"]["number"] == 1001 and known()["ws-ada"]["shared"] is None


def test_a_key_that_two_machines_have_is_noticed(hosts: Hosts, known: Callable[[], dict[str, Any]]) -> None:
    hosts.send(sequence=10, before=0)
    hosts.send(sequence=20, before=10)
    # a report that was lost on its way is none of another machine
    hosts.send(sequence=40, before=30)
    assert known()["ws-ada"]["shared"] is None
    hosts.send(sequence=50, before=20)
    assert known()["ws-ada"]["shared"]
    # a new key ends that
    hosts.enroll("ws-ada")
    assert hosts.send(sequence=5, before=0).status == 200
    assert known()["ws-ada"]["shared"] is None


def test_a_host_that_is_enrolled_no_more_is_refused(hosts: Hosts) -> None:
    (hosts.directory / "ws-ada.pub").rename(hosts.directory / "was-ada.pub")
    hosts.write()
    assert hosts.send().status == 403
    (hosts.config / SIGNERS).unlink()
    assert hosts.send("ws-leo").status == 404


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '"x"',
        json.dumps({**BEAT, "sequence": "1"}),
        json.dumps({**BEAT, "sequence": -1}),
        json.dumps({**BEAT, "number": 2**70}),
        json.dumps({**BEAT, "outcome": "great"}),
        json.dumps({**BEAT, "problems": "x"}),
        json.dumps({**BEAT, "problems": [1]}),
        "[" * 5000,
    ],
)
def test_what_is_no_report(hosts: Hosts, text: str) -> None:
    assert hosts.post(hosts.signed(text, "ws-ada")).status == 400
    assert hosts.post(text.encode()).status == 400


def test_what_is_long_is_cut(hosts: Hosts, known: Callable[[], dict[str, Any]]) -> None:
    hosts.send(problems=["x" * 1000] * 8, version="v" * 1000)
    found = known()["ws-ada"]
    assert [len(problem) for problem in found["problems"]] == [300] * 5 and len(found["version"]) == 300
    assert hosts.post(b"x" * (MAX_SIZE + 1)).status == 413


def test_it_is_sent_by_post_alone(hosts: Hosts) -> None:
    assert hosts.client.send("GET", "/fleet/heartbeat").status == 404
    assert hosts.client.send("PUT", "/fleet/heartbeat", b"{}").status == 405

"""`wheelhouse-pull`: which releases a host takes, what it does with them, what it reports. With real keys and age."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils import fleet_release
from host_programs import install

pytestmark = pytest.mark.skipif(not shutil.which("age"), reason="age is not installed")

# stands in for ansible-playbook: notes what it is asked, and the inventory that it gets
ANSIBLE = """\
#!/bin/sh
printf '%s\\n' "$*" >>{directory}/asked
{program} --list >{directory}/inventory
cat {directory}/says 2>/dev/null || true
exit $(cat {directory}/exit 2>/dev/null || echo 0)
"""
SECRET = "S3ntinel{{ of ada"


class Server(ThreadingHTTPServer):
    """An index: serves what is in `files`, and keeps what is sent to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.heartbeats: list[dict[str, Any]] = []
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(200 if content is not None else 404)
        self.end_headers()
        self.wfile.write(content or b"There is nothing of this name.\n")

    def do_POST(self) -> None:
        self.server.heartbeats.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def make_key(path: Path, name: str = "x") -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return path.with_name(f"{path.name}.pub").read_text().strip()


def packed(*members: tuple[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as writer:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            writer.addfile(member, io.BytesIO(content))
    return archive.getvalue()


class Office:
    """A controller's key, an index, and one enrolled host with the program."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.signer = make_key(directory / "release-key")
        self.index = Server()
        self.collections = packed(("ansible_collections/wheelhouse/onboarding/galaxy.yml", b"version: 0.1.0\n"))
        (directory / "config").mkdir()
        self.program = self._program()
        (directory / "config/signers").write_text(f"wheelhouse-release {self.signer}\n")
        self.key = self.program.public_key("ws-ada")
        settings = {"name": "ws-ada", "index_url": self.index.url}
        (directory / "config/settings.json").write_text(json.dumps(settings))
        self.say()

    def _program(self) -> ModuleType:
        path = install("fleet/files/wheelhouse-pull", self.directory)
        text = path.read_text()
        for name, place in (("CONFIG", "config"), ("STATE", "state")):
            original = {"CONFIG": "/etc/wheelhouse/fleet", "STATE": "/var/lib/wheelhouse/fleet"}[name]
            assert text.count(f'{name} = Path("{original}")') == 1
            text = text.replace(f'Path("{original}")', f'Path("{self.directory / place}")')
        path.write_text(text)
        path.chmod(0o755)
        loader = SourceFileLoader("wheelhouse_pull", str(path))
        spec = spec_from_loader(loader.name, loader)
        assert spec
        module = module_from_spec(spec)
        loader.exec_module(module)
        module.RUNS = str(self.directory / "runs")  # type: ignore[attr-defined]
        module.ANSIBLE = str(self.directory / "ansible-playbook")  # type: ignore[attr-defined]
        return module

    def say(self, text: str = "", code: int = 0) -> None:
        """What Ansible says from now on."""
        ansible = self.directory / "ansible-playbook"
        ansible.write_text(ANSIBLE.format(directory=self.directory, program=self.directory / "wheelhouse-pull"))
        ansible.chmod(0o755)
        (self.directory / "says").write_text(text)
        (self.directory / "exit").write_text(str(code))

    def publish(self, number: int = 1000, *, share: int = 100, key: str | None = None, **more: Any) -> dict[str, Any]:
        """Offer a release with something for this host."""
        public = self.key if key is None else key
        content = {"inventory": {"all": {"vars": {"password": SECRET}}}, "files": {"wheelhouse_ca_bundle": "PEM"}}
        mine = fleet_release.encrypted(content, public)
        release = {
            "format": 1,
            "number": number,
            "version": "0.1.0",
            "share": share,
            "canaries": [],
            "collections": self._file(self.collections),
            "hosts": {fleet_release.key_id(public): self._file(mine)},
            **more,
        }
        self.offer(release)
        return release

    def offer(self, release: dict[str, Any], signer: str = "release-key") -> None:
        line = (self.directory / f"{signer}.pub").read_text().strip()
        envelope = fleet_release.signed(release, str(self.directory / signer), [line])
        self.index.files["/fleet/release"] = envelope.encode()

    def _file(self, content: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        self.index.files[f"/fleet/files/{digest}"] = content
        return {"sha256": digest, "size": len(content)}

    def pull(self) -> int:
        return int(self.program.main([]))

    def runs(self) -> int:
        """How often Ansible ran."""
        asked = self.directory / "asked"
        return len(asked.read_text().splitlines()) if asked.exists() else 0

    def number(self) -> int:
        return int(self.program.read_state()["number"])

    def reported(self) -> dict[str, Any]:
        """The last heartbeat, as the host signed it."""
        sent = self.index.heartbeats[-1]
        allowed, proof = self.directory / "allowed", self.directory / "proof"
        allowed.write_text(f'ws-ada namespaces="wheelhouse-heartbeat" {self.key}\n')
        proof.write_text(sent["signature"])
        command = ["ssh-keygen", "-Y", "verify", "-n", "wheelhouse-heartbeat", "-I", "ws-ada", "-f", str(allowed)]
        subprocess.run([*command, "-s", str(proof)], input=sent["heartbeat"].encode(), check=True, capture_output=True)
        found: dict[str, Any] = json.loads(sent["heartbeat"])
        return found

    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / "runs/pull.json").read_text())
        return found


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    yield made
    made.index.shutdown()
    made.index.server_close()


def test_a_release_is_applied_once_and_reported_each_time(office: Office) -> None:
    office.publish(1000)
    assert office.pull() == 0 and office.runs() == 1
    asked = (office.directory / "asked").read_text()
    assert "--limit ws-ada" in asked and "playbooks/site.yml" in asked and "playbooks/parts/fleet.yml" in asked
    first = office.reported()
    assert (first["name"], first["number"], first["outcome"], first["problems"]) == ("ws-ada", 1000, "ok", [])
    assert office.record()["outcome"] == "ok" and office.record()["facts"] == {"number": 1000, "version": "0.1.0"}
    fetched = len(office.index.asked)
    assert office.pull() == 0 and office.runs() == 1
    assert len(office.index.asked) == fetched + 1, "only the release itself is asked for"
    second = office.reported()
    assert second["sequence"] > first["sequence"] == second["before"]


def test_the_inventory_is_decrypted_for_ansible_alone(office: Office) -> None:
    office.publish()
    assert office.pull() == 0
    variables = json.loads((office.directory / "inventory").read_text())["all"]["vars"]
    assert variables["password"] == {"__ansible_unsafe": SECRET}
    assert Path(variables["wheelhouse_ca_bundle"]).read_text() == "PEM"
    for path in (office.directory / "state").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_a_release_is_applied_again_after_a_day(office: Office) -> None:
    office.publish()
    office.pull()
    state = office.program.read_state()
    office.program.write_state({**state, "applied": time.time() - 86_401})
    assert office.pull() == 0 and office.runs() == 2
    # a clock that was put back
    office.program.write_state({**office.program.read_state(), "applied": time.time() + 86_400})
    assert office.pull() == 0 and office.runs() == 3


def test_an_older_release_is_refused(office: Office) -> None:
    old = office.publish(1000)
    office.publish(1001)
    office.pull()
    office.offer(old)
    assert office.pull() == 1 and office.number() == 1001
    assert "an older one is refused" in office.record()["problems"][0]
    assert office.reported()["outcome"] == "failed"


def test_another_release_with_the_same_number_is_refused(office: Office) -> None:
    release = office.publish(1000, share=0, canaries=[fleet_release.key_id(office.key)])
    assert office.pull() == 0
    office.offer({**release, "share": 100})
    assert office.pull() == 0, "a later step of the same rollout"
    office.offer({**release, "version": "6.6.6"})
    assert office.pull() == 1 and "another release 1000" in office.record()["problems"][0]


def test_what_none_of_the_signers_signed_is_refused(office: Office) -> None:
    release = office.publish(1000)
    make_key(office.directory / "stranger")
    office.offer(release, "stranger")
    assert office.pull() == 1 and office.number() == 0 and office.runs() == 0
    # nor does a signature of this key for something else count
    text = json.dumps(release)
    command = ["ssh-keygen", "-Y", "sign", "-n", "wheelhouse-heartbeat", "-f", str(office.directory / "release-key")]
    proof = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout.decode()
    office.index.files["/fleet/release"] = json.dumps({"release": text, "signature": proof}).encode()
    assert office.pull() == 1 and office.number() == 0
    envelope = json.loads(office.index.files["/fleet/release"])
    office.publish(1000)
    good = json.loads(office.index.files["/fleet/release"])
    good["release"] = good["release"].replace('"number": 1000', '"number": 1001')
    office.index.files["/fleet/release"] = json.dumps(good).encode()
    assert office.pull() == 1 and office.number() == 0
    assert envelope
    for nonsense in (b"", b"[]", b'{"release": 1}', b"<html>"):
        office.index.files["/fleet/release"] = nonsense
        assert office.pull() == 1 and office.number() == 0


@pytest.mark.parametrize("damaged", ["collections", "host"])
def test_a_damaged_file_changes_nothing(office: Office, damaged: str) -> None:
    office.publish(999)
    office.pull()
    office.collections += b"\0"
    release = office.publish(1000)
    (mine,) = release["hosts"].values()
    file = release["collections"] if damaged == "collections" else mine
    path = f"/fleet/files/{file['sha256']}"
    content = office.index.files[path]
    office.index.files[path] = bytes([content[0] ^ 1]) + content[1:]
    assert office.pull() == 1 and office.number() == 999
    assert (office.directory / "state/current").readlink() == Path("release-999")
    office.index.files[path] = content
    assert office.pull() == 0 and office.number() == 1000
    assert sorted(path.name for path in (office.directory / "state").glob("release-*")) == ["release-1000"]


def test_a_rollout_comes_to_canaries_first(office: Office) -> None:
    identity = fleet_release.key_id(office.key)
    office.publish(1000, share=0)
    assert office.pull() == 0 and office.number() == 0 and office.runs() == 0
    assert office.reported()["number"] == 0
    office.publish(1000, share=0, canaries=[identity])
    assert office.pull() == 0 and office.number() == 1000


def test_what_is_for_another_host_is_of_no_use(office: Office) -> None:
    other = make_key(office.directory / "other")
    office.publish(1000, key=other)
    assert office.pull() == 1
    assert "has nothing for this machine" in office.record()["problems"][0]
    blob = next(content for content in office.index.files.values() if content.startswith(b"-----BEGIN AGE"))
    (office.directory / "blob").write_bytes(blob)
    with pytest.raises(office.program.Fault, match="cannot be decrypted"):
        office.program.opened(office.directory / "blob")


def test_a_run_that_fails_is_reported_without_ansibles_words(office: Office) -> None:
    office.publish(1000)
    office.say("TASK [Install python3-venv] ****\nfatal: [ws-ada]: FAILED! => msg: S3ntinel\n", code=2)
    assert office.pull() == 1 and office.number() == 1000
    report = office.reported()
    assert report["outcome"] == "failed" and "'Install python3-venv' failed" in report["problems"][0]
    assert "S3ntinel" not in json.dumps(report) + json.dumps(office.record())
    # it is tried again at each look, until it works
    office.say(code=2)
    assert office.pull() == 1 and office.runs() == 2
    office.say()
    assert office.pull() == 0 and office.runs() == 3 and office.reported()["outcome"] == "ok"


def test_without_the_index_the_host_is_looked_after(office: Office) -> None:
    office.publish()
    office.pull()
    office.program.write_state({**office.program.read_state(), "applied": 0})
    office.index.shutdown()
    office.index.server_close()
    assert office.pull() == 1 and office.runs() == 2
    assert "cannot be reached" in office.record()["problems"][0]


def test_a_host_with_another_name_gets_another_key(office: Office) -> None:
    office.publish()
    office.pull()
    assert office.program.public_key("ws-ada") == office.key
    assert (office.directory / "config/key").stat().st_mode & 0o777 == 0o600
    copied = office.program.public_key("ws-leo")
    assert copied.split()[1] != office.key.split()[1]
    assert office.number() == 0, "what its original had is not for it"


def test_an_archive_stays_inside(office: Office) -> None:
    for name in ("../evil", "/etc/evil", "a/../../evil"):
        with pytest.raises(office.program.Fault, match="no plain file"):
            office.program.unpack(io.BytesIO(packed((name, b"x"))), office.directory / f"to-{len(name)}")
    assert not (office.directory / "evil").exists()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as writer:
        link = tarfile.TarInfo("a")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        writer.addfile(link)
    archive.seek(0)
    with pytest.raises(office.program.Fault, match="no plain file"):
        office.program.unpack(archive, office.directory / "link")


def test_one_at_a_time(office: Office) -> None:
    office.publish()
    office.say("TASK [x] ***\n")
    ansible = office.directory / "ansible-playbook"
    ansible.write_text(f"#!/bin/sh\n{office.directory}/second\n")
    second = office.directory / "second"
    second.write_text(f"#!/bin/sh\n{office.directory}/wheelhouse-pull 2>{office.directory}/said\n")
    second.chmod(0o755)
    office.pull()
    assert "Another pull is under way" in (office.directory / "said").read_text()

"""Attestations of uploads: kept, served and shown as they came; a broken one refuses the upload."""

import base64
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from packaging.version import Version
from simple_repository.parser import parse_json_project_page
from wheelhouse.index import provenance
from wheelhouse.index.opening import open_index
from wheelhouse.web.app import application

from .attestations import SLSA, attestation, certificate
from .journal import journal
from .samples import PASSWORD, Client, Wheel
from .served import disagreements

WHEEL = Wheel()
NAME, CONTENT = WHEEL.filename, WHEEL.build()
PLACE = f"/integrity/acme-tools/1.0/{NAME}/provenance"
ADDRESS = f"https://packages.acme.example{PLACE}"


def send(client: Client, *attestations: Any, name: str = NAME, content: bytes = CONTENT) -> Any:
    return client.upload(name, content, attestations=json.dumps(list(attestations)))


def listed(root: Path, project: str = "acme-tools") -> dict[str, Any]:
    page = json.loads((root / "simple" / project / "index.json").read_text())
    return {file["filename"]: file for file in page["files"]}


def test_attestations_are_served_as_they_came(client: Client, root: Path) -> None:
    publish, slsa = attestation(NAME, CONTENT), attestation(NAME, CONTENT, SLSA)
    assert send(client, publish, slsa).status == 200
    assert listed(root)[NAME]["provenance"] == ADDRESS
    answer = client.send("GET", PLACE)
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/vnd.pypi.integrity.v1+json"
    served = json.loads(answer.content)
    assert served["version"] == 1
    [bundle] = served["attestation_bundles"]
    assert bundle["attestations"] == [publish, slsa]
    expected = {"kind": "GitHub", "claims": None, "repository": "acme/tools", "workflow": "release.yml"}
    assert bundle["publisher"] == expected | {"environment": None}
    assert disagreements(root) == []
    assert journal(root)[-1]["reason"] == "2 attestations"


def test_a_file_without_has_none(client: Client, root: Path) -> None:
    assert client.upload(NAME, CONTENT).status == 200
    assert "provenance" not in listed(root)[NAME]
    answer = client.send("GET", PLACE)
    assert answer.status == 404 and "No provenance available" in json.loads(answer.content)["message"]


def test_html_stays_as_it_was_frozen(client: Client, root: Path) -> None:
    send(client, attestation(NAME, CONTENT))
    page = (root / "simple/acme-tools/index.html").read_text()
    assert "provenance" not in page and 'content="1.1"' in page


def test_the_page_is_still_read(client: Client, root: Path) -> None:
    send(client, attestation(NAME, CONTENT))
    text = (root / "simple/acme-tools/index.json").read_text()
    page = parse_json_project_page(text)
    assert [file.filename for file in page.files] == [NAME] and page.versions == frozenset({"1.0"})
    assert Version(json.loads(text)["meta"]["api-version"]) >= Version("1.3")
    assert page.files[0].size == len(CONTENT)


def test_the_projects_page_says_who_attests(client: Client) -> None:
    send(client, attestation(NAME, CONTENT))
    page = client.send("GET", "/projects/acme-tools/").text
    assert f'<a href="{PLACE}">attested</a> by GitHub acme/tools (release.yml), as its provenance says' in page


def without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda one: one.pop(key)


def other_certificate(one: dict[str, Any]) -> None:
    stranger = certificate(ec.generate_private_key(ec.SECP256R1()))
    one["verification_material"]["certificate"] = base64.b64encode(stranger).decode()


def changed_statement(one: dict[str, Any]) -> None:
    said = base64.b64decode(one["envelope"]["statement"])
    one["envelope"]["statement"] = base64.b64encode(said.replace(b"null", b"true")).decode()


def no_log(one: dict[str, Any]) -> None:
    one["verification_material"]["transparency_entries"] = []


def no_base64(one: dict[str, Any]) -> None:
    one["envelope"]["signature"] = "not base64!"


SPOILT: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "version": (lambda one: one.update(version=2), "is of a version that this index does not know"),
    "no envelope": (without("envelope"), "is not as PEP 740 has it"),
    "no material": (without("verification_material"), "is not as PEP 740 has it"),
    "not logged": (no_log, "is not as PEP 740 has it"),
    "no base64": (no_base64, "is not as PEP 740 has it"),
    "another key": (other_certificate, "was not signed with the key of its certificate"),
    "changed": (changed_statement, "was not signed with the key of its certificate"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_broken_one_refuses_the_upload(client: Client, root: Path, how: str) -> None:
    spoil, sentence = SPOILT[how]
    one = attestation(NAME, CONTENT)
    spoil(one)
    answer = send(client, one)
    assert answer.status == 400 and f"Attestation 1 of {NAME} {sentence}" in answer.text
    assert not (root / "simple/acme-tools").exists()
    assert journal(root)[-1]["event"] == "refuse"


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            {"subject": [{"name": "acme_tools-2.0-py3-none-any.whl", "digest": {"sha256": "0" * 64}}]},
            "about another file",
        ),
        ({"subject": [{"name": NAME, "digest": {"sha256": "0" * 64}}]}, "a file of this name with another SHA-256"),
        ({"subject": []}, "about no file, or about several"),
        ({"subject": [{"name": "x", "digest": {}}]}, "about no file, or about several"),
        (
            {"predicateType": "https://example.org/any"},
            "says 'https://example.org/any', which this index does not know",
        ),
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "is not as PEP 740 has it"),
    ],
)
def test_one_that_is_not_about_the_file_refuses_it(client: Client, statement: dict[str, Any], sentence: str) -> None:
    answer = send(client, attestation(NAME, CONTENT, statement=statement))
    assert answer.status == 400 and sentence in answer.text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "are no JSON"),
        ("[" * 100_000, "are no JSON"),
        ("{}", "are no list"),
        ("[1]", "is not as PEP 740 has it"),
        ("[" + "null," * 8 + "null]", "has 9 attestations"),
        (" " * 2**18 + "[]", "are longer than 262144 characters"),
    ],
)
def test_what_are_no_attestations(client: Client, text: str, sentence: str) -> None:
    answer = client.upload(NAME, CONTENT, attestations=text)
    # blanks alone are none at all
    assert answer.status == 400 and sentence in answer.text


def test_two_of_a_kind(client: Client) -> None:
    answer = send(client, attestation(NAME, CONTENT), attestation(NAME, CONTENT))
    assert answer.status == 400 and "more than one attestation of the kind publish" in answer.text


def test_the_same_may_be_sent_again_and_others_may_not(client: Client, root: Path) -> None:
    one = attestation(NAME, CONTENT)
    assert client.upload(NAME, CONTENT).status == 200
    assert send(client, one).status == 200  # not lost because the file is known
    assert listed(root)[NAME]["provenance"] == ADDRESS
    assert send(client, one).status == 200
    answer = send(client, attestation(NAME, CONTENT))
    assert answer.status == 409 and "was published with other attestations" in answer.text
    assert client.upload(NAME, CONTENT).status == 200
    assert json.loads(client.send("GET", PLACE).content)["attestation_bundles"][0]["attestations"] == [one]


def test_pages_keep_it_through_what_comes_later(client: Client, root: Path) -> None:
    send(client, attestation(NAME, CONTENT))
    other = Wheel(version="2.0")
    assert client.upload(other.filename, other.build()).status == 200
    index = open_index(root)
    index.yank("acme-tools", "1.0", "broken", "it")
    assert listed(root)[NAME]["provenance"] == ADDRESS and listed(root)[NAME]["yanked"] == "broken"
    index.remove("acme-tools", "1.0", "secret", "it")
    assert client.send("GET", PLACE).status == 404


def test_another_spelling_of_the_project_is_led_on(client: Client) -> None:
    send(client, attestation(NAME, CONTENT))
    answer = client.send("GET", PLACE.replace("acme-tools", "Acme_Tools"))
    assert (answer.status, answer.headers["Location"]) == (301, PLACE)


def test_an_index_that_moves_names_its_new_address(client: Client, root: Path, configure: Callable[..., None]) -> None:
    send(client, attestation(NAME, CONTENT))
    configure(index_url="https://wheels.acme.example")
    moved = Client(application())
    assert listed(root)[NAME]["provenance"] == f"https://wheels.acme.example{PLACE}"
    assert moved.send("GET", PLACE).status == 200
    index = open_index(root)
    assert not provenance.readdress(index.database, "https://wheels.acme.example")


# --- uv, as it publishes


class Handler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


@contextmanager
def served(client: Client) -> Iterator[str]:
    with make_server("127.0.0.1", 0, client.application, Server, Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("spoil", [False, True])
def test_uv_publishes_with_attestations(client: Client, root: Path, tmp_path: Path, spoil: bool) -> None:
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / NAME).write_bytes(CONTENT)
    one = attestation(NAME, b"other" if spoil else CONTENT)
    (dist / f"{NAME}.publish.attestation").write_text(json.dumps(one))
    with served(client) as url:
        done = subprocess.run(
            ["uv", "publish", "--no-cache", "--publish-url", url, "--username", "ada", "dist/*"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "UV_PUBLISH_PASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    if spoil:
        assert done.returncode != 0 and "with another SHA-256" in " ".join(done.stderr.split())
        assert not (root / "simple/acme-tools").exists()
    else:
        assert done.returncode == 0, done.stderr
        assert json.loads(client.send("GET", PLACE).content)["attestation_bundles"][0]["attestations"] == [one]

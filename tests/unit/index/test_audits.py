"""Audits: uv and pip-audit, and whoever speaks as osv.dev has it, are answered from the advisories that are there."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from wheelhouse.index import advisories
from wheelhouse.web import audits

from .samples import Client


def advisory(directory: Path, identity: str, project: str = "idna", **changes: Any) -> None:
    affected = {
        "package": {"name": project, "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.7"}]}],
    }
    entry = {
        "id": identity,
        "modified": "2026-01-02T03:04:05Z",
        "schema_version": "1.7.0",
        "summary": "Slow encoding",
        "aliases": ["CVE-2026-1"],
        "affected": [affected],
        **changes,
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{identity}.json").write_text(json.dumps(entry))


@pytest.fixture
def osv(tmp_path: Path, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory, with two advisories; changes in it are seen at once."""
    monkeypatch.setattr(advisories, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(advisories, "LOOK_AGAIN", 0.0)
    configure(advisories=str(tmp_path / "osv"))
    advisory(tmp_path / "osv", "PYSEC-2026-1")
    advisory(tmp_path / "osv/more", "PYSEC-2026-2", "Other_Project")
    return tmp_path / "osv"


def release(name: str = "idna", version: str = "3.6", **more: Any) -> dict[str, Any]:
    return {"package": {"name": name, "ecosystem": "PyPI"}, "version": version, **more}


def post(client: Client, what: str, given: Any) -> tuple[int, Any]:
    body = given if isinstance(given, bytes) else json.dumps(given).encode()
    answer = client.send("POST", f"/osv/v1/{what}", body)
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status, json.loads(answer.content)


def batch(client: Client, *queries: Any) -> list[Any]:
    status, said = post(client, "querybatch", {"queries": queries})
    assert status == 200, said
    return list(said["results"])


SHORT = {"id": "PYSEC-2026-1", "modified": "2026-01-02T03:04:05Z"}


def test_a_batch_has_an_answer_for_each_question(osv: Path, client: Client) -> None:
    queries = [release(), release(version="3.7"), release("nothing-known", "1"), release("other.project", "1")]
    first, fixed, unknown, other = batch(client, *queries)
    assert first == {"vulns": [SHORT]}
    assert fixed == unknown == {}
    assert other["vulns"][0]["id"] == "PYSEC-2026-2"


def test_one_question_gets_all_that_is_known(osv: Path, client: Client) -> None:
    status, said = post(client, "query", release())
    assert status == 200
    assert [one["summary"] for one in said["vulns"]] == ["Slow encoding"]
    assert post(client, "query", release(version="3.7")) == (200, {})


@pytest.mark.parametrize(
    "asked",
    [
        {"package": {"purl": "pkg:pypi/idna@3.6"}},
        {"package": {"purl": "pkg:pypi/idna?file_name=x"}, "version": "3.6"},
        {"package": {"name": "IDNA", "ecosystem": "PyPI"}},  # of any version
    ],
)
def test_other_ways_to_name_a_release(osv: Path, client: Client, asked: dict[str, Any]) -> None:
    assert batch(client, asked) == [{"vulns": [SHORT]}]


def test_an_advisory_by_its_id(osv: Path, client: Client) -> None:
    advisory(osv, "PYSEC-2026-3", withdrawn="2026-02-01T00:00:00Z")
    answer = client.send("GET", "/osv/v1/vulns/PYSEC-2026-1")
    assert answer.status == 200 and json.loads(answer.content)["affected"][0]["package"]["name"] == "idna"
    assert client.send("GET", "/osv/v1/vulns/PYSEC-2026-3").status == 200
    missing = client.send("GET", "/osv/v1/vulns/more/PYSEC-2026-2")
    assert missing.status == 404 and json.loads(missing.content)["code"] == 5


def test_what_was_withdrawn_affects_nothing(osv: Path, client: Client) -> None:
    advisory(osv, "PYSEC-2026-1", withdrawn="2026-02-01T00:00:00Z")
    assert batch(client, release()) == [{}]


def test_an_advisory_about_two_projects_is_not_mixed_up(osv: Path, client: Client) -> None:
    both = [
        {"package": {"name": "one", "ecosystem": "PyPI"}, "versions": ["1.0"]},
        {"package": {"name": "two", "ecosystem": "PyPI"}, "versions": ["2.0"]},
        {"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]},
    ]
    advisory(osv, "PYSEC-2026-4", affected=both)
    answers = batch(client, release("one", "1.0"), release("one", "2.0"), release("two", "2.0"))
    assert [bool(one) for one in answers] == [True, False, True]


def test_files_that_come_change_and_go_are_seen(osv: Path, client: Client) -> None:
    assert batch(client, release())[0]
    advisory(osv, "PYSEC-2026-5")
    assert len(batch(client, release())[0]["vulns"]) == 2
    advisory(osv, "PYSEC-2026-5", "something-else")
    (osv / "PYSEC-2026-1.json").unlink()
    assert batch(client, release(), release("something-else")) == [{}, {"vulns": [{**SHORT, "id": "PYSEC-2026-5"}]}]


def test_many_advisories_come_in_pages(osv: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(10, 17):
        advisory(osv, f"PYSEC-2026-{number}")
    expected = {"PYSEC-2026-1", *(f"PYSEC-2026-{number}" for number in range(10, 17))}
    monkeypatch.setattr(audits, "PAGE", 3)
    pending: list[tuple[int, dict[str, Any]]] = [(0, release()), (1, release("other-project")), (2, release())]
    found: dict[int, list[str]] = {0: [], 1: [], 2: []}
    while pending:  # as uv does
        answers = batch(client, *(query for _, query in pending))
        assert sum(len(one.get("vulns", ())) for one in answers) in (1, 2, 3)
        following = []
        for (number, query), one in zip(pending, answers, strict=True):
            found[number] += [vuln["id"] for vuln in one.get("vulns", ())]
            if "next_page_token" in one:
                following.append((number, {**query, "page_token": one["next_page_token"]}))
        pending = following
    assert all(len(ids) == len(set(ids)) for ids in found.values())
    assert (set(found[0]), set(found[1]), set(found[2])) == (expected, {"PYSEC-2026-2"}, expected)
    status, said = post(client, "query", release())
    assert status == 200 and len(said["vulns"]) == 3 and said["next_page_token"]


@pytest.mark.parametrize(
    ("what", "given", "sentence"),
    [
        ("query", b"{", "This is no question as OSV has them"),
        ("query", b"[" * 100_000, "This is no question as OSV has them"),
        ("query", b"\xff", "This is no question as OSV has them"),
        ("query", {"package": "idna"}, "This is no question as OSV has them"),
        ("querybatch", release(), "This is no question as OSV has them"),
        ("query", {}, "about projects of PyPI alone, not of 'no ecosystem'"),
        ("query", {"commit": "6879efc2c1596d11a6a6ad296f80063b558d5e0f"}, "not about commits"),
        ("query", {"package": {"name": "lodash", "ecosystem": "npm"}}, "about projects of PyPI alone, not of 'npm'"),
        (
            "query",
            {"package": {"purl": "pkg:npm/lodash@1"}},
            "'pkg:npm/lodash@1' is not one such as pkg:pypi/idna@3.10",
        ),
        ("query", release("../secrets"), "'../secrets' is not the name of a Python project"),
        ("query", release(page_token="17"), "'17' is no page of this index"),
        ("querybatch", {"queries": [release(), release("")]}, "Query 2: '' is not the name of a Python project"),
        ("querybatch", {"queries": [release()] * 1001}, "There are 1001 queries in it; send at most 1000 at a time"),
    ],
)
def test_what_is_no_question_gets_a_sentence(osv: Path, client: Client, what: str, given: Any, sentence: str) -> None:
    status, said = post(client, what, given)
    assert status == 400 and said["code"] == 3
    assert sentence in said["message"]


def test_a_question_that_is_too_long(osv: Path, client: Client) -> None:
    status, said = post(client, "query", b" " * (audits.MAX_BODY + 1))
    assert status == 413 and "1048576 bytes" in said["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/osv/v1/query", 405),
        ("POST", "/osv/v1/vulns/PYSEC-2026-1", 405),
        ("GET", "/osv/", 404),
        ("GET", "/osv/v1/vulns/", 404),
        ("POST", "/osv/v2/query", 404),
    ],
)
def test_other_addresses(osv: Path, client: Client, method: str, path: str, status: int) -> None:
    assert client.send(method, path).status == status


def test_an_index_without_advisories_says_so(client: Client) -> None:
    status, said = post(client, "query", release())
    assert status == 404 and said["message"].endswith("having no advisories; to change that, ask it@acme.example.")


def break_one(osv: Path) -> None:
    (osv / "GHSA-1.json").write_text('{"id": "GHSA-1", "affected": [')


def take_all(osv: Path) -> None:
    for path in osv.rglob("*.json"):
        path.unlink()


def replace_it(osv: Path) -> None:
    take_all(osv)
    (osv / "more").rmdir()
    osv.rmdir()


def spoil_ranges(osv: Path) -> None:
    wrong = {
        "package": {"name": "nothing-known", "ecosystem": "PyPI"},
        "ranges": [{"type": "ECOSYSTEM", "events": [7]}],
    }
    advisory(osv, "PYSEC-2026-6", affected=[wrong])


def test_what_a_version_cannot_be_compared_with_is_no_answer(osv: Path, client: Client) -> None:
    spoil_ranges(osv)
    status, said = post(client, "query", release("nothing-known", "1"))
    assert status == 503 and "'PYSEC-2026-6' is no advisory as OSV writes them" in said["message"]


@pytest.mark.parametrize("spoil", [break_one, take_all, replace_it])
def test_nothing_is_called_safe_where_advisories_cannot_be_read(
    osv: Path, client: Client, spoil: Callable[[Path], None]
) -> None:
    assert batch(client, release())[0]
    spoil(osv)
    status, said = post(client, "query", release("nothing-known", "1"))
    assert status == 503 and said["message"].startswith("The advisories of this index cannot be read at present: ")
    assert client.send("GET", "/osv/v1/vulns/PYSEC-2026-1").status == 503


# --- the tools


class Handler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


@pytest.fixture
def address(osv: Path, client: Client) -> Iterator[str]:
    """Where the application answers over HTTP."""
    with make_server("127.0.0.1", 0, client.application, Server, Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run(tmp_path: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    return subprocess.run(
        command, cwd=tmp_path, env=known | environment, capture_output=True, text=True, timeout=120, check=False
    )


def pip_audit(tmp_path: Path, address: str, releases: str) -> subprocess.CompletedProcess[str]:
    """As workstations are set up."""
    (tmp_path / "requirements.txt").write_text(releases)
    return run(
        tmp_path,
        *(sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--no-deps", "-r", "requirements.txt"),
        PIP_AUDIT_VULNERABILITY_SERVICE="osv",
        PIP_AUDIT_OSV_URL=f"{address}/osv/v1/query",
    )


def test_pip_audit(address: str, tmp_path: Path) -> None:
    found = pip_audit(tmp_path, address, "idna==3.6\nother-thing==1\n")
    assert found.returncode == 1 and "Found 1 known vulnerability in 1 package" in found.stderr
    assert "PYSEC-2026-1" in found.stdout and "3.7" in found.stdout
    clean = pip_audit(tmp_path, address, "idna==3.7\n")
    assert clean.returncode == 0 and "No known vulnerabilities found" in clean.stderr


def test_pip_audit_fails_where_nothing_can_be_said(address: str, osv: Path, tmp_path: Path) -> None:
    break_one(osv)
    failed = pip_audit(tmp_path, address, "idna==3.7\n")
    assert failed.returncode != 0 and "No known" not in failed.stderr


LOCK = """version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "demo"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [{{ name = "idna" }}]

[package.metadata]
requires-dist = [{{ name = "idna" }}]

[[package]]
name = "idna"
version = "{version}"
source = {{ registry = "https://packages.acme.example/simple/" }}
sdist = {{ url = "https://packages.acme.example/packages/idna/idna-{version}.tar.gz", hash = "sha256:{zeros}" }}
"""


def uv_audit(tmp_path: Path, address: str, version: str) -> subprocess.CompletedProcess[str]:
    project = '[project]\nname = "demo"\nversion = "0.1.0"\nrequires-python = ">=3.11"\ndependencies = ["idna"]\n'
    (tmp_path / "pyproject.toml").write_text(project)
    (tmp_path / "uv.lock").write_text(LOCK.format(version=version, zeros="0" * 64))
    command = ["uv", "audit", "--frozen", "--no-cache", "--service-url", f"{address}/osv/"]
    return run(tmp_path, *command, "--preview-features", "audit-command")


def test_uv_audit(address: str, tmp_path: Path) -> None:
    found = uv_audit(tmp_path, address, "3.6")
    assert found.returncode == 1, found.stderr
    assert "PYSEC-2026-1" in found.stdout and "3.7" in found.stdout
    clean = uv_audit(tmp_path, address, "3.7")
    assert clean.returncode == 0, clean.stderr


def test_uv_audit_fails_where_nothing_can_be_said(address: str, osv: Path, tmp_path: Path) -> None:
    break_one(osv)
    assert uv_audit(tmp_path, address, "3.7").returncode not in (0, 1)

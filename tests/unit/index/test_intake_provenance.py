"""The provenance of public packages: fetched and kept, and missed where it was there before."""

import json
from pathlib import Path
from typing import Any

import pytest
from wheelhouse.web.app import application

from .attestations import attestation
from .intake import UNCHECKED, Office
from .public import PublicFile, days_ago
from .samples import Client


def document(*attestations: dict[str, Any]) -> bytes:
    bundle = {"publisher": {"kind": "GitHub", "repository": "a/b", "workflow": "c.yml"}, "attestations": attestations}
    return json.dumps({"version": 1, "attestation_bundles": [bundle]}).encode()


def attest(office: Office, file: PublicFile, body: bytes | None = None, status: int = 200) -> bytes:
    """Have the public index name provenance of a file."""
    path = f"/integrity/{file.name}/provenance"
    body = document(attestation(file.name, file.content)) if body is None else body
    file.says["provenance"] = f"{office.public.origin}{path}"
    office.public.provenance[path] = status, body
    return body


def findings(office: Office, release: str) -> list[dict[str, Any]]:
    return [one for one in office.report()["releases"][release]["findings"] if one["check"] == "provenance"]


def shelved(office: Office, file: PublicFile) -> dict[str, Any]:
    page = json.loads((office.shelf / "simple/alpha/index.json").read_text())
    return next(one for one in page["files"] if one["filename"] == file.name)


def test_provenance_is_kept_and_served(office: Office, environment: None) -> None:
    file = office.publish("alpha")
    body = attest(office, file)
    office.wants("alpha")
    assert office.run() == 0
    place = f"/integrity/alpha/1.0/{file.name}/provenance"
    assert shelved(office, file)["provenance"] == f"https://packages.acme.example{place}"
    answer = Client(application()).send("GET", place)
    assert answer.content == body
    assert findings(office, "alpha==1.0") == []
    assert office.run() == 0  # a second run fetches nothing, and finds nothing
    assert not [path for path in office.public.asked if path.startswith("/integrity/")]


def test_a_project_that_never_had_any_is_no_finding(office: Office) -> None:
    office.publish("alpha", "1.0")
    office.publish("alpha", "2.0")
    office.wants("alpha")
    assert office.run() == 0
    assert findings(office, "alpha==2.0") == []


def test_a_release_without_of_a_project_that_had_it_is_a_finding(office: Office) -> None:
    attest(office, office.publish("alpha", "1.0", uploaded=days_ago(100)))
    office.publish("alpha", "2.0", uploaded=days_ago(10))
    office.wants("alpha")
    assert office.run() == 0  # it warns
    [found] = findings(office, "alpha==2.0")
    assert found["evidence"].startswith("alpha-2.0-py3-none-any.whl has no provenance, and 1.0 has: it was published")


def test_it_blocks_where_the_policy_says_so(office: Office) -> None:
    attest(office, office.publish("alpha", "1.0", uploaded=days_ago(100)))
    file = office.publish("alpha", "2.0", uploaded=days_ago(10))
    office.wants("alpha==2.0", verdicts={**UNCHECKED, "provenance": "block"})
    assert office.run() == 1
    assert file.name not in office.shelved()


def test_provenance_that_began_later_is_no_finding(office: Office) -> None:
    attest(office, office.publish("alpha", "2.0", uploaded=days_ago(10)))
    office.publish("alpha", "1.0", uploaded=days_ago(100))
    office.wants("alpha==1.0")
    assert office.run() == 0
    assert findings(office, "alpha==1.0") == []


@pytest.mark.parametrize("what", ["another file", "nothing", "no form", "no publisher"])
def test_what_is_about_something_else_blocks(office: Office, what: str) -> None:
    file = office.publish("alpha")
    wrong = {
        "another file": document(attestation(file.name, b"other bytes")),
        "nothing": document(),
        "no form": b"<html>",
        "no publisher": document(attestation(file.name, file.content)).replace(
            b'"publisher": {', b'"publisher": "x", "o": {'
        ),
    }
    attest(office, file, wrong[what])
    office.wants("alpha")
    assert office.run() == 1
    assert office.shelved() == set()
    assert any("provenance" in problem or "ttestation" in problem for problem in office.last_run()["problems"])


def test_what_cannot_be_had_warns(office: Office) -> None:
    file = office.publish("alpha")
    attest(office, file, status=403)
    office.wants("alpha")
    assert office.run() == 0
    [found] = findings(office, "alpha==1.0")
    assert "cannot be had: it answers 403" in found["evidence"]
    assert "provenance" not in shelved(office, file)


def test_nobody_asks_where_the_check_is_off(office: Office) -> None:
    file = office.publish("alpha")
    attest(office, file, b"<html>")
    office.wants("alpha", verdicts={**UNCHECKED, "provenance": "off"})
    assert office.run() == 0
    assert not [path for path in office.public.asked if path.startswith("/integrity/")]


def test_an_address_that_is_less_safe_than_the_page_is_not_asked(tmp_path: Path) -> None:
    from wheelhouse.upstream.page import _parse, provenance_of  # noqa: PLC0415

    entry = {"filename": "alpha-1.0.tar.gz", "url": "alpha-1.0.tar.gz", "hashes": {"sha256": "0" * 64}, "size": 1}
    for url, expected in (
        ("https://b.example/p", "https://b.example/p"),
        ("http://b.example/p", None),
        ("/p", "https://a.example/p"),
        ("file:///etc/passwd", None),
        (7, None),
    ):
        page = {"meta": {"api-version": "1.3"}, "name": "alpha", "files": [{**entry, "provenance": url}]}
        text = json.dumps(page).encode()
        files = _parse(text, "application/vnd.pypi.simple.v1+json", "https://a.example/simple/alpha/", "alpha")
        assert provenance_of(files["alpha-1.0.tar.gz"]) == expected, url

"""Every upload that must be refused: with its status, a sentence that says why, and the shelf as it was."""

from pathlib import Path

import pytest

from .bad_uploads import CORPUS, GOOD, WHEEL, Bad
from .journal import journal
from .samples import MULTIPART, Client, Wheel, basic, multipart, snapshot


@pytest.fixture
def shelved(client: Client, root: Path) -> Path:
    """A shelf that holds something already."""
    wheel = Wheel("acme_shelved")
    assert client.upload(wheel.filename, wheel.build()).status == 200
    return root


def refusals(root: Path) -> list[dict[str, str]]:
    return journal(root, "refuse")


@pytest.mark.parametrize("bad", [pytest.param(bad, id=bad.id) for bad in CORPUS])
def test_refused(bad: Bad, client: Client, shelved: Path) -> None:
    content = bad.content if isinstance(bad.content, bytes) else bad.content()
    before = snapshot(shelved)
    answer = client.upload(bad.filename, content, bad.user, bad.password, **bad.fields)
    assert (answer.status, bad.says in answer.text) == (bad.status, True), answer
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.text.endswith(".\n") and answer.text.count("\n") == 1, "one sentence or more, on one line"
    assert answer.reason.isascii() and answer.reason[:40] == answer.text.strip()[:40]
    assert len(answer.reason) <= 300 and len(answer.text) <= 1000
    assert ("WWW-Authenticate" in answer.headers) == (answer.status == 401)
    assert snapshot(shelved) == before
    told = refusals(shelved)
    assert [(event["who"], event["reason"], event["origin"]) for event in told] == (
        [(bad.user, answer.text.strip(), "192.0.2.7")] if bad.journalled else []
    )


def test_corpus_is_large_enough() -> None:
    assert len({bad.id for bad in CORPUS}) == len(CORPUS) >= 40


FORM = {":action": "file_upload"}


@pytest.mark.parametrize(
    ("status", "says", "body", "environ"),
    [
        pytest.param(401, "needs a user name", multipart(FORM, WHEEL, GOOD), {"HTTP_AUTHORIZATION": ""}, id="nobody"),
        pytest.param(
            401, "needs a user name", multipart(FORM, WHEEL, GOOD), {"HTTP_AUTHORIZATION": "Basic %%"}, id="no-base64"
        ),
        pytest.param(
            401, "needs a user name", multipart(FORM, WHEEL, GOOD), {"HTTP_AUTHORIZATION": "Bearer x"}, id="token"
        ),
        pytest.param(
            400, "multipart/form-data", b"x=1", {"CONTENT_TYPE": "application/x-www-form-urlencoded"}, id="urlencoded"
        ),
        pytest.param(400, "multipart/form-data", GOOD, {"CONTENT_TYPE": "application/octet-stream"}, id="bare-file"),
        pytest.param(400, "multipart/form-data", b"", {"CONTENT_TYPE": ""}, id="no-content-type"),
        pytest.param(
            400,
            "cannot be read",
            multipart(FORM, WHEEL, GOOD),
            {"CONTENT_TYPE": "multipart/form-data"},
            id="no-boundary",
        ),
        pytest.param(
            400,
            "not an upload",
            multipart(FORM, WHEEL, GOOD),
            {"CONTENT_TYPE": "multipart/form-data; boundary=other"},
            id="other-boundary",
        ),
        pytest.param(400, "not an upload", b"", {}, id="empty-body"),
        pytest.param(400, "cut off", multipart(FORM, WHEEL, GOOD)[:700], {"CONTENT_LENGTH": "5000"}, id="cut-off"),
        pytest.param(411, "how long", multipart(FORM, WHEEL, GOOD), {"CONTENT_LENGTH": ""}, id="no-length"),
        pytest.param(
            413, "bigger than", multipart(FORM, WHEEL, GOOD), {"CONTENT_LENGTH": str(2**40)}, id="announced-too-big"
        ),
        pytest.param(400, "not an upload", multipart({}, WHEEL, GOOD), {}, id="no-action"),
        pytest.param(400, "not an upload", multipart({":action": "doc_upload"}, WHEEL, GOOD), {}, id="doc-upload"),
        pytest.param(400, "not an upload", multipart({":action": "submit"}, None, b""), {}, id="register"),
        pytest.param(
            400,
            "not an upload",
            multipart({":action": "remove_pkg", "name": "acme-shelved", "version": "1.0"}, None, b""),
            {},
            id="remove",
        ),
    ],
)
def test_not_an_upload(
    status: int, says: str, body: bytes, environ: dict[str, str], client: Client, shelved: Path
) -> None:
    before = snapshot(shelved)
    headers = {"CONTENT_TYPE": MULTIPART, "HTTP_AUTHORIZATION": basic("ada", "s3cret"), **environ}
    answer = client.send("POST", "/", body, **headers)
    assert (answer.status, says in answer.text) == (status, True), answer
    assert answer.text.endswith(".\n")
    assert snapshot(shelved) == before
    assert refusals(shelved) == []

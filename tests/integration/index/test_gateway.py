"""What nginx answers to well-behaved clients, to odd ones and to bad ones."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator

import pytest
from gateway import JSON, PAGE, Answer, Connection, Gateway
from index.samples import MULTIPART, Wheel
from shelf import PLACE, Shelf
from testinfra.host import Host

HTML = "text/html"
PIP = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
UV = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.fixture(scope="module", params=["root", "page", "file", "metadata", "front"])
def address(request: pytest.FixtureRequest, file: str) -> str:
    return {"root": "/simple/", "page": PAGE, "file": file, "metadata": f"{file}.metadata", "front": "/"}[request.param]


# --- who may read


def test_reading_takes_a_login(gateway: Gateway, address: str) -> None:
    assert gateway.ask(address).status == 200
    assert gateway.ask(address, login="leo").status == 200
    for login in (None, ("ada", "guess"), ("nobody", "guess"), ("", "")):
        answer = gateway.ask(address, login=login)
        assert answer.status == 401, login
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm="), login


@pytest.mark.parametrize("value", ["Basic", "Basic !!!", "Basic YWRh", "Bearer x", "Basic " + "A" * 6000, "Negotiate"])
def test_half_a_login_is_none(gateway: Gateway, value: str) -> None:
    assert gateway.ask(PAGE, login=None, headers={"Authorization": value}).status == 401


# --- what clients keep


def test_what_has_not_changed_is_not_sent_again(gateway: Gateway, address: str) -> None:
    if address == "/":
        pytest.skip("the front page is for people")
    first = gateway.ask(address)
    again = gateway.ask(address, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert gateway.ask(address, headers={"If-None-Match": '"other"'}).body == first.body


@pytest.mark.parametrize("encoding", [{}, {"Accept-Encoding": "gzip"}])
@pytest.mark.parametrize("accept", [JSON, HTML])
def test_a_page_that_changed_is_sent_again(gateway: Gateway, version: str, accept: str, encoding: dict) -> None:
    headers = {"Accept": accept, **encoding}
    part = f"{len(encoding)}{len(accept)}"
    first = Wheel("acme_changing", f"{version}.{part}.1")
    second = Wheel("acme_changing", f"{version}.{part}.2")
    assert gateway.upload(first.filename, first.build()).status == 200
    before = gateway.ask("/simple/acme-changing/", headers=headers)
    assert gateway.upload(second.filename, second.build()).status == 200
    after = gateway.ask("/simple/acme-changing/", headers=headers | {"If-None-Match": before.headers["ETag"]})
    assert after.status == 200 and second.filename in after.text and second.filename not in before.text


def test_pages_are_asked_about_each_time_and_files_never_again(gateway: Gateway, address: str, file: str) -> None:
    kept = gateway.ask(address).headers["Cache-Control"]
    if address.startswith(file):
        assert "immutable" in kept and "max-age=31536000" in kept
    else:
        assert "no-cache" in kept


@pytest.mark.parametrize(
    "path",
    [
        "/packages/six/six-1.0-py3-none-any.whl",
        "/conda/of-nobody/noarch/repodata.json",
        "/conda/internal/noarch/six-1.0-0.conda",
        "/nowhere",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_not_there_is_answered_with_whom_to_ask(gateway: Gateway, path: str, method: str) -> None:
    answer = gateway.ask(path, method)
    assert answer.status == 404 and answer.headers["Content-Type"].startswith("text/plain")
    assert ("ask it@acme.example" in answer.text) == (method == "GET")
    assert answer.headers["Cache-Control"] is None and answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_refusal_is_not_kept(gateway: Gateway, file: str) -> None:
    for answer in (gateway.ask(file, login=None), gateway.ask(file.replace("acme_gateway-", "acme_gateway-9"))):
        assert answer.status in (401, 404)
        assert "max-age" not in answer.headers.get("Cache-Control", "")


def test_a_part_of_a_file(gateway: Gateway, wheel: Wheel, file: str) -> None:
    whole = wheel.build()
    size = len(whole)
    for asked, begin, end in [
        ("bytes=0-9", 0, 9),
        ("bytes=100000-100999", 100_000, 100_999),
        (f"bytes={size - 5}-", size - 5, size - 1),
        ("bytes=-22", size - 22, size - 1),  # what uv asks for to read a wheel's directory
    ]:
        part = gateway.ask(file, headers={"Range": asked})
        assert part.status == 206
        assert part.headers["Content-Range"] == f"bytes {begin}-{end}/{size}"
        assert part.body == whole[begin : end + 1]
    assert gateway.ask(file, headers={"Range": f"bytes={size}-"}).status == 416
    other = gateway.ask(file, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (other.status, other.body) == (200, whole)


def test_a_file_is_what_was_uploaded(gateway: Gateway, wheel: Wheel, file: str) -> None:
    answer = gateway.ask(file, headers={"Accept-Encoding": "gzip, deflate"})
    assert (answer.status, answer.body) == (200, wheel.build())
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert "Content-Encoding" not in answer.headers
    assert answer.headers["Accept-Ranges"] == "bytes"


# --- the two formats


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        pytest.param(PIP, JSON, id="pip"),
        pytest.param(UV, JSON, id="uv"),
        pytest.param(JSON, JSON, id="json"),
        pytest.param("application/vnd.pypi.simple.latest+json", JSON, id="latest"),
        pytest.param(HTML, HTML, id="html"),
        pytest.param(BROWSER, HTML, id="browser"),
        pytest.param("*/*", HTML, id="any"),
        pytest.param(None, HTML, id="none"),
    ],
)
@pytest.mark.parametrize("page", ["/simple/", PAGE])
@pytest.mark.parametrize("encoding", ["gzip", None])
def test_each_client_gets_the_format_it_reads(
    gateway: Gateway, wheel: Wheel, page: str, accept: str | None, content_type: str, encoding: str | None
) -> None:
    headers = {"Accept": accept, "Accept-Encoding": encoding}
    answer = gateway.ask(page, headers={name: value for name, value in headers.items() if value})
    assert answer.status == 200
    assert answer.headers["Content-Type"].partition(";")[0] == content_type
    assert answer.headers.get("Content-Encoding") == encoding
    assert "accept" in answer.vary
    assert (wheel.filename if page == PAGE else "acme-gateway") in answer.text
    if content_type == JSON:
        assert answer.json["meta"]["api-version"] == "1.4"
    else:
        assert answer.text.startswith("<!DOCTYPE html>")


def test_a_packed_page_is_kept_apart_from_a_plain_one(gateway: Gateway, wheel: Wheel) -> None:
    """A cache in between would give the packed one to a client that cannot unpack it."""
    for headers in ({"Accept-Encoding": "gzip"}, {}):
        assert "accept-encoding" in gateway.ask(PAGE, headers=headers).vary


def test_a_question_without_a_body_is_answered_alike(gateway: Gateway, address: str) -> None:
    got, headed = gateway.ask(address), gateway.ask(address, "HEAD")
    assert (headed.status, headed.body) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Vary"):
        assert headed.headers.get(name) == got.headers.get(name), name


# --- addresses


def arrive(gateway: Gateway, path: str) -> tuple[Answer, int]:
    """Follow redirects on the index itself; the last answer, and how many they were."""
    for hops in range(5):
        answer = gateway.ask(path, headers={"Accept": JSON})
        if answer.status not in (301, 302, 307, 308):
            return answer, hops
        path = answer.headers["Location"].removeprefix(f"https://{gateway.name}")
        assert path.startswith("/"), f"led away: {path}"
    raise AssertionError(f"never arrives: {path}")


@pytest.mark.parametrize("name", ["acme-gateway", "Acme_Gateway", "acme.gateway", "ACME--GATEWAY", "acme._-gateway"])
@pytest.mark.parametrize("end", ["", "/"])
def test_a_name_in_any_spelling_arrives(gateway: Gateway, wheel: Wheel, name: str, end: str) -> None:
    answer, _ = arrive(gateway, f"/simple/{name}{end}")
    assert answer.status == 200 and answer.json["name"] == "acme-gateway"


@pytest.mark.parametrize(
    "path", ["/simple/x%0d%0aX-Injected:%20yes", "/simple/x%0d%0aX-Injected:%20yes/", "/%0d%0aX-Injected:%20yes"]
)
@pytest.mark.parametrize("login", ["ada", None])
def test_an_address_cannot_write_headers(gateway: Gateway, path: str, login: str | None) -> None:
    assert "X-Injected" not in gateway.ask(path, login=login).headers


@pytest.mark.parametrize(
    "path",
    [
        "/simple/acme-of-nobody/",
        "/packages/acme-gateway/acme_gateway-0.1-py3-none-any.whl",
        "/packages/acme-gateway/acme_gateway-0.1-py3-none-any.whl.metadata",
        "/nowhere",
        "/simple/acme-gateway/x/",
        "/simple/acme-gateway/index.json",
        "/simple/acme-gateway/index.json.gz",
    ],
)
def test_what_is_not_there_is_not_found(gateway: Gateway, wheel: Wheel, path: str) -> None:
    answer, _ = arrive(gateway, path)
    assert answer.status == 404


def test_an_unpublished_name_of_the_company_is_said_to_be_one(gateway: Gateway) -> None:
    answer = gateway.ask("/simple/acme-of-nobody/")
    assert "acme-of-nobody is a name of this organisation's own" in answer.text


SECRET = "nobody-may-read-this"


@pytest.fixture(scope="module")
def hidden(index: Host, wheel: Wheel) -> Iterator[None]:
    """Files that anybody on the host could read, where none is to be read through the gateway."""
    places = [
        f"{PLACE}/{name}"
        for name in (
            "incoming/probe",
            "quarantine/probe",
            "locks/probe",
            "probe",
            ".probe",
            "packages/.probe",
            "packages/acme-gateway/.probe.whl",
            "packages/.probes/probe",
            "simple/.probe",
        )
    ] + ["/srv/wheelhouse/probe"]
    for place in places:
        index.check_output("mkdir -p $(dirname %s) && echo %s >%s && chmod 644 %s", place, SECRET, place, place)
    yield
    index.check_output("rm -rf " + " ".join(places) + f" {PLACE}/packages/.probes")


@pytest.mark.parametrize(
    "path",
    [
        "/incoming/probe",
        "/quarantine/probe",
        "/locks/probe",
        "/probe",
        "/.probe",
        "/state/index.sqlite",
        "/last-look",
        "/packages/.probe",
        "/packages/acme-gateway/.probe.whl",
        "/packages/.probes/probe",
        "/simple/.probe",
        "/simple/.probe/",
        "/packages/../state/index.sqlite",
        "/packages/..%2fstate%2findex.sqlite",
        "/packages/%2e%2e/state/index.sqlite",
        "/packages/..%2f..%2fprobe",
        "/packages/..%2f..%2fconfig%2fhtpasswd",
        "/packages/../../../../etc/passwd",
        "/packages//etc/passwd",
        "/packages/..%5cstate/index.sqlite",
        "/packages/....//state/index.sqlite",
        "/packages/..;/state/index.sqlite",
        "/simple/..%2fincoming%2fprobe/",
        "/simple/..%2fstate%2findex.sqlite",
        "/simple/../incoming/probe",
        "/packages/acme-gateway/.probe.whl%00.metadata",
        "/state/index.sqlite%00",
        "/packages%00/../state/index.sqlite",
        "/cached/../shelf/state/index.sqlite",
        "/cached/..%2fshelf%2fstate/index.sqlite",
        "/cached/%2e%2e/state/index.sqlite",
        "/cached/x/..%2f..%2f..%2fprobe",
        "/_login",
        "/_upload",
        "/packages/",
        "/packages/acme-gateway/",
        "/packages",
    ],
)
def test_nothing_else_of_the_host_is_served(gateway: Gateway, hidden: None, path: str) -> None:
    answer = gateway.ask(path)
    assert answer.status in (301, 400, 403, 404)
    for content in (SECRET, '"event"', "root:", "$2b$", ".whl<"):
        assert content not in answer.text, content


# --- TLS and headers


def handshake(gateway: Gateway, version: ssl.TLSVersion) -> str:
    """The version a client gets that speaks only this one, or the server's complaint."""
    context = ssl.create_default_context(cafile=str(gateway.ca))
    # this machine's own OpenSSL would refuse old versions before the server is asked
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    connection = Connection(gateway.address, gateway.name, context)
    try:
        connection.connect()
        return connection.tls.version() or ""
    except ssl.SSLError as error:
        return error.reason
    finally:
        connection.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_only_tls_of_today(gateway: Gateway) -> None:
    assert handshake(gateway, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert handshake(gateway, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        assert handshake(gateway, old) == "TLSV1_ALERT_PROTOCOL_VERSION"


def test_plain_http_leads_to_https(gateway: Gateway) -> None:
    connection = http.client.HTTPConnection(gateway.address, 80, timeout=20)
    connection.request("GET", "/simple/x/?a=b%20c", headers={"Host": gateway.name})
    answer = connection.getresponse()
    assert answer.status == 301
    assert answer.headers["Location"] == f"https://{gateway.name}/simple/x/?a=b%20c"
    connection.close()


def test_every_answer_keeps_browsers_on_https(gateway: Gateway, wheel: Wheel, file: str) -> None:
    etag = gateway.ask(PAGE).headers["ETag"]
    answers = {
        200: gateway.ask(PAGE),
        206: gateway.ask(file, headers={"Range": "bytes=0-9"}),
        304: gateway.ask(PAGE, headers={"If-None-Match": etag}),
        301: gateway.ask("/simple/Acme_Gateway/"),
        400: gateway.upload(wheel.filename, b"no wheel"),
        401: gateway.ask(PAGE, login=None),
        403: gateway.upload(wheel.filename, wheel.build(), "leo"),
        404: gateway.ask("/simple/acme-of-nobody/"),
        405: gateway.ask(PAGE, "DELETE"),
        413: gateway.ask("/", "POST", headers={"Content-Length": str(10**10), "Content-Type": MULTIPART}),
        416: gateway.ask(file, headers={"Range": "bytes=99999999-"}),
    }
    assert {status: answer.status for status, answer in answers.items()} == {status: status for status in answers}
    without = [
        status
        for status, answer in answers.items()
        if "max-age" not in answer.headers.get("Strict-Transport-Security", "")
        or answer.headers.get("X-Content-Type-Options") != "nosniff"
    ]
    assert without == []
    for name in ("Strict-Transport-Security", "X-Content-Type-Options"):
        # nginx says it twice with a 416, but never in two ways
        assert {
            status: len(set(answer.headers.get_all(name, []))) for status, answer in answers.items()
        } == dict.fromkeys(answers, 1)
    assert {answer.headers.get("Server") for answer in answers.values()} == {"nginx"}


# --- what is no read and no upload


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "PROPFIND", "OPTIONS", "TRACE", "POST"])
def test_files_and_pages_are_only_read(gateway: Gateway, shelf: Shelf, file: str, method: str) -> None:
    before = shelf.snapshot()
    for path in ("/simple/", PAGE, file, f"/packages/acme-gateway/new-{method}.whl"):
        answer = gateway.ask(path, method, body=b"x")
        assert answer.status in (404, 405), (path, answer)
    assert shelf.snapshot() == before


@pytest.mark.parametrize(
    ("path", "size", "sentence"),
    [
        ("/", 2**30 + 2**25, "The file is bigger than 1g, the most this index takes.\n"),
        ("/api/tokens", 2**15, "What was sent is bigger than 16k, the most this address takes.\n"),
        ("/_/oidc/mint-token", 2**15, "What was sent is bigger than 16k, the most this address takes.\n"),
    ],
)
def test_what_is_too_big_is_refused_before_it_is_sent(gateway: Gateway, path: str, size: int, sentence: str) -> None:
    began = time.monotonic()
    answer = gateway.ask(path, "POST", headers={"Content-Length": str(size), "Content-Type": MULTIPART})
    assert (answer.status, answer.text) == (413, sentence)
    assert time.monotonic() - began < 30

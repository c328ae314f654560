"""What the program answers to foreign pages, at wrong addresses, and to odd names."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wheelhouse.logs import OneLine, printable
from wheelhouse.web.responses import HTTPError

from .journal import journal
from .samples import MULTIPART, PASSWORD, Client, Wheel, basic, multipart

OWN = "https://packages.acme.example"


class Unread:
    """A body that fails the test when it is read."""

    def read(self, *_: object) -> bytes:
        raise AssertionError("the body was read")

    readline = readlines = __iter__ = read


def upload(client: Client, user: str = "ada", **environ: Any) -> Any:
    wheel = Wheel()
    body = multipart({":action": "file_upload"}, wheel.filename, wheel.build())
    headers = {"CONTENT_TYPE": MULTIPART, "HTTP_AUTHORIZATION": basic(user, PASSWORD)}
    return client.send("POST", "/", body, **headers | environ)


# --- foreign pages

FOREIGN = [
    {"HTTP_ORIGIN": "https://wiki.acme.example"},
    {"HTTP_ORIGIN": "http://packages.acme.example"},
    {"HTTP_ORIGIN": "https://packages.acme.example:8443"},
    {"HTTP_ORIGIN": "https://packages.acme.example.evil.example"},
    {"HTTP_ORIGIN": "null"},
    {"HTTP_ORIGIN": ""},
    {"HTTP_ORIGIN": f"{OWN},https://evil.example"},
    {"HTTP_ORIGIN": f"{OWN},{OWN}"},
    {"HTTP_SEC_FETCH_SITE": "cross-site"},
    {"HTTP_SEC_FETCH_SITE": "same-site"},
    {"HTTP_SEC_FETCH_SITE": "same-origin,cross-site"},
    {"HTTP_SEC_FETCH_SITE": ""},
    {"HTTP_ORIGIN": OWN, "HTTP_SEC_FETCH_SITE": "same-site"},
    {"HTTP_ORIGIN": "https://evil.example", "HTTP_SEC_FETCH_SITE": "same-origin"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize("path", ["/", "/RPC2", "/simple/"])
def test_a_foreign_page_can_send_nothing(client: Client, path: str, headers: dict[str, str]) -> None:
    answer = client.send(
        "POST",
        path,
        CONTENT_TYPE=MULTIPART,
        HTTP_AUTHORIZATION=basic("ada", PASSWORD),
        **headers | {"wsgi.input": Unread()},
    )
    assert answer.status == 403
    assert answer.text == "A page of another web site sent this: upload with twine, uv or the like, not by a browser.\n"
    assert "another web site" in answer.reason


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"HTTP_ORIGIN": OWN},
        {"HTTP_SEC_FETCH_SITE": "same-origin"},
        {"HTTP_SEC_FETCH_SITE": "none"},
        {"HTTP_ORIGIN": OWN, "HTTP_SEC_FETCH_SITE": "same-origin"},
        {"HTTP_REFERER": "https://evil.example/"},
    ],
    ids=str,
)
def test_who_is_no_foreign_page_uploads(client: Client, headers: dict[str, str]) -> None:
    assert upload(client, **headers).status == 200


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Packages.Acme.example:443", OWN),
        ("https://packages.acme.example:8443/", "https://packages.acme.example:8443"),
        ("http://packages.acme.example:80", "http://packages.acme.example"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_an_origin_is_compared_as_browsers_write_it(
    client: Client, configure: Callable[..., None], url: str, origin: str
) -> None:
    configure(index_url=url)
    assert upload(client, HTTP_ORIGIN=origin).status == 200
    assert upload(client, HTTP_ORIGIN="https://other.acme.example").status == 403


def test_reading_is_nobody_else_s_business(client: Client) -> None:
    assert client.send("GET", "/", HTTP_ORIGIN="https://evil.example", HTTP_SEC_FETCH_SITE="cross-site").status == 200


# --- uploads that go elsewhere


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
@pytest.mark.parametrize(
    "path", ["/simple", "/simple/", "/legacy/", "/pypi", "/pypi/", "/upload", "/projects/x/", "/x" * 200]
)
def test_an_upload_to_another_address_is_told_the_right_one(client: Client, method: str, path: str) -> None:
    answer = client.send(method, path, **{"wsgi.input": Unread()})
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert answer.text == "Uploads go to https://packages.acme.example/ and nothing else is sent here.\n"
    assert answer.reason == answer.text.strip()


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_the_front_page_takes_uploads_alone(client: Client, method: str) -> None:
    assert client.send(method, "/").status == 405


# --- who may publish nothing


def test_who_may_publish_nothing_is_refused_before_the_body_is_read(client: Client, root: Path) -> None:
    answer = upload(client, "bob", **{"wsgi.input": Unread()})
    assert (answer.status, answer.text) == (403, "bob may not publish anything; to change that, ask it@acme.example.\n")
    assert journal(root) == []
    assert upload(client, "bob", HTTP_AUTHORIZATION=basic("bob", "guess"), **{"wsgi.input": Unread()}).status == 401


@pytest.mark.parametrize(
    ("user", "status"), [("ada", 200), ("bob", 403), ("nobody", 403), ("", 403), ("ada/", 403), ("ad\xc3\xa4", 403)]
)
def test_the_gateway_can_ask_who_publishes(client: Client, user: str, status: int) -> None:
    assert client.send("GET", f"/publishers/{user}").status == status


# --- odd names


@pytest.mark.parametrize("upstream", ["closed", "redirect", "cached"])
@pytest.mark.parametrize("length", [256, 300, 5000])
@pytest.mark.parametrize(
    "path", ["/simple/{}", "/simple/{}/", "/projects/{}/", "/cached/{}/x-1.0-py3-none-any.whl", "/{}", "/pypi/{}/"]
)
def test_a_name_that_no_file_system_takes_is_not_there(
    client: Client,
    configure: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    upstream: str,
    path: str,
    length: int,
) -> None:
    configure(upstream=upstream)
    assert client.send("GET", path.format("x" * length)).status == 404
    # threads of other tests may speak at the same time
    own = [record for record in caplog.records if record.thread == threading.get_ident()]
    assert not [record for record in own if record.exc_info or "Traceback" in record.getMessage()]


def test_a_search_for_such_a_name(client: Client) -> None:
    assert client.send("GET", "/search", QUERY_STRING="q=" + "x" * 3000).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/project/Acme_Tools/1.0/",
        "/project/acme.tools/",
        "/project/acme-tools",
        "/pypi/acme-tools",
        "/pypi/ACME-tools/1.0",
        "/acme-tools",
        "/Acme_Tools",
        "//acme_tools",
    ],
)
def test_what_tools_print_when_they_have_published_leads_to_the_project(client: Client, path: str) -> None:
    assert upload(client).status == 200
    answer = client.send("GET", path)
    assert (answer.status, answer.headers["Location"]) == (302, "/projects/acme-tools/")


@pytest.mark.parametrize("path", ["/nothing", "/project/!", "/pypi/", "/project/", "/favicon.ico"])
def test_other_addresses_lead_nowhere(client: Client, path: str) -> None:
    assert client.send("GET", path).status == 404


# --- what is said


@pytest.mark.parametrize(
    "signature", ["other.asc", "acme_tools-1.0-py3-none-any.whl.asc", "../../x.asc", "acme_tools-1.0-py3-none-any.whl"]
)
def test_a_signature_of_any_name_is_passed_over(client: Client, signature: str) -> None:
    wheel = Wheel()
    part = (
        f'--b0undary\r\nContent-Disposition: form-data; name="gpg_signature"; filename="{signature}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\nx\r\n"
    )
    body = part.encode() + multipart({":action": "file_upload"}, wheel.filename, wheel.build())
    answer = client.send("POST", "/", body, CONTENT_TYPE=MULTIPART, HTTP_AUTHORIZATION=basic("ada", PASSWORD))
    assert answer.status == 200, answer.text


def test_no_sentence_shows_where_an_object_is(client: Client) -> None:
    told = HTTPError(400, f"Unrelated {object()!r} and {client.send!r} for <b>, \x1b[31mred\u202e.").get_response()
    assert " at 0x" not in told.get_data(as_text=True) and " at 0x" not in told.status
    assert (
        told.get_data(as_text=True)
        == "Unrelated this and <bound method Client.send of this> for <b>, \\x1b[31mred\\u202e.\n"
    )


def test_what_is_sent_cannot_write_a_line_into_the_log() -> None:
    lines = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.extend(self.format(record).splitlines())

    handler = Kept()
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    log = logging.Logger("test")
    log.addHandler(handler)
    forged = "x\nINFO ada published acme_sec-1.0.whl from 192.0.2.1.\r\x1b[2K\u2028\x85y"
    log.info("%s asked", forged)
    assert len(lines) == 1
    try:
        raise ValueError(forged)
    except ValueError:
        log.exception("%s failed", forged)
    assert not [line for line in lines[1:] if line.startswith(("INFO", "WARNING"))]
    assert "\x1b" not in "".join(lines)
    assert printable("Zoë 漢字, as it is") == "Zoë 漢字, as it is"

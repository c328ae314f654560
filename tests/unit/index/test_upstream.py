"""Names that have no page: who is sent on, and who is told what."""

from collections.abc import Callable

import pytest
from pypiserver.config import DEFAULTS

from .samples import Client, Wheel


@pytest.fixture(params=["closed", "redirect"])
def policy(request: pytest.FixtureRequest, client: Client, configure: Callable[..., None]) -> str:
    configure(upstream=request.param)
    return request.param


def test_an_unknown_name(client: Client, policy: str) -> None:
    answer = client.send("GET", "/simple/requests/")
    if policy == "redirect":
        assert (answer.status, answer.headers["Location"]) == (302, f"{DEFAULTS.FALLBACK_URL}requests/")
    else:
        expected = "requests is not on https://packages.acme.example; to have it let in, ask it@acme.example.\n"
        assert (answer.status, answer.text) == (404, expected)
        assert "Location" not in answer.headers


@pytest.mark.parametrize("name", ["acme-tools", "acme-x"])
def test_a_reserved_name_is_never_asked_upstream(client: Client, policy: str, name: str) -> None:
    answer = client.send("GET", f"/simple/{name}/")
    assert (answer.status, "Location" in answer.headers) == (404, False)
    assert "this organisation's own" in answer.text


def test_a_shelved_name_is_never_asked_upstream(client: Client, policy: str, configure: Callable[..., None]) -> None:
    configure(publishes={"ada": ["*"]})
    wheel = Wheel("requests", "0.1")
    assert client.upload(wheel.filename, wheel.build()).status == 200
    answer = client.send("GET", "/simple/requests/")
    assert (answer.status, "Location" in answer.headers) == (404, False)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("Requests/", "requests"),
        ("requests", "requests"),
        ("re.qu_ests/", "re-qu-ests"),
        ("ACME__Tools", "acme-tools"),
        ("acme_tools/", "acme-tools"),
    ],
)
def test_other_spellings_are_sent_to_the_normal_one(client: Client, policy: str, asked: str, sent: str) -> None:
    answer = client.send("GET", f"/simple/{asked}")
    assert (answer.status, answer.headers["Location"]) == (301, f"/simple/{sent}/")


@pytest.mark.parametrize(
    "asked", ["", "-/", "a b/", "é/", "../x/", "requests/index.html", "x\r\nSet-Cookie: a=b/", "."]
)
def test_what_is_no_name_goes_nowhere(client: Client, policy: str, asked: str) -> None:
    answer = client.send("GET", f"/simple/{asked}")
    assert (answer.status, "Location" in answer.headers) == (404, False)
    assert "\r" not in answer.reason and "\n" not in answer.reason


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health", 200),
        ("HEAD", "/health", 200),
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/packages/acme-tools/x.whl", 404),
        ("GET", "/acme-tools/json", 404),
        ("GET", "/RPC2", 404),
        ("POST", "/RPC2", 400),
        ("POST", "/search", 405),
        ("POST", "/projects/acme-tools/", 405),
        ("GET", "/projects", 404),
        ("GET", "/search/", 404),
        ("GET", "/simple", 404),
        ("GET", "/assets/", 404),
        ("GET", "//", 200),
        ("POST", "/simple/", 405),
        ("DELETE", "/", 405),
        ("PUT", "/simple/acme-tools/", 405),
    ],
)
def test_everything_else(client: Client, method: str, path: str, status: int) -> None:
    assert client.send(method, path).status == status


def test_an_answer_to_head_has_no_body(client: Client) -> None:
    assert client.send("GET", "/health").text and client.send("GET", "/simple/x/").text
    assert not client.send("HEAD", "/health").text and not client.send("HEAD", "/simple/x/").text

"""The pages for people: front page, search, a project's page; and `pip search`."""

from __future__ import annotations

import time

import pytest
from company import Office
from gateway import Gateway
from index.samples import Wheel, metadata

SCRIPT = "<script>alert(1)</script>"
DESCRIPTION = f"""Summary: Finds lost umbrellas {SCRIPT}
Author: Ada <img src=x onerror=alert(2)>
Home-page: javascript:alert(3)
Requires-Python: >=3.9
Description-Content-Type: text/markdown

# Umbrellas

{SCRIPT} and [a link](javascript:alert(4)), ![picture](x" onerror="alert(5))
"""


@pytest.fixture(scope="module")
def umbrella(gateway: Gateway, version: str) -> Wheel:
    """A project that somebody looks for, described by somebody who means no good."""
    wheel = Wheel("acme_umbrella", version, metadata=metadata("acme-umbrella", version, DESCRIPTION))
    answer = gateway.upload(wheel.filename, wheel.build())
    assert answer.status == 200, answer.text
    return wheel


PAGES = ["/", "/search?q=umbrella", "/projects/acme-umbrella/"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_for_people_takes_a_login(gateway: Gateway, umbrella: Wheel, path: str) -> None:
    assert gateway.ask(path, login=None).status == 401
    answer = gateway.ask(path, login="leo")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Strict-Transport-Security"] and answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_front_page_leads_on(gateway: Gateway, umbrella: Wheel) -> None:
    text = gateway.ask("/").text
    assert 'action="/search"' in text and 'name="q"' in text
    assert f"https://{gateway.name}/simple/" in text and 'href="/simple/"' in text


@pytest.mark.parametrize("query", ["umbrella", "UMBRELLA", "acme_umbrella", "acme-umb", "lost"])
def test_a_search_finds_a_project_by_its_name_and_summary(gateway: Gateway, umbrella: Wheel, query: str) -> None:
    assert "/projects/acme-umbrella/" in gateway.ask(f"/search?q={query}").text


def test_a_search_that_finds_nothing_says_so(gateway: Gateway, umbrella: Wheel) -> None:
    answer = gateway.ask("/search?q=zzz-nothing-zzz")
    assert answer.status == 200 and "/projects/" not in answer.text


@pytest.mark.parametrize(
    "query",
    ["", "%00", "%ff%fe", "%22%3E" + SCRIPT.replace("<", "%3C").replace(">", "%3E"), "a" * 5000, "(((", "%25%25", "*"],
)
def test_no_search_breaks_the_page(gateway: Gateway, umbrella: Wheel, query: str) -> None:
    answer = gateway.ask(f"/search?q={query}")
    assert answer.status < 500
    assert SCRIPT not in answer.text


def test_a_project_page_says_what_there_is(gateway: Gateway, umbrella: Wheel) -> None:
    text = gateway.ask("/projects/acme-umbrella/").text
    for said in (
        "acme-umbrella",
        umbrella.version,
        umbrella.filename,
        "pip install acme-umbrella",
        "Finds lost umbrellas",
    ):
        assert said in text, said


def test_a_new_release_is_on_the_page_at_once(gateway: Gateway, umbrella: Wheel, version: str) -> None:
    newer = Wheel("acme_umbrella", f"{version}.1", metadata=metadata("acme-umbrella", f"{version}.1", DESCRIPTION))
    gateway.ask("/projects/acme-umbrella/")
    assert gateway.upload(newer.filename, newer.build()).status == 200
    assert newer.filename in gateway.ask("/projects/acme-umbrella/").text


@pytest.mark.parametrize("path", PAGES)
def test_a_description_runs_nothing(gateway: Gateway, umbrella: Wheel, path: str) -> None:
    text = gateway.ask(path).text.lower()
    assert SCRIPT not in text and "<img src=x" not in text and 'href="javascript:' not in text


def test_a_name_in_another_spelling_leads_there(gateway: Gateway, umbrella: Wheel) -> None:
    answer = gateway.ask("/projects/Acme_Umbrella/")
    assert answer.status in (301, 302, 308)
    assert answer.headers["Location"].removeprefix(f"https://{gateway.name}") == "/projects/acme-umbrella/"


@pytest.mark.parametrize(
    "path",
    [
        "/projects/acme-of-nobody/",
        "/projects/..%2f..%2fstate%2findex.sqlite",
        "/projects/x%00/",
        "/projects/%0d%0aX:%20y/",
    ],
)
def test_a_project_that_is_not_there_is_not_found(gateway: Gateway, path: str) -> None:
    answer = gateway.ask(path)
    assert answer.status in (400, 404) and "X" not in answer.headers


def test_pip_search_finds_it(office: Office, umbrella: Wheel) -> None:
    office.succeed_as("leo", "test -d venv-search || python3 -m venv venv-search")
    said = office.succeed_as("leo", f"venv-search/bin/pip search --index {office.index_url}/RPC2 umbrella")
    assert "acme-umbrella" in said and umbrella.version.split(".")[1] in said and "Finds lost umbrellas" in said


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True))
    + "]><methodCall><methodName>search</methodName><params><param><value><string>&j;</string></value></param></params></methodCall>"
)
CALL = "<?xml version='1.0'?><methodCall><methodName>{}</methodName><params>{}</params></methodCall>"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        BOMB.encode(),
        CALL.format("system.listMethods", "").encode(),
        CALL.format("search", "").encode(),
        b"<" * 100_000,
    ],
    ids=["empty", "no-xml", "bomb", "other-method", "no-arguments", "too-long"],
)
def test_nothing_but_a_search_is_called(gateway: Gateway, body: bytes) -> None:
    began = time.monotonic()
    answer = gateway.ask("/RPC2", "POST", headers={"Content-Type": "text/xml"}, body=body)
    assert answer.status in (400, 413) or (answer.status == 200 and "<fault>" in answer.text), answer
    assert time.monotonic() - began < 20
    assert gateway.ask("/RPC2", "POST", login=None, body=body).status in (401, 413)

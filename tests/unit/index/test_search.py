"""Searches: what is found, in which order, by people and by `pip search`."""

import time
import xmlrpc.client
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from wheelhouse.index.events import PUBLISH, REMOVE, YANK, Event, now
from wheelhouse.index.readers import Reader
from wheelhouse.index.search import Catalogue
from wheelhouse.index.transaction import Index
from wheelhouse.web import html
from wheelhouse.web import xmlrpc as search_api

from .journal import write
from .samples import Answer, Client
from .test_front import shown

SHELF = {
    "acme-data": "Frames and tables",
    "acme-data-lake": "Files on the data lake",
    "data-tools": None,
    "big-acme-data": "Larger",
    "acme-report": "Reports about ACME_data, and more",
    "acme-plot": "Grün und Weiß: plots",
    "zeta": "Nothing like it",
}


@pytest.fixture
def shelved(client: Client, index: Index) -> Client:
    write(index, *(published(name, summary) for name, summary in SHELF.items()))
    return client


def published(name: str, summary: str | None = None, version: str = "1.0", event: str = PUBLISH) -> Event:
    file = f"{name.replace('-', '_')}-{version}.tar.gz"
    told = {"project": name, "version": version, "summary": summary, "file": file, "size": 1, "sha256": "0" * 64}
    return Event(event, "ada", now(), **told)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("acme-data", ["acme-data", "acme-data-lake", "big-acme-data", "acme-report"]),
        ("ACME_Data", ["acme-data", "acme-data-lake", "big-acme-data", "acme-report"]),
        ("acme.data", ["acme-data", "acme-data-lake", "big-acme-data", "acme-report"]),
        ("acme data", ["acme-data", "acme-data-lake", "big-acme-data", "acme-report"]),
        ("data acme", ["acme-data", "acme-data-lake", "big-acme-data", "acme-report"]),
        ("data", ["data-tools", "acme-data", "acme-data-lake", "big-acme-data", "acme-report"]),
        ("lake", ["acme-data-lake"]),
        ("data lake files", ["acme-data-lake"]),
        ("data zeta", []),
        ("GRÜN weiss", ["acme-plot"]),
        ("z", ["zeta"]),
        ("_data-", ["data-tools", "acme-data", "acme-data-lake", "big-acme-data", "acme-report"]),
        ("nothing like", ["zeta"]),
        ("[a-z]", []),
        ("", sorted(SHELF)),
        (" . ", sorted(SHELF)),
    ],
)
def test_the_best_comes_first(shelved: Client, index: Index, query: str, names: list[str]) -> None:
    found = Catalogue(index.database, Reader(())).search(query, 0, 100)
    assert [entry.name for entry in found.entries] == names
    assert found.total == len(names)


def test_pieces_of_a_search_are_the_search(shelved: Client, index: Index) -> None:
    catalogue = Catalogue(index.database, Reader(()))
    whole = catalogue.search("data", 0, 100)
    pieces = [catalogue.search("data", start, 2) for start in (0, 2, 4, 6)]
    assert [entry for piece in pieces for entry in piece.entries] == list(whole.entries)
    assert {piece.total for piece in pieces} == {5}


def test_results_have_summary_version_publisher_and_date(shelved: Client) -> None:
    page = shown(shelved, "/search", "q=lake")
    day = html._day(time.time())
    assert f"One project for lake . acme-data-lake 1.0 Files on the data lake by ada, {day}" in page.text
    assert "/projects/acme-data-lake/" in page.links
    assert [field["value"] for field in page.all("input")] == ["lake"]


@pytest.mark.parametrize(
    ("upstream", "query", "says"),
    [
        ("closed", "Matrix", "Installers do not find matrix here either. To have it let in, ask it@acme.example."),
        (
            "redirect",
            "matrix",
            "If matrix is a public project, pip install matrix and uv add matrix find it all the same",
        ),
        ("redirect", "acme matrix", "acme-matrix is one of the company's own names, so installers do not look for it"),
        ("redirect", "evil-thing", "evil-thing is not let in from outside. To change that, ask it@acme.example."),
        ("closed", "???", "No project on this index has ??? in its name or summary. Fewer or shorter words"),
    ],
)
def test_what_is_not_found(
    shelved: Client, configure: Callable[..., None], upstream: str, query: str, says: str
) -> None:
    configure(upstream=upstream, denied=["evil-*"])
    page = shown(shelved, "/search", f"q={query.replace(' ', '+')}")
    assert f"No project on this index has {query} in its name or summary." in page.text
    assert says in page.text


def test_many_results_come_in_pages(client: Client, index: Index) -> None:
    names = [f"acme-{number:03}" for number in range(2 * html.RESULTS + 5)]
    write(index, *(published(name) for name in names))
    seen: list[str] = []
    query = "q=acme+0"
    for number in (1, 2, 3):
        page = shown(client, "/search", query)
        assert f"{len(names)} projects for acme 0 , page {number} of 3." in page.text
        seen += [link.split("/")[2] for link in page.links if link.startswith("/projects/")]
        (following,) = [link["href"] for link in page.all("a") if link.get("rel") == "next"] or [None]
        query = following.partition("?")[2] if following else ""
    assert (seen, query) == (names, "")
    answer = client.send("GET", "/search", QUERY_STRING="q=acme&page=9")
    assert (answer.status, answer.headers["Location"]) == (302, "/search?q=acme&page=3")
    for nonsense in ("0", "-1", "x", "9" * 5000, "", "%D9%A3"):
        assert "page 1 of 3" in shown(client, "/search", f"q=acme&page={nonsense}").text


@pytest.mark.parametrize(
    "query", ["q=%ff%00%0d%0a", "q=" + "a+" * 5000, "q=a&q=b", "q", "&&&;;;=", "x=%", "page=2&q=zzz"]
)
def test_any_query_is_answered(shelved: Client, query: str) -> None:
    answer = shelved.send("GET", "/search", QUERY_STRING=query)
    assert answer.status in (200, 302)
    assert all("\r" not in value and "\n" not in value for value in answer.headers.values())
    assert len(answer.text) < 20_000


def call(client: Client, *parameters: object, method: str = "search") -> list[dict]:
    body = xmlrpc.client.dumps(parameters, method).encode()
    answer = client.send("POST", "/RPC2", body, CONTENT_TYPE="text/xml")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    ((hits,), _) = xmlrpc.client.loads(answer.text)
    return hits


def test_pip_search_gets_what_people_get(shelved: Client, index: Index) -> None:
    write(index, published("acme-data", "Frames & <tables>", "2.0rc1"), published("acme-old", "data"))
    write(index, published("acme-old", event=YANK))
    hits = call(shelved, {"name": ["acme", "data"], "summary": ["acme", "data"]}, "or")
    assert [hit["name"] for hit in hits] == ["acme-data", "acme-data-lake", "big-acme-data", "acme-report"]
    assert hits[0] == {"name": "acme-data", "summary": "Frames and tables", "version": "1.0", "_pypi_ordering": 0}
    assert call(shelved, {"name": "DATA_tools"})[0]["summary"] == ""
    assert call(shelved, {"name": ["zzz"]}, "or") == []


def test_pip_search_is_bounded(client: Client, index: Index) -> None:
    write(index, *(published(f"acme-{number}") for number in range(search_api.MAX_HITS + 5)))
    assert len(call(client, {"name": ["acme"]}, "or")) == search_api.MAX_HITS


@pytest.mark.parametrize(
    ("method", "parameters", "code", "says"),
    [
        ("list_packages", (), -32601, "knows the method search alone"),
        ("system.listMethods", (), -32601, "knows the method search alone"),
        ("search", (), -32602, "takes what pip search sends"),
        ("search", ("data",), -32602, "takes what pip search sends"),
        ("search", ({"name": 5},), -32602, "takes what pip search sends"),
        ("search", ({"name": [["data"]]},), -32602, "takes what pip search sends"),
    ],
)
def test_other_calls_are_faults(
    client: Client, method: str, parameters: tuple[object, ...], code: int, says: str
) -> None:
    with pytest.raises(xmlrpc.client.Fault, match=says) as fault:
        call(client, *parameters, method=method)
    assert fault.value.faultCode == code


CALL = xmlrpc.client.dumps(({"name": ["x"]}, "or"), "search").encode()


def with_type(declared: bytes, word: bytes = b"x") -> bytes:
    """The call with a document type of its own."""
    return CALL.replace(b"?>", b"?><!DOCTYPE methodCall " + declared + b">", 1).replace(b">x<", b">" + word + b"<")


BOMB = with_type(b'[<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]', b"&b;")


def sent(client: Client, body: bytes, **environ: str) -> Answer:
    return client.send("POST", "/RPC2", body, CONTENT_TYPE="text/xml", **environ)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        CALL[:-20],
        BOMB,
        with_type(b'[<!ENTITY a SYSTEM "file:///etc/passwd">]', b"&a;"),
        with_type(b'SYSTEM "file:///etc/passwd"'),
        with_type(b""),
        b"<methodCall/>",
        b"<methodCall><methodName>search</methodName><params><param><value><int>x</int></value></param></params></methodCall>",
        b"<fault><value><struct></struct></value></fault>",
        b"<value>" * 2000,
    ],
)
def test_what_is_no_call_is_refused(client: Client, body: bytes) -> None:
    answer = sent(client, body)
    assert (answer.status, answer.text) == (400, "This is not the call by XML-RPC that pip search sends.\n")


def test_the_bomb_is_one(client: Client) -> None:
    assert xmlrpc.client.loads(BOMB)[0][0] == {"name": ["a" * 60]}, "to who does not look out"
    assert sent(client, CALL).status == 200


def test_a_large_call_is_not_read(client: Client) -> None:
    assert sent(client, CALL.replace(b">x<", b">" + b"x" * search_api.MAX_BODY + b"<")).status == 413
    assert sent(client, CALL, CONTENT_LENGTH="").status == 411
    assert sent(client, CALL, CONTENT_LENGTH="-1").status == 411
    assert sent(client, CALL, CONTENT_LENGTH="x").status == 411


TAGS = ["methodCall", "methodName", "params", "param", "value", "array", "data", "struct", "member", "name", "int"]
TAGS += ["string", "base64", "dateTime.iso8601", "double", "boolean", "nil", "fault", "bigdecimal", "x"]
XML = st.recursive(
    st.text("ab1.-", max_size=5),
    lambda inside: st.builds("<{0}>{1}</{0}>".format, st.sampled_from(TAGS), st.lists(inside).map("".join)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.one_of(st.binary(), XML.map(str.encode), XML.map("<methodCall>{}</methodCall>".format).map(str.encode)))
@example(
    body=b"<methodCall><methodName>search</methodName><params><param><value><struct/></value></param></params></methodCall>"
)
def test_nothing_that_is_sent_is_an_error_of_ours(client: Client, body: bytes) -> None:
    assert sent(client, body).status in (200, 400)


def test_a_search_sees_what_happened_since(shelved: Client, index: Index) -> None:
    write(index, published("acme-x", "one"), published("acme-x", "two", "2.0"))
    assert shown(shelved, "/search", "q=two").links.count("/projects/acme-x/") == 1
    write(index, published("acme-x", version="2.0", event=REMOVE))
    assert "No project on this index has two" in shown(shelved, "/search", "q=two").text
    assert shown(shelved, "/search", "q=one").links.count("/projects/acme-x/") == 1

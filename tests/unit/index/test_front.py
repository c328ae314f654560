"""The pages that people look at: what is on them, and what can never get onto them."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, unquote, urljoin

import pytest
from wheelhouse import cli
from wheelhouse.index.events import PUBLISH, Event
from wheelhouse.index.transaction import Index
from wheelhouse.store import foreign
from wheelhouse.web import html

from .journal import write
from .samples import Answer, Client, Wheel, metadata, sdist

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """What a browser would make of a page, as far as these tests look at it. Broken nesting fails."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(answer.text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text = " ".join(f"{self.text} {data}".split())

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]

    @property
    def links(self) -> list[str]:
        return [attributes.get("href") or attributes.get("src") or "" for attributes in self.all("a", "link", "script")]


@pytest.fixture
def shelved(client: Client, root: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A shelf with acme-tools 1.0 (a wheel and an sdist), 1.1 (yanked) and 2.0rc1, and a copied-in acme-more."""
    for version in ("1.0", "1.1", "2.0rc1"):
        described = metadata("Acme.Tools", version, "Summary: Tools for <every> day\nRequires-Python: >=3.9\n")
        wheel = Wheel(version=version, metadata=described)
        assert client.upload(wheel.filename, wheel.build()).status == 200
    assert client.upload("acme_tools-1.0.tar.gz", sdist(pkg_info=metadata("Acme.Tools"))).status == 200
    monkeypatch.setattr(foreign, "QUIET", 0.0)
    (root / "drop" / "acme_more-1.0.tar.gz").write_bytes(sdist("acme_more"))
    assert cli.main(["reindex", "--by", "carol"]) == 0
    assert cli.main(["yank", "acme-tools", "1.1", "--reason", "it leaks"]) == 0
    return client


def shown(client: Client, path: str, query: str = "", status: int = 200) -> Page:
    answer = client.send("GET", path, QUERY_STRING=query)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
    return Page(answer)


PAGES = [
    ("/", "", 200),
    ("/search", "", 200),
    ("/search", "q=acme", 200),
    ("/search", "q=nothing+of+it", 200),
    ("/projects/acme-tools/", "", 200),
    ("/projects/acme-more/", "", 200),
    ("/projects/acme-tool/", "", 404),
    ("/projects/-/", "", 404),
]


@pytest.mark.parametrize(("path", "query", "status"), PAGES)
def test_every_page_is_safe_and_stands_alone(shelved: Client, path: str, query: str, status: int) -> None:
    answer = shelved.send("GET", path, QUERY_STRING=query)
    policy = dict(part.split(maxsplit=1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert (policy["frame-ancestors"], policy["base-uri"], policy["form-action"]) == ("'none'", "'none'", "'self'")
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    page = shown(shelved, path, query, status)
    assert not page.all("style") and all("src" in script for script in page.all("script"))
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
    for link in page.links:
        assert re.match(r"/(?!/)|\.\./\.\./packages/|#|mailto:it@acme\.example$", link), link


@pytest.mark.parametrize(("path", "query", "status"), PAGES)
def test_every_page_can_be_used_by_ear_and_keyboard(shelved: Client, path: str, query: str, status: int) -> None:
    page = shown(shelved, path, query, status)
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("a")[0]["href"] == "#content"
    assert [part.get("id") for part in page.all("main")] == ["content"]
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    labels = [label["for"] for label in page.all("label")]
    assert labels == [field["id"] for field in page.all("input")] and labels
    (form,) = page.all("form")
    assert (form["action"], form["method"]) == ("/search", "get")
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert {part.get("aria-labelledby") for part in page.all("section")} <= {*names, None}


def test_assets_have_the_hash_of_their_contents_in_their_names(client: Client) -> None:
    page = shown(client, "/")
    linked = [link for link in page.links if link.startswith("/assets/")]
    assert [re.sub(r"\.[0-9a-f]{12}\.", ".", link) for link in linked] == [
        "/assets/icon.svg",
        "/assets/style.css",
        "/assets/copy.js",
    ]
    for link in linked:
        answer = client.send("GET", link)
        assert (answer.status, answer.headers["Cache-Control"]) == (200, "max-age=31536000, immutable")
        assert answer.headers["Content-Type"].split(";")[0] in ("image/svg+xml", "text/css", "text/javascript")
        assert not re.search(r"@import|url\(|//[a-z]", answer.text.replace("http://www.w3.org/2000/svg", ""))
    style = linked[1]
    for other in (
        f"{style}x",
        style.upper(),
        "/assets/style.css",
        "/assets/../front.py",
        "/assets/style.000000000000.css",
    ):
        assert client.send("GET", other).status == 404


def test_the_front_page(shelved: Client) -> None:
    page = shown(shelved, "/")
    assert "packages.acme.example" in page.text
    assert "2 projects 5 files" in page.text
    assert "pip config set global.index-url https://packages.acme.example/simple/" in page.text
    assert 'publish-url = "https://packages.acme.example/"' in page.text
    assert "machine packages.acme.example login" in page.text
    assert "nothing to configure" in page.text
    assert "acme-* : never looked for outside." in page.text
    latest = page.text.split("Published last ")[1].split(" Questions,")[0]
    assert re.sub(r" by (\w+), \d+ \w+ \d{4}", r" \1;", latest).split("; ") == [
        "acme_more 1.0 carol",
        "Acme.Tools 1.0 ada",
        "Acme.Tools 2.0rc1 ada",
        "Acme.Tools 1.1 yanked ada;",
    ]
    assert {"/search", "/simple/", "/projects/acme-tools/", "mailto:it@acme.example"} <= set(page.links)
    assert "What to do first" not in page.text


def test_an_empty_shelf_says_what_to_do_first(client: Client) -> None:
    page = shown(client, "/")
    assert "The shelf is empty. What to do first" in page.text
    assert "uv publish" in page.text and "copies wheels" in page.text and "ask it@acme.example" in page.text
    assert "Published last" not in page.text
    assert "Nothing is published on this index yet" in shown(client, "/search").text


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("closed", "Everything else Is not found. To have a project let in, ask it@acme.example."),
        ("redirect", "Everything else Comes from the public index: installers are sent on to it."),
    ],
)
def test_it_says_what_happens_to_other_names(
    client: Client, configure: Callable[..., None], policy: str, says: str
) -> None:
    configure(upstream=policy)
    assert says in shown(client, "/").text


def test_reports_are_linked_where_there_are_some(client: Client, root: Path) -> None:
    assert "/reports/" not in shown(client, "/").links
    (root / "reports").mkdir()
    assert "/reports/" in shown(client, "/").links


@pytest.mark.parametrize(
    ("contact", "link"),
    [
        ("it@acme.example", "mailto:it@acme.example"),
        ("https://help.acme.example/python?a=1", "https://help.acme.example/python?a=1"),
        ("#python on the chat", None),
        ("javascript:alert(1)", None),
        ('x@y" onclick="alert(1)', None),
        ("<b>Ada</b>", None),
        (None, None),
    ],
)
def test_the_contact_is_a_link_if_it_is_an_address(
    client: Client, configure: Callable[..., None], contact: str | None, link: str | None
) -> None:
    configure(contact=contact)
    page = shown(client, "/")
    assert [found for found in page.links if not found.startswith(("/", "#"))] == ([link] * 2 if link else [])
    assert not page.all("b")
    assert contact is None or page.text.count(contact) >= 2


EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}&amp;"


def test_nothing_that_people_write_becomes_markup(client: Client, index: Index, configure: Callable[..., None]) -> None:
    configure(reserved=[EVIL], contact=EVIL)
    wheel = Wheel(metadata=metadata(extra=f"Summary: {EVIL}\n"))
    assert client.upload(wheel.filename, wheel.build()).status == 200
    assert cli.main(["yank", "acme-tools", "1.0", "--reason", EVIL]) == 0
    # what only somebody who writes to an old journal by hand could bring in
    told = {"name": EVIL, "summary": EVIL, "requires_python": EVIL, "version": "1.0", "size": 1, "sha256": "0" * 64}
    write(
        index,
        *(
            Event(PUBLISH, EVIL, "2026-03-07T09:30:00Z", EVIL, project=project, file=file, findings=(EVIL,), **told)
            for project, file in (("acme-x", "acme_x-1.0.tar.gz"), ("acme-x", EVIL), (EVIL, "y"))
        ),
    )
    seen = 0
    for path, query, status in [
        ("/", "", 200),
        ("/search", "q=acme", 200),
        ("/search", f"q={quote(EVIL)}", 200),
        ("/search", f"q=none+{quote(EVIL)}", 200),
        ("/projects/acme-tools/", "", 200),
        ("/projects/acme-x/", "", 200),
        (f"/projects/{EVIL}/", "", 404),
    ]:
        page = shown(client, path, query, status)
        assert not page.all("img") and "49" not in page.text
        assert all(script["src"].startswith("/assets/") for script in page.all("script"))
        assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
        seen += page.text.count(EVIL)
    assert seen > 20, "and it is shown as it was written"


def test_a_project(shelved: Client, root: Path) -> None:
    page = shown(shelved, "/projects/acme-tools/")
    assert "Tools for <every> day" in page.text
    assert "pip install acme-tools" in page.text and "uv add acme-tools" in page.text
    releases = page.text.split(" Releases ")[1]
    assert re.findall(r"([\w.]+)(?: yanked| latest)? by ada", releases) == ["2.0rc1", "1.1", "1.0"]
    assert re.search(r"1\.1 yanked by ada, \d+ \w+ \d{4} it leaks Needs Python >=3\.9", releases)
    assert re.search(r"1\.0 latest by ada", releases)
    listed = json.loads((root / "simple/acme-tools/index.json").read_text())["files"]
    for file in listed:
        assert re.search(
            rf"{re.escape(file['filename'])} {file['size']} bytes, by ada, \d+ \w+ 20\d\d , sent from 192\.0\.2\.7"
            rf" sha256 {file['hashes']['sha256']}",
            releases,
        )
    shown_ = [details for details in page.all("details") if details["class"] == "release"]
    assert (len(shown_), len([release for release in shown_ if "open" in release])) == (3, 1)


def test_its_links_lead_to_the_files(shelved: Client, root: Path) -> None:
    wheel = Wheel(version="3.0+cpu.1")
    assert shelved.upload(wheel.filename, wheel.build()).status == 200
    page = shown(shelved, "/projects/acme-tools/")
    links = [link for link in page.links if "packages" in link]
    assert len(links) == 5
    for link in links:
        path = unquote(urljoin("/projects/acme-tools/", link))
        assert (root / path[1:]).is_file()


def test_a_release_that_was_taken_back_and_one_that_is_only_a_candidate(client: Client) -> None:
    for name, version in (("acme_old", "1.0"), ("acme_new", "1.0rc1")):
        wheel = Wheel(name, version)
        assert client.upload(wheel.filename, wheel.build()).status == 200
    assert cli.main(["yank", "acme-old", "1.0", "--reason", "no more"]) == 0
    old, new = shown(client, "/projects/acme-old/"), shown(client, "/projects/acme-new/")
    assert "Every release is yanked" in old.text and "pip install" not in old.text
    assert "pip install --pre acme-new" in new.text and "uv add --prerelease allow acme-new" in new.text


def test_a_removed_project_has_no_page(shelved: Client, configure: Callable[..., None]) -> None:
    configure(reserved=[], upstream="redirect")
    assert cli.main(["remove", "acme-more", "1.0", "--reason", "x"]) == 0
    assert "acme-more was on this index once" in shown(shelved, "/projects/acme-more/", status=404).text


def test_a_project_with_very_many_releases(client: Client, index: Index) -> None:
    told = {"project": "acme-x", "size": 1, "sha256": "0" * 64}
    write(
        index,
        *(
            Event(PUBLISH, "ada", "2026-03-07T09:30:00Z", version=f"1.{one}", file=f"acme_x-1.{one}.tar.gz", **told)
            for one in range(html.MAX_RELEASES + 5)
        ),
    )
    page = shown(client, "/projects/acme-x/")
    assert len([details for details in page.all("details") if details["class"] == "release"]) == html.MAX_RELEASES
    assert "And 5 older ones: the index page has every file." in page.text


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("Acme_Tools/", "acme-tools"),
        ("acme-tools", "acme-tools"),
        ("acme.tools", "acme-tools"),
        ("ACME--nothing/", "acme-nothing"),
    ],
)
def test_other_spellings_are_sent_to_the_normal_one(shelved: Client, asked: str, sent: str) -> None:
    answer = shelved.send("GET", f"/projects/{asked}")
    assert (answer.status, answer.headers["Location"]) == (301, f"/projects/{sent}/")


@pytest.mark.parametrize("asked", ["", "-/", "a b/", "\xc3\xa9/", "x/y/", "x\r\nSet-Cookie: a=b/"])
def test_what_is_no_name_is_told_so(client: Client, asked: str) -> None:
    answer = client.send("GET", f"/projects/{asked}")
    assert (answer.status, "Location" in answer.headers) == (404, False)
    assert "No Python project can have such a name" in Page(answer).text


@pytest.mark.parametrize(
    "path", ["/projects/../x/", "/projects/.", "/cached/../shelf/journal.jsonl", "/osv/v1/vulns/../../config.json"]
)
def test_a_path_that_steps_up_leads_nowhere(client: Client, path: str) -> None:
    answer = client.send("GET", path)
    assert (answer.status, "Location" in answer.headers) == (404, False)
    assert "There is no such page on this index." in answer.text


def test_a_mistyped_name_is_helped(shelved: Client) -> None:
    page = shown(shelved, "/projects/acme-tolls/", status=404)
    assert "acme-tolls is not here" in page.text
    assert re.search(r"Did you mean Acme\.Tools ?\?", page.text)
    assert "/projects/acme-tools/" in page.links
    assert "acme-tolls" in [field["value"] for field in page.all("input")]
    assert "Did you mean" not in shown(shelved, "/projects/zeta/", status=404).text


def test_a_page_shows_what_was_published_a_moment_ago(client: Client) -> None:
    assert shown(client, "/projects/acme-tools/", status=404)
    assert client.upload(Wheel().filename, Wheel().build()).status == 200
    assert shown(client, "/projects/acme-tools/")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_940, "999.9 kB"),
        (999_960, "1.0 MB"),
        (1_500_000, "1.5 MB"),
        (2_000_000_000_000, "2000.0 GB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert html._size(size) == text

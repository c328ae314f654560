"""The policy `cached`: what of a public index gets through, and what stays in the cache."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .mirror import FILE, NAME, PAGE, is_no_page, kept, listed, page
from .public import JSON, PublicIndex, days_ago, public_wheel
from .samples import Client, Wheel


@pytest.fixture
def client(client: Client, public: PublicIndex, configure: Callable[..., None]) -> Client:
    configure(upstream="cached", upstream_url=public.url)
    return client


def test_a_page_in_json(client: Client, public: PublicIndex) -> None:
    wheel = public.projects["requests"][0]
    answer = client.send("GET", PAGE, HTTP_ACCEPT=JSON)
    assert answer.status == 200
    assert {key: answer.headers[key] for key in ("Content-Type", "Cache-Control", "Vary", "X-Accel-Expires")} == {
        "Content-Type": JSON,
        "Cache-Control": "no-cache",
        "Vary": "Accept",
        "X-Accel-Expires": "60",
    }
    assert json.loads(answer.text) == {
        "meta": {"api-version": "1.1"},
        "name": "requests",
        "versions": ["1.0"],
        "files": [
            {
                "filename": NAME,
                "url": f"../../cached/requests/{NAME}",
                "hashes": {"sha256": hashlib.sha256(wheel.content).hexdigest()},
                "size": len(wheel.content),
                "requires-python": ">=3.9",
                "core-metadata": {"sha256": hashlib.sha256(wheel.described or b"").hexdigest()},
                "yanked": False,
                "upload-time": wheel.uploaded and wheel.uploaded.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        ],
    }


@pytest.mark.parametrize("accept", ["text/html", "", "*/*"])
def test_a_page_in_html(client: Client, public: PublicIndex, accept: str) -> None:
    pypi_simple = pytest.importorskip("pypi_simple")
    answer = client.send("GET", PAGE, HTTP_ACCEPT=accept)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert (answer.headers["Vary"], answer.headers["X-Accel-Expires"]) == ("Accept", "60")
    (file,) = pypi_simple.ProjectPage.from_html("requests", answer.text, "https://index/simple/requests/").packages
    assert file.url.startswith(f"https://index/cached/requests/{NAME}")
    assert file.digests == {"sha256": hashlib.sha256(public.projects["requests"][0].content).hexdigest()}
    assert (file.requires_python, file.has_metadata) == (">=3.9", True)


def test_what_upstream_writes_stays_text(client: Client, public: PublicIndex) -> None:
    evil = '"><script>alert(1)</script>'
    public.projects["requests"] = [
        public_wheel(says={"yanked": evil, "requires-python": evil}),
        public_wheel(version="2.0", says={"filename": f"{evil}.whl"}),
        public_wheel(version="3.0", says={"filename": "../../../etc/cron.d/x.whl"}),
        public_wheel(version="4.0", says={"url": "javascript:alert(1)"}),
        public_wheel(version="5.0", says={"url": "file:///etc/passwd"}),
        public_wheel(version="6.0", says={"hashes": {"sha256": evil}}),
    ]
    answer = client.send("GET", PAGE, HTTP_ACCEPT="text/html")
    assert answer.status == 200
    assert "<script>" not in answer.text
    assert listed(client) == [NAME]


def test_releases_are_in_the_order_of_their_versions(client: Client, public: PublicIndex) -> None:
    versions = ["1.9rc1", "1.9", "1.9+cpu.1", "1.10", "2!0.1"]
    public.projects["requests"] = [public_wheel(version=version) for version in reversed(versions)]
    assert page(client)["versions"] == versions
    assert page(client)["files"][2]["url"] == "../../cached/requests/requests-1.9%2Bcpu.1-py3-none-any.whl"


def test_a_name_nobody_knows(client: Client, public: PublicIndex) -> None:
    is_no_page(client.send("GET", "/simple/nobody/"), 404, "nobody is neither on this index nor upstream.")
    is_no_page(client.send("GET", "/cached/nobody/nobody-1.0.tar.gz"), 404, "nobody is neither on this index")
    assert public.asked == ["/simple/nobody/"], "and it is not asked about again"


@pytest.mark.parametrize(
    ("status", "content_type", "body", "says"),
    [
        (500, JSON, b"{}", "it answers 500"),
        (403, JSON, b"{}", "it answers 403"),
        (200, JSON, b"{", "its page cannot be read"),
        (200, JSON, b"[]", "its page cannot be read"),
        (200, JSON, b'{"files": [{}]}', "its page cannot be read"),
        (200, JSON, b'{"meta": {"api-version": "1.0"}, "name": "flask", "files": []}', "of another project"),
        (200, "text/html", b"\xff", "its page cannot be read"),
        (200, "application/octet-stream", b"{}", "neither JSON nor HTML"),
    ],
)
def test_upstream_answers_nonsense(
    client: Client, public: PublicIndex, status: int, content_type: str, body: bytes, says: str
) -> None:
    public.pages["requests"] = (status, content_type, body)
    is_no_page(client.send("GET", PAGE), 503, says)
    is_no_page(client.send("GET", FILE), 503, says)
    del public.pages["requests"]
    assert listed(client) == [NAME], "a failure is not remembered"


def test_upstream_is_down(client: Client, public: PublicIndex, caplog: pytest.LogCaptureFixture) -> None:
    assert client.send("GET", FILE).content == public.projects["requests"][0].content
    public.stop()
    sentence = "flask is not on this index, and upstream fails: Connection refused; try again later.\n"
    is_no_page(client.send("GET", "/simple/flask/"), 503, sentence)
    assert "The page of flask cannot be had from upstream: Connection refused." in caplog.text
    assert client.send("GET", FILE).content == public.projects["requests"][0].content, "what is kept is there"
    public.start()
    is_no_page(client.send("GET", "/simple/flask/"), 404, "nor upstream")


def test_a_page_that_is_too_big_or_too_slow(
    client: Client, public: PublicIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("wheelhouse.upstream.page.MAX_PAGE", 100)
        is_no_page(client.send("GET", PAGE), 503, "its page is bigger than 100 bytes")
    with monkeypatch.context() as patch:
        patch.setattr("wheelhouse.upstream.page.PAGE_TIME", 0.0)
        is_no_page(client.send("GET", PAGE), 503, "its page takes longer than 0 s")
    assert listed(client) == [NAME]


def test_silence_is_not_waited_for(client: Client, public: PublicIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheelhouse.upstream.http_client.READ_TIMEOUT", 0.2)
    waiting = threading.Event()
    public.before_page = lambda: waiting.wait(10) and None
    is_no_page(client.send("GET", PAGE), 503, "no answer within 0.2 s")
    waiting.set()
    assert listed(client) == [NAME]


def test_a_page_is_asked_for_once(client: Client, public: PublicIndex) -> None:
    public.projects["requests"] = [public_wheel(version=f"1.{number}") for number in range(20)]
    public.before_page = lambda: time.sleep(0.2)
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda _: listed(client), range(8)))
        assert all(len(names) == 20 for names in pages)
        files = list(pool.map(lambda name: client.send("GET", f"/cached/requests/{name}").status, pages[0]))
    assert files == [200] * 20
    assert public.asked.count(PAGE) == 1


# what is let in


def test_names_that_are_never_asked_for(
    client: Client, public: PublicIndex, configure: Callable[..., None], cache: Path
) -> None:
    """Not even if they were, when they still might be: their files leave the cache."""
    names = ["acme-tools", "evil-thing", "colours", "requests"]
    public.projects = {name: [public_wheel(name.replace("-", "_"), "99.0")] for name in names}
    configure(reserved=[], denied=[])
    paths = {name: f"/cached/{name}/{public.projects[name][0].name}" for name in names}
    for path in paths.values():
        assert client.send("GET", path).status == 200
    configure(reserved=["acme-*"], denied=["evil-*"], publishes={"ada": ["*"]})
    shelved = Wheel("colours", "0.1")
    assert client.upload(shelved.filename, shelved.build()).status == 200
    public.asked.clear()
    for name, says in (
        ("acme-tools", "acme-tools is a name of this organisation's own, and nothing of it is published yet."),
        ("evil-thing", "evil-thing is not let in from outside; to change that, ask it@acme.example."),
        ("colours", "colours has no files at present"),
    ):
        is_no_page(client.send("GET", f"/simple/{name}/", HTTP_ACCEPT=JSON), 404, says)
        is_no_page(client.send("GET", paths[name]), 404, says)
        is_no_page(client.send("GET", f"{paths[name]}.metadata"), 404, says)
        assert client.send("HEAD", paths[name]).status == 404
    assert public.asked == []
    assert kept(cache) == [f"cached/requests/{public.projects['requests'][0].name}"]


def test_a_shelved_name_hides_the_public_one(
    client: Client, public: PublicIndex, configure: Callable[..., None], root: Path
) -> None:
    """Dependency confusion: a higher public version of a name that is ours."""
    configure(publishes={"ada": ["*"]})
    ours = Wheel("requests", "0.1")
    assert client.upload(ours.filename, ours.build()).status == 200
    public.projects["requests"] = [public_wheel(version="99.0")]
    shown = json.loads((root / "simple/requests/index.json").read_text())
    assert [file["filename"] for file in shown["files"]] == [ours.filename]
    assert client.send("GET", PAGE, HTTP_ACCEPT=JSON).status == 404
    assert client.send("GET", "/cached/requests/requests-99.0-py3-none-any.whl").status == 404
    assert public.asked == []


def test_new_files_are_held_back(client: Client, public: PublicIndex, configure: Callable[..., None]) -> None:
    old, young = public_wheel(uploaded=days_ago(3.01)), public_wheel(version="1.1", uploaded=days_ago(2.99))
    undated = public_wheel(version="1.2", uploaded=None)
    public.projects["requests"] = [old, young, undated]
    assert listed(client) == [old.name]
    assert page(client)["versions"] == ["1.0"]
    for file, says in (
        (young, f"This index lets in what is 3 days old: {young.name} from "),
        (undated, f"3 days old, and upstream does not say when {undated.name} was uploaded."),
    ):
        is_no_page(client.send("GET", f"/cached/requests/{file.name}"), 404, says)
        is_no_page(client.send("GET", f"/cached/requests/{file.name}.metadata"), 404, says)
        assert client.send("HEAD", f"/cached/requests/{file.name}").status == 404
    configure(minimum_age=2)
    assert listed(client) == [old.name, young.name], "and a changed setting counts at once"
    configure(minimum_age=0)
    assert listed(client) == [old.name, young.name, undated.name]
    assert client.send("GET", f"/cached/requests/{undated.name}").content == undated.content


def test_nothing_is_old_enough(client: Client, public: PublicIndex, caplog: pytest.LogCaptureFixture) -> None:
    """An index that tells no times looks like that for each project, and somebody has to find out why."""
    public.projects["requests"] = [public_wheel(uploaded=None)]
    says = (
        "Nothing of requests is let in, for example: This index lets in what is 3 days old, and upstream does not say"
    )
    is_no_page(client.send("GET", PAGE, HTTP_ACCEPT=JSON), 404, says)
    assert says in caplog.text
    public.pages["flask"] = (200, JSON, b'{"meta": {"api-version": "1.1"}, "name": "flask", "files": []}')
    assert page(client, "/simple/flask/")["files"] == [], "a project without files is none of that"


def test_the_clock_of_the_host_may_tell_local_time(
    client: Client, public: PublicIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    public.projects["requests"] = [
        public_wheel(uploaded=days_ago(2.9)),
        public_wheel(version="2.0", uploaded=days_ago(3.1)),
    ]
    for zone in ("Asia/Tokyo", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            assert listed(client) == ["requests-2.0-py3-none-any.whl"]
        finally:
            monkeypatch.delenv("TZ")
            time.tzset()


@pytest.mark.parametrize("hashes", [{}, {"md5": "0" * 32}, {"sha256": "0" * 63}, {"sha256": 7}])
def test_a_file_without_a_hash_is_not_served(client: Client, public: PublicIndex, hashes: dict) -> None:
    public.projects["requests"].append(public_wheel(version="2.0", says={"hashes": hashes}))
    assert listed(client) == [NAME]
    answer = client.send("GET", "/cached/requests/requests-2.0-py3-none-any.whl")
    is_no_page(answer, 404, "has no SHA-256 upstream, so that nobody could tell whether it arrives unchanged.")


def test_metadata_without_a_hash_are_not_offered(client: Client, public: PublicIndex) -> None:
    public.projects["requests"] = [public_wheel(says={"core-metadata": True})]
    assert "core-metadata" not in page(client)["files"][0]
    is_no_page(client.send("GET", f"{FILE}.metadata"), 404, f"Upstream has no metadata for {NAME}, or no SHA-256")


def test_an_index_that_speaks_html_alone(client: Client, public: PublicIndex, configure: Callable[..., None]) -> None:
    configure(minimum_age=0)
    public.speaks_json = False
    wheel = public.projects["requests"][0]
    assert page(client) == {
        "meta": {"api-version": "1.0"},
        "name": "requests",
        "files": [
            {
                "filename": NAME,
                "url": f"../../cached/requests/{NAME}",
                "hashes": {"sha256": hashlib.sha256(wheel.content).hexdigest()},
                "requires-python": ">=3.9",
            }
        ],
    }
    answer = client.send("GET", FILE)
    assert (answer.content, "Content-Length" in answer.headers) == (wheel.content, False)


@pytest.mark.parametrize(
    "path",
    [
        "/cached/",
        "/cached/requests",
        "/cached/requests/",
        f"/cached/Requests/{NAME}",
        f"/cached/requests/x/{NAME}",
        "/cached/requests/.hidden",
        f"/cached//{NAME}",
        f"/cached/requests/{'x' * 300}.whl",
        f"/cached/requests/{NAME}\0",
    ],
)
def test_what_is_no_file_goes_nowhere(client: Client, public: PublicIndex, path: str) -> None:
    is_no_page(client.send("GET", path), 404, "There is no such file on this index.")
    assert public.asked == []


def test_a_file_upstream_does_not_list(client: Client, public: PublicIndex) -> None:
    answer = client.send("GET", "/cached/requests/requests-9.tar.gz")
    is_no_page(answer, 404, "requests-9.tar.gz is not among the files of requests upstream.")


@pytest.mark.parametrize("policy", ["closed", "redirect"])
def test_other_policies_fetch_nothing(
    client: Client, public: PublicIndex, configure: Callable[..., None], cache: Path, policy: str
) -> None:
    configure(upstream=policy)
    answer = client.send("GET", PAGE)
    assert answer.headers.get("Location") == (f"{public.url}requests/" if policy == "redirect" else None)
    is_no_page(answer, 302 if policy == "redirect" else 404, "")
    is_no_page(client.send("GET", FILE), 404, "There is no such file on this index.")
    assert public.asked == []
    assert not cache.exists()
    is_no_page(client.send("GET", "/simple/evil-thing/"), 404, "evil-thing is not let in from outside")

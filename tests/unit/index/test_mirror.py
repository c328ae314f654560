"""The policy `cached`: what of a public index gets through, and what stays in the cache."""

import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from wheelhouse.cache import Cache
from wheelhouse.recent import Recent

from .public import JSON, PublicFile, PublicIndex, days_ago, public_wheel, stopping
from .samples import Answer, Client, Wheel

PAGE = "/simple/requests/"
NAME = "requests-1.0-py3-none-any.whl"
FILE = f"/cached/requests/{NAME}"


@pytest.fixture
def public() -> Iterator[PublicIndex]:
    with stopping(PublicIndex()) as index:
        index.projects["requests"] = [public_wheel()]
        yield index


@pytest.fixture
def client(client: Client, public: PublicIndex, configure: Callable[..., None]) -> Client:
    configure(upstream="cached", upstream_url=public.url)
    return client


def page(client: Client, path: str = PAGE) -> dict:
    answer = client.send("GET", path, HTTP_ACCEPT=JSON)
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


def listed(client: Client, path: str = PAGE) -> list[str]:
    return [file["filename"] for file in page(client, path)["files"]]


def kept(cache: Path) -> list[str]:
    """Every file in the cache, wherever it is."""
    return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())


def is_no_page(answer: Answer, status: int, says: str) -> None:
    assert (answer.status, "X-Accel-Expires" in answer.headers) == (status, False), answer.text
    assert says in answer.text


# pages


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
        patch.setattr("wheelhouse.mirror.MAX_PAGE", 100)
        is_no_page(client.send("GET", PAGE), 503, "its page is bigger than 100 bytes")
    with monkeypatch.context() as patch:
        patch.setattr("wheelhouse.mirror.PAGE_TIME", 0.0)
        is_no_page(client.send("GET", PAGE), 503, "its page takes longer than 0 s")
    assert listed(client) == [NAME]


def test_silence_is_not_waited_for(client: Client, public: PublicIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wheelhouse.outside.READ_TIMEOUT", 0.2)
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
        "/cached/requests/../requests/x.whl",
        "/cached/../shelf/journal.jsonl",
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


# files


def test_a_file_is_fetched_once_and_kept(client: Client, public: PublicIndex, cache: Path) -> None:
    wheel = public.projects["requests"][0]
    before = os.umask(0o077)
    try:
        answer = client.send("GET", FILE)
    finally:
        os.umask(before)
    assert (answer.status, answer.content) == (200, wheel.content)
    assert answer.headers["Content-Length"] == str(len(wheel.content))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert kept(cache) == [f"cached/requests/{NAME}"]
    assert (cache / "cached/requests" / NAME).read_bytes() == wheel.content
    for path in [cache / "cached", *(cache / "cached").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path
    public.asked.clear()
    assert client.send("GET", FILE) == answer
    assert public.asked == []


def test_metadata_are_fetched_without_the_file(client: Client, public: PublicIndex, cache: Path) -> None:
    answer = client.send("GET", f"{FILE}.metadata")
    assert (answer.status, answer.content) == (200, public.projects["requests"][0].described)
    assert kept(cache) == [f"cached/requests/{NAME}.metadata"]
    assert not [path for path in public.asked if path.partition("?")[0].endswith(".whl")]
    public.stop()
    assert client.send("GET", f"{FILE}.metadata").content == answer.content


def test_head_fetches_nothing(client: Client, public: PublicIndex, cache: Path) -> None:
    expected = str(len(public.projects["requests"][0].content))
    answer = client.send("HEAD", FILE)
    assert (answer.status, answer.headers["Content-Length"], answer.content) == (200, expected, b"")
    assert public.asked == [PAGE] and not kept(cache)
    client.send("GET", FILE)
    answer = client.send("HEAD", FILE)
    assert (answer.status, answer.headers["Content-Length"], answer.content) == (200, expected, b"")


def test_addresses_with_signs_in_them(client: Client, public: PublicIndex) -> None:
    wheel = public_wheel(version="1!2.0+cpu.1")
    public.projects["requests"] = [wheel]
    assert client.send("GET", f"/cached/requests/{wheel.name}").content == wheel.content
    assert client.send("GET", f"/cached/requests/{wheel.name}.metadata").content == wheel.described


def test_addresses_after_a_redirect(client: Client, public: PublicIndex) -> None:
    """They are relative to where the page was found, not to where it was looked for."""
    with stopping(PublicIndex()) as other:
        other.projects, public.projects, public.moved_to = public.projects, {}, other.url
        assert client.send("GET", FILE).content == other.projects["requests"][0].content


def broken(client: Client) -> None:
    """The file does not come, and the connection is cut."""
    with pytest.raises(ConnectionResetError):
        client.send("GET", FILE)


@pytest.mark.parametrize("size", [100, 300_000])
def test_wrong_bytes_are_not_kept(
    client: Client, public: PublicIndex, cache: Path, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    content = os.urandom(size)
    public.projects["requests"] = [PublicFile(NAME, content, sends=content[:-1] + bytes([content[-1] ^ 1]))]
    broken(client)
    assert f"{NAME} was not taken from upstream: its SHA-256 is not the one in upstream's page." in caplog.text
    assert kept(cache) == []
    public.projects["requests"][0].sends = None
    assert client.send("GET", FILE).content == content


@pytest.mark.parametrize("sends", [b"", b"short", bytes(400_000)])
def test_a_wrong_size_is_told(client: Client, public: PublicIndex, cache: Path, sends: bytes) -> None:
    public.projects["requests"][0].sends = sends
    is_no_page(client.send("GET", FILE), 502, f"{NAME} was not taken from upstream: its size is not the one in")
    assert kept(cache) == []


def test_more_bytes_than_promised_are_not_waited_for(
    client: Client, public: PublicIndex, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wheel = public.projects["requests"][0]
    wheel.sends = wheel.content + bytes(300_000)
    wheel.after = len(wheel.sends) - 1  # the last byte never comes
    wheel.says_length = False
    broken(client)
    assert "it is bigger than it may be" in caplog.text
    assert kept(cache) == []


def test_a_file_that_breaks_off(client: Client, public: PublicIndex, cache: Path) -> None:
    content = os.urandom(300_000)
    cut = PublicFile(NAME, content, after=200_000, stops=True)
    cut.go_on.set()
    public.projects["requests"] = [cut]
    broken(client)
    assert kept(cache) == []
    cut.after, cut.stops = None, False
    assert client.send("GET", FILE).content == content


@pytest.mark.parametrize("described", [b"Metadata-Version: 9\n", b""])
def test_wrong_metadata_are_told(client: Client, public: PublicIndex, cache: Path, described: bytes) -> None:
    expected = client.send("GET", f"{FILE}").status and public.projects["requests"][0].described
    public.projects["requests"][0].described = described
    is_no_page(client.send("GET", f"{FILE}.metadata"), 502, "its SHA-256 is not the one in upstream's page")
    assert kept(cache) == [f"cached/requests/{NAME}"]
    public.projects["requests"][0].described = expected
    assert client.send("GET", f"{FILE}.metadata").content == expected


def test_metadata_have_an_end(
    client: Client, public: PublicIndex, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wheelhouse.mirror.MAX_METADATA", 10)
    is_no_page(client.send("GET", f"{FILE}.metadata"), 502, "it is bigger than it may be")
    assert kept(cache) == []


def test_a_full_disk_leaves_nothing(client: Client, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wheelhouse.cache.Received.write", full)
    with pytest.raises(OSError, match="No space left"):
        client.send("GET", FILE)
    assert kept(cache) == []


def test_many_ask_for_one_file(client: Client, public: PublicIndex, cache: Path) -> None:
    content = os.urandom(2_000_000)
    public.projects["requests"] = [PublicFile(NAME, content, after=1_000_000)]
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(client.send, "GET", FILE) for _ in range(8)]
        time.sleep(0.3)
        public.projects["requests"][0].go_on.set()
        assert all(answer.result(30).content == content for answer in answers)
    assert kept(cache) == [f"cached/requests/{NAME}"]


def test_only_what_was_left_behind_is_swept(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.sweep()
    assert list(tmp_path.iterdir()) == [], "nothing is made before it is needed"
    with cache.receive() as received:
        received.write(b"x")
        (tmp_path / "incoming/left-behind").write_bytes(b"x")
        Cache(tmp_path).sweep()
        assert list((tmp_path / "incoming").iterdir()) == [received.path]
        cache.place(received, "requests", NAME)
    assert kept(tmp_path) == [f"cached/requests/{NAME}"]


# what is remembered


def test_the_oldest_answers_are_forgotten() -> None:
    recent: Recent[list[int]] = Recent(60, 5, len)
    asked: list[str] = []

    def find(name: str, size: int) -> list[int]:
        asked.append(name)
        return [0] * size

    for name, size in (("a", 2), ("b", 2), ("a", 2), ("c", 2), ("b", 2), ("a", 2), ("huge", 6), ("huge", 6), ("d", 1)):
        recent.get(name, lambda name=name, size=size: find(name, size))
    assert asked == ["a", "b", "c", "a", "huge", "huge", "d"]


def test_an_answer_is_good_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    recent: Recent[float] = Recent(60, 5, lambda _: 1)
    assert recent.get("a", lambda: now) == 1000
    now = 1059.0
    assert recent.get("a", lambda: now) == 1000
    now = 1061.0
    assert recent.get("a", lambda: now) == 1061


def test_a_failure_is_that_of_all_who_wait() -> None:
    recent: Recent[int] = Recent(60, 5, lambda _: 1)
    asked = threading.Event()

    def fail() -> int:
        asked.wait(10)
        raise LookupError

    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(recent.get, "a", fail) for _ in range(3)]
        time.sleep(0.1)
        asked.set()
        assert all(isinstance(one.exception(10), LookupError) for one in waiting)
    assert recent.get("a", lambda: 7) == 7

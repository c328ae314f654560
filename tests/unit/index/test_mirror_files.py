"""The policy `cached`: files of a public index, and what stays of them in the cache."""

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from wheelhouse.store.downloads import Cache
from wheelhouse.web.app import application

from .mirror import FILE, NAME, PAGE, is_no_page, kept
from .public import JSON, PublicFile, PublicIndex, public_wheel, stopping
from .samples import Client, Wheel


@pytest.fixture
def client(client: Client, public: PublicIndex, configure: Callable[..., None]) -> Client:
    configure(upstream="cached", upstream_url=public.url)
    return client


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


def test_what_is_closed_serves_no_copies_any_more(client: Client, configure: Callable[..., None], cache: Path) -> None:
    """The gateway serves a copy without asking anybody, so it has to go."""
    assert client.send("GET", FILE).status == 200
    configure(upstream="closed")
    assert client.send("GET", PAGE).status == 404
    assert kept(cache) == []


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
    monkeypatch.setattr("wheelhouse.upstream.simple_index.MAX_METADATA", 10)
    is_no_page(client.send("GET", f"{FILE}.metadata"), 502, "it is bigger than it may be")
    assert kept(cache) == []


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a small disk")
@pytest.mark.parametrize("size", ["100k", "4k"])
def test_a_full_disk_lets_the_file_through_and_keeps_nothing(
    client: Client, public: PublicIndex, cache: Path, size: str
) -> None:
    content = os.urandom(2_000_000)
    public.projects["requests"] = [PublicFile(NAME, content, described=b"Name: requests\n")]
    cache.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},nr_inodes=4", "tmpfs", cache]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        for _ in range(2):
            assert client.send("GET", FILE).content == content
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: client.send("GET", FILE), range(8)))
        assert all(answer.content == content for answer in answers)
        assert kept(cache) == []
    finally:
        subprocess.run(["umount", "--lazy", cache], check=True)


def test_a_cache_that_cannot_be_written_lets_the_file_through(client: Client, public: PublicIndex, cache: Path) -> None:
    cache.write_bytes(b"no directory")
    content = public.projects["requests"][0].content
    assert client.send("GET", FILE).content == content


def test_a_name_never_comes_back_with_other_bytes(client: Client, public: PublicIndex, cache: Path) -> None:
    first = public.projects["requests"][0]
    assert client.send("GET", FILE).content == first.content
    assert client.send("GET", f"{FILE}.metadata").content == first.described
    shutil.rmtree(cache)
    other = Wheel("requests", members={"requests/evil.py": b""}).build()
    public.projects["requests"] = [
        replace(first, content=other, described=b"Name: requests\nVersion: 1.0\nRequires-Dist: evil\n")
    ]
    again = Client(application())
    for path in (FILE, f"{FILE}.metadata"):
        refused = again.send("GET", path)
        assert refused.status == 404 and "with other contents" in refused.text
    assert again.send("GET", PAGE).status == 404, "it was the only file"
    assert kept(cache) == []
    public.projects["requests"] = [first]
    assert Client(application()).send("GET", FILE).content == first.content


def test_also_if_only_the_metadata_are_others(client: Client, public: PublicIndex, cache: Path) -> None:
    first = public.projects["requests"][0]
    assert client.send("GET", f"{FILE}.metadata").status == 200
    shutil.rmtree(cache)
    public.projects["requests"] = [replace(first, described=b"Name: requests\nVersion: 1.0\nRequires-Dist: evil\n")]
    again = Client(application())
    assert again.send("GET", f"{FILE}.metadata").status == 404
    assert again.send("GET", FILE).content == first.content


def many(public: PublicIndex, *names: str) -> None:
    for name in names:
        public.projects[name] = [PublicFile(f"{name}-1.0-py3-none-any.whl", name.encode() * 10_000)]


def fetch(client: Client, name: str) -> None:
    client.send("GET", f"/simple/{name}/", HTTP_ACCEPT=JSON)
    assert client.send("GET", f"/cached/{name}/{name}-1.0-py3-none-any.whl").status == 200


def test_the_cache_has_a_size_and_forgets_what_was_not_used_for_longest(
    client: Client, public: PublicIndex, cache: Path, root: Path, configure: Callable[..., None]
) -> None:
    many(public, "aa", "bb", "cc", "dd")
    configure(cache_size=70_000)
    for hours, name in ((5, "aa"), (4, "bb"), (3, "cc")):
        fetch(client, name)
        at = time.time() - 3600 * hours
        os.utime(cache / f"cached/{name}/{name}-1.0-py3-none-any.whl", (at, at))
        os.utime(root / "locks/asked" / name, (at, at))
    client.send("GET", "/simple/aa/", HTTP_ACCEPT=JSON)  # somebody installs it, from the gateway's copy
    fetch(client, "dd")
    assert [path.split("/")[1] for path in kept(cache)] == ["aa", "cc", "dd"]
    fetch(client, "bb")
    assert [path.split("/")[1] for path in kept(cache)] == ["aa", "bb", "dd"]


def test_a_file_that_is_bigger_than_the_cache_passes_through(
    client: Client, public: PublicIndex, cache: Path, configure: Callable[..., None]
) -> None:
    many(public, "aa", "bb")
    configure(cache_size=25_000)
    fetch(client, "aa")
    public.projects["bb"][0].content *= 10
    fetch(client, "bb")
    assert kept(cache) == ["cached/aa/aa-1.0-py3-none-any.whl"]


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

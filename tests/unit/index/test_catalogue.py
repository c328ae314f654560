"""The catalogue: what is published, for people, as it grows and shrinks."""

import json
import random
import threading
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version
from wheelhouse import cli
from wheelhouse.formats.validation import MAX_SUMMARY
from wheelhouse.index.events import PUBLISH, REMOVE, YANK, Event, now
from wheelhouse.index.readers import Reader
from wheelhouse.index.search import Catalogue
from wheelhouse.index.transaction import Index
from wheelhouse.store import foreign
from wheelhouse.web import project_page

from .journal import write
from .samples import Client, Wheel, metadata, sdist

Publish = Callable[..., None]
Known = Callable[[str], Any]


@pytest.fixture
def catalogue(index: Index) -> Catalogue:
    return Catalogue(index.database, Reader(()))


@pytest.fixture
def project(index: Index) -> Known:
    """What the page of a project is made of."""
    return lambda name: project_page.load(index.database, name, 100)


@pytest.fixture
def publish(client: Client) -> Publish:
    """Upload a wheel whose METADATA has a summary."""

    def upload(name: str = "acme_tools", version: str = "1.0", summary: str = "", spelled: str = "") -> None:
        described = metadata(spelled or name, version, f"Summary: {summary}\n" if summary else "")
        wheel = Wheel(name, version, metadata=described)
        assert client.upload(wheel.filename, wheel.build()).status == 200

    return upload


def event(kind: str = PUBLISH, project: str = "acme-x", version: str = "1.0", **more: object) -> Event:
    filename = f"{project.replace('-', '_')}-{version}-py3-none-any.whl"
    told = {"who": "ada", "time": now(), "project": project, "version": version, "file": filename, "size": 1000}
    return Event(**{"event": kind, "sha256": "ab" * 32, **told, **more})


def test_an_upload_is_known_at_once(publish: Publish, root: Path, project: Known) -> None:
    assert project("acme-tools") is None
    before = datetime.now(UTC)
    publish("acme_tools", "1.0", "Tools for every day", "Acme.Tools")
    found = project("acme-tools")
    assert (found.name, found.title, found.summary) == ("acme-tools", "Acme.Tools", "Tools for every day")
    assert (found.latest, found.is_prerelease) == ("1.0", False)
    (release,) = found.releases
    assert (release.first.who, release.yanked) == ("ada", None)
    assert before <= release.at <= datetime.now(UTC)
    (file,) = release.files
    page = json.loads((root / "simple/acme-tools/index.json").read_text())["files"][0]
    assert (file.file, file.size, file.sha256) == (page["filename"], page["size"], page["hashes"]["sha256"])


def test_a_copied_file_has_its_summary_too(
    client: Client, root: Path, monkeypatch: pytest.MonkeyPatch, project: Known
) -> None:
    monkeypatch.setattr(foreign, "QUIET", 0.0)
    pkg_info = metadata(extra="Summary: Copied\nRequires-Python: >=3.11\n")
    (root / "packages" / "acme_tools-1.0.tar.gz").write_bytes(sdist(pkg_info=pkg_info))
    assert cli.main(["reindex", "--by", "carol"]) == 0
    found = project("acme-tools")
    (release,) = found.releases
    assert (found.title, found.summary, release.first.who) == ("acme-tools", "Copied", "carol")
    assert release.requires_python == ">=3.11"


def test_yank_unyank_and_remove_are_seen(catalogue: Catalogue, project: Known, publish: Publish) -> None:
    for version, summary in (("1.0", "Old"), ("2.0", "New")):
        publish(version=version, summary=summary)

    def seen() -> tuple[object, ...]:
        found = project("acme-tools")
        return found.latest, found.summary, {release.version: release.yanked for release in found.releases}

    assert seen() == ("2.0", "New", {"2.0": None, "1.0": None})
    assert cli.main(["yank", "acme-tools", "2.0", "--reason", "it leaks"]) == 0
    assert seen() == ("1.0", "Old", {"2.0": "it leaks", "1.0": None})
    assert cli.main(["unyank", "acme-tools", "2.0"]) == 0
    assert seen() == ("2.0", "New", {"2.0": None, "1.0": None})
    assert cli.main(["remove", "acme-tools", "2.0", "--reason", "x"]) == 0
    assert seen() == ("1.0", "Old", {"1.0": None})
    assert cli.main(["remove", "acme-tools", "1.0", "--reason", "x"]) == 0
    assert project("acme-tools") is None
    assert (catalogue.counts(), catalogue.search("acme", 0, 9).total, catalogue.latest(9)) == ((0, 0), 0, [])
    publish(version="3.0", summary="Again")
    assert seen() == ("3.0", "Again", {"3.0": None})
    assert catalogue.counts() == (1, 1)


@pytest.mark.parametrize(
    ("versions", "yanked", "latest"),
    [
        (["1.9", "1.10", "1.2"], [], "1.10"),
        (["1.0", "2.0rc1", "2.0.dev1"], [], "1.0"),
        (["1.0", "2.0rc1"], ["1.0"], "2.0rc1"),
        (["1.0rc1", "1.0b2"], [], "1.0rc1"),
        (["1.0", "1.1"], ["1.1"], "1.0"),
        (["1.0", "1.1"], ["1.0", "1.1"], None),
        (["1.0", "1!0.1", "3.0"], [], "1!0.1"),
        (["1.0", "1.0+cpu.1", "1.0.post1"], [], "1.0.post1"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_the_latest_is_what_one_would_install(
    index: Index, versions: list[str], yanked: list[str], latest: str | None, at_once: bool, project: Known
) -> None:
    for version in random.sample(versions, len(versions)):
        write(index, event(version=version, summary=f"of {version}"))
        assert at_once or project("acme-x")
    write(index, *(event(YANK, version=version, reason="bad") for version in yanked))
    found = project("acme-x")
    assert found.latest == latest
    assert found.summary == f"of {latest or max(versions)}"
    assert [release.version for release in found.releases] == sorted(versions, key=Version, reverse=True)


def test_a_release_is_yanked_when_all_its_files_are(index: Index, project: Known) -> None:
    wheel, source = event(), event(file="acme_x-1.0.tar.gz", who="bob", time="2020-02-03T04:05:06.000000Z")
    write(index, wheel, source, event(YANK, reason="bad"))
    (release,) = project("acme-x").releases
    assert (release.yanked, [file.yanked for file in release.files]) == (None, ["bad", None])
    assert (release.first.who, release.at) == ("bob", datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC)), "who was first"
    write(index, event(YANK, file=source.file, reason="bad"))
    assert project("acme-x").releases[0].yanked == "bad"


@pytest.mark.parametrize(
    ("summary", "kept"),
    [
        ("Plain", "Plain"),
        ("  with \t gaps  ", "with gaps"),
        ("UNKNOWN", None),
        ("red \x1b[31m text", "red [31m text"),
        ("turned \u202e round", "turned round"),
        ("x" * (MAX_SUMMARY + 1), "x" * (MAX_SUMMARY - 3) + "..."),
        ("x" * MAX_SUMMARY, "x" * MAX_SUMMARY),
        ("Größe, 大きさ", "Größe, 大きさ"),
    ],
)
def test_a_summary_is_one_line_that_can_be_shown_anywhere(
    publish: Publish, summary: str, kept: str | None, project: Known
) -> None:
    publish(summary=summary)
    assert project("acme-tools").summary == kept


def test_an_endless_spelling_of_a_name_is_not_kept(publish: Publish, project: Known) -> None:
    publish(spelled=f"acme{'-' * 10_000}tools")
    assert project("acme-tools").title == "acme-tools"


def test_lines_of_before_there_were_summaries(index: Index, project: Known) -> None:
    write(index, event())
    found = project("acme-x")
    assert (found.title, found.summary, found.latest) == ("acme-x", None, "1.0")


def test_what_was_published_last_comes_first(index: Index, catalogue: Catalogue) -> None:
    write(index, *(event(project=f"acme-{number}", version="1.0") for number in range(30)))
    write(index, event(project="acme-3", file="acme_3-1.0.tar.gz"), event(REMOVE, "acme-28"))
    write(index, event(YANK, "acme-27", reason="bad"))
    shown = [(entry.name, entry.installable) for entry in catalogue.latest(4)]
    assert shown == [("acme-3", True), ("acme-29", True), ("acme-27", False), ("acme-26", True)]
    assert len(catalogue.latest(100)) == 29, "a release with two files is one"


def test_many_threads_see_one_truth(index: Index, catalogue: Catalogue) -> None:
    write(index, *(event(project=f"acme-{number}") for number in range(500)))
    seen: list[tuple[int, int]] = []

    def look() -> None:
        for _ in range(20):
            seen.append(catalogue.counts())
            catalogue.search("acme", 0, 5)
            catalogue.latest(5)

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(500, 600):
        write(index, event(project=f"acme-{number}"))
    for thread in threads:
        thread.join(60)
    assert catalogue.counts() == (600, 600)
    assert len(seen) == 160
    assert all(500 <= projects == files_ <= 600 for projects, files_ in seen)


@pytest.mark.long
def test_a_large_shelf_is_asked_without_reading_all_of_it(
    index: Index, project: Known, capsys: pytest.CaptureFixture
) -> None:
    """50,000 projects with 100,000 files. The times are for people to read: this machine may do other things."""
    words = [
        "data",
        "frame",
        "index",
        "web",
        "reader",
        "stream",
        "graph",
        "model",
        "report",
        "ledger",
        "sensor",
        "plan",
    ]

    def published() -> object:
        for version in ("1.0", "1.1"):
            for number in range(50_000):
                project = f"acme-{words[number % 12]}-{number}"
                summary = " ".join(random.Random(number).choices(words, k=10))
                sha256 = f"{number:064x}"
                yield event(project=project, version=version, summary=summary, sha256=sha256, size=number)

    write(index, *published())
    catalogue = Catalogue(index.database, Reader(()))
    assert catalogue.counts() == (50_000, 100_000)
    figures: dict[str, float] = {}

    def timed(what: str, ask: Callable[[], object]) -> None:
        start = time.perf_counter()
        ask()
        figures[what] = round((time.perf_counter() - start) * 1000, 1)

    tracemalloc.start()
    timed("counts", catalogue.counts)
    for query in ("acme-web-18", "acme", "graph model", "no-such-thing", "", "or"):
        timed(f"search {query!r}", lambda query=query: catalogue.search(query, 0, 30))
    timed("latest", lambda: catalogue.latest(20))
    timed("project", lambda: project("acme-web-15"))
    assert tracemalloc.get_traced_memory()[1] < 5 * 2**20, "bytes, whatever is asked"
    tracemalloc.stop()
    with capsys.disabled():
        print(f"\nmilliseconds: {figures}")

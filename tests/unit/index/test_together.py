"""Many files that were copied in are published together: what one of them does costs no other one, and little is asked.

How often something is done is counted here, not how long it takes.
"""

import contextlib
import errno
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from wheelhouse import cli
from wheelhouse.formats import confined
from wheelhouse.index import dropbox, reindex
from wheelhouse.index.opening import open_index
from wheelhouse.index.reindex import Reindex
from wheelhouse.index.rendering import Renderer
from wheelhouse.index.transaction import Index
from wheelhouse.store.base import Store

from . import kept
from .conda_samples import CondaPackage
from .journal import journal
from .samples import Client, Wheel, metadata, sdist
from .served import disagreements

RUDE = f"import sys; sys.path.append({str(Path(__file__).parent)!r}); import rude_reading; rude_reading.serve"
PLACES = ["drop", "packages", "{project}"]


@pytest.fixture(autouse=True)
def shelf(environment: None, no_waiting: None, root: Path) -> Path:
    assert cli.main(["reindex"]) == 0
    return root


@pytest.fixture
def rude(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Readers that do the worst when a file is called like that."""
    helper = confined._Helper(RUDE)
    monkeypatch.setattr(confined, "_helper", helper)
    monkeypatch.setattr(confined, "_PAUSES", (0.0,))
    yield
    with contextlib.suppress(OSError):
        helper.lost(helper.way())


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def copy_in(root: Path, wheel: Wheel, place: str = "drop") -> Path:
    project = wheel.name.replace("_", "-")
    return put(root / place.format(project=f"packages/{project}") / wheel.filename, wheel.build())


def wheels(projects: int, files: int, name: str = "acme_p") -> list[Wheel]:
    return [Wheel(f"{name}{number}", f"1.{file}") for number in range(projects) for file in range(files)]


def listed(root: Path) -> set[str]:
    pages = (root / "simple").glob("*/index.json")
    return {file["filename"] for page in pages for file in json.loads(page.read_text())["files"]}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("batch", [2, 3, 100])
def test_all_are_published(shelf: Path, place: str, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever batches end."""
    monkeypatch.setattr(dropbox, "BATCH", batch)
    monkeypatch.setattr(dropbox, "UNRENDERED", 2 * batch)
    monkeypatch.setattr(reindex, "TOGETHER", 2 * batch)
    all_of_them = wheels(3, 4)
    for wheel in all_of_them:
        copy_in(shelf, wheel, place)
    assert cli.main(["reindex"]) == 0
    assert listed(shelf) == {wheel.filename for wheel in all_of_them}
    assert disagreements(shelf) == [] and not list((shelf / "drop").iterdir())
    assert Counter(one["file"] for one in journal(shelf, "publish")) == {wheel.filename: 1 for wheel in all_of_them}
    assert cli.main(["verify"]) == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("acme_hog", "needs more memory to be read"),
        ("acme_killed", "needs more memory to be read"),
        ("acme_spin", "needs more time to be read"),
        ("acme_crash", "the program that looks at it failed"),
    ],
)
@pytest.mark.parametrize("place", ["drop", *(pytest.param(place, marks=pytest.mark.long) for place in PLACES[1:])])
def test_a_file_that_ends_its_reader_costs_no_other_one(
    shelf: Path, rude: None, name: str, says: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confined, "SECONDS", 3.0)
    good = wheels(2, 4)
    for wheel in good:
        copy_in(shelf, wheel, place)
    bad = Wheel(name)
    copy_in(shelf, bad, place)
    assert cli.main(["reindex"]) == 1
    assert listed(shelf) == {wheel.filename for wheel in good} and disagreements(shelf) == []
    (told,) = journal(shelf, "quarantine")
    assert told["file"] == bad.filename and says in told["reason"]
    assert len(list((shelf / "quarantine").glob("*.whl"))) == 1
    assert cli.main(["reindex"]) == 0


def test_a_reader_that_is_killed_once_costs_nothing(shelf: Path, rude: None, tmp_path: Path) -> None:
    marker = put(tmp_path / "marker", b"")
    fragile = Wheel("acme_fragile", members={"marker": str(marker).encode()})
    for wheel in (*wheels(2, 3), fragile):
        copy_in(shelf, wheel)
    assert cli.main(["reindex", "--new"]) == 0
    assert not marker.exists() and len(listed(shelf)) == 7
    assert not list((shelf / "quarantine").iterdir())


def test_one_that_is_refused_costs_no_other_one(shelf: Path, client: Client) -> None:
    published = Wheel()
    assert client.upload(published.filename, published.build()).status == 200
    other = Wheel(members={"acme_tools/other.py": b""})
    good = [*wheels(2, 2), Wheel(version="2.0")]
    for wheel in (*good, other):
        copy_in(shelf, wheel)
    before = kept.names(shelf)
    assert cli.main(["reindex", "--new"]) == 1
    assert listed(shelf) == {published.filename, *(wheel.filename for wheel in good)} and disagreements(shelf) == []
    (told,) = journal(shelf, "quarantine")
    assert told["file"] == other.filename and "already exists on the shelf with other contents" in told["reason"]
    (aside,) = (shelf / "quarantine").glob("*.whl")
    assert aside.read_bytes() == other.build()
    assert told["sha256"] not in kept.names(shelf) - before, "its bytes are nobody's"


@pytest.mark.parametrize("kind", ["of projects", "of a channel"])
@pytest.mark.parametrize("same", [True, False])
def test_two_of_one_name(shelf: Path, kind: str, same: bool) -> None:
    if kind == "of projects":
        first, second = sdist(), sdist(pkg_info=None if same else metadata(extra=""))
        name, top = "acme_tools-1.0.tar.gz", shelf / "drop"
    else:
        packages = [CondaPackage(), CondaPackage(text="hello\n" if same else "other\n")]
        first, second = (package.build_it() for package in packages)
        name, top = packages[0].filename, shelf / "drop/conda/internal"
        assert cli.main(["channel", "internal"]) == 0
    put(top / "a/noarch" / name, first)
    put(top / "b/noarch" / name, second)
    assert cli.main(["reindex", "--new"]) == (0 if same else 1)
    (event_,) = journal(shelf, "publish")
    assert event_["file"] == name
    kept = [path for path in (shelf / "quarantine").iterdir() if not path.name.endswith(".json")]
    assert [path.read_bytes() for path in kept] == ([] if same else [second])
    assert disagreements(shelf) == []


def test_what_cannot_be_stored_costs_no_other_one(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    good, bad = wheels(2, 3), Wheel("acme_huge")
    paths = [copy_in(shelf, wheel) for wheel in (*good, bad)]
    index = open_index(shelf)
    store = type(index.store)
    index.database.close()
    whole = store.put

    def full(self: Store, key: str, source: Path, sha256: str, **more: Any) -> bool:
        if source.read_bytes() == bad.build():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return whole(self, key, source, sha256, **more)

    with monkeypatch.context() as patch:
        patch.setattr(store, "put", full)
        assert cli.main(["reindex", "--new"]) == 1
    assert f"{bad.filename} cannot be looked after" in capsys.readouterr().err
    assert listed(shelf) == {wheel.filename for wheel in good}
    assert [path for path in paths if path.exists()] == paths[-1:]
    assert cli.main(["reindex", "--new"]) == 0
    assert len(listed(shelf)) == 7 and disagreements(shelf) == []


def places_that_are_dirty(root: Path) -> set[str]:
    with open_index(root).database.read() as connection:
        return set(connection.exec_driver_sql("SELECT place FROM dirty").scalars())


def test_a_place_is_dirty_until_its_pages_are_on_the_disk(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wheel in wheels(2, 2):
        copy_in(shelf, wheel)
    whole = Index.sync
    seen: list[set[str]] = []

    def look(self: Index) -> None:
        seen.append(places_that_are_dirty(shelf))
        whole(self)
        seen.append(places_that_are_dirty(shelf))

    monkeypatch.setattr(Index, "sync", look)
    assert cli.main(["reindex", "--new"]) == 0
    assert seen[:2] == [{"", "acme-p0", "acme-p1"}] * 2
    assert places_that_are_dirty(shelf) == set()


class Asked:
    """What is asked of the disk and of the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        sync = os.fsync
        monkeypatch.setattr(os, "fsync", lambda descriptor: self.counts.update(["sync"]) or sync(descriptor))
        render = Renderer._render

        def rendering(renderer: Renderer, place: str, *given: Any, **more: Any) -> int:
            self.counts[f"render {place}"] += 1
            return render(renderer, place, *given, **more)

        monkeypatch.setattr(Renderer, "_render", rendering)
        self._events = [("commit", self._commit), ("before_cursor_execute", self._execute)]
        for name, count in self._events:
            event.listen(Engine, name, count)

    def stop(self) -> None:
        for name, count in self._events:
            event.remove(Engine, name, count)

    def _commit(self, *_: object) -> None:
        self.counts["commit"] += 1

    def _execute(self, *_: object) -> None:
        self.counts["statement"] += 1


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    asked = Asked(monkeypatch)
    yield asked
    asked.stop()


@pytest.mark.parametrize("place", PLACES)
def test_as_little_is_asked_for_many_files_as_for_few(shelf: Path, asked: Asked, place: str) -> None:
    counts: list[Counter[str]] = []
    for name, files in (("few", 2), ("many", 20)):
        for wheel in wheels(4, files, f"acme_{name}"):
            copy_in(shelf, wheel, place)
        asked.counts.clear()
        assert cli.main(["reindex", "--new"]) == 0
        counts.append(asked.counts.copy())
        for path in (shelf / "packages").iterdir():
            os.utime(path, (1_600_000_000, 1_600_000_000))  # the next run has nothing to look for there
    assert len(listed(shelf)) == 88
    few, many = counts
    assert many["sync"] <= few["sync"] < 20
    assert many["commit"] <= few["commit"], "of transactions that only read, too"
    assert many["statement"] <= few["statement"]


def test_the_page_of_a_large_project_is_not_made_for_each_batch(
    shelf: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dropbox, "BATCH", 5)
    monkeypatch.setattr(dropbox, "UNRENDERED", 5)
    for wheel in wheels(3, 30):
        copy_in(shelf, wheel)
    asked.counts.clear()
    assert cli.main(["reindex", "--new"]) == 0
    assert max(asked.counts[f"render acme-p{number}"] for number in range(3)) <= 2, "the second is a look for new files"
    assert asked.counts["render "] <= 6, "the list of projects"


def test_a_run_that_is_stopped_passes_over_nothing(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops where files of projects that it has looked at wait for others, to be taken in together."""
    all_of_them = wheels(3, 2)
    for wheel in all_of_them:
        copy_in(shelf, wheel, "{project}")
    whole = Reindex.look_after

    def stopping(self: Reindex, project: str, **more: Any) -> None:
        if project == "acme-p2":
            raise KeyboardInterrupt
        whole(self, project, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Reindex, "look_after", stopping)
        assert cli.main(["reindex"]) == 1
    assert cli.main(["reindex"]) == 0
    assert listed(shelf) == {wheel.filename for wheel in all_of_them} and disagreements(shelf) == []

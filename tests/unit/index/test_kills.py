"""Killed between any two changes: what was acknowledged stays, nothing partial is listed, and what comes next mends it.

What comes next is the same again, another change to the same project, or the next start of the server; each time what
is served is compared with the rows, in every form that a client may take.
"""

import hashlib
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.index.opening import open_index
from wheelhouse.web.app import application

from . import kept, killed_run, served
from .everything import Everything
from .journal import journal
from .kills import at_every_step, at_random_moments
from .samples import Client, Wheel, sdist
from .second_gateway import Second

FIRST, SECOND, OTHER = Wheel(), Wheel(version="2.0"), Wheel("acme_other")
REBUILT = Wheel(version="2.0", members={"acme_tools/__init__.py": b"answer = 43\n"})


def upload(wheel: Wheel) -> None:
    assert Client(application()).upload(wheel.filename, wheel.build()).status == 200


def run(*arguments: str) -> None:
    assert cli.main(list(arguments)) == 0


def yank() -> None:
    run("yank", "acme-tools", "1.0", "--reason", "x")


def remove() -> None:
    run("remove", "acme-tools", "1.0", "--reason", "x")


def copy_in(root: Path) -> None:
    (root / "drop/acme_tools-3.0.tar.gz").write_bytes(sdist(version="3.0"))
    run("reindex", "--new")


def start(root: Path) -> None:
    """What the server does when it starts."""
    index = open_index(root)
    index.render_dirty()
    index.sweep()
    index.database.close()


def sweep(root: Path, second: Second | None) -> None:
    """What the timer does once all gateways have rendered; where there is one, nothing is left to be swept."""
    if second:
        second.catches_up()
        index = open_index(root)
        index.sweep()
        index.database.close()


ACTIONS: dict[str, Callable[[Path], None]] = {
    "upload": lambda _: upload(SECOND),
    "upload of a new project": lambda _: upload(OTHER),
    "yank": lambda _: yank(),
    "remove": lambda _: remove(),
    "copied in": copy_in,
}
NEXT: dict[str, Callable[[Path], None]] = {
    "a start": start,
    "an upload": lambda _: upload(Wheel(version="5.0")),
    "a yank": lambda _: run("yank", "acme-tools", "0.5", "--reason", "y"),
    "a removal": lambda _: run("remove", "acme-tools", "0.5", "--reason", "y"),
    "reindex": lambda _: run("reindex"),
}


@pytest.fixture
def shelf(environment: None, no_waiting: None, root: Path) -> Path:
    for wheel in (FIRST, Wheel(version="0.5"), Wheel("acme_more")):
        upload(wheel)
    return root


LEAST, MANY = 8, 40
"""Changes of an action."""
EVERY_STEP = pytest.mark.parametrize(
    "kill", [at_random_moments, pytest.param(at_every_step, marks=pytest.mark.long)], ids=["some", "every step"]
)


@pytest.fixture
def before(shelf: Path, second: Second | None) -> Everything:
    """What is there before each kill."""
    return Everything(shelf, second)


def killing(kill: Callable[..., None], before: Everything, action: str, look: Callable[[int], None]) -> None:
    """Kill an action at some of its steps or at each, and look at what comes of it."""

    def is_killed(step: int) -> bool:
        before.put_back()
        is_killed = killed_run.forked(step, partial(do, action))
        look(step)
        return is_killed

    kill(is_killed, *((LEAST,) if kill is at_every_step else (MANY, LEAST)))


def do(action: str) -> None:
    ACTIONS[action](Path(os.environ["WHEELHOUSE_SHELF"]))


def check_what_is_listed(root: Path) -> None:
    """Whatever is listed, in whatever form, is there and whole."""
    for page in (root / "simple").glob("*/index.*"):
        files = served._files_of(page.name.removesuffix(".gz"), served_text(page))
        for name, digest, _ in files:
            package = f"packages/{page.parent.name}/{name}"
            content = served.content(root, package)
            assert content is not None and hashlib.sha256(content).hexdigest() == digest, f"{page} lists {name}"
            assert name.endswith(".tar.gz") or served.content(root, f"{package}.metadata")


def served_text(page: Path) -> str:
    import gzip  # noqa: PLC0415

    content = page.read_bytes()
    return (gzip.decompress(content) if page.suffix == ".gz" else content).decode()


def named(root: Path) -> set[str]:
    with open_index(root).database.read() as connection:
        rows = connection.exec_driver_sql("SELECT sha256, metadata_sha256 FROM files WHERE removed IS NULL").all()
    return {digest for row in rows for digest in row if digest}


@EVERY_STEP
@pytest.mark.parametrize("action", ACTIONS)
def test_the_next_start_mends_it(
    shelf: Path, second: Second | None, before: Everything, action: str, kill: Callable[..., None]
) -> None:
    def look(step: int) -> None:
        check_what_is_listed(shelf)
        start(shelf)
        assert served.disagreements(shelf) == [], step
        sweep(shelf, second)
        assert kept.names(shelf) == named(shelf), step
        if action == "remove":
            cli.main(["remove", "acme-tools", "1.0", "--reason", "x"])  # there may be nothing left to do
        elif action != "copied in":
            ACTIONS[action](shelf)
        assert served.disagreements(shelf) == [], step

    killing(kill, before, action, look)


@EVERY_STEP
@pytest.mark.parametrize("action", ["upload", "remove", "yank"])
@pytest.mark.parametrize("following", [name for name in NEXT if name != "a start"])
def test_another_change_mends_it(
    shelf: Path, second: Second | None, before: Everything, action: str, following: str, kill: Callable[..., None]
) -> None:
    """To the same project, and without a start between the two."""

    def look(step: int) -> None:
        NEXT[following](shelf)
        check_what_is_listed(shelf)
        assert [one for one in served.disagreements(shelf) if "acme-tools" in one] == [], step
        start(shelf)
        assert served.disagreements(shelf) == []
        sweep(shelf, second)
        assert kept.names(shelf) == named(shelf), step

    killing(kill, before, action, look)


@EVERY_STEP
def test_an_upload_that_was_killed_can_be_removed(
    shelf: Path, second: Second | None, before: Everything, kill: Callable[..., None]
) -> None:
    """Of its file and its metadata, only one may be in its place."""

    def look(step: int) -> None:
        cli.main(["remove", "acme-tools", "2.0", "--reason", "y"])  # there may be nothing yet
        start(shelf)
        assert served.disagreements(shelf) == []
        sweep(shelf, second)
        assert kept.names(shelf) == named(shelf), step

    killing(kill, before, "upload", look)


@EVERY_STEP
def test_an_upload_that_was_killed_is_nobody_elses(
    shelf: Path, second: Second | None, before: Everything, kill: Callable[..., None]
) -> None:
    """The timer comes before the person does, who has built anew meanwhile."""
    published = set()

    def look(step: int) -> None:
        run("reindex", "--new")
        run("verify")
        second = [event for event in journal(shelf, "publish") if event["file"] == SECOND.filename]
        assert {(event["who"], event["origin"]) for event in second} <= {("ada", "192.0.2.7")}
        page = json.loads((shelf / "simple/acme-tools/index.json").read_text())
        assert (SECOND.filename in {file["filename"] for file in page["files"]}) == bool(second), step
        published.add(bool(second))
        answer = Client(application()).upload(REBUILT.filename, REBUILT.build())
        assert answer.status == (409 if second else 200), step
        assert served.disagreements(shelf) == [], step

    killing(kill, before, "upload", look)
    assert kill is not at_every_step or published == {False, True}


@pytest.mark.parametrize("action", ACTIONS)
def test_what_was_answered_is_there(shelf: Path, second: Second | None, action: str) -> None:
    """Nothing waits to be rendered, or to be swept."""
    ACTIONS[action](shelf)
    assert served.disagreements(shelf) == []
    sweep(shelf, second)
    assert kept.names(shelf) == named(shelf)
    with open_index(shelf).database.read() as connection:
        assert connection.exec_driver_sql("SELECT place FROM dirty").all() == []
    assert list((shelf / "incoming/loose").iterdir()) == []

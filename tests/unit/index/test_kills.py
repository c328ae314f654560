"""Killed at every step: what was acknowledged stays, nothing partial is listed, and the next attempt completes it."""

import gzip
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wheelhouse import cli
from wheelhouse.formats import validation
from wheelhouse.formats.distribution import read
from wheelhouse.web.app import application

from .samples import Client, Wheel

FIRST, SECOND, OTHER = Wheel(), Wheel(version="2.0"), Wheel("acme_other")
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}
"""What changes the shelf for anybody else, besides lines in the journal."""
DONE, WRITTEN_IN_PLACE = 0, 3


def upload(wheel: Wheel) -> None:
    assert Client(application()).upload(wheel.filename, wheel.build()).status == 200


def run(*arguments: str) -> None:
    assert cli.main(list(arguments)) == 0


def killed_at(step: int, action: Callable[[], None]) -> bool:
    """Run `action` in a child that is killed before its change number `step`; False if it got through before that."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == DONE
        return os.WIFSIGNALED(status)
    seen = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            written = Path(str(arguments[0])).parts
            if "packages" in written or "simple" in written:
                os._exit(WRITTEN_IN_PLACE)
        if event in CHANGES or (event == "open" and arguments[2] & os.O_APPEND):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(count)
        action()
        os._exit(DONE)
    finally:
        os._exit(1)


def check_listed_files(root: Path) -> None:
    """Whatever is listed or lies under its own name is whole."""
    for page in (root / "simple").glob("*/index.json"):
        for file in json.loads(page.read_text())["files"]:
            packed = page.parent / file["url"]
            assert read(packed.resolve(), packed.name).hashes["sha256"] == file["hashes"]["sha256"]
            assert packed.with_name(f"{packed.name}.metadata").exists()
    for packed in (root / "packages").glob("*/*.whl"):
        validation.check(read(packed, packed.name), validation.Claims())


def listed(root: Path) -> set[str]:
    pages = (root / "simple").glob("*/index.json")
    return {file["filename"] for page in pages for file in json.loads(page.read_text())["files"]}


ACTIONS = {
    "upload": (lambda: upload(SECOND), {FIRST.filename, SECOND.filename}),
    "upload-new-project": (lambda: upload(OTHER), {FIRST.filename, OTHER.filename}),
    "yank": (lambda: run("yank", "acme-tools", "1.0", "--reason", "x"), {FIRST.filename}),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("repair", ["again", "reindex"])
def test_killed_at_every_step(environment: None, root: Path, tmp_path: Path, action: str, repair: str) -> None:
    act, expected = ACTIONS[action]
    upload(FIRST)
    template = tmp_path / "template"
    shutil.copytree(root, template)
    step = 0
    interrupted = True
    while interrupted:
        step += 1
        shutil.rmtree(root)
        shutil.copytree(template, root)
        interrupted = killed_at(step, act)
        check_listed_files(root)
        assert FIRST.filename in listed(root)
        if repair == "again":
            act()
            assert listed(root) == expected
        else:
            run("reindex")
        run("verify")
        projects = [project["name"] for project in json.loads((root / "simple/index.json").read_text())["projects"]]
        assert projects == sorted(path.parent.name for path in (root / "simple").glob("*/index.json"))
    assert listed(root) == expected
    assert step > 5, "the hook saw the changes"


@pytest.mark.parametrize("repair", ["again", "reindex"])
def test_a_removal_killed_at_every_step(environment: None, root: Path, tmp_path: Path, repair: str) -> None:
    upload(FIRST)
    upload(OTHER)
    template = tmp_path / "template"
    shutil.copytree(root, template)
    step = 0
    interrupted = True
    while interrupted:
        step += 1
        shutil.rmtree(root)
        shutil.copytree(template, root)
        interrupted = killed_at(step, lambda: run("remove", "acme-tools", "1.0", "--reason", "x"))
        check_listed_files(root)
        assert OTHER.filename in listed(root)
        if repair == "again":
            # there may be nothing left to do
            cli.main(["remove", "acme-tools", "1.0", "--reason", "x"])
            assert listed(root) == {OTHER.filename}
            run("verify")
        else:
            cli.main(["reindex"])  # says so if the file is gone and nobody wrote down why
            assert listed(root) >= {OTHER.filename}
            check_listed_files(root)
    assert listed(root) == {OTHER.filename}
    assert step > 5, "the hook saw the changes"


def at_every_step(root: Path, template: Path, action: Callable[[], None]) -> Iterator[int]:
    """Kill `action` before its first change, its second, and so on; each time what is there can be looked at."""
    shutil.copytree(root, template)
    step, interrupted = 0, True
    while interrupted:
        step += 1
        shutil.rmtree(root)
        shutil.copytree(template, root)
        interrupted = killed_at(step, action)
        if interrupted:
            yield step
    assert step > 5, "the hook saw the changes"


def test_an_upload_that_was_killed_is_nobody_elses(environment: None, root: Path, tmp_path: Path) -> None:
    """The timer comes before the person does, who has built anew meanwhile."""
    upload(FIRST)
    rebuilt = Wheel(version="2.0", members={"acme_tools/__init__.py": b"answer = 43\n"})
    published = set()
    for step in at_every_step(root, tmp_path / "template", lambda: upload(SECOND)):
        run("reindex", "--new")
        run("verify")
        events = [json.loads(line) for line in (root / "journal.jsonl").read_text().splitlines()]
        second = [event for event in events if event.get("file") == SECOND.filename and event["event"] == "publish"]
        assert {event["who"] for event in second} <= {"ada"} and {event["origin"] for event in second} <= {"192.0.2.7"}
        assert (SECOND.filename in listed(root)) == bool(second), step
        published.add(bool(second))
        answer = Client(application()).upload(rebuilt.filename, rebuilt.build())
        assert answer.status == (409 if second else 200), step
        leftovers = [path.name for path in (root / "packages").rglob(".*")]
        assert leftovers == []
    assert published == {False, True}


def test_no_compressed_page_lists_what_is_gone(environment: None, root: Path, tmp_path: Path) -> None:
    """The gateway serves it to whoever takes it."""
    upload(FIRST)
    for action in (lambda: upload(SECOND), lambda: cli.main(["remove", "acme-tools", "2.0", "--reason", "x"])):
        for step in at_every_step(root, tmp_path / f"template{id(action)}", action):
            cli.main(["remove", "acme-tools", "2.0", "--reason", "x"])
            for packed in (root / "simple").rglob("*.gz"):
                plain = packed.with_suffix("")
                assert plain.exists() and gzip.decompress(packed.read_bytes()) == plain.read_bytes(), (step, packed)
                assert SECOND.filename.encode() not in plain.read_bytes(), (step, packed)
        upload(SECOND)

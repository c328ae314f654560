"""The administrator's commands, on a shelf with files that were copied in, changed, lost and half written."""

import contextlib
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from wheelhouse import cli, progress
from wheelhouse.conda.channel import Channels
from wheelhouse.formats import reading
from wheelhouse.index import queries, verify
from wheelhouse.index.dropbox import Drop, Report
from wheelhouse.index.opening import open_index
from wheelhouse.index.reindex import Reindex
from wheelhouse.index.rendering import Renderer
from wheelhouse.index.transaction import IncomingPackage
from wheelhouse.index.verify import VerifyProjects
from wheelhouse.store import foreign
from wheelhouse.store.foreign import Foreign
from wheelhouse.store.staging import Staging
from wheelhouse.web.app import application

from . import kept, seaweed
from .conda_samples import CondaPackage
from .journal import journal
from .samples import Client, Wheel, metadata, sdist, snapshot
from .served import content, disagreements

WHEEL = Wheel().filename
DIRECTORY = "packages/acme-tools"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "QUIET", 0.05)


@pytest.fixture
def shelved(client: Client, root: Path) -> Path:
    """A shelf with a wheel and an sdist of acme-tools 1.0, published by ada."""
    assert client.upload(WHEEL, Wheel().build()).status == 200
    assert client.upload("acme_tools-1.0.tar.gz", sdist()).status == 200
    return root


def copy_in(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    return path


def listed(root: Path, project: str = "acme-tools") -> dict[str, dict]:
    try:
        page = json.loads((root / "simple" / project / "index.json").read_text())
    except FileNotFoundError:
        return {}
    return {file["filename"]: file for file in page["files"]}


def run(*arguments: str) -> int:
    return cli.main(list(arguments))


@pytest.mark.parametrize("place", ["packages", "packages/acme-tools", "packages/Acme_Tools", "packages/other"])
def test_a_copied_file_is_published_wherever_it_lies(client: Client, root: Path, place: str) -> None:
    copy_in(root / place / WHEEL, Wheel().build())
    assert run("reindex", "--by", "root") == 0
    assert list(listed(root)) == [WHEEL]
    assert content(root, f"{DIRECTORY}/{WHEEL}") == Wheel().build()
    assert content(root, f"{DIRECTORY}/{WHEEL}.metadata") == metadata("acme_tools")
    assert len(list(root.rglob("*.whl"))) == 1
    (event,) = journal(root, "publish")
    assert (event["who"], event["origin"], event["file"]) == ("root", "copied in", WHEEL)
    assert run("verify") == 0


def test_a_second_run_changes_nothing(shelved: Path) -> None:
    copy_in(shelved / "packages" / "acme_more-1.0.tar.gz", sdist("acme_more"))
    assert run("reindex") == 0
    before = snapshot(shelved)
    assert run("reindex") == 0
    assert snapshot(shelved) == before


@pytest.mark.parametrize(
    ("filename", "content", "says"),
    [
        ("notes.txt", b"hello", "neither a wheel"),
        (WHEEL, Wheel().build()[:-100], "not a readable archive"),
        (WHEEL, Wheel(metadata=metadata("requests")).build(), "its metadata say requests"),
        ("acme_tools-1.0.tar.gz", sdist()[:-20], "not a readable archive"),
    ],
)
@pytest.mark.parametrize("place", ["packages", "packages/acme-tools"])
def test_a_bad_file_goes_to_the_quarantine(
    client: Client, root: Path, filename: str, content: bytes, says: str, place: str, capsys: pytest.CaptureFixture
) -> None:
    copy_in(root / place / filename, content)
    assert run("reindex") == 1
    assert says in capsys.readouterr().err
    assert not (root / place / filename).exists()
    assert listed(root) == {}
    kept, reason = sorted((root / "quarantine").iterdir())
    assert kept.read_bytes() == content and kept.name.endswith(filename)
    assert reason.name == f"{kept.name}.reason.json"
    told = json.loads(reason.read_text())
    assert says in told["reason"] and told["found"] == f"{place}/{filename}"
    assert says in journal(root, "quarantine")[0]["reason"]
    assert run("reindex") == 0, "and is not found again"


@pytest.mark.parametrize("place", ["packages", "packages/acme-tools", "packages/acme-other"])
def test_a_look_for_new_files_finds_what_came_since_the_last(shelved: Path, place: str) -> None:
    assert run("reindex", "--new") == 0
    new = Wheel(version="1.1")
    copy_in(shelved / place / new.filename, new.build())
    assert run("reindex", "--new") == 0
    assert new.filename in listed(shelved)


def test_a_look_for_new_files_asks_for_no_project_where_nothing_happened(
    shelved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("reindex", "--new") == 0
    for directory in (shelved / "packages", shelved / DIRECTORY):
        os.utime(directory, (1_600_000_000, 1_600_000_000))
    with monkeypatch.context() as patch:
        patch.setattr(queries, "files", lambda *_, **__: pytest.fail("a project was asked for"))
        patch.setattr(queries, "projects", lambda *_, **__: pytest.fail("all were"))
        assert run("reindex", "--new") == 0


def test_a_look_for_new_files_passes_over_directories_that_did_not_change(shelved: Path) -> None:
    before = shelved / DIRECTORY
    assert run("reindex", "--new") == 0
    new = Wheel(version="1.1")
    copy_in(before / new.filename, new.build())
    os.utime(before, (1_600_000_000, 1_600_000_000))
    assert run("reindex", "--new") == 0
    assert new.filename not in listed(shelved)


def test_what_was_not_whole_is_looked_at_again(client: Client, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = copy_in(root / DIRECTORY / WHEEL, Wheel().build()[:100])
    with monkeypatch.context() as patch:
        patch.setattr(Foreign, "is_being_written", lambda *_: True)
        assert run("reindex", "--new") == 1
    path.write_bytes(Wheel().build())
    # nothing in the directory's own time tells that the copy went on
    os.utime(path.parent, (time.time() - 60,) * 2)
    assert run("reindex", "--new") == 0
    assert list(listed(root)) == [WHEEL]


def test_a_copied_file_never_replaces_a_published_one(shelved: Path) -> None:
    before = (shelved / DIRECTORY / WHEEL).read_bytes()
    copy_in(shelved / "packages" / WHEEL, Wheel(members={"x.py": b""}).build())
    copy_in(shelved / DIRECTORY / "Acme.Tools-1.0-py3-none-any.whl", Wheel("Acme.Tools").build())
    assert run("reindex") == 1
    assert len(list((shelved / "quarantine").glob("*.whl"))) == 2
    assert (shelved / DIRECTORY / WHEEL).read_bytes() == before
    assert len(listed(shelved)) == 2
    assert run("verify") == 0


def test_the_same_bytes_copied_in_again_are_tidied_away(shelved: Path) -> None:
    copy_in(shelved / "packages" / WHEEL, Wheel().build())
    assert run("reindex") == 0
    assert not (shelved / "packages" / WHEEL).exists()
    assert len(journal(shelved, "publish")) == 2


@seaweed.ON_A_DISK
def test_a_published_file_that_was_overwritten_is_taken_off(shelved: Path) -> None:
    copy_in(shelved / DIRECTORY / WHEEL, Wheel(members={"evil.py": b""}).build())
    assert run("verify") == 1
    assert run("reindex") == 1
    assert list(listed(shelved)) == ["acme_tools-1.0.tar.gz"]
    assert len(list((shelved / "quarantine").glob("*.whl"))) == 1
    assert [event["file"] for event in journal(shelved, "remove")] == [WHEEL]


def test_metadata_that_a_kill_left_alone_go_with_their_release(shelved: Path) -> None:
    (shelved / DIRECTORY / WHEEL).unlink()
    assert run("remove", "acme-tools", "1.0", "--reason", "x") == 0
    assert not (shelved / DIRECTORY / f"{WHEEL}.metadata").exists()


@seaweed.ON_A_DISK
def test_each_of_the_files_that_were_overwritten_alike_is_written_down(shelved: Path) -> None:
    for name in (WHEEL, "acme_tools-1.0.tar.gz"):
        copy_in(shelved / DIRECTORY / name, b"evil")
    assert run("reindex") == 1
    assert sorted(event["file"] for event in journal(shelved, "quarantine")) == [WHEEL, "acme_tools-1.0.tar.gz"]


def test_what_goes_to_the_quarantine_is_written_down_before_it_moves(
    shelved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moved(*_: object) -> None:
        raise SystemExit("killed")

    copy_in(shelved / "drop" / "nothing.whl", b"x")
    monkeypatch.setattr(Staging, "set_aside", moved)
    with pytest.raises(SystemExit):
        run("reindex", "--new")
    assert [event["file"] for event in journal(shelved, "quarantine")] == ["nothing.whl"]


@seaweed.ON_A_DISK
def test_a_restored_shelf_keeps_its_pages(shelved: Path) -> None:
    """Times and modes are lost by some backups; contents are not."""
    before = snapshot(shelved)
    for path in (shelved / DIRECTORY).glob("acme*[!a]"):
        path.chmod(0o600)
        os.utime(path, (1, 1))
    shutil.rmtree(shelved / "simple")
    assert run("reindex") == 0
    assert run("verify") == 0
    after = snapshot(shelved)
    assert [after[name][:2] for name in before] == [before[name][:2] for name in before]
    assert after[f"{DIRECTORY}/{WHEEL}"][2] // 10**9 == before[f"{DIRECTORY}/{WHEEL}"][2] // 10**9


def test_yanks_survive_the_loss_of_the_pages(shelved: Path) -> None:
    assert run("yank", "Acme_Tools", "1.0", "--reason", "wrong") == 0
    shutil.rmtree(shelved / "simple")
    assert run("reindex") == 0
    assert {file["yanked"] for file in listed(shelved).values()} == {"wrong"}


def blob(root: Path, content: bytes) -> Path:
    """Where the store has some bytes."""
    digest = hashlib.sha256(content).hexdigest()
    return root / "blobs" / digest[:2] / digest


def served(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / DIRECTORY).iterdir()}


def replaced(path: Path, content: bytes) -> None:
    """As a copying program does it that writes beside a file and renames."""
    copy_in(path.with_name(".beside"), content).rename(path)


DAMAGES = {
    "a file gone": lambda root: (root / DIRECTORY / WHEEL).unlink(),
    "metadata gone": lambda root: (root / DIRECTORY / f"{WHEEL}.metadata").unlink(),
    "all of the project gone": lambda root: shutil.rmtree(root / DIRECTORY),
    "all projects gone": lambda root: shutil.rmtree(root / "packages"),
    "another file in its place": lambda root: replaced(root / DIRECTORY / WHEEL, Wheel(members={"e.py": b""}).build()),
    "other metadata in their place": lambda root: replaced(root / DIRECTORY / f"{WHEEL}.metadata", b"evil"),
    "a link in its place": lambda root: (DAMAGES["a file gone"](root), (root / DIRECTORY / WHEEL).symlink_to("/")),
    "its bytes lost in the store": lambda root: blob(root, Wheel().build()).unlink(),
    "all bytes lost in the store": lambda root: shutil.rmtree(root / "blobs"),
    "other bytes in the store": lambda root: replaced(blob(root, Wheel().build()), b"evil"),
    "the metadata's bytes lost everywhere": lambda root: (
        blob(root, metadata("acme_tools")).unlink(),
        DAMAGES["metadata gone"](root),
    ),
}


@seaweed.ON_A_DISK
@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_happens_to_one_of_two_places_is_mended_from_the_other(shelved: Path, damage: str) -> None:
    before = served(shelved), listed(shelved)
    DAMAGES[damage](shelved)
    assert run("verify") == 1
    run("reindex")
    assert (served(shelved), listed(shelved)) == before
    assert run("reindex") == 0, "what was in the way is dealt with"
    assert run("verify") == 0
    assert (served(shelved), listed(shelved)) == before
    assert blob(shelved, Wheel().build()).read_bytes() == Wheel().build()
    assert not journal(shelved, "remove")


@seaweed.ON_A_DISK
def test_the_timer_mends_where_names_went(shelved: Path) -> None:
    assert run("reindex", "--new") == 0
    before = served(shelved)
    DAMAGES["a file gone"](shelved)
    assert run("reindex", "--new") == 0
    assert served(shelved) == before


def test_what_was_in_the_way_is_put_aside(shelved: Path, capsys: pytest.CaptureFixture) -> None:
    DAMAGES["another file in its place"](shelved)
    assert run("reindex") == 1
    assert f"{WHEEL} of acme-tools was restored" in capsys.readouterr().err
    (kept,) = (shelved / "quarantine").glob("*.whl")
    assert kept.read_bytes() == Wheel(members={"e.py": b""}).build()
    assert [path.name for path in (shelved / "drop").iterdir()] == []


def lose(root: Path) -> None:
    """Have the bytes of the wheel nowhere any more."""
    (root / DIRECTORY / WHEEL).unlink()
    blob(root, Wheel().build()).unlink()


@seaweed.ON_A_DISK
@pytest.mark.parametrize("way", ["dropped", "sent again", "put back"])
def test_bytes_that_are_nowhere_are_listed_no_more_until_they_come_back(
    shelved: Path, client: Client, capsys: pytest.CaptureFixture, way: str
) -> None:
    assert run("yank", "acme-tools", "1.0", "--reason", "wrong") == 0
    before = listed(shelved)
    lose(shelved)
    assert run("verify") == 1
    assert f"{WHEEL} of acme-tools cannot be read: No such file or directory" in capsys.readouterr().err
    assert run("reindex") == 1
    assert f"{WHEEL} of acme-tools was published and is not on the shelf any more" in capsys.readouterr().err
    assert list(listed(shelved)) == ["acme_tools-1.0.tar.gz"]
    assert run("reindex") == 1, "and is told each time"
    if way == "dropped":
        copy_in(shelved / "drop" / WHEEL, Wheel().build())
    elif way == "sent again":
        assert client.upload(WHEEL, Wheel().build()).status == 200
    else:
        copy_in(blob(shelved, Wheel().build()), Wheel().build())
    assert run("reindex") == 0
    assert listed(shelved) == before, "yanked, and of the time when it was published"
    assert run("verify") == 0
    assert len(journal(shelved, "publish")) == 2 and not journal(shelved, "remove")


@seaweed.ON_A_DISK
def test_damaged_bytes_make_room_for_whole_ones(shelved: Path) -> None:
    """Somewhere in the store lies what is not what it is called, and nothing whole is anywhere."""
    for spoilt in (blob(shelved, Wheel().build()), shelved / DIRECTORY / WHEEL):
        replaced(spoilt, b"evil")
    assert run("reindex") == 1
    assert list(listed(shelved)) == ["acme_tools-1.0.tar.gz"]
    lose_again = [blob(shelved, sdist()), shelved / DIRECTORY / "acme_tools-1.0.tar.gz"]
    for path in lose_again:
        path.unlink()
    assert run("reindex") == 1
    for path in lose_again:
        replaced(path, b"evil")
    assert run("reindex") == 1
    assert listed(shelved) == {}
    copy_in(shelved / "drop" / WHEEL, Wheel().build())
    copy_in(shelved / "drop/acme_tools-1.0.tar.gz", sdist())
    assert run("reindex") == 0
    assert len(listed(shelved)) == 2 and run("verify") == 0


@seaweed.ON_A_DISK
def test_a_missing_file_may_be_removed(shelved: Path) -> None:
    lose(shelved)
    assert run("reindex") == 1
    assert run("remove", "acme-tools", "1.0", "--reason", "lost") == 0
    assert run("verify") == 0
    assert run("reindex") == 0


@seaweed.ON_A_DISK
def test_damage_that_nothing_shows_is_found_where_a_project_is_named(shelved: Path) -> None:
    """A disk may change a bit without changing a time."""
    path = shelved / DIRECTORY / WHEEL
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=times)
    assert run("verify") == 1
    assert run("reindex", "acme-tools") == 1
    assert list(listed(shelved)) == ["acme_tools-1.0.tar.gz"]
    copy_in(shelved / "drop" / WHEEL, Wheel().build())
    assert run("reindex") == 0
    assert served(shelved)[WHEEL] == Wheel().build()
    assert run("verify") == 0


def test_what_is_served_under_two_names_is_left_alone(shelved: Path, capsys: pytest.CaptureFixture) -> None:
    """Two channels may have one package: the same bytes, published at two times."""
    content = CondaPackage().build_it()
    assert run("channel", "one", "two") == 0
    for channel in ("one", "two"):
        copy_in(shelved / "drop/conda" / channel / CondaPackage().filename, content)
        assert run("reindex") == 0
    before = snapshot(shelved)
    capsys.readouterr()
    assert run("reindex") == 0
    assert (snapshot(shelved), capsys.readouterr().err) == (before, "")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: (root / DIRECTORY / WHEEL).write_bytes(b"x"), "is not what was published"),
        (lambda root: (root / DIRECTORY / f"{WHEEL}.metadata").write_bytes(b"x"), ".metadata of acme-tools is not"),
        (lambda root: (root / DIRECTORY / "acme_tools-2.0.tar.gz").write_bytes(b"x"), "never published: run reindex"),
        (lambda root: (root / "simple/acme-tools/index.json").write_text("{}"), "does not list what was published"),
        (lambda root: (root / "simple/acme-tools/index.html.gz").unlink(), "does not list what was published"),
        (lambda root: kept.lose(root, Wheel().build()), "is not in the store as it was published"),
        (lambda root: kept.damage(root, sdist()), "is not in the store as it was published"),
    ],
)
def test_verify_finds(shelved: Path, capsys: pytest.CaptureFixture, spoil: object, says: str) -> None:
    assert run("verify") == 0
    spoil(shelved)
    before = snapshot(shelved)
    assert run("verify") == 1
    assert says in capsys.readouterr().err
    assert snapshot(shelved) == before
    assert journal(shelved, "verify")[-1]["reason"] == "1 projects, 1 problems"


@pytest.mark.parametrize("form", ["index.json", "index.json.gz", "index.html", "index.html.gz"])
@pytest.mark.parametrize("way", ["gone", "damaged", "of before"])
def test_each_form_of_a_page_comes_back(client: Client, shelved: Path, form: str, way: str) -> None:
    """Also where the other forms are as they should be: a client gets whichever it asks for."""
    page = shelved / "simple/acme-tools" / form
    before = page.read_bytes()
    other = Wheel(version="2.0")
    assert client.upload(other.filename, other.build()).status == 200
    expected = page.read_bytes()
    assert expected != before
    page.unlink()
    if way != "gone":
        page.write_bytes(before if way == "of before" else expected[:-9])
    assert run("verify") == 1
    assert run("reindex") == 0
    assert page.read_bytes() == expected
    assert disagreements(shelved) == []
    assert run("verify") == 0


def test_yank_and_back(shelved: Path) -> None:
    before = snapshot(shelved)
    reason = 'broken: "x" <script> & co'
    assert run("yank", "acme-tools", "1.0", "--reason", reason, "--by", "carol") == 0
    assert {file["yanked"] for file in listed(shelved).values()} == {reason}
    html = (shelved / "simple/acme-tools/index.html").read_text()
    assert "<script>" not in html and 'data-yanked="broken: &quot;x&quot; &lt;script&gt; &amp; co"' in html
    assert {event["who"] for event in journal(shelved, "yank")} == {"carol"}
    assert run("verify") == 0
    assert run("unyank", "acme-tools", "1") == 0
    after = snapshot(shelved)
    assert [entry[:2] for entry in after.values()] == [entry[:2] for entry in before.values()]


def test_remove_takes_the_release_and_the_project_with_its_last_one(shelved: Path) -> None:
    copy_in(shelved / "packages" / "acme_tools-2.0.tar.gz", sdist(version="2.0"))
    assert run("reindex") == 0
    assert run("remove", "acme-tools", "1.0", "--reason", "leaked a password") == 0
    assert list(listed(shelved)) == ["acme_tools-2.0.tar.gz"]
    assert content(shelved, f"{DIRECTORY}/acme_tools-2.0.tar.gz") == sdist(version="2.0")
    assert [path.name for path in (shelved / DIRECTORY).iterdir()] == ["acme_tools-2.0.tar.gz"]
    assert run("remove", "acme-tools", "2.0", "--reason", "all of it") == 0
    assert not (shelved / "simple/acme-tools").exists()
    assert json.loads((shelved / "simple/index.json").read_text())["projects"] == []
    assert run("verify") == 0
    assert run("reindex") == 0
    assert not (shelved / "simple/acme-tools").exists(), "and it stays gone"


def test_a_removed_name_is_still_never_asked_upstream(shelved: Path, client: Client, configure: object) -> None:
    configure(upstream="redirect", reserved=[])
    assert run("remove", "acme-tools", "1.0", "--reason", "x") == 0
    assert client.send("GET", "/simple/acme-tools/").status == 404


@pytest.mark.parametrize("command", [("yank", "--reason", "x"), ("unyank",), ("remove", "--reason", "x")])
@pytest.mark.parametrize("release", [("acme-tools", "9"), ("nothing", "1.0"), ("acme-tools", "one"), ("../x", "1.0")])
def test_what_is_not_there(
    shelved: Path, capsys: pytest.CaptureFixture, command: tuple[str, ...], release: tuple[str, str]
) -> None:
    before = snapshot(shelved), journal(shelved)
    assert run(command[0], *release, *command[1:]) == 1
    assert capsys.readouterr().err.startswith("wheelhouse: ")
    assert (snapshot(shelved), journal(shelved)) == before


def test_a_file_that_is_still_being_copied_is_left_alone(client: Client, root: Path, monkeypatch: object) -> None:
    monkeypatch.setattr(foreign, "QUIET", 0.5)
    content = Wheel().build()
    path = copy_in(root / DIRECTORY / WHEEL, content[:200])
    os.utime(path)
    stop = threading.Event()

    def keep_writing() -> None:
        with path.open("ab") as stream:
            for byte in range(200, 230):
                stream.write(content[byte : byte + 1])
                stream.flush()
                if stop.wait(0.03):
                    break

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        assert run("reindex") == 1
    finally:
        stop.set()
        writer.join()
    assert path.exists() and not list((root / "quarantine").iterdir())
    path.write_bytes(content)
    assert run("reindex") == 0
    assert list(listed(root)) == [WHEEL]


def test_files_of_copying_programs_are_not_looked_at(client: Client, root: Path) -> None:
    copy_in(root / DIRECTORY / f".{WHEEL}.Xy12", b"half")
    assert run("reindex") == 0
    assert (root / DIRECTORY / f".{WHEEL}.Xy12").exists()


def test_one_project_alone(shelved: Path) -> None:
    copy_in(shelved / "packages" / "acme_more-1.0.tar.gz", sdist("acme_more"))
    copy_in(shelved / "packages" / "acme_tools-2.0.tar.gz", sdist(version="2.0"))
    assert run("reindex", "Acme.Tools") == 0
    assert "acme_tools-2.0.tar.gz" in listed(shelved)
    assert listed(shelved, "acme-more") == {}
    assert json.loads((shelved / "simple/index.json").read_text())["projects"] == [{"name": "acme-tools"}]


def test_what_a_kill_left_behind_is_swept_after_a_day(client: Client, root: Path) -> None:
    old, young = root / "incoming/old", root / "incoming/young"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    os.utime(old, (time.time() - 90_000,) * 2)
    assert run("reindex") == 0
    assert not old.exists() and young.exists()


def test_check_config(environment: None, config: Path, capsys: pytest.CaptureFixture) -> None:
    assert run("check-config") == 0
    (config / "config.json").write_text("{}")
    assert run("check-config") == 1
    assert "lacks the key" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["reindex", "verify", "yank", "unyank", "remove", "check-config", "health"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        run(command, "--help")
    assert ended.value.code == 0
    assert len(capsys.readouterr().out) > 100


@pytest.mark.parametrize("wrong", [[], ["publish"], ["yank", "acme-tools", "1.0"], ["remove", "acme-tools"]])
def test_wrong_usage(wrong: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*wrong)
    assert ended.value.code == 2


def test_progress_is_a_line_now_and_then_in_a_log(
    shelved: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    assert run("verify") == 0
    assert "verify: 0 of 1 projects" in capsys.readouterr().err


@pytest.fixture
def many(client: Client, root: Path) -> list[str]:
    """Four projects."""
    names = [f"acme-{letter}" for letter in "abcd"]
    for name in names:
        wheel = Wheel(name.replace("-", "_"))
        assert client.upload(wheel.filename, wheel.build()).status == 200
    return names


STOPPED: dict[str, tuple[type, str]] = {"verify": (VerifyProjects, "end"), "reindex": (Reindex, "look_after")}


@seaweed.ON_A_DISK
@pytest.mark.parametrize("command", STOPPED)
def test_a_command_that_was_stopped_goes_on_where_it_was(
    many: list[str], root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, command: str
) -> None:
    kind, step = STOPPED[command]
    whole = getattr(kind, step)
    seen: list[str] = []
    stop_at = "acme-c"

    def stopping(self: Any, place: str, *given: Any, **more: Any) -> None:
        seen.append(place)
        if place == stop_at:
            raise KeyboardInterrupt
        whole(self, place, *given, **more)

    (root / "packages/acme-a/acme_a-1.0-py3-none-any.whl").unlink()
    blob(root, Wheel("acme_a").build()).unlink()
    monkeypatch.setattr(kind, step, stopping)
    assert run(command) == 1
    assert "goes on where this left off" in capsys.readouterr().err
    assert seen == many[:3]
    stop_at = ""
    seen.clear()
    assert run(command) == 1, "for what the first part found"
    assert f"{command} goes on where it was stopped, after acme-b" in capsys.readouterr().err
    assert seen == many[2:]
    seen.clear()
    run(command)
    assert seen == many, "that one was through"
    stop_at = "acme-c"
    run(command)
    stop_at = ""
    seen.clear()
    assert run(command, "acme-a") == 1
    assert seen == ["acme-a"], "what somebody asks for is done whatever was stopped"
    seen.clear()
    run(command, "--from-start")
    assert seen == many


def test_an_outcome_counts_what_was_found_before_the_stop(many: list[str], root: Path) -> None:
    (root / "simple/acme-a/index.json").write_text("{}")
    assert run("verify") == 1
    assert journal(root, "verify")[-1]["reason"] == "4 projects, 1 problems"


def test_few_files_wait_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(verify, "AHEAD", 6)
    done: Future[str | None] = Future()

    def start(place: str) -> verify.Started:
        started.append(place)
        return [done, done]

    places = verify.in_order([str(number) for number in range(100)], start, lambda *_: None)
    for number, place in enumerate(places):
        assert place == str(number)
        assert len(started) <= number + 5
    assert len(started) == 100


def test_a_file_that_is_published_meanwhile_is_no_stranger(shelved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the rows and that at the directory, somebody publishes, and somebody removes."""
    new = Wheel(version="2.0")
    names = foreign.names
    done: list[str] = []

    def meanwhile(root: Path, where: PurePosixPath) -> list[str]:
        if where.name == "acme-tools" and not done:
            done.append("")
            assert Client(application()).upload(new.filename, new.build()).status == 200
            found = names(root, where)
            assert cli.main(["remove", "acme-tools", "1.0", "--reason", "x"]) == 0
            return found
        return names(root, where)

    monkeypatch.setattr(foreign, "names", meanwhile)
    monkeypatch.setattr(Staging, "to_drop", lambda *_: pytest.fail("somebody's file is moved away"))
    assert run("reindex") == 0
    assert list(listed(shelved)) == [new.filename]
    assert {event["who"] for event in journal(shelved, "publish")} == {"ada"}
    assert not list((shelved / "quarantine").iterdir()) and not list((shelved / "drop").iterdir())
    assert run("verify") == 0


def interrupted(patch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Somebody is between the rows and what is served."""
    with patch.context() as inner:
        inner.setattr(Renderer, "render", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with contextlib.suppress(KeyboardInterrupt):
            action()


def test_who_is_in_the_middle_of_a_change_is_waited_for(shelved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was published and is not served yet is neither lost nor taken away by somebody."""
    new = Wheel(version="2.0")
    package = CondaPackage()
    copy_in(shelved / "drop/conda/internal" / package.filename, package.build_it())
    assert run("channel", "internal") == 0
    other = CondaPackage("acme-other")
    index = open_index(shelved)
    report = Report()
    drop = Drop(index, "it", report)

    def publish_package() -> None:
        path = copy_in(shelved / "incoming/other", other.build_it())
        record = reading.package(path, other.filename, None).record
        index.publish_packages("internal", [IncomingPackage(path, f"noarch/{other.filename}", record)], "it", "here")

    interrupted(monkeypatch, lambda: Client(application()).upload(new.filename, new.build()))
    interrupted(monkeypatch, publish_package)
    Reindex(drop).look_after("acme-tools")
    Channels(drop).reindex("internal")
    assert (report.restored, report.problems) == (0, 0)
    assert new.filename in listed(shelved)
    repodata = json.loads((shelved / "conda/internal/noarch/repodata.json").read_text())
    assert {*repodata["packages.conda"]} == {package.filename, other.filename}
    assert not journal(shelved, "remove")


def test_what_waits_to_be_rendered_is_no_damage(shelved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill came between the rows and what is served; `verify` says so, and any look mends it."""
    monkeypatch.setattr(verify, "TRIES", 2)
    interrupted(monkeypatch, lambda: run("yank", "acme-tools", "1.0", "--reason", "x"))
    assert not any("yanked" in file for file in listed(shelved).values())
    assert run("verify") == 1
    assert run("reindex", "--new") == 0
    assert {file["yanked"] for file in listed(shelved).values()} == {"x"}
    assert run("verify") == 0

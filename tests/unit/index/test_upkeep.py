"""The administrator's commands, on a shelf with files that were copied in, changed, lost and half written."""

import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
from wheelhouse import cli, progress
from wheelhouse.index import dropbox, reindex
from wheelhouse.index.events import Journal

from .samples import Client, Wheel, metadata, sdist, snapshot

WHEEL = Wheel().filename
DIRECTORY = "packages/acme-tools"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropbox, "QUIET", 0.05)


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


def events(root: Path, kind: str) -> list[dict]:
    lines = (root / "journal.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


def run(*arguments: str) -> int:
    return cli.main(list(arguments))


@pytest.mark.parametrize("place", ["packages", "packages/acme-tools", "packages/Acme_Tools", "packages/other"])
def test_a_copied_file_is_published_wherever_it_lies(client: Client, root: Path, place: str) -> None:
    copy_in(root / place / WHEEL, Wheel().build())
    assert run("reindex", "--by", "root") == 0
    assert list(listed(root)) == [WHEEL]
    assert (root / DIRECTORY / WHEEL).read_bytes() == Wheel().build()
    assert (root / DIRECTORY / f"{WHEEL}.metadata").read_bytes() == metadata("acme_tools")
    assert len(list(root.rglob("*.whl"))) == 1
    (event,) = events(root, "publish")
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
    assert says in events(root, "quarantine")[0]["reason"]
    assert run("reindex") == 0, "and is not found again"


@pytest.mark.parametrize("place", ["packages", "packages/acme-tools", "packages/acme-other"])
def test_a_look_for_new_files_finds_what_came_since_the_last(shelved: Path, place: str) -> None:
    assert run("reindex", "--new") == 0
    new = Wheel(version="1.1")
    copy_in(shelved / place / new.filename, new.build())
    assert run("reindex", "--new") == 0
    assert new.filename in listed(shelved)


def test_a_look_for_new_files_reads_no_journal_when_there_are_none(
    shelved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Journal, "read", lambda *_: pytest.fail("the journal was read"))
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
        patch.setattr(reindex, "is_being_written", lambda *_: True)
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
    assert len(events(shelved, "publish")) == 2


def test_a_published_file_that_was_overwritten_is_taken_off(shelved: Path) -> None:
    copy_in(shelved / DIRECTORY / WHEEL, Wheel(members={"evil.py": b""}).build())
    assert run("verify") == 1
    assert run("reindex") == 1
    assert list(listed(shelved)) == ["acme_tools-1.0.tar.gz"]
    assert len(list((shelved / "quarantine").glob("*.whl"))) == 1
    assert [event["file"] for event in events(shelved, "remove")] == [WHEEL]


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


def test_a_missing_file_is_listed_no_more(shelved: Path, capsys: pytest.CaptureFixture) -> None:
    (shelved / DIRECTORY / WHEEL).unlink()
    assert run("verify") == 1
    assert f"{WHEEL} of acme-tools cannot be read: No such file or directory" in capsys.readouterr().err
    assert run("reindex") == 1
    assert list(listed(shelved)) == ["acme_tools-1.0.tar.gz"]
    assert run("remove", "acme-tools", "1.0", "--reason", "lost") == 0
    assert run("verify") == 0


def test_lost_metadata_are_restored(shelved: Path) -> None:
    (shelved / DIRECTORY / f"{WHEEL}.metadata").unlink()
    assert run("verify") == 1
    assert run("reindex") == 0
    assert run("verify") == 0


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda root: (root / DIRECTORY / WHEEL).write_bytes(b"x"), "is not what was published"),
        (lambda root: (root / DIRECTORY / f"{WHEEL}.metadata").write_bytes(b"x"), ".metadata of acme-tools is not"),
        (lambda root: (root / DIRECTORY / "acme_tools-2.0.tar.gz").write_bytes(b"x"), "never published: run reindex"),
        (lambda root: (root / "simple/acme-tools/index.json").write_text("{}"), "does not list what was published"),
    ],
)
def test_verify_finds(shelved: Path, capsys: pytest.CaptureFixture, spoil: object, says: str) -> None:
    assert run("verify") == 0
    spoil(shelved)
    before = snapshot(shelved)
    assert run("verify") == 1
    assert says in capsys.readouterr().err
    assert snapshot(shelved) == before
    assert events(shelved, "verify")[-1]["reason"] == "1 projects, 1 problems"


def test_yank_and_back(shelved: Path) -> None:
    before = snapshot(shelved)
    reason = 'broken: "x" <script> & co'
    assert run("yank", "acme-tools", "1.0", "--reason", reason, "--by", "carol") == 0
    assert {file["yanked"] for file in listed(shelved).values()} == {reason}
    html = (shelved / "simple/acme-tools/index.html").read_text()
    assert "<script>" not in html and 'data-yanked="broken: &quot;x&quot; &lt;script&gt; &amp; co"' in html
    assert {event["who"] for event in events(shelved, "yank")} == {"carol"}
    assert run("verify") == 0
    assert run("unyank", "acme-tools", "1") == 0
    after = snapshot(shelved)
    assert [entry[:2] for entry in after.values()] == [entry[:2] for entry in before.values()]


def test_remove_takes_the_release_and_the_project_with_its_last_one(shelved: Path) -> None:
    copy_in(shelved / "packages" / "acme_tools-2.0.tar.gz", sdist(version="2.0"))
    assert run("reindex") == 0
    assert run("remove", "acme-tools", "1.0", "--reason", "leaked a password") == 0
    assert list(listed(shelved)) == ["acme_tools-2.0.tar.gz"]
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
    before = snapshot(shelved), (shelved / "journal.jsonl").read_bytes()
    assert run(command[0], *release, *command[1:]) == 1
    assert capsys.readouterr().err.startswith("wheelhouse: ")
    assert (snapshot(shelved), (shelved / "journal.jsonl").read_bytes()) == before


def test_a_file_that_is_still_being_copied_is_left_alone(client: Client, root: Path, monkeypatch: object) -> None:
    monkeypatch.setattr(dropbox, "QUIET", 0.5)
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

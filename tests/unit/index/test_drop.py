"""What is copied onto the shelf: files are published as they were when they were checked, all else is left out."""

import importlib.machinery
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from wheelhouse import cli
from wheelhouse.index.transaction import Index, Together
from wheelhouse.store import foreign

from . import seaweed, served
from .conda_samples import CondaPackage
from .journal import journal
from .samples import Client, Wheel, snapshot

WHEEL = Wheel()
NAME = WHEEL.filename
SCRIPT = Path(__file__).parents[3] / "roles/pypi_index/files/wheelhouse-incoming"
as_root = pytest.mark.skipif(os.getuid() != 0, reason="gives files to other accounts")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch, environment: None, root: Path) -> None:
    monkeypatch.setattr(foreign, "QUIET", 0.0)
    assert run("reindex") == 0  # which makes the directories


def run(*arguments: str) -> int:
    return cli.main(list(arguments))


def listed(root: Path) -> list[str]:
    page = root / "simple/acme-tools/index.json"
    return [file["filename"] for file in json.loads(page.read_text())["files"]] if page.exists() else []


PLACES = ["drop", "drop/dist", "packages", "packages/acme-tools"]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, root: Path) -> Path:
    directory = root / request.param
    directory.mkdir(exist_ok=True)
    return directory


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A good wheel that somebody keeps elsewhere."""
    path = tmp_path / "elsewhere" / NAME
    path.parent.mkdir()
    path.write_bytes(WHEEL.build())
    return path


ODD: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "link": (lambda path, other: path.symlink_to(other), "is a link"),
    "link-to-nothing": (lambda path, other: path.symlink_to("/nowhere"), "is a link"),
    "link-to-itself": (lambda path, other: path.symlink_to(path.name), "is a link"),
    "link-to-a-directory": (lambda path, other: path.symlink_to(other.parent), "is a link"),
    "pipe": (lambda path, other: os.mkfifo(path), "is a named pipe"),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", [NAME, "notes.txt"])
def test_what_is_no_file_is_removed_and_not_followed(
    root: Path, place: Path, elsewhere: Path, odd: str, name: str, capsys: pytest.CaptureFixture
) -> None:
    make, says = ODD[odd]
    make(place / name, elsewhere)
    assert run("reindex", "--new") == 1
    assert f"{name} was removed: {name} {says}" in capsys.readouterr().err
    assert not os.path.lexists(place / name) and elsewhere.read_bytes() == WHEEL.build()
    assert listed(root) == []
    (event,) = journal(root)
    assert (event["event"], event["file"]) == ("quarantine", name) and says in event["reason"]
    assert run("reindex", "--new") == 0


def test_a_link_in_the_place_of_a_directory_is_not_followed(root: Path, elsewhere: Path) -> None:
    (root / "drop/dist").symlink_to(elsewhere.parent)
    run("reindex", "--new")
    assert listed(root) == [] and elsewhere.exists()


def test_a_published_file_that_becomes_a_link_is_put_back(client: Client, root: Path, elsewhere: Path) -> None:
    assert client.upload(NAME, WHEEL.build()).status == 200
    published = root / "packages/acme-tools" / NAME
    published.unlink()
    published.symlink_to(elsewhere)
    assert run("verify") == 1
    assert run("reindex") == 1
    assert not published.is_symlink() and listed(root) == [NAME]
    assert served.content(root, f"packages/acme-tools/{NAME}") == WHEEL.build()
    assert elsewhere.exists() and run("verify") == 0


@pytest.mark.parametrize("odd", ["link", "pipe"])
def test_a_conda_package_that_is_no_file(root: Path, tmp_path: Path, odd: str, capsys: pytest.CaptureFixture) -> None:
    assert run("channel", "internal") == 0
    package = CondaPackage()
    other = tmp_path / "other"
    other.write_bytes(package.build_it())
    for directory in ("drop/conda/internal", "drop/conda/internal/noarch", "conda/internal/noarch"):
        (root / directory).mkdir(parents=True, exist_ok=True)
        path = root / directory / package.filename
        ODD[odd][0](path, other)
        assert run("reindex", "--new") == 1
        assert ODD[odd][1] in capsys.readouterr().err
        assert not os.path.lexists(path) and other.exists()


def test_a_package_for_a_channel_that_is_not_there_stays_and_is_told(root: Path, capsys: pytest.CaptureFixture) -> None:
    assert run("channel", "internal") == 0
    path = root / "drop/conda/external" / CondaPackage().filename
    path.parent.mkdir(parents=True)
    path.write_bytes(CondaPackage().build_it())
    assert run("reindex", "--new") == 1
    assert "no channel of that name: put it into one of internal" in capsys.readouterr().err
    assert path.exists()


def test_what_is_published_is_a_copy_of_our_own(root: Path, place: Path, tmp_path: Path) -> None:
    """Whoever copied it keeps it open, has another name for it, and gave it rights of its own."""
    path = place / NAME
    path.write_bytes(WHEEL.build())
    os.link(path, root / "incoming/another-name")
    path.chmod(0o6777)
    before = path.stat().st_ino
    with path.open("r+b") as still_open:
        assert run("reindex", "--new") == 0
        still_open.write(b"evil")
        still_open.flush()
    assert served.content(root, f"packages/acme-tools/{NAME}") == WHEEL.build()
    published = root / "packages/acme-tools" / NAME
    status = published.stat()
    names = 1 if seaweed.of_this_run() else 2  # the other name is that in the store
    assert (stat.S_IMODE(status.st_mode), status.st_nlink, status.st_ino == before) == (0o644, names, False)
    assert place == published.parent or not path.exists()


def test_what_is_written_while_it_is_checked_is_not_published(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "drop" / NAME
    path.write_bytes(WHEEL.build())
    whole = Index.publish_together

    def write_behind_the_check(*given: Any, **more: Any) -> Together:
        path.write_bytes(b"evil")
        return whole(*given, **more)

    monkeypatch.setattr(Index, "publish_together", write_behind_the_check)
    assert run("reindex", "--new") == 0
    assert served.content(root, f"packages/acme-tools/{NAME}") == WHEEL.build()
    monkeypatch.undo()
    assert path.read_bytes() == b"evil", "another file by now, which is looked at by itself"


def test_a_directory_that_is_called_like_a_wheel(root: Path) -> None:
    (root / "drop" / NAME).mkdir()
    (root / "drop" / NAME / NAME).write_bytes(WHEEL.build())
    assert run("reindex", "--new") == 0
    assert listed(root) == [NAME]


def test_a_huge_file_is_not_read(root: Path, place: Path, configure: Callable[..., None]) -> None:
    configure(max_file_size=100_000)
    with (place / NAME).open("wb") as stream:
        stream.truncate(100_001)
    assert run("reindex", "--new") == 1
    assert not (place / NAME).exists()
    assert "bigger than 100000 bytes" in journal(root)[0]["reason"]


@pytest.mark.parametrize("name", ["a\nINFO ada published x.whl", "\u202egnp.whl", b"\xff\xfe.whl", "x" * 250])
def test_an_odd_name_is_told_on_one_line_of_ascii(root: Path, name: str | bytes, capsys: pytest.CaptureFixture) -> None:
    (root / "drop" / os.fsdecode(name)).write_bytes(b"x")
    assert run("reindex", "--new") == 1
    told = capsys.readouterr().err
    assert told.isascii() and len(told.splitlines()) == 1 and "was moved to the quarantine" in told
    (event,) = journal(root)
    assert event["file"].isprintable() and event["reason"].isprintable()
    assert len(list((root / "quarantine").iterdir())) == 2


def test_a_shelf_of_the_older_layout(client: Client, root: Path, capsys: pytest.CaptureFixture) -> None:
    """There was no drop directory, and files were copied into packages/."""
    assert client.upload(NAME, WHEEL.build()).status == 200
    shutil.rmtree(root / "drop")
    new = Wheel(version="1.1")
    (root / "packages" / new.filename).write_bytes(new.build())
    assert run("reindex", "--new") == 0
    assert listed(root) == [NAME, new.filename]
    before = snapshot(root)
    assert run("reindex") == 0
    assert snapshot(root) == before


def test_what_was_set_aside_goes_after_a_while(root: Path) -> None:
    for name in ("20200101T000000Z-old.whl", "20200101T000000Z-old.whl.reason.json", "intake"):
        (root / "quarantine" / name).write_bytes(b"x")
    (root / "drop/bad.txt").write_bytes(b"x")
    assert run("reindex") == 1
    assert run("housekeeping") == 0
    left = sorted(path.name.partition("Z-")[2] for path in (root / "quarantine").iterdir())
    assert left == ["", "bad.txt", "bad.txt.reason.json"], "the first is the intake's"


@pytest.fixture(scope="module")
def host() -> ModuleType:
    """The program that the timer of the index host runs."""
    loader = importlib.machinery.SourceFileLoader("wheelhouse_incoming", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


class Owner:
    pw_uid = pw_gid = 9898


@as_root
def test_files_are_handed_over_and_nothing_else_is(host: ModuleType, root: Path, elsewhere: Path) -> None:
    drop = root / "drop"
    (drop / "dist").mkdir()
    for path in (drop / NAME, drop / "dist" / NAME):
        path.write_bytes(b"x")
        path.chmod(0o4600)
    secret = root / "secret"
    secret.write_bytes(b"x")
    os.link(secret, drop / "hard.whl")
    (drop / "soft.whl").symlink_to(secret)
    (drop / "away").symlink_to(elsewhere.parent)
    os.mkfifo(drop / "pipe.whl")
    host.hand_over(descriptor := os.open(drop, os.O_RDONLY), 8, Owner)
    os.close(descriptor)
    for path in (drop, drop / "dist", drop / NAME, drop / "dist" / NAME):
        assert path.stat().st_uid == 9898
    assert stat.S_IMODE((drop / NAME).stat().st_mode) == 0o644
    for path in (secret, elsewhere, elsewhere.parent):
        assert path.stat().st_uid == 0


def can_read(path: Path, uid: int) -> bool:
    reading = subprocess.run(["cat", path], user=uid, group=uid, extra_groups=[], capture_output=True, check=False)
    return not reading.returncode


@as_root
def test_the_web_server_cannot_read_what_others_put_into_served_directories(
    host: ModuleType, client: Client, root: Path
) -> None:
    root.parent.chmod(0o755)
    assert client.upload(NAME, WHEEL.build()).status == 200
    reader = 33
    host.guard(descriptor := os.open(root / "packages", os.O_RDONLY), host.inherited_acl(reader))
    os.close(descriptor)
    packages = root / "packages"
    copied = [packages / "a.whl", packages / "acme-tools/b.whl", packages / "acme-new/c.whl"]
    copied[2].parent.mkdir()
    for path in copied:
        hidden = path.with_name(f".{path.name}.copying")
        hidden.write_bytes(b"x")
        hidden.chmod(0o644)  # as rsync -a does, and scp -p
        hidden.rename(path)
        assert not can_read(path, reader) and can_read(path, 1234), "kept from it alone"
    second = Wheel(version="1.1")
    assert client.upload(second.filename, second.build()).status == 200
    other = Wheel("acme_other")
    assert client.upload(other.filename, other.build()).status == 200
    for path in (packages / "acme-tools" / NAME, packages / "acme-tools" / second.filename):
        assert can_read(path, reader)
    assert can_read(packages / "acme-other" / other.filename, reader)
    good = Wheel(version="1.2")
    (packages / "acme-tools" / good.filename).write_bytes(good.build())
    assert not can_read(packages / "acme-tools" / good.filename, reader)
    run("reindex", "--new")
    assert served.content(root, f"packages/acme-tools/{good.filename}")
    assert can_read(packages / "acme-tools" / good.filename, reader), "once it was checked"


ACCESS = "system.posix_acl_access"


@as_root
def test_a_directory_that_it_made_and_gave_to_the_index_is_served(host: ModuleType, client: Client, root: Path) -> None:
    root.parent.chmod(0o755)
    packages, reader = root / "packages", 33
    packages.chmod(0o755)
    host.guard(descriptor := os.open(packages, os.O_RDONLY), host.inherited_acl(reader))
    (packages / "acme-tools").mkdir()
    assert client.upload(NAME, WHEEL.build()).status == 200
    assert can_read(packages / "acme-tools" / NAME, reader)
    given = packages / "acme-given"
    given.mkdir()
    os.chown(given, Owner.pw_uid, Owner.pw_gid)
    assert os.getxattr(given, ACCESS)
    host.hand_over(descriptor, 2, Owner, is_served=True)
    os.close(descriptor)
    assert ACCESS not in os.listxattr(given)


@as_root
def test_what_it_lets_colleagues_do_in_the_drop_directory_stays(host: ModuleType, root: Path) -> None:
    drop, colleagues = root / "drop", host.inherited_acl(4321)
    os.chown(drop, Owner.pw_uid, Owner.pw_gid)
    os.setxattr(drop, ACCESS, colleagues)
    (drop / NAME).write_bytes(WHEEL.build())
    host.hand_over(descriptor := os.open(drop, os.O_RDONLY), 8, Owner)
    os.close(descriptor)
    assert run("reindex", "--new") == 0
    assert os.getxattr(drop, ACCESS) == colleagues


def test_a_copy_that_goes_on_is_waited_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "QUIET", 60.0)
    path = root / "drop" / NAME
    content = WHEEL.build()
    path.write_bytes(content[:200])
    waited: list[float] = []

    def meanwhile(seconds: float) -> None:
        waited.append(seconds)
        path.write_bytes(content[:300])

    with monkeypatch.context() as patch:
        patch.setattr(foreign.time, "sleep", meanwhile)
        assert run("reindex", "--new") == 1
    assert waited == [60.0]
    assert path.exists() and not list((root / "quarantine").iterdir())
    path.write_bytes(content)
    assert run("reindex", "--new") == 0
    assert listed(root) == [NAME]

"""The mirror of the conda channels on a file share: a channel at any moment, and nothing in it but what is listed."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rattler import install
from sqlalchemy import delete
from werkzeug.serving import make_server
from wheelhouse import cli
from wheelhouse.index import tables
from wheelhouse.index.opening import open_index
from wheelhouse.web.app import application

from . import served
from .conda_samples import CondaPackage
from .intake_conda import solution

PROGRAM = Path(__file__).parents[3] / "roles/conda_channel/files/wheelhouse-conda-mirror"
HELLO = CondaPackage("acme-hello", depends=("acme-base",))
BASE = CondaPackage("acme-base", suffix=".tar.bz2")
SOCKET = "index.sock"

pytestmark = pytest.mark.usefixtures("environment", "no_waiting")


@pytest.fixture
def channels(root: Path) -> Path:
    """A shelf's, with two packages in one."""
    cli.main(["channel", "internal"])
    for package in (HELLO, BASE):
        publish(root / "conda", package)
    return root / "conda"


@pytest.fixture(autouse=True)
def program(root: Path, environment: None) -> Iterator[None]:
    """What fetches packages that are not on this host."""
    open_index(root).database.close()
    server = make_server(f"unix://{root / SOCKET}", 0, application(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def share(tmp_path: Path) -> Path:
    path = tmp_path / "share"
    path.mkdir()
    return path


def publish(channels: Path, package: CondaPackage) -> None:
    path = channels / "internal" / package.filename
    path.write_bytes(package.build_it())
    os.utime(path, (1_600_000_000,) * 2)
    assert cli.main(["reindex"]) == 0


def remove(package: CondaPackage) -> None:
    assert cli.main(["remove", package.name, package.version, "--channel", "internal", "--reason", "x"]) == 0


def mirror(channels: Path, share: Path, code: int = 0) -> str:
    """Run it; what it said."""
    command = [sys.executable, PROGRAM, channels, share, "--program", channels.with_name(SOCKET)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def content(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def test_by_its_path_it_is_a_channel(channels: Path, share: Path, tmp_path: Path) -> None:
    """To py-rattler, which solves and installs from it."""
    assert mirror(channels, share) == "2 packages came, 0 went\n"
    records = solution(share / "internal", "acme-hello")
    assert {record.name.normalized for record in records} == {"acme-hello", "acme-base"}
    asyncio.run(install(records, tmp_path / "environment", cache_dir=tmp_path / "cache"))
    assert (tmp_path / "environment/share/acme-hello.txt").exists()


def test_without_news_it_writes_nothing(channels: Path, share: Path) -> None:
    mirror(channels, share)
    times = {path: path.stat().st_mtime_ns for path in share.rglob("*") if path.is_file()}
    assert mirror(channels, share) == ""
    assert {path: path.stat().st_mtime_ns for path in share.rglob("*") if path.is_file()} == times


def test_what_comes_and_what_goes(channels: Path, share: Path) -> None:
    """What others have put there stays."""
    mirror(channels, share)
    others = [share / "notes.txt", share / "theirs/noarch/thing-1-0.conda", share / "internal/noarch/notes.txt"]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("theirs")
    publish(channels, CondaPackage("acme-hello", "2.0"))
    remove(BASE)
    assert mirror(channels, share) == "1 packages came, 1 went\n"
    shelf = {name for name in content(channels) if name.endswith((".conda", ".tar.bz2", "/repodata.json"))}
    assert content(share).keys() - {str(path.relative_to(share)) for path in others} == shelf
    assert {path.read_text() for path in others} == {"theirs"}


def test_what_is_not_listed_is_not_there(channels: Path, share: Path) -> None:
    """Such as a file that is still being copied in."""
    (channels / "internal/noarch/acme-late-1.0-0.conda").write_bytes(b"half")
    mirror(channels, share)
    assert "internal/noarch/acme-late-1.0-0.conda" not in content(share)


@pytest.mark.parametrize("damage", [b"", b"something else"])
def test_a_file_that_is_not_what_is_listed(channels: Path, share: Path, damage: bytes) -> None:
    """Does not get there, nor does its index; other channels do not wait for it."""
    cli.main(["channel", "internal", "other"])
    path = channels / "internal/noarch" / HELLO.filename
    good = served.content(channels.parent, f"conda/internal/noarch/{HELLO.filename}") or b""
    path.write_bytes(damage)
    assert "is not what the index of its channel lists" in mirror(channels, share, code=1)
    assert {name for name in content(share) if not name.startswith(".") and "noarch" in name} - {
        f"internal/noarch/{BASE.filename}"
    } == {
        "other/noarch/repodata.json",
    }
    path.write_bytes(good)
    mirror(channels, share)
    assert [name for name in content(share) if "/." in name] == []
    assert f"internal/noarch/{HELLO.filename}" in content(share)


def test_a_rebuilt_package_of_the_same_size(channels: Path, share: Path) -> None:
    """Is told from the old one by its SHA-256 in the indexes, where a share is older than the shelf's own memory."""
    mirror(channels, share)
    first = content(share)[f"internal/noarch/{HELLO.filename}"]
    remove(HELLO)
    index = open_index(channels.parent)
    with index.database.change("internal/noarch") as connection:  # else its name would not come back with other bytes
        connection.execute(delete(tables.conda_packages).where(tables.conda_packages.c.file == HELLO.filename))
    index.database.close()
    publish(channels, CondaPackage("acme-hello", depends=("acme-base",), text="hullo\n"))
    mirror(channels, share)
    found = content(share)[f"internal/noarch/{HELLO.filename}"]
    assert found == content(channels)[f"internal/noarch/{HELLO.filename}"] != first


def test_a_share_that_is_not_mounted(channels: Path, tmp_path: Path) -> None:
    assert "Is the file share mounted?" in mirror(channels, tmp_path / "nowhere", code=1)


SECRET = "root:$6$secret"


@pytest.fixture
def secret(root: Path) -> Path:
    """A file that root may read and others may not."""
    path = root.with_name("shadow")
    path.write_text(SECRET)
    path.chmod(0o640)
    return path


@pytest.mark.parametrize("name", ["repodata.json", HELLO.filename])
@pytest.mark.parametrize("kind", ["link", "hard link", "fifo", "directory", "device"])
def test_nothing_but_files_of_the_shelf_leaves_it(
    channels: Path, share: Path, secret: Path, name: str, kind: str
) -> None:
    """Whatever somebody who can write to the shelf puts in the place of a file."""
    cli.main(["channel", "internal", "other"])
    path = channels / "internal/noarch" / name
    path.unlink(missing_ok=True)
    match kind:
        case "link":
            path.symlink_to(secret)
        case "hard link":
            path.hardlink_to(secret)
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
    assert f"{path} is" in mirror(channels, share, code=1)
    assert not [file for file in share.rglob("*") if file.is_file() and SECRET in file.read_bytes().decode("latin-1")]
    assert not (share / "internal/noarch/repodata.json").exists()
    assert (share / "other/noarch/repodata.json").is_file(), "other channels do not wait for it"


@pytest.mark.parametrize("level", ["internal", "internal/noarch"])
def test_no_directory_that_is_a_link_is_entered(channels: Path, share: Path, root: Path, level: str) -> None:
    """On the shelf, where it would lead to what others may not see, and on the share, where it would lead out of it."""
    outside = root.with_name("outside")
    outside.mkdir()
    (share / level).parent.mkdir(exist_ok=True)
    (share / level).symlink_to(outside)
    assert f"{share / level} is a link" in mirror(channels, share, code=1)
    assert not list(outside.rglob("*"))
    (share / level).unlink()
    moved = (channels / level).rename(root.with_name("moved"))
    (channels / level).symlink_to(moved)
    assert f"{channels / level} is a link" in mirror(channels, share, code=1)
    assert not (share / "internal/noarch/repodata.json").exists()


def test_what_lies_on_the_share_is_replaced_and_not_written_through(channels: Path, share: Path, secret: Path) -> None:
    target = share / "internal/noarch"
    target.mkdir(parents=True)
    for name in (f".{HELLO.filename}.partial", HELLO.filename, ".repodata.json.partial"):
        (target / name).symlink_to(secret)
    mirror(channels, share)
    assert secret.read_text() == SECRET
    assert not (target / HELLO.filename).is_symlink()
    assert content(share)[f"internal/noarch/{HELLO.filename}"] == content(channels)[f"internal/noarch/{HELLO.filename}"]


@pytest.mark.parametrize("name", ["../../../../etc/cron.d/x.conda", "/etc/x.conda", ".x.conda", "x.sh"])
def test_an_index_that_lists_other_names(channels: Path, share: Path, name: str) -> None:
    path = channels / "internal/noarch/repodata.json"
    index = json.loads(path.read_text())
    index["packages.conda"][name] = {"sha256": hashlib.sha256(b"").hexdigest()}
    path.write_text(json.dumps(index))
    assert "which is no name of a package" in mirror(channels, share, code=1)
    assert not list((share / "internal/noarch").iterdir())


ODD_INDEXES = [
    "[]",
    "{}",
    '{"packages": [], "packages.conda": {}}',
    '{"packages": {"x.conda": 1}, "packages.conda": {}}',
    "{",
]


@pytest.mark.parametrize("page", ODD_INDEXES)
def test_an_index_that_is_none_hinders_no_other(channels: Path, share: Path, page: str) -> None:
    cli.main(["channel", "abroad"])
    (channels / "abroad/noarch/repodata.json").write_text(page)
    said = mirror(channels, share, code=1)
    assert "is no index of a channel" in said
    assert (share / "internal/noarch" / HELLO.filename).exists()


@pytest.mark.parametrize("page", ODD_INDEXES)
def test_an_index_that_somebody_spoilt_on_the_share_is_written_anew(channels: Path, share: Path, page: str) -> None:
    mirror(channels, share)
    (share / "internal/noarch/repodata.json").write_text(page)
    mirror(channels, share)
    assert content(share)["internal/noarch/repodata.json"] == content(channels)["internal/noarch/repodata.json"]

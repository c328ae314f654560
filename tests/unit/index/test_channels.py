"""Conda channels: what is copied in is indexed as conda's own readers understand it, or put aside."""

import gzip
import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from conda_package_streaming.package_streaming import zstd
from rattler import Channel, RepoData
from wheelhouse import cli
from wheelhouse.conda import channel as conda_channel
from wheelhouse.formats import reading
from wheelhouse.store import foreign
from wheelhouse.store.foreign import Foreign
from wheelhouse.store.site import Site

from . import seaweed, served
from .conda_samples import CondaPackage
from .journal import journal

HELLO = CondaPackage()
BUILT = HELLO.build_it()
NOARCH = "conda/internal/noarch"
OLD = 1_600_000_000


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "QUIET", 0.0)


@pytest.fixture(autouse=True)
def channel(environment: None, root: Path) -> Path:
    """An empty channel."""
    assert run("channel", "internal", "--by", "it") == 0
    return root / "conda/internal"


def run(*arguments: str) -> int:
    return cli.main(list(arguments))


def copy_in(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (OLD, OLD))
    return path


def listed(directory: Path) -> dict[str, dict]:
    """What the index of a subdir says, once it was seen that its three forms and py-rattler say the same."""
    page = directory / "repodata.json"
    content = page.read_bytes()
    assert gzip.decompress(page.with_name("repodata.json.gz").read_bytes()) == content
    assert zstd.decompress(page.with_name("repodata.json.zst").read_bytes()) == content
    repodata = json.loads(content)
    records = {**repodata["packages"], **repodata["packages.conda"]}
    assert repodata["info"] == {"subdir": directory.name}
    read = RepoData.from_path(page).into_repo_data(Channel("https://packages.acme.example/conda/internal"))
    assert {record.file_name: record.sha256.hex() for record in read} == {
        name: record["sha256"] for name, record in records.items()
    }
    return records


def told(root: Path) -> list[tuple[str, str | None, str | None]]:
    return [(event["event"], event.get("channel"), event.get("file")) for event in journal(root)]


def reasons(root: Path) -> list[str]:
    return [json.loads(path.read_text())["reason"] for path in sorted((root / "quarantine").glob("*.reason.json"))]


def test_an_empty_channel_is_a_channel(channel: Path, capsys: pytest.CaptureFixture) -> None:
    assert {path.name: listed(path) for path in channel.iterdir()} == {name: {} for name in conda_channel.SUBDIRS}
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in channel.rglob("repodata*"))
    before = {path: path.stat().st_mtime_ns for path in channel.rglob("*")}
    capsys.readouterr()
    assert run("channel", "internal") == 0
    assert capsys.readouterr().out == "0 files published, 0 indexes written.\n"
    assert {path: path.stat().st_mtime_ns for path in channel.rglob("*")} == before


@pytest.mark.parametrize("name", ["../etc", "a/b", "", "Main", "-x", "1st", ".hidden"])
def test_a_channel_has_a_name_that_fits_into_an_address(name: str, root: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        run("channel", "--", name)
    assert ended.value.code == 2
    assert [path.name for path in (root / "conda").iterdir()] == ["internal"]


@pytest.mark.parametrize("suffix", [".conda", ".tar.bz2"])
@pytest.mark.parametrize("place", ["", "noarch", "linux-64", "of-their-own"])
def test_a_copied_package_is_indexed_wherever_it_lies(channel: Path, root: Path, place: str, suffix: str) -> None:
    package = CondaPackage(suffix=suffix, depends=("acme-base >=1,<2.0a0",))
    copied = copy_in(channel / place / package.filename, package.build_it())
    assert run("reindex", "--by", "root") == 0
    (record,) = listed(channel / "noarch").values()
    assert served.content(root, f"{NOARCH}/{package.filename}") == package.build_it()
    published = channel / "noarch" / package.filename
    assert record == {
        "name": "acme-hello",
        "version": "1.0",
        "build": "0",
        "build_number": 0,
        "depends": ["acme-base >=1,<2.0a0"],
        "subdir": "noarch",
        "noarch": "generic",
        "timestamp": 1_700_000_000_000,
        "license": "MIT",
        "md5": record["md5"],
        "sha256": hashlib.sha256(published.read_bytes()).hexdigest(),
        "size": published.stat().st_size,
    }
    assert copied == published or not copied.exists()
    assert published.stat().st_mode & 0o777 == 0o644
    assert told(root)[-1] == ("publish", "internal/noarch", package.filename)
    count = len(told(root))
    assert run("reindex") == 0
    assert len(told(root)) == count


def test_the_timer_looks_at_channels_as_well(channel: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("reindex", "--new") == 0
    copy_in(channel / "noarch" / HELLO.filename, BUILT)
    assert run("reindex", "--new") == 0
    assert HELLO.filename in listed(channel / "noarch")
    # what is listed is not read again, and where nothing came nobody looks
    monkeypatch.setattr(reading, "package", None)
    assert run("reindex") == 0
    os.utime(root / "last-look", (time.time() + 5,) * 2)
    monkeypatch.setattr(conda_channel.Channels, "reindex", None)
    assert run("reindex", "--new") == 0


def test_a_platform_nobody_thought_of_gets_a_subdir(channel: Path) -> None:
    package = CondaPackage(subdir="linux-riscv64")
    copy_in(channel / package.filename, package.build_it())
    assert run("reindex") == 0
    assert list(listed(channel / "linux-riscv64")) == [package.filename]


def test_a_package_older_than_the_field_belongs_where_it_lies(channel: Path) -> None:
    package = CondaPackage(suffix=".tar.bz2", index={"subdir": None})
    copy_in(channel / "linux-64" / package.filename, package.build_it())
    assert run("reindex") == 0
    assert list(listed(channel / "linux-64")) == [package.filename]


BAD = {
    "cut off": (HELLO.filename, BUILT[:-40], "is not a readable package"),
    "a bit flipped": (HELLO.filename, BUILT[:150] + bytes([BUILT[150] ^ 1]) + BUILT[151:], ""),
    "no archive": (HELLO.filename, b"hello", "is not a readable package"),
    "empty": ("acme-hello-1.0-0.tar.bz2", b"", "is not a readable package"),
    "cut off at its very end": (
        "acme-hello-1.0-0.tar.bz2",
        CondaPackage(suffix=".tar.bz2").build_it()[:-4],
        "is not a readable package",
    ),
    "another name": ("acme-other-1.0-0.conda", BUILT, "where info-acme-other-1.0-0.tar.zst"),
    "another version": (
        "acme-hello-1.0-0.conda",
        CondaPackage(index={"version": "2.0"}).build_it(),
        "The file name says version 1.0",
    ),
    "no name at all": ("hello.conda", BUILT, "is not NAME-VERSION-BUILD"),
    "a name in capitals": ("Acme-1.0-0.conda", BUILT, "is not NAME-VERSION-BUILD"),
    "no requirements": (HELLO.filename, CondaPackage(index={"depends": None}).build_it(), "The depends in"),
    "requirements of another kind": (
        HELLO.filename,
        CondaPackage(index={"depends": [1]}).build_it(),
        "The depends in",
    ),
    "a place outside": (HELLO.filename, CondaPackage(index={"subdir": "../../x-y"}).build_it(), "The subdir in"),
    "a licence that is a list": (HELLO.filename, CondaPackage(index={"license": ["MIT"]}).build_it(), "The license in"),
    "a number that is none": (
        HELLO.filename,
        CondaPackage(index={"timestamp": float("nan")}).build_it(),
        "is not a readable package",
    ),
    "half a letter": (HELLO.filename, CondaPackage(index={"license": "\ud800"}).build_it(), "not a readable package"),
    "a version that cannot be ordered": (
        "acme-hello-1..0-0.conda",
        CondaPackage(version="1..0").build_it(),
        "a version that conda can put in order",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_package_goes_aside_and_costs_the_others_nothing(channel: Path, root: Path, what: str) -> None:
    filename, content, reason = BAD[what]
    good = CondaPackage("acme-zebra")
    copy_in(channel / "noarch" / filename, content)
    copy_in(channel / "noarch" / good.filename, good.build_it())
    assert run("reindex") == 1
    assert list(listed(channel / "noarch")) == [good.filename]
    assert not (channel / "noarch" / filename).exists()
    (said,) = reasons(root)
    assert reason in said and said.endswith((".", "again."))
    assert ("quarantine", "internal/noarch", filename) in told(root)


def test_half_a_package_is_left_to_whoever_copies_it(
    channel: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copy_in(channel / "noarch" / HELLO.filename, BUILT[:100])
    with monkeypatch.context() as patch:
        patch.setattr(Foreign, "is_being_written", lambda *_: True)
        assert run("reindex", "--new") == 1
    assert listed(channel / "noarch") == {}
    path.write_bytes(BUILT)
    assert run("reindex", "--new") == 0
    assert list(listed(channel / "noarch")) == [HELLO.filename]
    assert reasons(root) == []


def test_a_published_package_is_never_replaced(channel: Path, root: Path) -> None:
    copy_in(channel / "noarch" / HELLO.filename, BUILT)
    assert run("reindex") == 0
    other = CondaPackage(text="HELLO\n").build_it()
    copy_in(channel / HELLO.filename, other)
    assert run("reindex") == 1
    assert served.content(root, f"{NOARCH}/{HELLO.filename}") == BUILT
    assert "never replaced" in reasons(root)[0]


@seaweed.ON_A_DISK
def test_a_published_package_that_was_overwritten_is_taken_off(channel: Path, root: Path) -> None:
    path = copy_in(channel / "noarch" / HELLO.filename, BUILT)
    assert run("reindex") == 0
    copy_in(path, CondaPackage(text="HELLO\n").build_it())  # with the old file's time
    assert run("verify") == 1
    assert run("reindex") == 1
    assert listed(channel / "noarch") == {} and not path.exists()
    assert ("remove", "internal/noarch", HELLO.filename) in told(root)
    # the same bytes once more are no matter
    copy_in(path, BUILT)
    assert run("reindex") == 0
    copy_in(channel / HELLO.filename, BUILT)
    assert run("reindex") == 0
    assert not (channel / HELLO.filename).exists() and list(listed(channel / "noarch")) == [HELLO.filename]


@seaweed.ON_A_DISK
def test_a_package_that_is_taken_away_is_listed_no_more(channel: Path, root: Path) -> None:
    path = copy_in(channel / "noarch" / HELLO.filename, BUILT)
    assert run("reindex") == 0
    path.unlink()
    assert run("verify") == 1
    assert run("reindex", "--new") == 0
    assert listed(channel / "noarch") == {}
    assert told(root)[-1] == ("remove", "internal/noarch", HELLO.filename)
    assert run("verify") == 0


def test_all_builds_of_a_version_are_removed(channel: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = [CondaPackage(), CondaPackage(subdir="linux-64"), CondaPackage(suffix=".tar.bz2", text="old\n")]
    kept = [CondaPackage(version="1.0.1"), CondaPackage("acme-hello-more")]
    for package in (*gone, *kept):
        copy_in(root / "drop/conda/internal" / package.subdir / package.filename, package.build_it())
    assert run("reindex", "--new") == 0, capsys.readouterr().err
    assert run("remove", "acme-hello", "1.0", "--channel", "internal", "--reason", "a leak", "--by", "ada") == 0
    assert {*listed(channel / "noarch")} == {package.filename for package in kept} and listed(
        channel / "linux-64"
    ) == {}
    for package in gone:
        assert served.content(root, f"conda/internal/{package.subdir}/{package.filename}") is None
    told = [(event["who"], event["reason"]) for event in journal(root) if event["event"] == "remove"]
    assert told == [("ada", "a leak")] * len(gone)
    assert run("verify") == run("reindex") == 0
    capsys.readouterr()
    assert run("remove", "acme-hello", "1.0", "--channel", "internal", "--reason", "again") == 1
    assert "acme-hello 1.0 is not in the channel internal." in capsys.readouterr().err


@pytest.mark.parametrize("form", ["repodata.json", "repodata.json.gz", "repodata.json.zst"])
def test_an_index_that_somebody_changed_is_put_right(
    channel: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_in(channel / "noarch" / HELLO.filename, BUILT)
    assert run("reindex") == 0
    before = listed(channel / "noarch")
    page = channel / "noarch" / form
    page.write_bytes(page.read_bytes().replace(b"acme", b"evil")[:-1])
    assert run("verify") == 1
    assert "The index of internal/noarch does not list what was published: run reindex" in capsys.readouterr().err
    assert run("reindex") == 0
    assert listed(channel / "noarch") == before
    assert run("verify") == 0


@pytest.mark.parametrize("broken", ["", "{}", "[]", '{"packages": [], "packages.conda": {}}', "{"])
def test_an_index_that_is_lost_is_made_anew(channel: Path, broken: str) -> None:
    copy_in(channel / "noarch" / HELLO.filename, BUILT)
    assert run("reindex") == 0
    before = listed(channel / "noarch")
    (channel / "noarch/repodata.json").write_text(broken)
    assert run("reindex") == 0
    assert listed(channel / "noarch") == before


def test_what_pip_reads_knows_nothing_of_channels(channel: Path, root: Path) -> None:
    copy_in(channel / HELLO.filename, BUILT)
    assert run("reindex") == 0
    assert json.loads((root / "simple/index.json").read_text())["projects"] == []
    assert [event.get("project") for event in journal(root)] == [None]


def test_files_of_copying_programs_are_not_looked_at(channel: Path) -> None:
    hidden = copy_in(channel / "noarch" / f".{HELLO.filename}.conda", b"half")
    other = copy_in(channel / "noarch/README.txt", b"hello")
    assert run("reindex") == 0
    assert hidden.exists() and other.exists() and listed(channel / "noarch") == {}


def blob(root: Path, content: bytes) -> Path:
    """Where the store has some bytes."""
    digest = hashlib.sha256(content).hexdigest()
    return root / "blobs" / digest[:2] / digest


DAMAGES = {
    "its bytes lost in the store": lambda root: blob(root, BUILT).unlink(),
    "all bytes lost in the store": lambda root: shutil.rmtree(root / "blobs"),
    "the subdir lost": lambda root: shutil.rmtree(root / NOARCH),
    "all channels lost": lambda root: shutil.rmtree(root / "conda"),
    "another file in its place": lambda root: copy_in(root / NOARCH / "x", b"evil").rename(
        root / NOARCH / HELLO.filename
    ),
    "a link in its place": lambda root: (
        (root / NOARCH / HELLO.filename).unlink(),
        (root / NOARCH / HELLO.filename).symlink_to("/"),
    ),
}


@seaweed.ON_A_DISK
@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_happens_to_one_of_two_places_is_mended_from_the_other(channel: Path, root: Path, damage: str) -> None:
    path = copy_in(channel / "noarch" / HELLO.filename, BUILT)
    assert run("reindex") == 0
    before = listed(channel / "noarch")
    DAMAGES[damage](root)
    assert run("verify") == 1
    run("reindex")
    for _ in range(2):
        assert (path.read_bytes(), blob(root, BUILT).read_bytes(), listed(channel / "noarch")) == (BUILT, BUILT, before)
        assert run("reindex") == 0
    assert run("verify") == 0
    assert [event for event, *_ in told(root) if event == "remove"] == []
    assert list((root / "drop/conda/internal").rglob("*")) == []


@seaweed.ON_A_DISK
def test_bytes_that_are_nowhere_are_listed_no_more_until_they_come_back(channel: Path, root: Path) -> None:
    copy_in(channel / "noarch" / HELLO.filename, BUILT)
    assert run("reindex") == 0
    before = listed(channel / "noarch")
    shutil.rmtree(root / "conda")
    shutil.rmtree(root / "blobs")
    assert run("reindex") == 1
    assert listed(channel / "noarch") == {}
    copy_in(root / "drop/conda/internal" / HELLO.filename, BUILT)
    assert run("reindex", "--new") == 0
    assert listed(channel / "noarch") == before
    assert [event for event, *_ in told(root)].count("publish") == 1
    assert run("verify") == 0


@seaweed.ON_A_DISK
def test_a_channel_that_was_taken_away_with_nothing_in_it_stays_away(channel: Path, root: Path) -> None:
    shutil.rmtree(root / "conda")
    assert run("reindex") == 0
    assert not channel.exists()
    assert run("channel", "internal") == 0
    assert {path.name for path in channel.iterdir()} == {*conda_channel.SUBDIRS}


def test_packages_are_published_together_and_the_index_is_written_once(
    channel: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    whole = Site.write_page

    def counting(self: Site, path: str, *given: Any, **more: Any) -> bool:
        written.append(path)
        return whole(self, path, *given, **more)

    monkeypatch.setattr(Site, "write_page", counting)
    packages = [CondaPackage(f"acme-{number}") for number in range(20)]
    for package in packages:
        copy_in(root / "drop/conda/internal" / package.filename, package.build_it())
    assert run("reindex", "--new") == 0
    assert {*listed(channel / "noarch")} == {package.filename for package in packages}
    assert written.count(f"{NOARCH}/repodata.json") <= 3

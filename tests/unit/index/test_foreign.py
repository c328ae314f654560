"""What others put into directories of ours: opened without following anything, gone only if it is still the same."""

import os
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from wheelhouse.store import foreign
from wheelhouse.store.foreign import Foreign, Unfit
from wheelhouse.store.staging import Staging

HERE = PurePosixPath("drop/a.whl")


@pytest.fixture
def file(tmp_path: Path) -> Foreign:
    (tmp_path / "drop").mkdir()
    (tmp_path / HERE).write_bytes(b"hello")
    return Foreign(tmp_path, HERE)


def test_it_is_read_as_far_as_it_went_when_it_was_opened(file: Foreign) -> None:
    with file.opened() as (stream, seen):
        with file.path.open("ab") as writer:
            writer.write(b" world")
        assert stream.read() == b"hello" and seen.size == 5
    assert file.sha256() == "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"


@pytest.mark.parametrize(
    "odd", [lambda path: path.symlink_to("b.whl"), os.mkfifo, os.mkdir], ids=["link", "pipe", "dir"]
)
def test_what_is_no_file_is_not_opened(file: Foreign, odd: Callable[[Path], None]) -> None:
    file.path.rename(file.path.with_name("b.whl"))
    odd(file.path)
    assert file.is_there() and not file.is_file()
    with pytest.raises(Unfit, match="only files are taken"), file.opened():
        pass


def test_a_link_that_comes_between_the_look_and_the_opening_is_not_followed(
    file: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = Foreign._check_kind

    def swapping(self: Foreign, status: os.stat_result) -> None:
        check(self, status)
        monkeypatch.undo()
        file.path.rename(file.path.with_name("b.whl"))
        file.path.symlink_to("b.whl")

    monkeypatch.setattr(Foreign, "_check_kind", swapping)
    with pytest.raises(OSError, match="symbolic links"), file.opened():
        pass


def test_a_link_on_the_way_is_not_followed(file: Foreign, tmp_path: Path) -> None:
    (tmp_path / "drop").rename(tmp_path / "elsewhere")
    (tmp_path / "drop").symlink_to("elsewhere")
    for action in (file.sha256, file.remove, lambda: file.move(tmp_path / "x")):
        with pytest.raises(NotADirectoryError):
            action()
    assert (tmp_path / "elsewhere/a.whl").exists()


def replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(b"hello")
    other.rename(path)


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(b"more than it was"), replaced, os.utime])
def test_another_file_in_its_place_stays(file: Foreign, change: Callable[[Path], None]) -> None:
    os.utime(file.path, (1, 1))
    with file.opened() as (_, before):
        pass
    change(file.path)
    file.tidy_away(before)
    assert file.path.exists()
    with file.opened() as (_, before):
        pass
    file.tidy_away(before)
    file.tidy_away(before)
    assert not file.path.exists()


def test_one_that_is_quiet_is_not_waited_for(file: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits"))
    os.utime(file.path, (1, 1))
    with file.opened() as (_, before):
        pass
    assert not file.is_being_written(before)
    file.path.write_bytes(b"x")
    assert file.is_being_written(before)


def test_everything_below_is_found_and_hidden_names_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "_AT_A_TIME", 3)
    names = {f"{number}.whl" for number in range(10)} | {"deep/er/x.whl", "deep/y.whl"}
    for name in names | {".hidden.whl", ".hidden/x.whl", "deep/.z"}:
        path = tmp_path / "drop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "drop/away").symlink_to(tmp_path)
    found = []
    for file in foreign.below(tmp_path, PurePosixPath("drop")):
        found.append(str(file.where.relative_to("drop")))
        file.remove()
    assert sorted(found) == sorted(names | {"away"}), "also while they go"
    (tmp_path / "drop/deep/y.whl").write_bytes(b"x")
    assert list(foreign.below(tmp_path, PurePosixPath("drop"), depth=0)) == []
    assert list(foreign.below(tmp_path, PurePosixPath("nothing"))) == []


def test_directories_in_which_something_happened(tmp_path: Path) -> None:
    top = PurePosixPath("packages")
    assert list(foreign.directories(tmp_path, top)) == []
    for name in ("a", "b", ".c"):
        (tmp_path / "packages" / name).mkdir(parents=True)
    everywhere = [top, top / "a", top / "b"]
    assert list(foreign.directories(tmp_path, top)) == everywhere
    for path in (tmp_path / "packages", *(tmp_path / "packages").iterdir()):
        os.utime(path, (1000, 1000))
    assert list(foreign.directories(tmp_path, top, 1001)) == everywhere, "times are rounded"
    assert list(foreign.directories(tmp_path, top, 1002)) == []
    (tmp_path / "packages/b/x.whl").touch()
    assert list(foreign.directories(tmp_path, top, 1002)) == [top / "b"]


def test_what_goes_to_the_drop_directory_never_meets_another(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    for where in ("packages/p", "conda/c/noarch"):
        (tmp_path / where).mkdir(parents=True)
        moved = []
        for content in ("1", "2"):
            (tmp_path / where / "x").write_text(content)
            moved.append(staging.to_drop(tmp_path / where / "x"))
        assert [path.read_text() for path in moved] == ["1", "2"]
        for path in moved:
            assert path.relative_to(staging.drop).parts[:-2] in ((), ("conda", "c", path.parent.parent.name))
            assert path.parent.stat().st_mode & 0o777 == 0o755
    assert {path.parent.name for path in moved} == {"noarch"}

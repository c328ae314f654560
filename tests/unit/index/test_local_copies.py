"""Copies of packages where a server keeps the bytes: which go, which are read again, and that nothing else goes."""

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from wheelhouse.store import local_copies
from wheelhouse.store.local_copies import LocalCopies

NOW = time.time()


class Shelf:
    """A tree with files, of which some are published."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.published: dict[str, str] = {}

    def has(self, path: str, content: bytes, hours: float = 0, *, is_published: bool = True) -> Path:
        """A file that was used so many hours ago."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, (NOW - hours * 3600, 1_600_000_000))
        if is_published:
            self.published[path] = hashlib.sha256(content).hexdigest()
        return file

    def copies(self, most: int) -> LocalCopies:
        return LocalCopies(self.root, most, self._known)

    def _known(self, paths: Iterable[str]) -> dict[str, str]:
        return {path: self.published[path] for path in paths if path in self.published}

    @property
    def names(self) -> set[str]:
        return {path.name for path in self.root.rglob("*") if path.is_file()}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_as_many_stay_as_are_kept(shelf: Shelf) -> None:
    for hours in range(10):
        shelf.has(f"packages/p{hours}/f{hours}.whl", b"x" * 1000, hours)
    kept = shelf.copies(10_000).trim()
    assert (kept.files, kept.bytes, kept.removed) == (10, 10_000, 0) and len(shelf.names) == 10


def test_what_was_not_used_for_longest_goes(shelf: Shelf) -> None:
    for hours in range(10):
        shelf.has(f"packages/p{hours}/f{hours}.whl", b"x" * 1000, hours)
    shelf.has("conda/main/noarch/c-1.0-0.conda", b"x" * 1000, 20)
    kept = shelf.copies(8_000).trim()
    # and a twentieth, so that not each new file has one go
    assert (kept.bytes, kept.removed) == (7_000, 4)
    assert shelf.names == {f"f{hours}.whl" for hours in range(7)}


def test_room_is_made(shelf: Shelf) -> None:
    for hours in range(4):
        shelf.has(f"packages/p/f{hours}.whl", b"x" * 1000, hours)
    shelf.copies(10_000).trim(1_500)
    assert shelf.names == {"f0.whl", "f1.whl"}


def test_what_is_not_published_is_not_ours_to_remove(shelf: Shelf) -> None:
    shelf.has("packages/p/stranger.whl", b"x" * 1000, 90, is_published=False)
    shelf.has("conda/main/noarch/repodata.json", b"x" * 1000, 80, is_published=False)
    shelf.has("simple/p/index.json", b"x" * 1000, 80, is_published=False)
    shelf.has("packages/p/ours.whl", b"x" * 1000, 1)
    shelf.copies(500).trim()
    assert shelf.names == {"stranger.whl", "repodata.json", "index.json"}


def test_a_download_counts_as_use(shelf: Shelf) -> None:
    for hours in (1, 2, 3):
        shelf.has(f"packages/p/f{hours}.whl", b"x" * 1000, hours)
    copies = shelf.copies(2_000)
    copies.note_used({"packages/p/f3.whl": NOW, "packages/p/f1.whl": NOW - 90_000, "packages/p/gone.whl": NOW})
    copies.trim()
    assert shelf.names == {"f3.whl"} | ({"f1.whl"} if len(shelf.names) == 2 else set())
    assert (shelf.root / "packages/p/f3.whl").stat().st_mtime == 1_600_000_000


def test_what_is_being_sent_is_sent_to_its_end(shelf: Shelf) -> None:
    file = shelf.has("packages/p/f.whl", b"x" * 1000)
    with file.open("rb") as reader:
        shelf.copies(10).trim()
        assert not file.exists() and reader.read() == b"x" * 1000


def test_each_is_read_once_in_so_many_days(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"packages/p/f{number}.whl" for number in range(100)]
    for path in paths:
        shelf.has(path, path.encode())
    read: list[str] = []
    whole = local_copies.has_bytes

    def noted(path: Path, key: str) -> bool:
        read.append(str(path.relative_to(shelf.root)))
        return whole(path, key)

    monkeypatch.setattr(local_copies, "has_bytes", noted)
    for day in range(20_000, 20_000 + local_copies.SAMPLES):
        assert shelf.copies(10**6).check(day) == []
    assert sorted(read) == sorted(paths)


def test_what_has_changed_on_the_disk_goes(shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    rotten, fine = shelf.has("packages/p/rotten.whl", b"x" * 1000), shelf.has("packages/p/fine.whl", b"y" * 1000)
    used = fine.stat().st_atime
    content = bytearray(rotten.read_bytes())
    content[500] ^= 1
    rotten.write_bytes(content)
    wrong = [path for day in range(local_copies.SAMPLES) for path in shelf.copies(10**6).check(day)]
    assert wrong == ["packages/p/rotten.whl"] and shelf.names == {"fine.whl"}
    assert "packages/p/rotten.whl had changed on this disk, and is fetched anew" in caplog.text
    assert fine.stat().st_atime == pytest.approx(used)  # reading it was no use

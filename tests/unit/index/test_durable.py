"""What the program asks of the kernel: bytes are synced before they are named, and names before the answer.

A power cut cannot be had here. What a kernel may lose by one can: all that was not synced when the answer was given.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from . import seaweed
from .durable_changes import COPIED_IN, LAID_DOWN

CALLS = ",".join(
    [
        *("write", "pwrite64", "writev", "ftruncate", "fsync", "fdatasync", "sync", "syncfs"),
        *("rename", "renameat", "renameat2", "link", "linkat", "mkdir", "unlinkat"),
    ]
)
_CALL = re.compile(r"(?:\d+ +)?(\w+)\((.*)\) += (-?\d+|\?)(?:<([^>]*)>)?")
_FD = re.compile(r"^\d+<([^>]*)>")
_PATH = re.compile(r'(?:\d+<([^>]*)>|AT_FDCWD(?:<[^>]*>)?)?(?:, )?"((?:[^"\\]|\\.)*)"')


@dataclass
class Disk:
    """What would be on the disk if the power went now."""

    root: Path
    unsynced: set[str] = field(default_factory=set)
    """Files with contents that are not."""
    unnamed: dict[str, set[str]] = field(default_factory=dict)
    """Directory -> names in it that are not."""
    faults: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    synced: int = 0
    is_row_due: bool = False
    """Whether no row was synced yet since the last answer."""
    is_together: bool = False
    """Whether many are published, whose pages may be named before they are synced: their places stay dirty so long."""

    def see(self, call: str, arguments: str) -> None:
        """One call that succeeded."""
        if call in ("write", "pwrite64", "writev", "ftruncate"):
            self._written(_FD.match(arguments), arguments)
        elif call in ("fsync", "fdatasync"):
            found = _FD.match(arguments)
            path = found.group(1) if found else ""
            self.synced += 1
            if path == self._log():
                self.is_row_due = False
            self.unsynced.discard(path)
            self.unnamed.pop(path, None)
        elif call in ("sync", "syncfs"):
            self.synced += 1
            self.unsynced.clear()
            self.unnamed.clear()
        elif call.startswith(("rename", "link")):
            source, target = self._paths(arguments)[:2]
            self._named(source, target, gone=call.startswith("rename"))
        elif call == "mkdir":
            self._name(self._paths(arguments)[0])
        elif call == "unlinkat":
            path = self._paths(arguments)[0]
            if self._place(path) == "drop" and (self.is_row_due or self._unsynced_bytes()):
                self.faults.append(f"{path} went before its row and its bytes were synced")

    def _written(self, found: re.Match[str] | None, arguments: str) -> None:
        path = found.group(1) if found else ""
        if path == self._log():
            # from here on it may be on the disk
            self.faults += [f"rows were written before {one} was synced" for one in sorted(self._unsynced_bytes())]
        if self._place(path) not in ("", "locks", "incoming") or path.startswith(f"{self.root}/incoming"):
            self.unsynced.add(path)
        if "ANSWER" in arguments and path.startswith(("pipe", "/dev")):
            self._answered(arguments)

    def _named(self, source: str, target: str, *, gone: bool) -> None:
        place = self._place(target)
        if source in self.unsynced and place == "blobs":
            self.unsynced.add(target)
        is_page = place == "simple" or (place == "conda" and "/repodata.json" in target)
        if source in self.unsynced and place in ("packages", "simple", "conda") and not (is_page and self.is_together):
            self.faults.append(f"{target} was named before its bytes were synced")
        if place in ("packages", "simple", "conda") and self.is_row_due:
            self.faults.append(f"{target} was named before its row was synced")
        if place in ("packages", "conda") and any("/blobs" in directory for directory in self.unnamed):
            self.faults.append(f"{target} was named before the store's name was synced")
        if gone and source in self.unsynced:
            self.unsynced.discard(source)
            self.unsynced.add(target)
        self._name(target)

    def _unsynced_bytes(self) -> set[str]:
        """What the store may not have on the disk: contents and names."""
        names = {path for names in self.unnamed.values() for path in names}
        return {path for path in self.unsynced | names if self._place(path) == "blobs"}

    def _name(self, path: str) -> None:
        if self._place(path) not in ("", "incoming", "locks"):
            self.unnamed.setdefault(os.path.dirname(path), set()).add(path)  # noqa: PTH120  a text

    def _answered(self, arguments: str) -> None:
        said = arguments.partition("ANSWER ")[2].partition("\\n")[0]
        self.answers.append(said)
        self.is_row_due = True
        self.is_together = said == LAID_DOWN
        if self.is_together:  # somebody else did that
            self.unsynced = {path for path in self.unsynced if self._place(path) != "drop"}
            self.synced = 0
        if said == "opened":  # of what there was before, all is written first and synced then
            self.faults.clear()
        # That it is rendered may be forgotten. The rows themselves were synced before anything was named.
        lost = {path for path in self.unsynced if "/incoming/" not in path and not path.startswith(self._log())}
        names = {name for names in self.unnamed.values() for name in names if self._place(name) != "drop"}
        self.faults += [f"{said}: {path} is not synced" for path in sorted(lost | names)]

    def _log(self) -> str:
        return f"{self.root}/state/index.sqlite-wal"

    def _place(self, path: str) -> str:
        """The directory of the shelf that something is in."""
        return path.removeprefix(f"{self.root}/").partition("/")[0] if path.startswith(f"{self.root}/") else ""

    def _paths(self, arguments: str) -> list[str]:
        found = [(above, name) for above, name in _PATH.findall(arguments)]
        return [name if name.startswith("/") else f"{above}/{name}" for above, name in found]


def calls(trace: Path) -> Iterator[tuple[str, str]]:
    for line in trace.read_text(errors="replace").splitlines():
        if (found := _CALL.match(line)) and not found.group(3).startswith("-"):
            yield found.group(1), found.group(2)


@pytest.fixture
def strace() -> str:
    program = shutil.which("strace")
    probe = [program or "", "-o", "/dev/null", "true"]
    if program is None or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("strace cannot be used here")
    return program


@seaweed.ON_A_DISK
def test_bytes_before_names_and_names_before_the_answer(strace: str, root: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    program = [sys.executable, "-m", "index.durable_changes", str(root)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(
        [strace, "-f", "-y", "-s", "64", "-e", f"trace={CALLS}", "-o", str(trace), *program],
        check=True,
        env=environment,
        capture_output=True,
    )
    disk = Disk(root)
    one_by_one = 0
    for call, arguments in calls(trace):
        disk.see(call, arguments)
        if LAID_DOWN not in disk.answers:
            one_by_one = disk.synced
    faults = [fault.replace(str(root), "") for fault in disk.faults]
    assert faults == []
    assert len(disk.answers) == 11 and one_by_one > 40, "the trace was understood"
    assert disk.synced <= 12, f"for all {len(COPIED_IN)} together"
    wal = [line for line in trace.read_text().splitlines() if "sync(" in line and "index.sqlite-wal" in line]
    assert len(wal) >= 8, "each change's rows are synced"


def test_a_program_that_syncs_nothing_is_caught(root: Path) -> None:
    """What the test above would say of it."""
    disk = Disk(root, is_row_due=True)
    disk.see("write", f'3<{root}/incoming/a>, "x", 1')
    disk.see("link", f'"{root}/incoming/a", "{root}/blobs/aa/aa"')
    disk.see("pwrite64", f'4<{root}/state/index.sqlite-wal>, "x", 1, 0')
    disk.see("unlinkat", f'5<{root}/drop>, "a.whl", 0')
    disk.see("link", f'"{root}/blobs/aa/aa", "{root}/packages/a/a.whl"')
    disk.see("write", '1<pipe:[1]>, "ANSWER published\\n", 17')
    assert [fault.replace(str(root), "") for fault in disk.faults] == [
        "rows were written before /blobs/aa/aa was synced",
        "/drop/a.whl went before its row and its bytes were synced",
        "/packages/a/a.whl was named before its bytes were synced",
        "/packages/a/a.whl was named before its row was synced",
        "/packages/a/a.whl was named before the store's name was synced",
        "published: /blobs/aa/aa is not synced",
        "published: /packages/a/a.whl is not synced",
    ]

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""What somebody may put in the place of a file, to stop a run, or to read or change what is not theirs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest


class Office(NamedTuple):
    """Homes beside each other, and a file of root's that nobody else may read."""

    accounts: dict[str, pwd.struct_passwd]
    shadow: Path

    def home(self, name: str) -> Path:
        return Path(self.accounts[name].pw_dir)

    def write(self, name: str, path: str, text: str | bytes) -> Path:
        """A file of somebody's in their home, readable by everybody."""
        file = self.home(name) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.own(name)
        return file

    def own(self, name: str) -> None:
        """Give somebody all that is in their home, but for what is a link or has another name elsewhere."""
        owner = self.accounts[name]
        for path in [self.home(name), *self.home(name).rglob("*")]:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_nlink == 1:
                os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)


def build_office(place: Path) -> Office:
    """mallory, ada and leo, as real accounts of this machine with other names and homes."""
    some = [entry for entry in pwd.getpwall() if entry.pw_uid not in (0, os.getuid()) and entry.pw_gid != 0]
    accounts = {}
    for name, entry in zip(("mallory", "ada", "leo"), some, strict=False):
        home = place / name
        home.mkdir(mode=0o755)
        os.chown(home, entry.pw_uid, entry.pw_gid)
        accounts[name] = pwd.struct_passwd((name, "x", entry.pw_uid, entry.pw_gid, "", str(home), "/bin/bash"))
    shadow = place / "roots" / "shadow"
    shadow.parent.mkdir()
    shadow.write_text("export PIP_INDEX_URL=https://S3ntinel@old.example/\n")
    shadow.chmod(0o600)
    return Office(accounts, shadow)


def _device(path: Path, _office: Office) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices cannot be made here")


def _socket(path: Path, _office: Office) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as listener:  # a path may be too long for one
        listener.bind(path.name)


def _sparse(path: Path, _office: Office) -> None:
    path.touch()
    os.truncate(path, 100 * 1024**3)


def _theirs(path: Path, office: Office, place: str = "theirs") -> Path:
    """A file of leo's, such as may be in the place of `path`."""
    text = "export PIP_INDEX_URL=https://S3ntinel@old.example/\n"
    if path.name == ".netrc":
        text = "machine packages.acme.example login leo password S3ntinel\n"
    return office.write("leo", place, text)


def _colleagues(mode: int) -> Callable[[Path, Office], None]:
    def link(path: Path, office: Office) -> None:
        theirs = _theirs(path, office)
        theirs.chmod(mode)
        path.symlink_to(theirs)

    return link


def _in_the_open(path: Path, office: Office) -> None:
    theirs = _theirs(path, office, "open/theirs")
    theirs.chmod(0o666)
    theirs.parent.chmod(0o777)
    path.symlink_to(theirs)


def _linked_fifo(path: Path, _office: Office) -> None:
    os.mkfifo(path.with_name("fifo"), 0o666)
    path.symlink_to("fifo")


def _hard(path: Path, office: Office) -> None:
    theirs = _theirs(path, office)
    theirs.chmod(0o644)
    os.link(theirs, path)


# what is in the place of the file
FILES: dict[str, Callable[[Path, Office], object]] = {
    "a FIFO": lambda path, _office: os.mkfifo(path, 0o666),
    "a socket": _socket,
    "a device": _device,
    "a link to a FIFO": _linked_fifo,
    "a link to what has no end": lambda path, _office: path.symlink_to("/dev/zero"),
    "a link to a terminal": lambda path, _office: path.symlink_to("/dev/tty"),
    "a link to root's": lambda path, office: path.symlink_to(office.shadow),
    "a link to what a colleague keeps to himself": _colleagues(0o600),
    "a link to itself": lambda path, _office: path.symlink_to(path.name),
    "a sparse file": _sparse,
    "a long file": lambda path, _office: path.write_bytes(b"x\n" * 1024 * 1024),
    "a hard link to root's": lambda path, office: os.link(office.shadow, path),
}
# where nobody reads more than they may, but somebody else's file would be changed
OTHERS = {
    "a link to what a colleague shows": _colleagues(0o644),
    "a hard link to a colleague's": _hard,
    "a link to what a colleague lets everybody write": _in_the_open,
}
DIRECTORIES = {
    "a directory": lambda path, _office: path.mkdir(),
    "a link to everything": lambda path, _office: path.symlink_to("/"),
}


def _replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(home: Path) -> None:
        home.rename(home.with_name("away"))
        make(home)

    return replace


# what is the matter with the whole home
HOMES: dict[str, Callable[[Path], None]] = {
    "a closed home": lambda home: home.chmod(0),
    "no home": _replaced(lambda home: None),
    "a file for a home": _replaced(lambda home: home.touch()),
    "a FIFO for a home": _replaced(lambda home: os.mkfifo(home, 0o777)),
    "a link for a home": _replaced(lambda home: home.symlink_to(home.name)),
}


def everything(place: Path, but: Path | None = None) -> dict[str, tuple[object, ...]]:
    """Owner, mode and content of all that is there, but for what is below `but`: to be compared with later."""

    def walk(directory: Path) -> Iterator[Path]:
        for path in sorted(directory.iterdir()):
            if path != but:
                yield path
                if path.is_dir() and not path.is_symlink():
                    yield from walk(path)

    found: dict[str, tuple[object, ...]] = {}
    for path in walk(place):
        status = path.lstat()
        content: object = os.readlink(path) if path.is_symlink() else None  # noqa: PTH115
        if stat.S_ISREG(status.st_mode):
            content = (
                hashlib.sha256(path.read_bytes()).hexdigest() if status.st_size < 10**8 else f"{status.st_size} bytes"
            )
        found[str(path.relative_to(place))] = (status.st_uid, status.st_gid, oct(status.st_mode), content)
    return found

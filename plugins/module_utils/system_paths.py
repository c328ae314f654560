# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Directories and links of the system, for modules on the managed host.

A process works only in a directory that belongs to it and that no other account can write to, and holds that directory
open while it works. So nobody can put another directory, or a link, in the place of what was looked at a moment ago.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import secrets
import stat
from collections.abc import Container, Iterator

from ansible_collections.wheelhouse.onboarding.plugins.module_utils.atomic_write import KINDS

_WRITABLE = stat.S_IWGRP | stat.S_IWOTH
LINKS = 40  # as many as the kernel follows
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NONBLOCK
Change = tuple[str, str]  # what was there before, and what is there after, a line each, '' for nothing


class Refused(ValueError):
    """Why something in the file system is left alone: a sentence."""


def numeric_account(name: str) -> pwd.struct_passwd | None:
    """An entry for a number that stands for an account: the account's own one, or one with neither name nor home."""
    if not (name.isascii() and name.isdigit()):
        return None
    try:
        return pwd.getpwuid(int(name))
    except KeyError:
        return pwd.struct_passwd((name, "x", int(name), int(name), "", "/nonexistent", "/bin/false"))


def group_number(name: str) -> int | None:
    """The number of a group that is given by its name or its number, or None where there is no such group."""
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return int(name) if name.isascii() and name.isdigit() else None


def account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the uid {uid}"


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _kind(status: os.stat_result) -> str:
    if stat.S_ISREG(status.st_mode):
        return "a file"
    return "a link" if stat.S_ISLNK(status.st_mode) else KINDS.get(stat.S_IFMT(status.st_mode), "something else")


def _described(mode: int, uid: int, gid: int) -> str:
    owner = account_name(uid) if uid != 0 else "root"
    return f"directory of {owner}, group {_group_name(gid)}, mode {mode:04o}\n"


def _refuse_holder(status: os.stat_result, directory: str, path: str) -> None:
    me = os.geteuid()
    if status.st_uid != me or status.st_mode & _WRITABLE:
        raise Refused(
            f"{directory} has to belong to {account_name(me)} and be writable by nobody else, to hold {path}."
        )


def belongs_to(directory: str, uid: int) -> bool:
    """Whether a directory is there and belongs to this account."""
    try:
        return os.stat(directory).st_uid == uid
    except OSError:
        return False


def understand(answer: list[str] | None) -> Change | None:
    """A change, as it comes from a process of another account."""
    if answer is None:
        return None
    before, after = answer
    return str(before), str(after)


def _opened(directory: str) -> int:
    """A descriptor of a directory. On the way there, only links of root and of this process' account are followed."""
    waiting, links = directory.split("/")[::-1], 0
    descriptor = os.open("/", _DIRECTORY)
    try:
        while waiting:
            name = waiting.pop()
            if name in ("", "."):
                continue
            status = os.lstat(name, dir_fd=descriptor)
            if not stat.S_ISLNK(status.st_mode):
                descriptor, above = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor), descriptor
                os.close(above)
                continue
            if status.st_uid not in (0, os.geteuid()):
                raise Refused(
                    f"{name} in {directory} is a link that belongs to {account_name(status.st_uid)}; remove it."
                )
            links += 1
            if links > LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), directory)
            target = os.readlink(name, dir_fd=descriptor)
            waiting += target.split("/")[::-1]
            if target.startswith("/"):
                os.close(descriptor)
                descriptor = os.open("/", _DIRECTORY)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def _holder_of(path: str) -> Iterator[int]:
    """A descriptor of the directory that holds `path`. Raises Refused, or FileNotFoundError where there is none."""
    directory = os.path.dirname(path)
    descriptor = _opened(directory)
    try:
        _refuse_holder(os.fstat(descriptor), directory, path)
        yield descriptor
    finally:
        os.close(descriptor)


def _status(name: str, holder: int) -> os.stat_result | None:
    try:
        return os.lstat(name, dir_fd=holder)
    except FileNotFoundError:
        return None


def _followed(path: str) -> str:
    """Where `path` leads if it is a link: only a link that this process' own account made is followed."""
    path = os.path.normpath(path)
    try:
        holder = _opened(os.path.dirname(path))
        try:
            status = _status(os.path.basename(path), holder)
        finally:
            os.close(holder)
    except FileNotFoundError:
        return path
    if status is None or not stat.S_ISLNK(status.st_mode):
        return path
    if status.st_uid != os.geteuid():
        raise Refused(f"{path} is a link that belongs to {account_name(status.st_uid)}; remove it.")
    return os.path.realpath(path)


def refuse_place(path: str, expected: Container[str], must_exist: bool) -> None:
    """Raise Refused where a file at `path` is not safe from other accounts.

    expected    directories that are about to be made or mended, and are not looked at
    must_exist  refuse a directory that is not there, too
    """
    try:
        for place in dict.fromkeys((os.path.normpath(path), _followed(path))):
            if os.path.dirname(place) in expected:
                continue
            with _holder_of(place):
                pass
    except FileNotFoundError:
        if must_exist:
            raise Refused(f"The directory {os.path.dirname(path)} does not exist; create it before {path}.") from None
    except OSError as exc:
        raise Refused(f"{os.path.dirname(path)}: {exc.strerror}.") from None


def make_directory(path: str, uid: int, gid: int, mode: int, check_mode: bool) -> Change | None:
    """Bring a directory to this owner, group and mode; the change, or None. Raises Refused and OSError.

    Directories above it that are missing are made with the owner of this process and the mode 0755. It may be a link to
    a directory, which an administrator made to use another disk; then that directory is meant.
    """
    place, after = _followed(path), _described(mode, uid, gid)
    directory = os.path.dirname(place)
    if not os.path.lexists(directory):
        make_directory(directory, os.geteuid(), os.getegid(), 0o755, check_mode)
        if check_mode:
            return "", after
    with _holder_of(place) as holder:
        name = os.path.basename(place)
        status = _status(name, holder)
        if status is None:
            if check_mode:
                return "", after
            os.mkdir(name, 0o700, dir_fd=holder)
        elif not stat.S_ISDIR(status.st_mode):
            raise Refused(f"{path} is {_kind(status)} and not a directory; move it away.")
        descriptor = os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=holder)
        try:
            found = os.fstat(descriptor)
            if found.st_uid not in (os.geteuid(), uid):
                # what is in it may be a trap: links to other files, or names that others of its owner's files have
                raise Refused(f"{path} belongs to {account_name(found.st_uid)}; move it away.")
            has = (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
            if has == (mode, uid, gid):
                return None if status else ("", after)
            if not check_mode:
                if has[1:] != (uid, gid):
                    os.fchown(descriptor, uid, gid)
                os.fchmod(descriptor, mode)
            return "" if status is None else _described(*has), after
        finally:
            os.close(descriptor)


def remove_directory(path: str, removed: Container[str], check_mode: bool) -> Change | None:
    """Remove a directory that holds nothing; the change, or None. Raises Refused and OSError.

    removed     paths that, in check mode, count as removed from it
    """
    path = os.path.normpath(path)
    if not os.path.lexists(path) or os.path.islink(path):
        return None
    with _holder_of(path) as holder:
        name = os.path.basename(path)
        status = _status(name, holder)
        if status is None or not stat.S_ISDIR(status.st_mode):
            return None
        before = _described(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
        if check_mode:
            remaining = [entry for entry in os.listdir(path) if os.path.join(path, entry) not in removed]
            return None if remaining or os.path.ismount(path) else (before, "")
        try:
            os.rmdir(name, dir_fd=holder)
        except OSError as exc:
            if exc.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):  # the last one is a mount
                return None
            raise
        return before, ""


def make_link(path: str, target: str, check_mode: bool) -> Change | None:
    """Let a link lead to `target`; the change, or None. Raises Refused and OSError."""
    path, after = os.path.normpath(path), f"link to {target}\n"
    if check_mode and not os.path.lexists(os.path.dirname(path)):
        return "", after
    with _holder_of(path) as holder:
        name = os.path.basename(path)
        status = _status(name, holder)
        before = ""
        if status is not None:
            if not stat.S_ISLNK(status.st_mode):
                raise Refused(f"{path} is {_kind(status)} and not a link; move it away.")
            leads_to = os.readlink(name, dir_fd=holder)
            if leads_to == target and status.st_uid == os.geteuid():
                return None
            before = f"link to {leads_to}\n"
        if not check_mode:
            partial = f".wheelhouse-{secrets.token_hex(8)}"
            os.symlink(target, partial, dir_fd=holder)
            try:
                os.replace(partial, name, src_dir_fd=holder, dst_dir_fd=holder)
            except OSError:
                os.unlink(partial, dir_fd=holder)
                raise
        return before, after


def remove_link(path: str, target: str | None, check_mode: bool) -> Change | None:
    """Remove a link, with `target` only one that leads there; the change, or None. Raises Refused and OSError."""
    path = os.path.normpath(path)
    if not os.path.islink(path):
        return None
    with _holder_of(path) as holder:
        name = os.path.basename(path)
        status = _status(name, holder)
        if status is None or not stat.S_ISLNK(status.st_mode):
            return None
        leads_to = os.readlink(name, dir_fd=holder)
        if target is not None and leads_to != target:
            return None
        if not check_mode:
            os.unlink(name, dir_fd=holder)
        return f"link to {leads_to}\n", ""

# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""The one way into what a person can write: as that person, for a limited time, with an answer of limited length.

Modules that run as root do nothing themselves below a home. `as_people` does it in processes that have become the
person for good. So a link leads no further than the person gets without us, and a home that root cannot enter (NFS with
root_squash, FUSE) is one like any other. What hangs there ends with the deadline, and what comes back is the answer of
somebody else, which `understand` has to make sense of. One person's home costs nobody else theirs.

Files are read and written there with `atomic_write`. docs/homes.md lists who comes this way.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import resource
import select
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypedDict, TypeVar

SECONDS = 30  # an automounter's patience, and some
AT_ONCE = 4
ANSWER = 16 * 1024 * 1024
OUTPUT = 1024 * 1024
PROGRAM_MEMORY = 4 * 1024**3
PATH = "/usr/local/bin:/usr/bin:/bin"

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38

try:
    # looked up by root: the person finds nothing of this module on the disk
    _prctl: Callable[..., int] | None = ctypes.CDLL(None).prctl
except (OSError, AttributeError):  # not Linux
    _prctl = None


Result = TypeVar("Result")
Work = Callable[[], object]  # what it returns can be written as JSON
Understand = Callable[[Any], Result]  # takes what a process of somebody else's wrote as JSON, which may be anything


class Skipped(TypedDict):
    """Whose home was left alone, and why, in a clause."""

    name: str
    reason: str


class PersonError(Exception):
    """Why somebody's home was left alone, in a clause: what is the matter with which file."""


def account(name: str) -> pwd.struct_passwd | None:
    """The passwd entry of `name`, or None."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def printable(text: str, length: int = 500) -> str:
    """What a person's file or program says, as one line that a terminal can be shown."""
    line = "".join(character if character.isprintable() else " " for character in text[: length + 1])
    return line if len(line) <= length else line[:length] + "..."


def reason(fault: OSError) -> str:
    """An OSError as a clause."""
    path = os.fsdecode(fault.filename) if fault.filename is not None else "a file"
    return printable(f"{path}: {fault.strerror or type(fault).__name__}")


def as_person(
    owner: pwd.struct_passwd,
    work: Work,
    understand: Understand[Result] | None = None,
    seconds: int | None = None,
    confined: bool = True,
) -> Result:
    """What `work()` returns, called in a process that has become `owner`; see `as_people`. Raises PersonError."""
    outcome = as_people([(owner, work)], understand, seconds, confined)[0]
    if isinstance(outcome, PersonError):
        raise outcome
    return outcome


def as_people(
    jobs: Sequence[tuple[pwd.struct_passwd, Work]],
    understand: Understand[Result] | None = None,
    seconds: int | None = None,
    confined: bool = True,
    at_once: int = AT_ONCE,
) -> list[Result | PersonError]:
    """Call each `work()` of [(owner, work)] as its owner, a passwd entry: [what it returned, or a PersonError].

    understand  makes a result of what came back from JSON, or raises; by default it is taken as it is
    seconds     after which a person's process is killed, with those that it started; by default SECONDS
    confined    false for work that runs programs of the person's, which may need much memory (at most PROGRAM_MEMORY
                bytes each) and write large files
    """
    seconds = seconds or SECONDS
    outcomes: dict[int, Result | PersonError] = {}
    waiting = list(reversed(list(enumerate(jobs))))
    running: dict[int, _Child] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                number, (owner, work) = waiting.pop()
                try:
                    child = _Child(number, owner, work, seconds, confined)
                except OSError as exc:
                    outcomes[number] = PersonError(f"no process could be started: {exc.strerror}")
                    continue
                running[child.reader] = child
            if not running:
                continue
            pause = min(child.deadline for child in running.values()) - time.monotonic()
            heard = select.select(list(running), [], [], max(0, pause))[0]
            for reader, child in list(running.items()):
                if child.is_over(reader in heard):
                    del running[reader]
                    outcomes[child.number] = child.outcome(understand)
    finally:
        for child in running.values():
            child.end()
    return [outcomes[number] for number in range(len(jobs))]


class _Child:
    """A process that has become a person, as its parent sees it: an answer that is on its way."""

    def __init__(self, number: int, owner: pwd.struct_passwd, work: Work, seconds: int, confined: bool) -> None:
        self.number, self.seconds = number, seconds
        self.answer = bytearray()
        self.fault: str | None = None
        self.reader, writer = os.pipe()
        try:
            self.pid = os.fork()
            if self.pid == 0:
                _be(owner, work, writer, seconds, confined)
        except OSError:
            os.close(self.reader)
            raise
        finally:
            os.close(writer)
        os.set_blocking(self.reader, False)
        self.deadline = time.monotonic() + seconds

    def is_over(self, heard: bool) -> bool:
        """Take in what was `heard`; whether that was all, or too much, or comes too late."""
        if heard:
            piece = os.read(self.reader, 1024 * 1024)
            self.answer += piece
            if len(self.answer) > ANSWER:
                self.fault = "the answer from there is too long"
            return self.fault is not None or not piece
        if time.monotonic() >= self.deadline:
            self.fault = (
                f"nothing came back within {self.seconds} seconds: a file server that is off, a mount that hangs, "
                "a program that waits, or a process that was stopped"
            )
        return self.fault is not None

    def outcome(self, understand: Understand[Result] | None) -> Result | PersonError:
        """What `work` returned, or a PersonError."""
        status = self.end()
        if self.fault is None and status is not None and os.WIFSIGNALED(status):
            self.fault = f"the process that worked there was ended by signal {os.WTERMSIG(status)}"
        if self.fault is not None:
            return PersonError(self.fault)
        try:
            answer = json.loads(self.answer)
            if "fault" in answer:
                return PersonError(printable(answer["fault"]))
            return understand(answer["result"]) if understand else answer["result"]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return PersonError("the answer from there makes no sense")

    def end(self) -> int | None:
        """Kill what is left; its status, or None where it hangs in the kernel until a file server is back."""
        os.close(self.reader)
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(OSError):  # it is over, or has not come to be the leader of a group yet
                kill(self.pid, signal.SIGKILL)
        for _try in range(100):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return status
            time.sleep(0.02)
        return None


def _be(owner: pwd.struct_passwd, work: Work, writer: int, seconds: int, confined: bool) -> NoReturn:
    """Become `owner`, do the work, write the answer, end. Returns in no case."""
    answer: dict[str, object] = {"fault": "the process was stopped"}
    try:
        _let_go(writer)
        _become(owner, seconds, confined)
        answer = {"result": work()}
    except PersonError as exc:
        answer = {"fault": str(exc)}
    except OSError as exc:
        answer = {"fault": reason(exc)}
    except BaseException as exc:
        # without its words, in which there may be something of what a file holds
        answer = {"fault": f"{type(exc).__name__} at work there"}
    finally:
        with contextlib.suppress(BaseException):
            words = json.dumps(answer).encode()
            while words:
                words = words[os.write(writer, words) :]
        os._exit(0)


def _let_go(writer: int) -> None:
    """Keep nothing of root's but the way to answer: no terminal, descriptor, variable, handler or directory."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    for name in os.listdir("/dev/fd"):
        if int(name) > 2 and int(name) != writer:
            with contextlib.suppress(OSError):
                os.close(int(name))
    os.chdir("/")
    os.umask(0o077)


def _become(owner: pwd.struct_passwd, seconds: int, confined: bool) -> None:
    """Be `owner` from now on, with no way back and in nobody's sight."""
    if owner.pw_uid == 0:
        raise PersonError("this account is root's")
    limits = {"RLIMIT_CORE": 0}
    if confined:
        limits.update(RLIMIT_CPU=seconds + 5, RLIMIT_FSIZE=ANSWER, RLIMIT_AS=2 * 1024**3, RLIMIT_NOFILE=256)
    else:
        # a shell reads its profile into memory, however long that is
        limits.update(RLIMIT_DATA=PROGRAM_MEMORY)
    for name, limit in limits.items():
        most = resource.getrlimit(getattr(resource, name))[1]
        if most != resource.RLIM_INFINITY:
            limit = min(limit, most)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, name), (limit, limit))
    os.environ.clear()
    os.environ.update(environment(owner))
    os.initgroups(owner.pw_name, owner.pw_gid)
    os.setgid(owner.pw_gid)
    os.setuid(owner.pw_uid)
    with contextlib.suppress(OSError):
        os.setuid(0)
        os._exit(1)
    if _prctl:
        # In this process's memory is what the module was given, other people's passwords among it: no ptrace, no core.
        _prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
        _prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def environment(owner: pwd.struct_passwd) -> dict[str, str]:
    """All that a process starts with as `owner`."""
    return {
        "HOME": owner.pw_dir,
        "USER": owner.pw_name,
        "LOGNAME": owner.pw_name,
        "SHELL": owner.pw_shell or "/bin/sh",
        "PATH": PATH,
        "LANG": "C.UTF-8",
    }


def look_into(home: str, may_be_missing: bool = False) -> bool:
    """Raise PersonError where this process, which has become the person, cannot use the home; whether it is there.

    may_be_missing  in check mode: a run would have made the home of an account by now
    """
    try:
        status = os.stat(home)
    except FileNotFoundError:
        if may_be_missing:
            return False
        raise PersonError(f"the home {home} does not exist") from None
    except OSError as exc:
        raise PersonError(f"the home {home} cannot be entered: {exc.strerror}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise PersonError(f"the home {home} is not a directory")
    if not os.access(home, os.R_OK | os.X_OK):
        raise PersonError(f"the home {home} cannot be entered: Permission denied")
    return True


def output_of(
    command: list[str], program: str | None = None, directory: str = "/", limit: int = OUTPUT
) -> tuple[int, bytes]:
    """(exit code, the first `limit` bytes of standard output) of a command that this process, as a person, runs.

    What the command leaves behind in the background is not waited for. Where it says more, it is killed.
    """
    # with our limits and environment, and the deadline of the whole process
    process = subprocess.Popen(  # there is no AnsibleModule here; pylint: disable=ansible-bad-function
        command,
        executable=program,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    if process.stdout is None:  # as it cannot be
        raise PersonError("what a program says cannot be read")
    descriptor = process.stdout.fileno()
    os.set_blocking(descriptor, False)
    words, ended, open_still = b"", False, True
    while open_still and len(words) <= limit:
        ended = process.poll() is not None
        select.select([descriptor], [], [], 0 if ended else 0.05)
        try:
            piece = os.read(descriptor, 65536)
        except BlockingIOError:
            if ended:
                break
            continue
        words += piece
        open_still = bool(piece)
    if len(words) > limit:
        process.kill()
    return process.wait(), words[:limit]


def told(people_skipped: list[Skipped]) -> list[str]:
    """Sentences for [{name, reason}]."""
    return ["{name}: {reason}.".format(**one) for one in people_skipped]

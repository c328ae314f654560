"""Saving homes. Root reads none of them: a process of each person writes an archive, bounded in size, time and memory.

The archive goes through this program to restic and never touches a disk on its way. A home that cannot be saved is a
problem of that home alone.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import re
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import index
from .failure import Failure, printable, size
from .job import Job
from .restic import Restic
from .settings import Homes, Settings

TAG = "home"
_TAR = (
    '/usr/bin/tar --create --file=- --one-file-system --sparse --numeric-owner --exclude=./.cache --directory="$1" . ;'
    ' echo "wheelhouse: tar ended with $?" >&2'
)
_ENDED = re.compile(rb"wheelhouse: tar ended with ([0-9]+)\n")
_CHANGED = 1
"""What tar ends with if files changed while they were read."""
_PIECE = 2**20
_WORDS = 2**16
"""Bytes of what tar says that are kept."""
_GRACE = 60
"""Seconds beyond the limit after which it is not systemd any more that ends a process."""
_SANDBOX = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "PrivateNetwork=yes",
    "PrivateDevices=yes",
    "RestrictNamespaces=yes",
    "MemoryMax=256M",
    "TasksMax=8",
    "LimitCORE=0",
    "KillMode=control-group",
    "Nice=19",
    "IOSchedulingClass=idle",
)


@dataclass
class _Archive:
    """What came of one home."""

    size: int = 0
    """Bytes."""
    words: bytes = b""
    """What tar said, its beginning."""
    code: int | None = None
    """What tar ended with; None if it did not come to its end."""
    fault: str = ""
    """Why it is not one; "" if it is."""


def save(settings: Settings, homes: Homes, restic: Restic, job: Job) -> None:
    """Save each home. What is wrong with one is a problem of the job; raises `Failure` if none can be saved."""
    people = _people(homes)
    saved = total = 0
    for number, person in enumerate(people, 1):
        job.say(f"home {number} of {len(people)}: {person.pw_name}")
        try:
            total += _save_home(settings, homes, restic, job, person)
            saved += 1
        except Failure as failure:
            job.problem(f"The home of {person.pw_name} is not saved: {failure}")
    job.facts |= {"homes": saved, "home_bytes": total}
    if people and not saved:
        raise Failure(f"None of {len(people)} homes is saved.")
    index.forget(settings, restic, TAG, "host,paths")


def _people(homes: Homes) -> list[pwd.struct_passwd]:
    names = _of_directory(homes.accounts)
    with contextlib.suppress(KeyError):
        names += grp.getgrnam(homes.group).gr_mem
    found = []
    for name in sorted(set(names)):
        try:
            found.append(pwd.getpwnam(name))
        except KeyError:
            continue
    return [person for person in found if person.pw_uid and person.pw_dir not in ("", "/", "/nonexistent")]


def _of_directory(record: Path) -> list[str]:
    """Who is served with an account of the directory, which is in no group of the host's."""
    try:
        return [str(name) for name in json.loads(record.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as exc:
        raise Failure(f"{record} cannot be read, which names people of the directory: {exc}.") from None


def _save_home(settings: Settings, homes: Homes, restic: Restic, job: Job, person: pwd.struct_passwd) -> int:
    unit = f"wheelhouse-backup-home-{person.pw_uid}-{os.getpid()}"
    command = ["systemd-run", "--quiet", "--collect", "--pipe", "--wait", f"--unit={unit}", f"--uid={person.pw_uid}"]
    command += [f"--gid={person.pw_gid}", f"--property=RuntimeMaxSec={homes.timeout}"]
    command += [f"--property={setting}" for setting in _SANDBOX]
    command += ["/bin/sh", "-c", _TAR, "sh", person.pw_dir]
    saving = restic.start_saving_stream(f"{person.pw_name}.tar", (TAG,))
    reading = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        archive = _pump(homes, reading, saving)
    finally:
        for stream in (reading.stdout, reading.stderr):
            if stream:
                stream.close()
        subprocess.run(["systemctl", "stop", f"{unit}.service"], stderr=subprocess.DEVNULL, check=False)
        reading.kill()
        reading.wait()
    words = [printable(line) for line in archive.words.decode(errors="replace").splitlines() if line.strip()]
    words = [line for line in words if not line.startswith("wheelhouse: tar ended with")]
    if archive.fault or archive.code is None or not archive.size:
        # before its input ends: half a home is none
        _end(saving)
        raise Failure(archive.fault or (words[-1] if words else "tar was ended before it was done") + ".")
    _, errors = saving.communicate()
    if saving.returncode:
        raise restic.failure_of(saving, errors)
    if archive.code > _CHANGED:
        unread = [line for line in words if "socket ignored" not in line and "Exiting with failure" not in line]
        job.problem(
            f"In the home of {person.pw_name} there are files that {person.pw_name} cannot read, which are not saved:"
            f" {'; '.join(unread[:3])}{f'; and {len(unread) - 3} more' if len(unread) > 3 else ''}"
        )
    return archive.size


def _end(saving: subprocess.Popen[bytes]) -> None:
    """Have restic give up, which takes its lock back."""
    saving.send_signal(signal.SIGINT)
    try:
        saving.wait(30)
    except subprocess.TimeoutExpired:
        saving.kill()
    saving.communicate()


def _pump(homes: Homes, reading: subprocess.Popen[bytes], saving: subprocess.Popen[bytes]) -> _Archive:
    """Carry an archive from one process to the other, up to the limits."""
    archive = _Archive()
    assert reading.stdout
    assert reading.stderr
    assert saving.stdin
    until = time.monotonic() + homes.timeout + _GRACE
    sources = {reading.stdout.fileno(), reading.stderr.fileno()}
    said = reading.stderr.fileno()
    tail = b""
    while sources:
        ready, _, _ = select.select(sorted(sources), [], [], 1)
        # Whatever a person's processes do with the pipe: it is over when systemd says so.
        if not ready and reading.poll() is not None:
            break
        if time.monotonic() > until:
            archive.fault = f"it takes more than {homes.timeout // 60} minutes."
            return archive
        for source in ready:
            piece = os.read(source, _PIECE)
            if not piece:
                sources.discard(source)
            elif source == said:
                archive.words += piece[: max(0, _WORDS - len(archive.words))]
                tail = (tail + piece)[-200:]
            else:
                archive.size += len(piece)
                if archive.size > homes.limit:
                    archive.fault = f"it is larger than {size(homes.limit)} (backup_home_limit), sparse files apart."
                    return archive
                try:
                    saving.stdin.write(piece)
                except BrokenPipeError:
                    _, errors = saving.communicate()
                    archive.fault = printable(
                        errors.decode(errors="replace").splitlines()[-1:][0] if errors else "restic ended"
                    )
                    return archive
    ends = _ENDED.findall(tail)
    archive.code = int(ends[-1]) if ends else None
    return archive

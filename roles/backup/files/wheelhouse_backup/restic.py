"""restic, with what it says made sentences. No secret is in an argument."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from .failure import Failure, printable, size
from .job import Job
from .settings import Settings

PROBE_SECONDS = 120
"""restic itself tries for a quarter of an hour to reach a server."""
LOCK_PATIENCE = 1800.0
"""Seconds that a run waits for another host that uses the repository."""
LOCK_PAUSE = 15.0
_INCOMPLETE = 3
"""What `restic backup` ends with if there were files that it could not read."""


class NoRepository(Failure):
    """There is none at that place."""


class Locked(Failure):
    """Another host is at work in it."""


@dataclass(frozen=True)
class Snapshot:
    """One of them."""

    id: str
    time: str
    host: str
    tags: tuple[str, ...]

    def number(self, name: str) -> int:
        """What a tag `name:number` says; 0 without one."""
        found = [tag.partition(":")[2] for tag in self.tags if tag.startswith(f"{name}:")]
        return int(found[0]) if found and found[0].isdigit() else 0

    @property
    def shown(self) -> str:
        """For people."""
        return (
            f"{self.id[:8]} of {self.time[:19].replace('T', ' ')} UTC from {self.host}: {self.number('events')} events,"
            f" {self.number('files')} files"
        )


class Restic:
    """One repository."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._location = settings.repository
        self._secrets = [value for value in settings.environment.values() if len(value) > 3]
        self.shown = self._redacted(self._location)
        """Where it is, without passwords."""

    def open(self, *, create: bool) -> None:
        """See that the repository is there and that the password opens it; `create` makes it where there never was one.

        Raises `Failure` if it is gone, or another one: a disk that is not mounted is no place for a new repository.
        """
        known = self._known()
        try:
            found = json.loads(self.run("cat", "config", timeout=PROBE_SECONDS))["id"]
        except NoRepository:
            if known:
                raise Failure(
                    f"The repository {self.shown} is gone, and this host has saved to it before: is its disk mounted?"
                    f" To begin a new one, remove {self._note}."
                ) from None
            if not create:
                raise Failure(f"There is no repository at {self.shown}.") from None
            self.run("init", timeout=PROBE_SECONDS)
            found = json.loads(self.run("cat", "config", timeout=PROBE_SECONDS))["id"]
            print(f"Made the repository {self.shown}.", flush=True)
        if known and known != found:
            raise Failure(
                f"The repository {self.shown} is another one than this host has saved to before: is the right disk"
                f" mounted? If it is meant, remove {self._note}."
            )
        self._note.write_text(json.dumps({"location": self._fingerprint, "id": found}), encoding="utf-8")

    def snapshots(self, *tags: str) -> list[Snapshot]:
        """Those with all of these tags, oldest first."""
        found = json.loads(self.run("snapshots", "--json", "--tag", ",".join(tags))) or []
        return sorted(
            (Snapshot(one["id"], _utc(one["time"]), one["hostname"], tuple(one.get("tags") or ())) for one in found),
            key=lambda one: one.time,
        )

    def save(self, job: Job, paths: Sequence[Path], excluded: Sequence[Path], tags: Sequence[str]) -> dict[str, Any]:
        """Take a snapshot of files; returns what restic says about it."""
        # Not the time of the last change of an inode: a link that is made to published bytes changes that, and no byte.
        command = ["backup", "--json", "--ignore-ctime", "--one-file-system", "--host", self._settings.host]
        command += [part for tag in tags for part in ("--tag", tag)]
        command += [f"--exclude={path}" for path in excluded]
        summary: dict[str, Any] = {}

        def line(text: str) -> None:
            told = _json(text)
            if told.get("message_type") == "status" and told.get("total_bytes"):
                job.say(f"saved {size(told.get('bytes_done', 0))} of {size(told['total_bytes'])}")
            elif told.get("message_type") == "summary":
                summary.update(told)

        code, errors = self._patiently([*command, "--", *map(str, paths)], line)
        if code == _INCOMPLETE:
            for sentence in [self._redacted(one) for one in errors if one][:5]:
                job.problem(f"A file could not be read: {sentence}")
        elif code:
            raise self._failure(code, errors)
        return summary

    def start_saving_stream(self, filename: str, tags: Sequence[str]) -> subprocess.Popen[bytes]:
        """Begin a snapshot of what is written to its standard input; it is taken when that is closed."""
        command = ["restic", "backup", "--quiet", "--stdin", "--stdin-filename", filename]
        command += ["--host", self._settings.host, *(part for tag in tags for part in ("--tag", tag))]
        return subprocess.Popen(
            self._arguments(command),
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def failure_of(self, process: subprocess.Popen[bytes], errors: bytes) -> Failure:
        """What went wrong with such a snapshot."""
        return self._failure(process.returncode, errors.decode(errors="replace").splitlines())

    def restore(self, job: Job, snapshot: str, target: Path) -> None:
        """Write all files of a snapshot below a directory."""
        del job
        self.run("restore", snapshot, "--target", str(target))

    def dump(self, snapshot: str, path: str, stream: IO[bytes] | int) -> None:
        """Write one file of a snapshot to a stream."""
        done = subprocess.run(
            self._arguments(["restic", "dump", "--quiet", snapshot, path]),
            env=self._environment(),
            stdout=stream,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            raise self.failure_of_text(done.returncode, done.stderr)

    def read(self, snapshot: str, path: Path) -> bytes:
        """One small file of a snapshot."""
        done = subprocess.run(
            self._arguments(["restic", "dump", "--quiet", snapshot, str(path)]),
            env=self._environment(),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise self.failure_of_text(done.returncode, done.stderr)
        return done.stdout

    def failure_of_text(self, code: int, errors: bytes) -> Failure:
        """What went wrong with a command that is over."""
        return self._failure(code, errors.decode(errors="replace").splitlines())

    def run(self, *arguments: str, timeout: float | None = None) -> str:
        """Run a command; returns what it prints. Raises `Failure`."""
        lines: list[str] = []
        code, errors = self._patiently(arguments, lines.append, timeout)
        if code:
            raise self._failure(code, errors)
        return "\n".join(lines)

    def lines(self, *arguments: str) -> tuple[int, list[str]]:
        """Run a command that may find something; returns its exit code, and all that it says."""
        lines: list[str] = []
        code, errors = self._patiently(arguments, lines.append)
        return code, [self._redacted(line) for line in [*lines, *errors] if line.strip()]

    def _patiently(self, arguments: Sequence[str], line: Any, timeout: float | None = None) -> tuple[int, list[str]]:
        """Run it, again for as long as another host is at work in the repository."""
        until = time.monotonic() + LOCK_PATIENCE
        while True:
            code, errors = self._once(arguments, line, timeout)
            if not code or not isinstance(self._failure(code, errors), Locked) or time.monotonic() >= until:
                return code, errors
            print("Another host is at work in the repository; waiting for it.", file=sys.stderr, flush=True)
            self._once(["unlock"], lambda _: None, PROBE_SECONDS)  # only what a host that is gone left behind
            time.sleep(LOCK_PAUSE)

    def _once(self, arguments: Sequence[str], line: Any, timeout: float | None) -> tuple[int, list[str]]:
        process = subprocess.Popen(
            self._arguments(["restic", *arguments]),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        assert process.stdout
        assert process.stderr
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
        reader.start()
        timer = threading.Timer(timeout or 1e6, process.kill)
        timer.daemon = True
        timer.start()
        try:
            for text in process.stdout:
                line(text.rstrip("\n"))
            code = process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                process.terminate()
                process.wait()
        reader.join()
        return code, [error.rstrip("\n") for error in errors]

    def _arguments(self, command: list[str]) -> list[str]:
        if self._location.startswith("sftp:"):
            command = [command[0], "-o", f"sftp.command={self._ssh()}", *command[1:]]
        return command

    def _ssh(self) -> str:
        """How the server is reached: with this host's own key, and no other host than the one that is known."""
        config = self._settings.config
        rest = self._location.removeprefix("sftp:").removeprefix("//")
        server = re.match(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^\]]+\]|[^:/]+)(?::(?P<port>[0-9]+)(?=/))?", rest)
        if not server:
            raise Failure("backup_repository is no address of an SFTP server: write sftp:user@host:/directory.")
        port = ["-p", server["port"]] if server["port"] else []
        user = ["-l", server["user"]] if server["user"] else []
        command = [
            "ssh",
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "ServerAliveInterval=30",
        ]
        command += ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={config / 'known_hosts'}"]
        return " ".join(
            [*command, "-i", str(config / "ssh_key"), *port, *user, server["host"].strip("[]"), "-s", "sftp"]
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "RESTIC_REPOSITORY_FILE": str(self._settings.config / "repository"),
            "RESTIC_PASSWORD_FILE": str(self._settings.config / "password"),
            "RESTIC_CACHE_DIR": str(self._settings.cache),
            "RESTIC_PROGRESS_FPS": "0.1",
            **self._settings.environment,
        }

    def _failure(self, code: int, errors: Sequence[str]) -> Failure:
        text = "\n".join(errors)
        said = next((line for line in reversed(errors) if line.strip()), f"restic ended with {code}")
        fatal = next((line for line in errors if line.startswith("Fatal:")), said)
        told = printable(self._redacted(fatal.removeprefix("Fatal:")))
        if "wrong password or no key found" in text or code == 12:
            return Failure(
                f"The password does not open the repository {self.shown}: backup_password is not the one that it was"
                " made with."
            )
        if re.search("no space left on device|disk quota exceeded|insufficient storage", text, re.IGNORECASE):
            return Failure(f"There is no room in the repository {self.shown}, or on this host's disk.")
        if "unable to create lock" in text or "already locked" in text or code == 11:
            return Locked(f"Another host is at work in the repository {self.shown}: {told}")
        unreachable = (
            "connection refused|no such host|timeout|timed out|dial tcp|connection reset|no route to host|ssh:|"
            "Connection closed|subprocess ssh|unexpected HTTP response|Host key verification|Permission denied \\(|x509"
        )
        if re.search(unreachable, text, re.IGNORECASE) or code == -9:
            return Failure(f"The repository {self.shown} cannot be reached: {told}")
        if "permission denied" in text.lower() or "read-only file system" in text.lower():
            return Failure(f"The repository {self.shown} may not be written: {told}")
        if "Is there a repository at the following location" in text or code == 10:
            return NoRepository(f"There is no repository at {self.shown}.")
        return Failure(f"restic says: {told}")

    def _redacted(self, text: str) -> str:
        text = re.sub(r"://[^/@\s]+@", "://***@", text)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    @property
    def _note(self) -> Path:
        return self._settings.state / "repository.json"

    @property
    def _fingerprint(self) -> str:
        """Of the setting without passwords, which may change."""
        return hashlib.sha256(self._redacted(self._location).encode()).hexdigest()

    def _known(self) -> str | None:
        try:
            known = json.loads(self._note.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return str(known["id"]) if known.get("location") == self._fingerprint else None


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _utc(text: str) -> str:
    """A time as Go writes it, in UTC and to the second."""
    found = re.match(r"(.{19})(?:\.[0-9]+)?(Z|[+-][0-9:]+)$", text)
    if not found:
        return text
    at = datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00"))
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

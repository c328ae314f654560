"""An index host in a directory: a real shelf, the real program, real restic; Docker and systemd are stood in for."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from host_programs import JOB_RECORD
from memory import in_memory

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "roles" / "backup" / "files"
SOURCES = ROOT / "roles" / "pypi_index" / "files" / "wheelhouse" / "src"
PASSWORD = "a repository's own passphrase"

# `docker run … --volume HOST:/shelf … IMAGE wheelhouse ARGUMENTS` runs the program on that directory.
DOCKER = """#!{python}
import json, os, subprocess, sys
arguments = sys.argv[1:]
if arguments[:1] == ["--config"]:
    arguments = arguments[2:]
with open(os.environ["FAKE_LOG"], "a") as log:
    log.write(json.dumps(["docker", *arguments]) + chr(10))
if arguments[0] == "inspect":
    if os.path.exists(os.environ["FAKE_LOG"] + ".gone"):
        sys.exit("Error: No such object: wheelhouse-index")
    print("true" if "Running" in arguments[2] else "sha256:fake")
elif arguments[0] == "run":
    named = [arguments[n + 1] for n, word in enumerate(arguments) if word == "--volume"]
    volumes = dict(volume.removesuffix(":ro").split(":")[1::-1] for volume in named)
    command = arguments[arguments.index("wheelhouse") + 1:]
    command = [volumes.get(word, word) for word in command]
    hook = os.environ["FAKE_LOG"] + ".after-" + command[0]
    code = subprocess.run([sys.executable, "-m", "wheelhouse.cli", *command],
                          env=dict(os.environ, PYTHONPATH="{sources}", WHEELHOUSE_SHELF=volumes["/shelf"],
                                   WHEELHOUSE_CONFIG=volumes.get("/config", "/nonexistent"))).returncode
    if os.path.exists(hook) and "--check" not in command:
        subprocess.run([hook])
    sys.exit(code)
"""
# What is copied in counts as whole at once.
REINDEX = (
    "import sys\nfrom wheelhouse import cli\nfrom wheelhouse.store import foreign\nforeign.QUIET = 0.0\n"
    "sys.exit(cli.main(['reindex', '--new', '--by', 'ada']))\n"
)
SYSTEMCTL = """#!{python}
import json, os, sys
with open(os.environ["FAKE_LOG"], "a") as log:
    log.write(json.dumps(["systemctl", *sys.argv[1:]]) + chr(10))
sys.exit(0 if sys.argv[1] != "is-active" or sys.argv[-1].endswith(".timer") else 3)
"""
# as the account that --uid names, where the tests run as root
SYSTEMD_RUN = """#!{python}
import os, sys
arguments = sys.argv[1:]
options = [word for word in arguments if word.startswith("--")]
command = arguments[len(options):]
uid = int(next(word for word in options if word.startswith("--uid=")).partition("=")[2])
gid = int(next(word for word in options if word.startswith("--gid=")).partition("=")[2])
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
os.execv(command[0], command)
"""


@dataclass
class Host:
    """One host, all of whose directories are below one."""

    place: Path
    path: str
    """PATH, with the stand-ins first."""

    @property
    def directory(self) -> Path:
        return self.place / "srv"

    @property
    def shelf(self) -> Path:
        return self.directory / "shelf"

    @property
    def config(self) -> Path:
        return self.place / "config"

    @property
    def repository(self) -> Path:
        return self.place / "repository"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": self.path,
            "FAKE_LOG": str(self.place / "log"),
            "PYTHONPATH": f"{PROGRAM}:{self.place}/library",
        }

    def configure(self, **changes: Any) -> None:
        """Write the settings, with changes."""
        settings = {
            "state": str(self.place / "state"),
            "runs": str(self.place / "runs"),
            "cache": str(self.place / "cache"),
            "host": "index.acme.example",
            "keep": {"daily": 7, "weekly": 4, "monthly": 6},
            "index": {
                "directory": str(self.directory),
                "container": "wheelhouse-index",
                "certificates": str(self.place / "certificates"),
                "account": os.getuid(),
            },
            "homes": None,
            **changes,
        }
        (self.config / "settings.json").write_text(json.dumps(settings))

    def backup(self, *arguments: str, code: int = 0) -> str:
        """Run wheelhouse-backup; returns all that it says."""
        command = [sys.executable, "-m", "wheelhouse_backup", "--config", str(self.config), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=900)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def index(self, *arguments: str, shelf: Path | None = None) -> str:
        """Run the index's program on the shelf."""
        environment = {**os.environ, "PYTHONPATH": str(SOURCES), "WHEELHOUSE_SHELF": str(shelf or self.shelf)}
        command = [sys.executable, "-m", "wheelhouse.cli", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=900)
        return done.stdout

    def publish(self, name: str, content: bytes) -> None:
        """Publish a file, as one that was copied in."""
        (self.shelf / "drop").mkdir(parents=True, exist_ok=True)
        (self.shelf / "drop" / name).write_bytes(content)
        os.utime(self.shelf / "drop" / name, (1_600_000_000, 1_600_000_000))
        environment = {**os.environ, "PYTHONPATH": str(SOURCES), "WHEELHOUSE_SHELF": str(self.shelf)}
        subprocess.run([sys.executable, "-c", REINDEX], env=environment, capture_output=True, check=True, timeout=900)
        assert not (self.shelf / "drop" / name).exists()

    def restic(self, *arguments: str) -> str:
        """Ask the repository itself."""
        environment = {**os.environ, "RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(self.repository)}
        command = ["restic", "--no-cache", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=600).stdout

    def outcome(self, job: str) -> dict[str, Any]:
        """How the last run of a job ended."""
        found: dict[str, Any] = json.loads((self.place / "runs" / f"{job}.json").read_text())
        return found

    def log(self) -> list[list[str]]:
        """What was asked of Docker and systemd."""
        file = self.place / "log"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.fixture
def place() -> Iterator[Path]:
    """In memory where that is possible, because all that is published and saved is synced."""
    directory = Path(tempfile.mkdtemp(dir=in_memory()))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def host(place: Path) -> Host:
    if not shutil.which("restic"):
        pytest.skip("restic is not installed")
    programs = place / "bin"
    programs.mkdir()
    for name, text in (("docker", DOCKER), ("systemctl", SYSTEMCTL), ("systemd-run", SYSTEMD_RUN)):
        (programs / name).write_text(text.replace("{python}", sys.executable).replace("{sources}", str(SOURCES)))
        (programs / name).chmod(0o755)
    (place / "library").mkdir()
    shutil.copy(JOB_RECORD, place / "library")
    host = Host(place, f"{programs}:{os.environ['PATH']}")
    for directory in (host.config, host.directory / "intake" / "osv", place / "certificates"):
        directory.mkdir(parents=True)
    (host.config / "repository").write_text(f"{host.repository}\n")
    (host.config / "password").write_text(f"{PASSWORD}\n")
    (host.directory / "intake" / "osv" / "GHSA-1.json").write_text("{}")
    (host.directory / "intake" / "proxy.env").write_text("HTTPS_PROXY=http://it:sesame@proxy.acme.example:8080\n")
    (place / "certificates" / "index.key").write_text("the key\n")
    (place / "certificates" / "index.pem").write_text("the certificate\n")
    host.configure()
    return host


@pytest.fixture
def me() -> str:
    return getpass.getuser()


@pytest.fixture
def hook(host: Host) -> Callable[[str, str], None]:
    """Have a shell script run after a command of the index's program."""

    def write(command: str, script: str) -> None:
        file = host.place / f"log.after-{command}"
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    return write

"""Repositories on other machines: a real sshd with SFTP, rest-server and S3 store, on the loopback interface."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Host
from .test_index import SERVED, events, publish, tree

SECRET = "a-server's-own-p4ss"
Start = Callable[..., None]


def command(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number: int = server.getsockname()[1]
    return number


@pytest.fixture
def start(host: Host, port: int) -> Iterator[Start]:
    """Run a server until the test ends, once it listens."""
    with contextlib.ExitStack() as running:

        def run(*arguments: str | Path, **environment: str) -> None:
            log = running.enter_context((host.place / "server.log").open("wb"))
            server = subprocess.Popen(arguments, stdout=log, stderr=log, env={**os.environ, **environment})
            running.callback(server.wait)
            running.callback(server.terminate)
            end = time.monotonic() + 60
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    return
                said = (host.place / "server.log").read_text(errors="replace")
                assert server.poll() is None and time.monotonic() < end, said
                time.sleep(0.05)

        yield run


def key(file: Path) -> str:
    """Make a key pair; the public half."""
    subprocess.run([command("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return file.with_suffix(".pub").read_text()


@pytest.fixture
def sftp(host: Host, port: int, start: Start) -> None:
    server = host.place / "sshd"
    server.mkdir(mode=0o700)
    (server / "authorized_keys").write_text(key(host.config / "ssh_key"))
    public = key(server / "host_key")
    (host.config / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    (server / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {server}/host_key\nAuthorizedKeysFile {server}/authorized_keys\n"
        "PidFile none\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    start(command("sshd"), "-D", "-e", "-f", server / "config")
    address = f"sftp://{getpass.getuser()}@127.0.0.1:{port}/{host.place}/behind-ssh"
    (host.config / "repository").write_text(f"{address}\n")


def rest(host: Host, port: int, start: Start, *options: str) -> None:
    place = host.place / "behind-rest"
    place.mkdir()
    start(
        *(command("rclone"), "serve", "restic", "--config", os.devnull, "--addr", f"127.0.0.1:{port}", "--user", "it"),
        *("--pass", SECRET, *options, place),
    )
    (host.config / "repository").write_text(f"rest:http://it:{SECRET}@127.0.0.1:{port}/wheelhouse/\n")


@pytest.fixture
def rest_server(host: Host, port: int, start: Start) -> None:
    rest(host, port, start)


@pytest.fixture
def s3(host: Host, port: int, start: Start) -> None:
    buckets = host.place / "behind-s3"
    (buckets / "wheelhouse").mkdir(parents=True)
    start(
        *(command("nanio"), "serve", "--host", "127.0.0.1", "--port", str(port), "--data-dir", buckets),
        NANIO_ACCESS_KEY="it-backup",
        NANIO_SECRET_KEY=SECRET,
    )
    (host.config / "repository").write_text(f"s3:http://127.0.0.1:{port}/wheelhouse\n")
    (host.config / "environment").write_text(f"AWS_ACCESS_KEY_ID=it-backup\nAWS_SECRET_ACCESS_KEY={SECRET}\n")


def test_a_lost_index_comes_back_to_the_byte(host: Host, rest_server: None) -> None:
    """From another machine, whose password is in no output."""
    publish(host, "1.0", "2.0")
    host.index("yank", "acme-tools", "1.0", "--reason", "it is broken", "--by", "ada")
    served, known = tree(host.shelf, *SERVED), events(host)
    said = told = host.backup("run")
    assert "3 events and 4 files" in told
    for lost in (host.directory, host.place / "certificates"):
        shutil.rmtree(lost)
        lost.mkdir()
    assert "3 events, 4 files" in host.backup("restore", "latest", "--dry-run")
    assert "which names no backup" in host.backup("restore", "1999-01-01", code=1)
    assert not host.shelf.exists()
    said += (told := host.backup("restore", "latest"))
    assert "Restored: 3 events and 4 files, as of" in told
    assert "nothing is known of what was published after the backup" in told
    assert tree(host.shelf, *SERVED) == served
    assert events(host)[:3] == known
    assert (host.directory / "intake" / "osv" / "GHSA-1.json").exists()
    assert (host.place / "certificates" / "index.key").read_text() == "the key\n"
    assert (host.place / "certificates" / "index.key").stat().st_mode & 0o777 == 0o600
    assert host.outcome("restore")["outcome"] == "ok"
    assert [path.name for path in host.directory.iterdir() if "restored" in path.name] == []
    assert not host.repository.exists()
    assert SECRET not in said
    assert not [file for file in (host.place / "runs").iterdir() if SECRET in file.read_text()]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["rest_server", "sftp", "s3"])
def test_a_lost_index_comes_back_from_another_machine(host: Host, kind: str, request: pytest.FixtureRequest) -> None:
    """Backed up twice, checked, proven by a drill, and restored to the byte. The server's secrets are in no output."""
    request.getfixturevalue(kind)
    publish(host, "1.0")
    said = host.backup("run")
    publish(host, "2.0")
    said += host.backup("run") + host.backup("check") + host.backup("drill")
    served, known = tree(host.shelf, *SERVED), events(host)
    assert [line.split()[7] for line in host.backup("snapshots").splitlines()] == ["1", "2"]
    shutil.rmtree(host.directory)
    host.directory.mkdir()
    said += host.backup("restore", "latest")
    assert tree(host.shelf, *SERVED) == served
    assert events(host)[: len(known)] == known
    for job in ("backup", "check", "drill", "restore"):
        record: dict[str, Any] = host.outcome(job)
        assert record["outcome"] == "ok" or job == "restore", record
    assert not host.repository.exists()
    assert SECRET not in said
    assert not [file for file in (host.place / "runs").iterdir() if SECRET in file.read_text()]


def test_a_server_with_another_key_is_not_trusted(host: Host, sftp: None, port: int) -> None:
    publish(host, "1.0")
    (host.config / "known_hosts").write_text(f"[127.0.0.1]:{port} {key(host.place / 'another')}")
    assert "cannot be reached" in host.backup("run", code=1)
    assert not (host.place / "behind-ssh").exists()


def test_a_wrong_password_of_the_server_is_a_sentence(host: Host, rest_server: None, port: int) -> None:
    publish(host, "1.0")
    (host.config / "repository").write_text(f"rest:http://it:another-{SECRET}@127.0.0.1:{port}/wheelhouse/\n")
    said = host.backup("run", code=1)
    assert "The repository rest:http://***@127.0.0.1" in said and SECRET not in said
    assert host.outcome("backup")["outcome"] == "failed"


@pytest.mark.long
def test_a_server_that_is_away_is_a_sentence(host: Host, port: int) -> None:
    publish(host, "1.0")
    (host.config / "repository").write_text(f"rest:http://it:{SECRET}@127.0.0.1:{port}/wheelhouse/\n")
    said = host.backup("run", code=1)
    assert "cannot be reached" in said and SECRET not in said


@pytest.mark.long
def test_an_append_only_server_takes_backups_and_deletes_none(host: Host, port: int, start: Start) -> None:
    rest(host, port, start, "--append-only")
    publish(host, "1.0")
    host.backup("run")
    host.backup("run")
    assert host.outcome("backup")["outcome"] == "ok"
    snapshots = host.place / "behind-rest" / "wheelhouse" / "snapshots"
    saved = sorted(snapshots.iterdir())
    assert len(saved) == 2
    # as somebody would who has taken the host over
    environment = {**host.environment, "RESTIC_REPOSITORY_FILE": str(host.config / "repository")}
    forget = ["restic", "--no-cache", "--password-file", str(host.config / "password"), "forget", saved[0].name]
    # restic 0.18 ends with 0 all the same
    assert b"403" in subprocess.run(forget, env=environment, capture_output=True, check=False).stderr
    assert sorted(snapshots.iterdir()) == saved

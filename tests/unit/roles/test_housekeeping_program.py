"""The program that counts downloads on the index host, with the index's real program behind a stand-in for Docker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from host_programs import install

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT / "roles/pypi_index/files/wheelhouse/src"
LINE = "1790000000.000 /packages/acme-tools/acme_tools-1.0-py3-none-any.whl\n"
DOCKER = f"""#!/bin/sh
# docker exec [-i] CONTAINER wheelhouse ...
shift; [ "$1" = -i ] && shift; shift 2
[ "$1" = "$FAILS" ] && {{ echo 'no such container' >&2; exit 1; }}
PYTHONPATH={SOURCES} {sys.executable} -m wheelhouse.cli "$@" || exit
[ "$1" != "$KILLED_AFTER" ]
"""


class Host:
    """Directories in place of those of a host, and the two commands that are asked."""

    def __init__(self, top: Path) -> None:
        self.program = install("pypi_index/files/wheelhouse-housekeeping", top)
        self.log = top / "log" / "downloads.log"
        self.runs = top / "runs"
        self.signals = top / "signals"
        self.log.parent.mkdir()
        commands = top / "bin"
        commands.mkdir()
        (commands / "docker").write_text(DOCKER)
        (commands / "systemctl").write_text(f'#!/bin/sh\necho "$*" >>{self.signals}\n')
        for command in commands.iterdir():
            command.chmod(0o755)
        config = top / "config"
        config.mkdir()
        (config / "htpasswd").write_text("")
        settings = {
            "upstream": "closed",
            "reserved": [],
            "denied": [],
            "minimum_age": 0,
            "publishes": {},
            "max_file_size": 1000,
            "index_url": "https://packages.acme.example",
        }
        (config / "config.json").write_text(json.dumps(settings))
        self.environment = {
            "PATH": f"{commands}:{os.environ['PATH']}",
            "WHEELHOUSE_SHELF": str(top / "shelf"),
            "WHEELHOUSE_CONFIG": str(config),
            "WHEELHOUSE_CACHE": str(top / "cache"),
        }

    def run(self, **environment: str) -> dict:
        command = [sys.executable, "-I", str(self.program), "wheelhouse-index", str(self.log), "--runs", str(self.runs)]
        done = subprocess.run(
            command, env=self.environment | environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert "Traceback" not in done.stderr, done.stderr
        found: dict = json.loads((self.runs / "housekeeping.json").read_text())
        assert (done.returncode == 0) == (found["outcome"] == "ok"), done.stderr
        return found

    def left(self) -> list[str]:
        return [path.name for path in self.log.parent.iterdir()]


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_log_is_moved_counted_and_deleted(host: Host) -> None:
    assert host.run()["facts"] == {"downloads": 0, "removed": 0, "removed_bytes": 0}
    assert not host.signals.exists()  # nothing to begin anew for
    host.log.write_text(LINE)
    found = host.run()
    assert (found["outcome"], found["problems"], found["last_ok"]) == ("ok", [], found["ended"])
    assert host.left() == []
    assert host.signals.read_text() == "kill --kill-whom=main --signal=USR1 nginx.service\n"


def test_what_is_still_written_to_is_waited_for(host: Host) -> None:
    """A worker of nginx goes on with the old log until it has seen the signal."""
    writer = host.log.open("a")
    writer.write(LINE)
    writer.flush()
    timer = threading.Timer(2, writer.close)
    timer.start()
    assert host.run()["outcome"] == "ok"
    assert writer.closed and host.left() == []


def test_a_log_is_kept_until_it_is_counted(host: Host) -> None:
    host.log.write_text(LINE)
    failed = host.run(FAILS="downloads")
    assert failed["outcome"] == "failed" and failed["last_ok"] is None
    assert failed["problems"] == ["Downloads are not counted: `wheelhouse downloads` failed: no such container."]
    assert len(host.left()) == 1
    # counted, and then killed: the program knows
    assert host.run(KILLED_AFTER="downloads")["outcome"] == "failed"
    assert len(host.left()) == 1
    assert host.run()["outcome"] == "ok"
    assert host.left() == []


def test_one_failure_does_not_hide_another(host: Host) -> None:
    assert host.run(FAILS="housekeeping")["problems"] == [
        "Nothing old is removed: `wheelhouse housekeeping` failed: no such container."
    ]

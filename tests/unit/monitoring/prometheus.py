"""Debian's Prometheus and promtool: of this machine, or else in a container."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from debian_images import image_with


def command(tool: str, directory: Path) -> list[str]:
    """What runs `prometheus` or `promtool`, which see `directory`. Skips where neither is to be had."""
    if shutil.which(tool):
        return [tool]
    image = image_with("prometheus")
    if not image:
        pytest.skip("there is neither a Prometheus here nor a Docker engine")
    user = f"{os.getuid()}:{os.getgid()}"
    run = ["docker", "run", "--rm", "--init", "--network=host", f"--user={user}", f"--volume={directory}:{directory}"]
    return [*run, f"--workdir={directory}", "--entrypoint", f"/usr/bin/{tool}", image]


def promtool(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it in a directory, in which all its files are."""
    told = [*command("promtool", directory), *arguments]
    return subprocess.run(told, cwd=directory, capture_output=True, text=True, check=False)


class Prometheus:
    """One that has a history, and is asked."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def ask(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer; raises OSError."""
        address = f"{self._url}/{path}?{urllib.parse.urlencode(parameters)}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=30) as answer:
            return json.load(answer)["data"]

    def series(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """What an expression comes to over a time: `metric` and `values` of each series."""
        asked = {"start": f"{start}", "end": f"{end}", "step": f"{step}"}
        found: list[dict[str, Any]] = self.ask("query_range", query=expression, **asked)["result"]
        return found


@contextlib.contextmanager
def serving(directory: Path, history: str) -> Iterator[Prometheus]:
    """A Prometheus with this history (OpenMetrics, with times), in a directory that is empty before."""
    (directory / "history.om").write_text(history)
    (directory / "prometheus.yml").write_text("global: {}\n")
    made = promtool(directory, "tsdb", "create-blocks-from", "openmetrics", "history.om", "data")
    assert made.returncode == 0, made.stdout + made.stderr
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = [*command("prometheus", directory), "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    told += ["--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(told, cwd=directory, stdout=log, stderr=log)
    server = Prometheus(port)
    try:
        give_up = time.monotonic() + 120
        while True:
            try:
                server.ask("status/buildinfo")
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < give_up, (directory / "log").read_text()
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(60)

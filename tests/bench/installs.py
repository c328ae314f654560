"""Installing a real closure from each server with pip and with uv, with nothing in their caches.

Virtualenvs and caches are in memory and neither tool compiles, so that as much of the time as can be is the index's.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Callable

import shelves
from ansible_collections.wheelhouse.onboarding.plugins.plugin_utils.client_settings import uv_toml
from host import WORK, Host
from servers import UV, Server

PIP, UV_PIP = "pip install", "uv pip install"
TOOLS = (PIP, UV_PIP)
REQUIREMENT = "jupyter-server"
"""Some sixty packages."""
PLACE = f"{WORK}/memory"


class Installed:
    """Seconds of each installation, by tool, server and round."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, Server], list[float]] = defaultdict(list)

    def median(self, tool: str, server: Server) -> float:
        """Over the rounds."""
        return statistics.median(self.seconds[tool, server])

    def ratio(self, tool: str, server: Server, other: Server) -> float:
        """Median over the rounds of how much longer `server` takes than `other`."""
        pairs = zip(self.seconds[tool, server], self.seconds[tool, other], strict=True)
        return statistics.median(one / two for one, two in pairs)


def prepare(host: Host, servers: list[Server]) -> None:
    """Make the place in memory, and uv's settings for servers with a login as the role package_client writes them."""
    host.run("install", "-d", PLACE)
    host.run("mount", "-t", "tmpfs", "tmpfs", PLACE)
    for server in servers:
        if server.login:
            host.write(_uv_config(server), uv_toml(server.url))


def _uv_config(server: Server) -> str:
    return f"{WORK}/login/uv-{server.url.rpartition(':')[2].strip('/')}.toml"


def run(
    host: Host,
    servers: list[Server],
    rounds: dict[str, int],
    packages: int,
    installed: Installed,
    tell: Callable[[str], None],
) -> None:
    """Install from each server in turns; `packages` is how many the closure has, and is checked each time."""
    host.run("ln", "-sfnT", shelves.path(shelves.CLOSURE), shelves.LINK)
    for server in servers:  # what mirrors and caches has the files after this
        _install(host, UV_PIP, server, packages)
    for tool in TOOLS:
        for turn in range(rounds[tool]):
            for server in servers:
                seconds = _install(host, tool, server, packages)
                installed.seconds[tool, server].append(seconds)
                tell(f"round {turn + 1} of {rounds[tool]}: {tool} from {server.name}, {seconds:.2f} s")


def _install(host: Host, tool: str, server: Server, packages: int) -> float:
    """Seconds; raises HostError if something failed, AssertionError if something is missing."""
    python = f"{PLACE}/venv/bin/python"
    # uv is told about an index with logins by the file that people have, and about the others as briefly as can be
    uv_index = f"--config-file {_uv_config(server)}" if server.login else f"--no-config --index-url {server.index_url}"
    command = {
        PIP: f"{WORK}/pip/bin/python -m pip --python {python} install --quiet --no-cache-dir --no-compile"
        f" --index-url {server.index_url} {REQUIREMENT}",
        UV_PIP: f"{UV} pip install --quiet --python {python} --cache-dir {PLACE}/cache {uv_index} {REQUIREMENT}",
    }[tool]
    # Only what asks for a login has one in its home; none of the environment that site.yml made for people is here.
    home = f"{WORK}/login" if server.login else "/nonexistent"
    said = host.shell(
        f"""
        rm -rf {PLACE}/*
        {UV} venv --quiet --no-config --python /usr/bin/python3 {PLACE}/venv
        started=$EPOCHREALTIME
        env -i PATH=/usr/bin:/bin HOME={home} SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
            PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1 TMPDIR={PLACE} {command} >&2
        ended=$EPOCHREALTIME
        found=$(ls -d {PLACE}/venv/lib/python3*/site-packages/*.dist-info | wc -l)
        echo "[$started, $ended, $found]"
        """,
        limit=240,
    )
    started, ended, found = json.loads(said.splitlines()[-1])
    assert found == packages, f"{found} packages instead of {packages} from {server.name}"
    return float(ended - started)

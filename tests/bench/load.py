"""Reads under load: which server is asked for what, by how many clients, and what comes of it."""

from __future__ import annotations

import base64
import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import shelves
from host import WORK, Host
from servers import Server

JSON_PAGE, HTML_PAGE, SMALL_FILE, LARGE_FILE = "page, JSON", "page, HTML", "file, 20 kB", "file, 5 MB"
OPERATIONS = (JSON_PAGE, HTML_PAGE, SMALL_FILE, LARGE_FILE)

# as pip and uv ask
ACCEPT = {
    JSON_PAGE: "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
    HTML_PAGE: "text/html",
}
PAGES = 100
"""Projects whose pages are asked for in turns; where growth is measured, ten times as many."""


@dataclass(frozen=True)
class Load:
    """What one run of wrk is told."""

    server: Server
    operation: str
    clients: int
    shelf: int
    seconds: int = 1
    pages: int = PAGES
    warm: bool = True


@dataclass(frozen=True)
class Outcome:
    """What comes of a load in one round."""

    rate: float
    """Requests answered as they should be, in a second."""
    p50: float
    """Milliseconds until half of them were answered."""
    p99: float
    cpu: float
    """Microseconds of processor time that the server takes for one request, to some percent."""
    failed: int
    """Requests with another answer than a good one, or with none."""


class Measured:
    """The outcomes of all loads, by round."""

    def __init__(self) -> None:
        self._outcomes: dict[Load, list[Outcome]] = defaultdict(list)

    def add(self, load: Load, outcome: Outcome) -> None:
        """One more round."""
        self._outcomes[load].append(outcome)

    def find(self, server: Server, operation: str, clients: int, shelf: int) -> Load | None:
        """The load with these properties, if it was run."""
        for load in self._outcomes:
            if (load.server, load.operation, load.clients, load.shelf) == (server, operation, clients, shelf):
                return load
        return None

    def median(self, load: Load, what: str) -> float:
        """Median over the rounds of `rate`, `p50`, `p99` or `cpu`."""
        return statistics.median(float(getattr(outcome, what)) for outcome in self._outcomes[load])

    def ratio(self, load: Load, other: Load, what: str) -> float:
        """Median of `load`'s value to `other`'s in the same round, so that what slows all of a round falls out."""
        pairs = zip(self._outcomes[load], self._outcomes[other], strict=True)
        return statistics.median(float(getattr(one, what) / getattr(two, what)) for one, two in pairs)

    def failed(self, server: Server) -> int:
        """Requests to a server that had no good answer, over everything that was run."""
        return sum(
            outcome.failed for load, outcomes in self._outcomes.items() if load.server == server for outcome in outcomes
        )

    def as_json(self) -> list[dict[str, object]]:
        """Everything, for a closer look."""
        return [
            {
                "server": load.server.name, "operation": load.operation, "clients": load.clients, "shelf": load.shelf,
                "rounds": [vars(outcome) for outcome in outcomes],
            }
            for load, outcomes in self._outcomes.items()
        ]  # fmt: skip


def run(host: Host, loads: list[Load], rounds: int, measured: Measured, tell: Callable[[str], None]) -> None:
    """Run all loads, in their order, again and again: a slower minute of the machine hits every server alike."""
    jobs = [_job(host, number, load) for number, load in enumerate(loads)]
    for turn in range(rounds):
        order = {
            "shelf_link": shelves.LINK,
            "script": f"{WORK}/requests.lua",
            "jobs": [{**job, "warm": job["warm"] and turn == 0} for job in jobs],
        }
        limit = sum(load.seconds for load in loads) * 2 + len(loads) * 10 + 300
        for line in host.lines("python3", f"{WORK}/load.py", given=json.dumps(order), limit=limit):
            if not line.startswith("{"):
                continue
            result = json.loads(line)
            load = loads[result["id"]]
            measured.add(load, _outcome(result, load.clients))
            tell(f"round {turn + 1} of {rounds}: {load.server.name}, {load.operation}, {load.clients} clients")


def _outcome(result: dict[str, Any], clients: int) -> Outcome:
    """What load.py on the host says, for one request. A server that hung answered nothing, and all clients waited."""
    good = max(0, result["requests"] - result["failed"])
    waited = 0 if result["requests"] else result["seconds"] * 1e3
    return Outcome(
        rate=good / result["seconds"],
        p50=result["p50"] or waited,
        p99=result["p99"] or waited,
        cpu=result["cpu"] / max(1, result["requests"]) * 1e6,
        failed=result["failed"] if result["requests"] else clients,
    )


def write_headers(host: Host, way: str, *login: str) -> None:
    """Write the headers that requests come with, without a login and with this one (a name and a password)."""
    value = base64.b64encode(":".join(login).encode()).decode()
    for operation in OPERATIONS:
        accept = ACCEPT.get(operation)
        lines = [f"Accept: {accept}", "Accept-Encoding: gzip"] if accept else ["Accept-Encoding: identity"]
        host.write(headers_of(operation, ""), "\n".join(lines) + "\n")
        host.write(headers_of(operation, way), "\n".join([*lines, f"Authorization: Basic {value}"]) + "\n")


def headers_of(operation: str, way: str) -> str:
    """The file on the host with the headers of requests, with a way to log in, or none."""
    return f"{WORK}/headers/{OPERATIONS.index(operation)}-{way}"


def _job(host: Host, number: int, load: Load) -> dict[str, object]:
    """The load as load.py on the host wants it."""
    paths = f"{WORK}/paths/{number}"
    host.write(paths, "".join(f"{path}\n" for path in _paths(host, load)))
    return {
        "id": number,
        "url": load.server.url,
        "headers": headers_of(load.operation, load.server.login),
        "paths": paths,
        "clients": load.clients,
        "seconds": load.seconds,
        "shelf": shelves.path(load.shelf),
        "unit": load.server.unit,
        "warm": load.warm,
    }


def _paths(host: Host, load: Load) -> Iterable[str]:
    if load.operation in (JSON_PAGE, HTML_PAGE):
        form = "json" if load.operation == JSON_PAGE else "html"
        return [load.server.page_of(project, form) for project in shelves.projects(load.shelf, load.pages)]
    # version 1.* of acme-bench is small, 2.* is large
    version = "acme_bench-1." if load.operation == SMALL_FILE else "acme_bench-2."
    return [path for name, path in _links(host, load).items() if name.startswith(version) and name.endswith(".whl")]


_known_links: dict[tuple[Server, int], dict[str, str]] = {}


def _links(host: Host, load: Load) -> dict[str, str]:
    """Where the server has the files of acme-bench, by file name."""
    key = load.server, load.shelf
    if key not in _known_links:
        netrc = f"{WORK}/login/.netrc" if load.server.login else "/dev/null"
        page = load.server.url + load.server.page_of("acme-bench", "html")
        host.run("ln", "-sfnT", shelves.path(load.shelf), shelves.LINK)
        _known_links[key] = json.loads(host.run("python3", f"{WORK}/links.py", page, netrc))
    return _known_links[key]

"""Benchmark of several gateways, against plain nginx on each of them and against an index of one host.

    python tests/bench/gateways.py [STATE_OF_SEVERAL STATE_OF_ONE]

Runs on the hosts of `make demo-cluster` and of `make demo`, whose directories of state these are: .demo-cluster and
.demo. Prints a table, which `make bench-gateways` puts into tests/bench/gateways.md.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import load
import machine
import servers
from host import WORK, Host
from load import JSON_PAGE, SMALL_FILE
from servers import OURS, PASSWORD, Server
from tabulate import tabulate

HERE = Path(__file__).parent
PERSON = "ada"
"""Whose login is used; may publish acme-*."""
PROJECT = "acme-bench"
LABELS = {JSON_PAGE: "page, JSON", SMALL_FILE: "file, 1 kB"}
CLIENTS = (1, 8, 64)
ROUNDS = 5
SECONDS = 1
"""That one run of wrk takes."""
UPLOADS = 9
"""In each round."""
# a port that no gateway uses; balancers have the one that `make bench` takes
PLAIN = replace(servers.PLAIN, url="https://127.0.0.1:9443")


@dataclass(frozen=True)
class Read:
    """What one run of wrk is told."""

    server: Server
    operation: str
    clients: int


def main(several: str = ".demo-cluster", one: str = ".demo") -> None:
    """Measure, and print."""
    gateways = {number: Host(f"wheelhouse-gateway-{number}-cluster") for number in (1, 2)}
    alone = Host("wheelhouse-index")
    for host, state in (*((gateway, several) for gateway in gateways.values()), (alone, one)):
        bring(host, Path(state))
    files = publish(gateways[1], "1.0", [PROJECT])
    print("Reading …", file=sys.stderr)
    reads = [
        Read(server, operation, clients)
        for operation in (JSON_PAGE, SMALL_FILE)
        for clients in CLIENTS
        for server in (OURS, PLAIN)
    ]
    rates = {number: read(host, reads, files) for number, host in gateways.items()}
    print("Publishing …", file=sys.stderr)
    taken: dict[str, list[float]] = {"one host": [], "two gateways": []}
    for turn in range(ROUNDS):
        for name, host in (("one host", alone), ("two gateways", gateways[1])):
            projects = [f"acme-new-{turn}-{number}" for number in range(UPLOADS)]
            publish(host, f"1.{turn}", ["acme-warm"])
            taken[name].append(statistics.median(publish(host, f"1.{turn}", projects).values()))
    print("Reading from both at a time …", file=sys.stderr)
    some = [Read(OURS, JSON_PAGE, 8)]
    apart, together = [], []
    for _ in range(ROUNDS):
        apart.append(read(gateways[1], some, files, rounds=1)[some[0]][0])
        with ThreadPoolExecutor() as threads:
            both = threads.map(lambda host: read(host, some, files, rounds=1)[some[0]][0], gateways.values())
            together.append(sum(both))
    print(report(rates, taken, apart, together))


def bring(host: Host, state: Path) -> None:
    """Put what runs on a host there, with the login, and give its nginx a plain server beside the index."""
    host.shell("apt-get install -qq -y --no-install-recommends wrk >/dev/null", limit=600)
    host.bring(HERE / "inside", WORK)
    password = json.loads((state / "vault.json").read_text(encoding="utf-8"))[f"{PERSON}_index"]
    host.write(f"{WORK}/login/.netrc", f"machine 127.0.0.1 login {PERSON} password {password}\n")
    load.write_headers(host, PASSWORD, PERSON, password)
    servers.plain_beside(host, PLAIN)


def publish(host: Host, version: str, projects: Iterable[str]) -> dict[str, float]:
    """Upload one new file of each project; the seconds that each took, by the path of the file."""
    named = [f"{project}-{host.shell('date +%s%N').strip()}" for project in projects]
    host.run("install", "-d", f"{WORK}/uploads")
    host.run("python3", f"{WORK}/wheels.py", "--uploads", f"{WORK}/uploads", version, *named)
    files = [f"{project.replace('-', '_')}-{version}-py3-none-any.whl" for project in named]
    paths = [f"{WORK}/uploads/{file}" for file in files]
    said = host.run("python3", f"{WORK}/publish.py", f"{OURS.url}/", f"{WORK}/login/.netrc", *paths)
    served = [f"/packages/{project}/{file}" for project, file in zip(named, files, strict=True)]
    return dict(zip(served, json.loads(said), strict=True))


def read(host: Host, reads: list[Read], files: Iterable[str], rounds: int = ROUNDS) -> dict[Read, list[float]]:
    """Answers per second, in each round."""
    jobs = []
    for number, one in enumerate(reads):
        paths = list(files)
        if one.operation == JSON_PAGE:
            paths = [one.server.page_of(path.split("/")[2], "json") for path in paths]
        host.write(f"{WORK}/paths/{number}", "".join(f"{path}\n" for path in paths))
        jobs.append(
            {"id": number, "url": one.server.url, "headers": load.headers_of(one.operation, one.server.login)}
            | {"paths": f"{WORK}/paths/{number}", "clients": one.clients, "seconds": SECONDS}
            | {"unit": one.server.unit, "warm": True}
        )
    order = json.dumps({"script": f"{WORK}/requests.lua", "jobs": jobs})
    rates: dict[Read, list[float]] = {one: [] for one in reads}
    for _ in range(rounds):
        for line in host.lines("python3", f"{WORK}/load.py", given=order, limit=60 * len(jobs)):
            if line.startswith("{"):
                result = json.loads(line)
                assert not result["failed"], result
                rates[reads[result["id"]]].append(result["requests"] / result["seconds"])
    return rates


def report(
    rates: dict[int, dict[Read, list[float]]], taken: dict[str, list[float]], apart: list[float], together: list[float]
) -> str:
    """The tables. Ratios are medians over the rounds, of two figures of the same round."""
    table = [
        (
            f"gateway {number}, {LABELS[one.operation]}, {one.clients} clients",
            f"{statistics.median(found[one]):,.0f}",
            f"{statistics.median(found[replace(one, server=PLAIN)]):,.0f}",
            f"{ratio(found[one], found[replace(one, server=PLAIN)]):.2f}",
        )
        for number, found in rates.items()
        for one in found
        if one.server == OURS
    ]
    lines = [
        "<!-- Written by make bench-gateways. -->",
        f"{machine.describe()}\n",
        "All hosts are containers of this machine and share its processors.\n",
        tabulate(
            table,
            ["answers a second", "with a login", "plain nginx", "ratio"],
            tablefmt="github",
            disable_numparse=True,
        ),
        "",
    ]
    milliseconds = {name: f"{statistics.median(rounds) * 1000:.0f} ms" for name, rounds in taken.items()}
    slower = ratio(taken["two gateways"], taken["one host"])
    lines += [
        f"- Publishing a file: {milliseconds['one host']} on one host, {milliseconds['two gateways']} on two gateways:"
        f" {slower:.2f} times as long.",
        f"- Pages from both gateways at a time, 8 clients each: {statistics.median(together):,.0f} a second; from one:"
        f" {statistics.median(apart):,.0f}: {ratio(together, apart):.2f} times as many.",
    ]
    return "\n".join(lines)


def ratio(some: list[float], others: list[float]) -> float:
    """Of two figures of each round, the median."""
    return statistics.median(one / other for one, other in zip(some, others, strict=True))


if __name__ == "__main__":
    main(*sys.argv[1:])

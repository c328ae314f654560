"""The results as a Markdown table with a verdict for each target, and as a picture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import servers
from installs import PIP, TOOLS, UV_PIP, Installed
from load import HTML_PAGE, JSON_PAGE, OPERATIONS, SMALL_FILE, Load, Measured
from plan import Plan
from publishing import KINDS, PROJECT, Published
from servers import Server
from tabulate import tabulate

FLAT = 1.1
"""How much slower a read may be on the largest shelf and still count as flat, beyond what it is from plain nginx: more
pages that are read in turns find less of themselves in the processor's caches, whoever serves them."""

WITH_LOGIN = (servers.OURS, servers.OURS_TOKEN, servers.OURS_DIRECTORY)
"""The same server, with each way to log in."""


@dataclass(frozen=True)
class Results:
    """Everything that was measured, and on what."""

    plan: Plan
    machine: str
    versions: dict[str, str]
    measured: Measured
    published: Published
    installed: Installed
    others: list[Server]
    """The servers that were installed from, besides wheelhouse and plain nginx."""
    packages: int
    """That were installed."""
    reindexed: dict[int, float]
    """Seconds that `wheelhouse reindex` took, by files."""

    def load(self, server: Server, operation: str, clients: int, shelf: int | None = None) -> Load | None:
        """The load that was run, by default on the middle shelf."""
        return self.measured.find(server, operation, clients, self.plan.middle if shelf is None else shelf)


@dataclass(frozen=True)
class Target:
    """One line of what the index is held to."""

    what: str
    wanted: str
    measured: str
    met: bool


def write(results: Results, directory: Path, command: str) -> None:
    """Write results.md and results.svg."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.md").write_text(markdown(results, command), encoding="utf-8")
    # only now, since importing it takes a second
    import picture  # noqa: PLC0415

    picture.draw(results, directory / "results.svg")


def write_raw(results: Results, file: Path) -> None:
    """Write every single outcome, for a closer look."""
    raw = {
        "loads": results.measured.as_json(),
        "installs": {f"{tool}, {one.name}": seconds for (tool, one), seconds in results.installed.seconds.items()},
        "published": {f"{size}, {kind}": turns for (size, kind), turns in results.published.rounds.items()},
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")


def markdown(results: Results, command: str) -> str:
    """The whole page."""
    plan = results.plan
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    return f"""# How fast the index is

![The main results](results.svg)

Made by `{command}`, which measures all of it in one run on one machine and writes this page; nothing is typed by hand.

- Machine: {results.machine}. Servers and load share it, so ratios say more than numbers.
- Versions: {versions}.
- wheelhouse is what `site.yml` sets up: nginx with TLS and cached logins in front of the container.
- Plain nginx is another server of the same nginx. It serves the same files over the same TLS to everybody, is asked for
  the very file of a page, and writes no log: the least that a web server can do which sees at once that a file changed.
- pypiserver runs as in its image (gunicorn, one gevent worker), devpi-server as in its manual, proxpi as in its image
  with plain nginx as what it mirrors and everything in its cache. They speak HTTP without TLS, and ask for no login
  unless said.
- Shelves have {plan.small:,}, {plan.middle:,} and {plan.large:,} files, ten in a project. devpi holds {plan.small:,}.
- Load: wrk on kept connections, {plan.rounds} rounds of {plan.seconds} s, in each round all servers in turns; medians.

## Targets

{_targets(results)}

## Reads over TLS

Requests in a second and the milliseconds until half of them were answered, with {plan.middle:,} files on the shelf; for
the two that are compared also the microseconds of processor time that nginx took for one.

{_tls(results)}

## Ways to log in

The same over TLS with a read-only token, as onboarded machines have one, and with a password of the company's
directory, which nginx keeps in its memory for some minutes.

{_logins(results)}

## Reads over HTTP

The same with nobody using TLS, for a fair comparison with servers that have none.

{_http(results)}

## Growth

Milliseconds until half of the requests of one client were answered.

{_growth(results)}

## Publishing

Milliseconds for one upload on a new connection, from connecting to the answer. The file is on the disk and listed then.

{_publishing(results)}

{_into_projects(results)}

Files that were copied in: `wheelhouse reindex` checked and published {_reindexed(results)}.

## Installing {results.packages} packages

Seconds, with nothing in the tool's cache; virtualenvs are in memory and nothing is compiled to bytecode. Each
project has one version on this shelf: pip then gains nothing from metadata files (PEP 658), and fetches them besides
from those who have them (wheelhouse, plain nginx). With a login, pip reads ~/.netrc anew for each of its requests.

{_installs(results)}
"""


def targets(results: Results) -> Iterator[Target]:
    """What design and README promise about the index, against what was measured."""
    plan, measured = results.plan, results.measured
    for operation in OPERATIONS:
        ratios = {}
        for clients in plan.clients:
            ours, plain = (
                results.load(servers.OURS, operation, clients),
                results.load(servers.PLAIN, operation, clients),
            )
            assert ours and plain
            ratios[clients] = measured.ratio(ours, plain, "rate")
        yield Target(
            f"{operation}: requests/s with a login, to plain nginx's without ({_clients(plan)})",
            "0.9 x",
            _numbers(ratios.values()),
            min(ratios.values()) >= 0.9,
        )
    for operation in OPERATIONS:
        for server, login in ((servers.OURS_TOKEN, "a token"), (servers.OURS_DIRECTORY, "the directory's password")):
            ratios = {
                clients: measured.ratio(
                    _must(results.load(server, operation, clients)),
                    _must(results.load(servers.OURS, operation, clients)),
                    "rate",
                )
                for clients in plan.clients
            }
            yield Target(
                f"{operation}: requests/s with {login}, to those with the index's own password ({_clients(plan)})",
                "0.9 x",
                _numbers(ratios.values()),
                min(ratios.values()) >= 0.9,
            )
    failed = {server: measured.failed(server) for server in (*WITH_LOGIN, servers.PLAIN)}
    yield Target(
        "requests that were refused or got no answer, in all reads over TLS",
        "none",
        ", ".join(f"{server.name} {count:,}" for server, count in failed.items()),
        not any(failed[server] for server in WITH_LOGIN),
    )
    for backend in ("simple-dir", "cached-dir"):
        peer = servers.pypiserver(backend, plan.middle)
        ratio = _against(results, servers.OURS_HTTP, peer)
        yield Target(
            f"page: requests/s with a login, to pypiserver's ({backend}) without, both HTTP, {plan.middle:,} files",
            "100 x",
            f"{ratio:,.0f} x (ours over TLS: {_against(results, servers.OURS, peer):,.0f} x)",
            ratio >= 100,
        )
    for operation in (JSON_PAGE, SMALL_FILE):
        own, others = (
            [
                measured.ratio(
                    _must(results.load(server, operation, clients, plan.large)),
                    _must(results.load(server, operation, clients, plan.small)),
                    "p50",
                )
                for clients in (min(plan.clients), max(plan.clients))
            ]
            for server in (servers.OURS, servers.PLAIN)
        )
        yield Target(
            f"{operation}: time with {plan.large:,} files, to that with {plan.small:,}"
            f" ({min(plan.clients)} and {max(plan.clients)} clients)",
            f"flat: at most {FLAT} x, beyond plain nginx",
            f"{_numbers(own)}; plain nginx {_numbers(others)}",
            all(mine <= FLAT * max(1.0, its) for mine, its in zip(own, others, strict=True)),
        )
    for kind in KINDS:
        ratio = results.published.ratio(plan.large, plan.small, kind)
        yield Target(
            f"publishing a file, {kind}: time with {plan.large:,} files, to that with {plan.small:,}",
            "at most 2 x",
            f"{ratio:.2f}",
            ratio <= 2,
        )
    ratio = results.published.ratio(plan.long, plan.short, PROJECT)
    yield Target(
        f"publishing a file, {PROJECT} of {plan.long:,} files: time, to that of one of {plan.short:,}",
        "at most 3 x",
        f"{ratio:.2f}",
        ratio <= 3,
    )
    for tool in TOOLS:
        for server, login in ((servers.OURS, "with"), (servers.OPEN, "without")):
            ratio = results.installed.ratio(tool, server, servers.PLAIN)
            yield Target(
                f"{tool} of {results.packages} packages {login} a login: time to plain nginx's without",
                "at most 1.05 x",
                f"{ratio:.2f}",
                ratio <= 1.05,
            )
        mine = results.installed.median(tool, servers.OURS_HTTP)
        times = {other.name: results.installed.median(tool, other) / mine for other in results.others}
        yield Target(
            f"{tool}: the others' time to wheelhouse's, all over HTTP",
            "more than 1 x",
            ", ".join(f"{name} {ratio:.2f}" for name, ratio in times.items()),
            min(times.values()) > 1,
        )


def _numbers(ratios: Iterable[float]) -> str:
    return ", ".join(f"{ratio:.2f}" for ratio in ratios)


def _against(results: Results, ours: Server, peer: Server) -> float:
    """How many times as many pages `ours` gives as `peer`, with many clients."""
    clients = max(results.plan.clients)
    mine, theirs = _must(results.load(ours, JSON_PAGE, clients)), _must(results.load(peer, HTML_PAGE, clients))
    return results.measured.median(mine, "rate") / results.measured.median(theirs, "rate")


def _targets(results: Results) -> str:
    rows = [(one.what, one.wanted, one.measured, "met" if one.met else "**missed**") for one in targets(results)]
    return _table(["what", "at least", "measured", ""], rows)


def _tls(results: Results) -> str:
    compared = (servers.OURS, servers.PLAIN, servers.OPEN)
    rows = []
    for operation in OPERATIONS:
        for clients in results.plan.clients:
            loads = [results.load(server, operation, clients) for server in compared]
            cpu = [f"{results.measured.median(_must(load), 'cpu'):.0f}" for load in loads[:2]]
            rows.append([operation, clients, *(_cell(results, load) for load in loads), " / ".join(cpu)])
    return _table(["what", "clients", *(server.name for server in compared), "µs: wheelhouse / plain"], rows)


def _logins(results: Results) -> str:
    rows = [
        [operation, clients, *(_cell(results, results.load(server, operation, clients)) for server in WITH_LOGIN)]
        for operation in OPERATIONS
        for clients in results.plan.clients
    ]
    return _table(["what", "clients", "own password", "token", "directory's password"], rows)


def _http(results: Results) -> str:
    middle = results.plan.middle
    columns = [
        (servers.OURS_HTTP, middle),
        (servers.PLAIN_HTTP, middle),
        (servers.pypiserver("simple-dir", middle), middle),
        (servers.pypiserver("cached-dir", middle), middle),
        (servers.pypiserver("cached-dir", middle, login=True), middle),
        (servers.DEVPI, results.plan.small),
        (servers.PROXPI, middle),
    ]
    rows = [
        [operation, clients]
        + [_cell(results, results.load(server, operation, clients, shelf)) for server, shelf in columns]
        for operation in OPERATIONS
        for clients in results.plan.clients
    ]
    return _table(["what", "clients", *(server.name for server, _ in columns)], rows)


def _cell(results: Results, load: Load | None) -> str:
    """Requests in a second and milliseconds."""
    if load is None:
        return ""
    rate, p50 = results.measured.median(load, "rate"), results.measured.median(load, "p50")
    return f"{rate:,.0f} ({p50:,.2f} ms)" if rate >= 20 else f"{rate:,.1f} ({p50:,.0f} ms)"


def growth_lines(results: Results) -> dict[str, dict[int, float]]:
    """Milliseconds for one page to one client, by server and files on the shelf."""
    plan = results.plan
    lines: dict[str, dict[int, float]] = {}
    for size in plan.shelves:
        for server, operation in (
            (servers.OURS, JSON_PAGE),
            (servers.PLAIN, JSON_PAGE),
            (servers.pypiserver("cached-dir", size), HTML_PAGE),
            (servers.pypiserver("simple-dir", size), HTML_PAGE),
        ):
            load = results.load(server, operation, min(plan.clients), size)
            if load:
                lines.setdefault(server.name, {})[size] = results.measured.median(load, "p50")
    return lines


def _growth(results: Results) -> str:
    rows = [
        [name, *(f"{line[size]:,.2f}" if size in line else "" for size in results.plan.shelves)]
        for name, line in growth_lines(results).items()
    ]
    return _table(["page of a project", *(f"{size:,} files" for size in results.plan.shelves)], rows)


def _publishing(results: Results) -> str:
    sizes = (results.plan.small, results.plan.large)
    rows = [[kind, *(f"{results.published.median(size, kind) * 1e3:.0f}" for size in sizes)] for kind in KINDS]
    return _table(["one file", *(f"{size:,} files" for size in sizes)], rows)


def _into_projects(results: Results) -> str:
    sizes = (results.plan.short, results.plan.long)
    row = [PROJECT, *(f"{results.published.median(size, PROJECT) * 1e3:.0f}" for size in sizes)]
    return _table(["one file", *(f"of {size:,} files" for size in sizes)], [row])


def _reindexed(results: Results) -> str:
    return ", ".join(f"{size:,} files in {seconds:.0f} s" for size, seconds in results.reindexed.items())


def _installs(results: Results) -> str:
    rows = [
        [server.name, *(f"{results.installed.median(tool, server):.2f}" for tool in (PIP, UV_PIP))]
        for server in (servers.OURS, servers.OPEN, servers.PLAIN, servers.OURS_HTTP, *results.others)
    ]
    return _table(["from", PIP, UV_PIP], rows)


def _clients(plan: Plan) -> str:
    return ", ".join(map(str, plan.clients)) + " clients"


def _must(load: Load | None) -> Load:
    assert load, "a load of the plan was not run"
    return load


def _table(headers: list[str], rows: Sequence[Sequence[object]]) -> str:
    return str(tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True))

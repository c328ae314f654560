"""What an index of so many clients needs, by a model of their load: the table in docs/scale.md.

    python tests/tools/scale_model.py            rewrites the table
    python tests/tools/scale_model.py --check    says what it would change, and fails if there is anything

The costs are those that `make bench` measured (tests/bench/results.md); the habits are assumptions, said on the page.
Change them here for a company of your own.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path

from generated import ROOT, settle

PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- tests/tools/scale_model.py writes this -->\n", "<!-- to here -->\n"


@dataclass(frozen=True)
class Habits:
    """What a client, a person's machine or a CI job, does on a working day."""

    installs: float = 5
    projects: float = 60
    """Pages that an install asks for."""
    cold: float = 0.2
    """Share of installs without a cache, as of CI jobs: they also fetch each file."""
    megabytes: float = 1.0
    """Of a file, on average."""
    uploads: float = 0.1
    busy_hour: float = 0.2
    """Share of the day's load in its busiest hour."""
    burst: float = 3.0
    """The busiest minutes of that hour, to its average."""
    seconds: float = 3.0
    """For which an install keeps its connections."""
    connections: float = 10


@dataclass(frozen=True)
class Costs:
    """Of one gateway, and of what is beside it."""

    page: float = 40e-6
    """Seconds of a core for a page."""
    file: float = 75e-6
    """The same for a small file."""
    megabyte: float = 1.15e-3
    """And for each megabyte of a large one: TLS."""
    publish: float = 0.135
    """Seconds of an upload on one host, one after the other."""
    publish_beside: float = 3.0
    """At most so many times as long with a database and a store."""
    render: float = 0.010
    """Seconds of a core in which each gateway writes the page that an upload changes."""
    cores: float = 8
    gigabits: float = 10
    """Of a gateway's network, and of a balancer's."""
    usable: float = 0.6
    """Share of cores and network that is planned with."""
    balanced: float = 32_000
    """Connections of one balancer."""


@dataclass(frozen=True)
class Load:
    """In the busiest minutes, a second."""

    pages: float
    gigabits: float
    cores: float
    uploads: float
    connections: float


def load(clients: int, habits: Habits, costs: Costs) -> Load:
    """What all clients together ask for."""
    peak = clients * habits.busy_hour / 3600 * habits.burst
    installs = peak * habits.installs
    pages, files = installs * habits.projects, installs * habits.projects * habits.cold
    uploads = peak * habits.uploads
    cores = pages * costs.page + files * (costs.file + habits.megabytes * costs.megabyte) + uploads * costs.publish
    connections = installs * habits.seconds * habits.connections
    return Load(pages, files * habits.megabytes * 8 / 1000, cores, uploads, connections)


def gateways(load: Load, costs: Costs) -> int:
    """How many the load takes. Each of them renders every page that an upload changes."""
    network = load.gigabits / (costs.gigabits * costs.usable)
    work = load.cores / (costs.cores * costs.usable - load.uploads * costs.render)
    return max(1, math.ceil(max(network, work)))


def first_limit(load: Load, costs: Costs) -> str:
    """What gives way first on one host with one balancer, and how full it is."""
    shares = {
        "the network": load.gigabits / (costs.gigabits * costs.usable),
        "the cores": load.cores / (costs.cores * costs.usable),
        "uploads, one after the other": load.uploads * costs.publish,
        "the balancer's connections": load.connections / costs.balanced,
    }
    name, share = max(shares.items(), key=lambda item: item[1])
    return f"{name}, {share:.0%}" if share < 10 else f"{name}, {share:.0f} x"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.1 else f"{value:.2g}"


def table(habits: Habits, costs: Costs) -> str:
    """The rows for 100 clients to a million."""
    lines = [
        "| clients | pages/s | Gbit/s | cores | uploads/s | gateways | of one host with a balancer, the fullest is |",
        "|---|---|---|---|---|---|---|",
    ]
    for clients in (100, 1_000, 10_000, 100_000, 1_000_000):
        known = load(clients, habits, costs)
        cells = [f"{clients:,}", *map(number, (known.pages, known.gigabits, known.cores, known.uploads))]
        lines.append(f"| {' | '.join([*cells, str(gateways(known, costs)), first_limit(known, costs)])} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with the table of now."""
    before, _begin, rest = text.partition(BEGIN)
    _table, _end, after = rest.partition(END)
    return before + BEGIN + "\n" + table(Habits(), Costs()) + "\n" + END + after


def files() -> dict[Path, str]:
    return {PAGE: page(PAGE.read_text(encoding="utf-8"))}


if __name__ == "__main__":
    sys.exit(settle(files()))

"""The main results as a picture of four panels."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import servers
from installs import TOOLS
from load import HTML_PAGE, JSON_PAGE
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from publishing import KINDS
from report import Results, growth_lines

OURS, PLAIN, OTHERS = "#0b6e4f", "#8a8f98", "#d08c3c"
MORE = {"pypiserver cached-dir": OTHERS, "pypiserver simple-dir": "#b5483a"}


def draw(results: Results, file: Path) -> None:
    """Write `file` as SVG; the same results give the same bytes."""
    mpl.rcParams.update(
        {"svg.hashsalt": "wheelhouse", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure = Figure(figsize=(11, 7), layout="constrained")
    (rates, growth), (publishing, installs) = figure.subplots(2, 2)
    _rates(rates, results)
    _growth(growth, results)
    _publishing(publishing, results)
    _installs(installs, results)
    figure.savefig(file, format="svg", metadata={"Date": None})


def _rates(axes: Axes, results: Results) -> None:
    plan, clients = results.plan, max(results.plan.clients)
    wanted = [
        ("wheelhouse, login, TLS", servers.OURS, plan.middle),
        ("plain nginx, TLS", servers.PLAIN, plan.middle),
        ("wheelhouse, login", servers.OURS_HTTP, plan.middle),
        ("plain nginx", servers.PLAIN_HTTP, plan.middle),
        ("proxpi", servers.PROXPI, plan.middle),
        (f"devpi, {plan.small:,} files", servers.DEVPI, plan.small),
        ("pypiserver cached-dir", servers.pypiserver("cached-dir", plan.middle), plan.middle),
        ("pypiserver simple-dir", servers.pypiserver("simple-dir", plan.middle), plan.middle),
    ]
    bars = []
    for name, server, shelf in wanted:
        load = results.load(server, JSON_PAGE if server.json else HTML_PAGE, clients, shelf)
        if load:
            bars.append((name, results.measured.median(load, "rate"), _colour(server)))
    names, values, colours = zip(*bars, strict=True)
    drawn = axes.barh(names, values, color=colours)
    axes.bar_label(drawn, [f"{value:,.0f}" for value in values], padding=3)
    axes.set_xscale("log")
    axes.set_xlim(1, max(values) * 6)
    axes.invert_yaxis()
    axes.set_title(f"Project pages in a second, {clients} clients, {plan.middle:,} files")


def _growth(axes: Axes, results: Results) -> None:
    for name, line in growth_lines(results).items():
        colour = {servers.OURS.name: OURS, servers.PLAIN.name: PLAIN, **MORE}[name]
        axes.plot(list(line), list(line.values()), marker="o", color=colour, label=name)
    axes.set(xscale="log", yscale="log", xlabel="files on the shelf", ylabel="ms")
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(0, 0.35))
    axes.set_title("Time for a project's page, one client")


def _publishing(axes: Axes, results: Results) -> None:
    sizes = (results.plan.small, results.plan.large)
    for number, (size, colour) in enumerate(zip(sizes, ("#7fb8a3", OURS), strict=True)):
        values = [results.published.median(size, kind) * 1e3 for kind in KINDS]
        places = [place + 0.4 * number for place in range(len(KINDS))]
        drawn = axes.bar(places, values, width=0.38, color=colour, label=f"{size:,} files on the shelf")
        axes.bar_label(drawn, fmt="%.0f", padding=2)
    axes.set_xticks([place + 0.2 for place in range(len(KINDS))], KINDS)
    axes.set_ylabel("ms")
    axes.margins(y=0.35)
    axes.legend(frameon=False, loc="upper left")
    axes.set_title("Publishing one file")


def _installs(axes: Axes, results: Results) -> None:
    shown = [servers.OURS, servers.PLAIN, *(other for other in results.others if not other.login)]
    names = [server.name for server in shown]
    for number, (tool, shade) in enumerate(zip(TOOLS, (0.55, 1.0), strict=True)):
        values = [results.installed.median(tool, server) for server in shown]
        places = [place + 0.4 * number for place in range(len(names))]
        colours = [(_colour(server), shade) for server in shown]
        drawn = axes.bar(places, values, width=0.38, color=colours)
        axes.bar_label(drawn, [f"{tool.split()[0]} {value:.1f}" for value in values], padding=2)
    axes.set_xticks([place + 0.2 for place in range(len(names))], [name.replace(" ", "\n") for name in names])
    axes.set_ylabel("s")
    axes.margins(y=0.15)
    axes.set_title(f"Installing {results.packages} packages with pip and with uv")


def _colour(server: servers.Server) -> str:
    if server.unit != servers.OURS.unit:
        return OTHERS
    return PLAIN if server.name.startswith("plain") else OURS

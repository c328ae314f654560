"""Draws the panels of examples/monitoring/dashboard.json as a page of SVG, from data of a demo, without a Grafana.

    python tests/tools/dashboard_page.py PAGE.svg

The data is in tests/unit/monitoring/demo; a Prometheus answers the questions. It is for looking at, and no test.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit"))
from monitoring import history, prometheus  # noqa: E402

CELL_WIDTH, CELL_HEIGHT, GAP = 55, 34, 8
COLOURS = ("#3274d9", "#56a64b", "#e0b400", "#e02f44", "#8f3bb8", "#ff780a", "#37872d", "#705da0")
UNITS = {"bytes": ("B", 1024.0), "s": ("s", 1000.0), "reqps": ("/s", 1000.0), "short": ("", 1000.0)}


def shown(value: float, unit: str) -> str:
    """A number as people read it."""
    if unit == "bool_on_off":
        return "On" if value else "Off"
    if unit == "s":
        for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
            if abs(value) >= size:
                return f"{value / size:.1f} {name}"
    suffix, base = UNITS.get(unit, ("", 1000.0))
    for prefix in ("", "k", "M", "G", "T"):
        if abs(value) < base:
            return f"{value:.3g} {prefix}{suffix}".strip()
        value /= base
    return f"{value:.3g} P{suffix}"


def legend(target: dict[str, Any], series: dict[str, Any]) -> str:
    text = str(target["legendFormat"])
    for label, value in series["metric"].items():
        text = text.replace(f"{{{{{label}}}}}", value)
    return text


def panel(definition: dict[str, Any], server: prometheus.Prometheus) -> Iterator[str]:
    """The elements of one panel."""
    place = definition["gridPos"]
    left, top = place["x"] * CELL_WIDTH, place["y"] * CELL_HEIGHT
    width, height = place["w"] * CELL_WIDTH - GAP, place["h"] * CELL_HEIGHT - GAP
    unit = definition["fieldConfig"]["defaults"]["unit"]
    start, end = history.end() - 3000, history.end()
    found = [
        (legend(target, series), [(float(at), float(value)) for at, value in series["values"]])
        for target in definition["targets"]
        for series in server.series(target["expr"], start, end, 60)
    ]
    yield f'<g transform="translate({left},{top})"><rect width="{width}" height="{height}" class="panel"/>'
    yield f'<text x="10" y="18" class="title">{escape(definition["title"])}</text>'
    if not found:
        yield f'<text x="10" y="{height // 2}" class="label">no data</text>'
    elif definition["type"] == "stat":
        for number, (name, values) in enumerate(found[:3]):
            x = 10 + number * (width - 20) / min(3, len(found))
            yield f'<text x="{x:.0f}" y="{height - 40}" class="big">{shown(values[-1][1], unit)}</text>'
            yield f'<text x="{x:.0f}" y="{height - 16}" class="label">{escape(name)}</text>'
    elif definition["type"] == "bargauge":
        yield from bars(found, unit, width, height)
    else:
        yield from lines(found, unit, width, height, (start, end))
    yield "</g>"


Found = list[tuple[str, list[tuple[float, float]]]]


def bars(found: Found, unit: str, width: float, height: float) -> Iterator[str]:
    most = max(abs(values[-1][1]) for _, values in found) or 1
    step = min(30.0, (height - 30) / len(found))
    for number, (name, values) in enumerate(found):
        value, y = values[-1][1], 28 + number * step
        long = abs(value) / most * (width - 20)
        yield f'<rect x="10" y="{y:.0f}" width="{long:.0f}" height="{step - 6:.0f}" class="bar"/>'
        yield f'<text x="14" y="{y + step / 2:.0f}" class="label">{escape(name)}: {shown(value, unit)}</text>'


def lines(found: Found, unit: str, width: float, height: float, time: tuple[float, float]) -> Iterator[str]:
    numbers = [value for _, values in found for _, value in values]
    low, high = min(0.0, *numbers), max(*numbers, 1e-9)
    bottom = height - 12 - 14 * ((min(len(found), 9) + 2) // 3)
    for part in (0.0, 0.5, 1.0):
        y = bottom - part * (bottom - 34)
        yield f'<line x1="60" x2="{width - 10}" y1="{y:.0f}" y2="{y:.0f}" class="grid"/>'
        yield f'<text x="54" y="{y + 4:.0f}" class="axis">{shown(low + part * (high - low), unit)}</text>'
    for number, (name, values) in enumerate(found[:9]):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(
            f"{60 + (at - time[0]) / (time[1] - time[0]) * (width - 70):.1f},"
            f"{bottom - (value - low) / (high - low) * (bottom - 34):.1f}"
            for at, value in values
        )
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        x, y = 10 + number % 3 * (width - 20) / 3, bottom + 18 + number // 3 * 14
        yield f'<rect x="{x:.0f}" y="{y - 8:.0f}" width="9" height="9" fill="{colour}"/>'
        yield f'<text x="{x + 13:.0f}" y="{y:.0f}" class="label">{escape(name)}</text>'


STYLE = """
text { font-family: sans-serif; fill: #24292e } .title { font-size: 13px; font-weight: bold } .big { font-size: 22px }
.label, .axis { font-size: 11px } .axis { text-anchor: end } .panel { fill: #fff; stroke: #ddd } .bar { fill: #cfe0f7 }
.grid { stroke: #eee }
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="dashboard_page.py",
        description="Draw the panels of the dashboard for Grafana as a page of SVG, from data of a demo.",
    )
    parser.add_argument("page", type=Path, metavar="PAGE.svg", help="the file to write")
    options = parser.parse_args()
    dashboard = json.loads((ROOT / "examples" / "monitoring" / "dashboard.json").read_text(encoding="utf-8"))
    height = max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in dashboard["panels"]) * CELL_HEIGHT
    place = tempfile.TemporaryDirectory()
    with place as directory, prometheus.serving(Path(directory), history.openmetrics()) as server:
        drawn = "\n".join(line for one in dashboard["panels"] for line in panel(one, server))
    opened = f'<svg xmlns="http://www.w3.org/2000/svg" width="{24 * CELL_WIDTH}" height="{height}">'
    options.page.write_text(f"{opened}<style>{STYLE}</style>\n{drawn}\n</svg>\n", encoding="utf-8")


if __name__ == "__main__":
    main()

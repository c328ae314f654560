"""The dashboard: a real Prometheus with data of a demo answers each of its questions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import history, prometheus

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD = json.loads((ROOT / "examples" / "monitoring" / "dashboard.json").read_text())
TARGETS = [(panel, target) for panel in DASHBOARD["panels"] for target in panel["targets"]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[prometheus.Prometheus]:
    directory = tmp_path_factory.mktemp("prometheus")
    with prometheus.serving(directory, history.openmetrics()) as started:
        yield started


@pytest.mark.parametrize(("panel", "target"), TARGETS, ids=lambda one: one.get("title") or one.get("expr"))
def test_a_panel_has_something_to_show(
    server: prometheus.Prometheus, panel: dict[str, Any], target: dict[str, Any]
) -> None:
    found = server.series(target["expr"], history.end() - 1800, history.end(), 60)
    assert found
    for series in found:
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            assert series["metric"].get(label), f"the legend has nothing for {label}"


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_it_names_no_data_source_of_ours() -> None:
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {"${datasource}"}

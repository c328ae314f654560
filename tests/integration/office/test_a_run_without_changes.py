"""What a run costs that has nothing to do: no change on any host, and few tasks, whatever the number of people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from company import ROOT, site


def test_a_run_without_changes_is_few_tasks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where homes are hostile, which the office of the tests has."""
    counted = tmp_path / "counted.json"
    monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", str(ROOT / "tests" / "bench" / "callbacks"))
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "count_tasks")
    monkeypatch.setenv("COUNT_TASKS_FILE", str(counted))
    site()
    numbers = json.loads(counted.read_text())
    assert numbers["changed"] == []
    assert numbers["tasks"] <= 140, "\n".join(f"{play['tasks']:3} {play['name']}" for play in numbers["plays"])

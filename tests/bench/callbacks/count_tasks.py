# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""Counts what ansible-playbook does, for site_run.py and fleet.py; works with any version of the collection."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: count_tasks
type: aggregate
short_description: Counts tasks and results
description: Writes the numbers as JSON to the file that COUNT_TASKS_FILE names.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible has no types
    """Counts tasks, and results by host and kind."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "count_tasks"

    def __init__(self) -> None:
        super().__init__()
        self._plays: list[dict[str, Any]] = []
        self._results: Counter[str] = Counter()
        self._changed: list[str] = []
        self._retries = 0

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._plays.append({"name": play.get_name(), "tasks": 0})

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._plays[-1]["tasks"] += 1

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._plays[-1]["tasks"] += 1

    def v2_runner_on_ok(self, result: Any) -> None:
        self._results["ok"] += 1
        if result._result.get("changed", False):
            self._changed.append(f"{result._host.get_name()}: {result._task.get_name()}")

    def v2_runner_retry(self, result: Any) -> None:
        self._retries += 1

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._results["skipped"] += 1

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._results["failed"] += 1

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._results["unreachable"] += 1

    def v2_playbook_on_stats(self, stats: Any) -> None:
        counted = {
            "tasks": sum(play["tasks"] for play in self._plays),
            "results": dict(self._results),
            "retries": self._retries,
            "changed": self._changed,
            "plays": [play for play in self._plays if play["tasks"]],
        }
        Path(os.environ["COUNT_TASKS_FILE"]).write_text(json.dumps(counted), encoding="utf-8")

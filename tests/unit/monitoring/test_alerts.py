"""Each alert fires when it should, and is quiet in a healthy office; and each has a section that says what to do."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from . import prometheus

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "examples" / "monitoring" / "alerts.yml"
PAGE = ROOT / "docs" / "monitoring.md"
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
DAY, GIB = 86400, 2**30
AT = 3 * 3600
"""Seconds after which is looked, of a time that begins at 0; each series has a sample a minute."""
I, H = 'instance="index"', 'instance="host"'  # noqa: E741

# A healthy office: {series: value, or a value and what it grows by in a minute}
HEALTHY: dict[str, float | tuple[float, float]] = {
    f'up{{job="wheelhouse-hosts",{I}}}': 1,
    f"wheelhouse_collected_timestamp_seconds{{{I}}}": (0, 60),
    f'wheelhouse_collector_success{{{I},part="program"}}': 1,
    f"wheelhouse_site_run_timestamp_seconds{{{I}}}": -3 * DAY,
    f'wheelhouse_info{{{I},version="0.2.0"}}': 1,
    f'wheelhouse_info{{{H},version="0.2.0"}}': 1,
    f"wheelhouse_units_failed{{{I}}}": 0,
    f'wheelhouse_timer_next_timestamp_seconds{{{I},timer="wheelhouse-intake.timer"}}': 3 * DAY,
    f'wheelhouse_proxy_up{{{I},proxy="proxy:3128"}}': 1,
    f'wheelhouse_job_outcome{{{I},task="backup"}}': 0,
    f"wheelhouse_job_files_unreadable{{{I}}}": 0,
    f'wheelhouse_job_last_ok_timestamp_seconds{{{I},task="backup"}}': -DAY,
    f'wheelhouse_job_last_ok_timestamp_seconds{{{I},task="drill"}}': -20 * DAY,
    f"wheelhouse_index_reachable{{{H}}}": 1,
    f"wheelhouse_index_healthy{{{H}}}": 1,
    f"wheelhouse_index_answer_seconds{{{H}}}": 0.02,
    f'wheelhouse_requests_total{{{I},kind="page",status="200"}}': (0, 600),
    f'wheelhouse_requests_total{{{I},kind="page",status="502"}}': (0, 1),
    f'wheelhouse_requests_total{{{I},kind="upload",status="429"}}': (0, 1),
    f"wheelhouse_logins_refused_total{{{I}}}": (0, 1),
    f"wheelhouse_log_skipped_bytes_total{{{I}}}": 0,
    f'wheelhouse_uploads_refused_total{{{I},reason="conflict"}}': (0, 0.1),
    f"wheelhouse_dirty_oldest_seconds{{{I}}}": 0,
    f'wheelhouse_files_missing{{{I},kind="python"}}': 0,
    f"wheelhouse_quarantined_total{{{I}}}": 3,
    f"wheelhouse_disk_free_bytes{{{I}}}": (80 * GIB, -1e6),
    f"wheelhouse_disk_size_bytes{{{I}}}": 100 * GIB,
    f"wheelhouse_upload_room_bytes{{{I}}}": 79 * GIB,
    f"wheelhouse_intake_started_timestamp_seconds{{{I}}}": -6 * DAY,
    f"wheelhouse_intake_failed{{{I}}}": 0,
    f"wheelhouse_intake_problems{{{I}}}": 0,
    f'wheelhouse_certificate_end_timestamp_seconds{{{I},file="index.pem"}}': 300 * DAY,
    f"wheelhouse_index_certificate_end_timestamp_seconds{{{H}}}": 300 * DAY,
    f'wheelhouse_jupyter_memory_bytes{{{H},person="ada"}}': 2 * GIB,
    f'wheelhouse_jupyter_memory_limit_bytes{{{H},person="ada"}}': 4 * GIB,
    f"node_memory_MemAvailable_bytes{{{H}}}": 8 * GIB,
    f"node_memory_MemTotal_bytes{{{H}}}": 16 * GIB,
    f'node_filesystem_avail_bytes{{{H},mountpoint="/",fstype="ext4"}}': 50 * GIB,
    f'node_filesystem_size_bytes{{{H},mountpoint="/",fstype="ext4"}}': 100 * GIB,
}
# What makes each alert fire: series that are otherwise, or more.
FAULTS: dict[str, dict[str, float | tuple[float, float]]] = {
    "WheelhouseHostDown": {f'up{{job="wheelhouse-hosts",{I}}}': 0},
    "WheelhouseMetricsStale": {f"wheelhouse_collected_timestamp_seconds{{{I}}}": 3600},
    "WheelhouseCollectorFailed": {f'wheelhouse_collector_success{{{I},part="program"}}': 0},
    "WheelhouseNotConfiguredLately": {f"wheelhouse_site_run_timestamp_seconds{{{I}}}": -15 * DAY},
    "WheelhouseVersionsDiffer": {f'wheelhouse_info{{{H},version="0.1.0"}}': 1},
    "WheelhouseUnitFailed": {f'wheelhouse_unit_failed{{{I},unit="wheelhouse-intake.service"}}': 1},
    "WheelhouseTimerStalled": {f'wheelhouse_timer_next_timestamp_seconds{{{I},timer="wheelhouse-intake.timer"}}': 0},
    "WheelhouseProxyDown": {f'wheelhouse_proxy_up{{{I},proxy="proxy:3128"}}': 0},
    "WheelhouseJobFailed": {f'wheelhouse_job_outcome{{{I},task="backup"}}': 2},
    "WheelhouseJobProblems": {f'wheelhouse_job_outcome{{{I},task="backup"}}': 1},
    "WheelhouseJobFilesUnreadable": {f"wheelhouse_job_files_unreadable{{{I}}}": 1},
    "WheelhouseBackupOld": {f'wheelhouse_job_last_ok_timestamp_seconds{{{I},task="backup"}}': -2 * DAY},
    "WheelhouseDrillOld": {f'wheelhouse_job_last_ok_timestamp_seconds{{{I},task="drill"}}': -36 * DAY},
    "WheelhouseIndexUnreachable": {f"wheelhouse_index_reachable{{{H}}}": 0},
    "WheelhouseIndexUnhealthy": {f"wheelhouse_index_healthy{{{H}}}": 0},
    "WheelhouseIndexSlow": {f"wheelhouse_index_answer_seconds{{{H}}}": 4},
    "WheelhouseIndexErrors": {f'wheelhouse_requests_total{{{I},kind="page",status="502"}}': (0, 60)},
    "WheelhouseIndexThrottles": {f'wheelhouse_requests_total{{{I},kind="upload",status="429"}}': (0, 20)},
    "WheelhouseLoginsRefused": {f"wheelhouse_logins_refused_total{{{I}}}": (0, 20)},
    "WheelhouseLogNotCounted": {f"wheelhouse_log_skipped_bytes_total{{{I}}}": (0, 1e6)},
    "WheelhouseUploadsRefused": {f'wheelhouse_uploads_refused_total{{{I},reason="conflict"}}': (0, 1)},
    "WheelhousePagesNotRendered": {f"wheelhouse_dirty_oldest_seconds{{{I}}}": (0, 60)},
    "WheelhouseFilesMissing": {f'wheelhouse_files_missing{{{I},kind="python"}}': 1},
    "WheelhouseQuarantineGrows": {f"wheelhouse_quarantined_total{{{I}}}": (0, 0.1)},
    "WheelhouseDiskFillsUp": {f"wheelhouse_disk_free_bytes{{{I}}}": (25 * GIB, -2e7)},
    "WheelhouseDiskFull": {f"wheelhouse_upload_room_bytes{{{I}}}": 5e8},
    "WheelhouseIntakeOld": {f"wheelhouse_intake_started_timestamp_seconds{{{I}}}": -11 * DAY},
    "WheelhouseIntakeFailed": {f"wheelhouse_intake_failed{{{I}}}": 1},
    "WheelhouseIntakeProblems": {f"wheelhouse_intake_problems{{{I}}}": 2},
    "WheelhouseCertificateExpires": {f"wheelhouse_index_certificate_end_timestamp_seconds{{{H}}}": 20 * DAY},
    "WheelhouseCertificateExpired": {f'wheelhouse_certificate_end_timestamp_seconds{{{I},file="index.pem"}}': DAY},
    "WheelhouseJupyterMemory": {f'wheelhouse_jupyter_memory_bytes{{{H},person="ada"}}': 3.9 * GIB},
    "WheelhouseHostMemory": {f"node_memory_MemAvailable_bytes{{{H}}}": GIB},
    "WheelhouseHostDisk": {f'node_filesystem_avail_bytes{{{H},mountpoint="/",fstype="ext4"}}': GIB},
}
# Alerts that another fault rightly brings as well.
ALSO = {"WheelhouseCertificateExpired": {"WheelhouseCertificateExpires"}}


def values(value: float | tuple[float, float]) -> str:
    """As promtool writes a series: its first value, and what comes on top each minute."""
    first, more = value if isinstance(value, tuple) else (value, 0.0)
    return f"{first:.10g}{'-' if more < 0 else '+'}{abs(more):.10g}x{AT // 60}"


def case(name: str, series: dict[str, float | tuple[float, float]], firing: set[str]) -> dict[str, object]:
    """A test of promtool that all alerts are checked in."""
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": one, "values": values(value)} for one, value in series.items()],
        "promql_expr_test": [
            {
                "expr": "count by (alertname) (ALERTS{alertstate='firing'})",
                "eval_time": f"{AT}s",
                "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(firing)],
            }
        ],
    }


def run(tmp_path: Path, *cases: dict[str, object]) -> str:
    """What promtool says against them; nothing if they are right."""
    shutil.copy(RULES, tmp_path / "alerts.yml")
    tests = {"rule_files": ["alerts.yml"], "evaluation_interval": "5m", "tests": list(cases)}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(tests))
    done = prometheus.promtool(tmp_path, "test", "rules", "tests.yml")
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_every_alert_has_a_fault() -> None:
    assert FAULTS.keys() == ALERTS.keys()
    assert len(ALERTS) > 25


def test_a_healthy_office_is_quiet_and_each_fault_has_its_alert(tmp_path: Path) -> None:
    cases = [case("healthy", HEALTHY, set())]
    for alert, fault in FAULTS.items():
        cases.append(case(alert, HEALTHY | fault, {alert} | ALSO.get(alert, set())))
    assert run(tmp_path, *cases) == ""


def test_a_fault_that_passes_by_itself_wakes_nobody(tmp_path: Path) -> None:
    """A host that restarts, and a container that is replaced."""
    series = HEALTHY | {f'up{{job="wheelhouse-hosts",{I}}}': 1}
    short = case("short", series, set())
    short["input_series"] = [
        {"series": one, "values": f"1x{AT // 60 - 4} 0x3" if one.startswith("up") else values(value)}
        for one, value in series.items()
    ]
    assert run(tmp_path, short) == ""


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_names_its_place_and_its_page(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["runbook"] == f"monitoring.html#{alert.lower()}"


def test_the_page_explains_these_alerts_and_no_others() -> None:
    text = PAGE.read_text()
    assert re.findall(r"^### (Wheelhouse\w+)$", text, re.MULTILINE) == list(ALERTS)
    for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        assert len(section.split()) > 15, section


def test_metrics_in_rules_and_panels_are_those_that_are_written() -> None:
    """A renamed metric would make an alert quiet for ever."""
    sources = [*(ROOT / "roles/monitoring/files/collector/wheelhouse_monitoring").glob("*.py")]
    sources.append(ROOT / "roles/pypi_index/files/wheelhouse/src/wheelhouse/metrics.py")
    written = {name for path in sources for name in re.findall(r'"(wheelhouse_[a-z_]+)"', path.read_text())}
    dashboard = json.loads((ROOT / "examples/monitoring/dashboard.json").read_text())
    asked = [rule["expr"] for rule in ALERTS.values()]
    asked += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = {name for expression in asked for name in re.findall(r"\bwheelhouse_[a-z_]+", expression)}
    assert used - written == set()

"""What systemd knows: timers, units that failed, people's Jupyter servers."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from wheelhouse_monitoring.textfile import Family

OURS = ("wheelhouse-*", "jupyterlab*", "nginx.service", "docker.service", "prometheus-node-exporter.service")
_SHOWN = "Id,ActiveState,MemoryCurrent,MemoryMax,CPUUsageNSec,TasksCurrent"


def _systemctl(*arguments: str) -> str:
    """What systemctl prints; raises OSError, subprocess.SubprocessError."""
    command = ["systemctl", "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


def timers() -> list[Family]:
    """When our timers last started something, and when they will."""
    last = Family("wheelhouse_timer_last_timestamp_seconds", "When a timer last started its service; 0 = never.")
    following = Family("wheelhouse_timer_next_timestamp_seconds", "When it will; 0 = it does not run.")
    found: list[dict[str, Any]] = json.loads(_systemctl("list-timers", "--all", "--output=json", "wheelhouse-*"))
    started = [str(timer["activates"]) for timer in found]
    states = _systemctl("show", "--property=Id,ActiveState", *started) if started else ""
    working = {unit["Id"] for unit in shown(states)}
    for timer in found:
        # microseconds; null where there is none
        last.add((timer.get("last") or 0) / 1e6, timer=str(timer["unit"]))
        # while its service is at work, a timer has no next time: this program's own has none now
        if timer.get("next") or timer["activates"] not in working:
            following.add((timer.get("next") or 0) / 1e6, timer=str(timer["unit"]))
    return [last, following]


def failed() -> list[Family]:
    """Our units that failed."""
    number = Family("wheelhouse_units_failed", "Units of the collection that failed.")
    each = Family("wheelhouse_unit_failed", "1 for a unit that failed.")
    found: list[dict[str, Any]] = json.loads(_systemctl("list-units", "--all", "--failed", "--output=json", *OURS))
    for unit in found[:200]:
        each.add(1, unit=str(unit["unit"]))
    return [number.add(len(found)), each]


def jupyter() -> list[Family]:
    """Servers that run, whether somebody is connected to them, and what they use. From systemd alone."""
    running = Family("wheelhouse_jupyter_servers", "JupyterLabs that run.")
    connected = Family("wheelhouse_jupyter_connected", "JupyterLabs that somebody is connected to.")
    memory = Family("wheelhouse_jupyter_memory_bytes", "Memory of a person's JupyterLab and kernels.")
    limit = Family("wheelhouse_jupyter_memory_limit_bytes", "Limit of it.")
    cpu = Family("wheelhouse_jupyter_cpu_seconds_total", "CPU time of it.", "counter")
    servers = shown(_systemctl("show", f"--property={_SHOWN}", "jupyterlab@*.service"))
    proxies = shown(_systemctl("show", f"--property={_SHOWN}", "jupyterlab-proxy@*.service"))
    people = {person(unit["Id"]) for unit in proxies}
    for unit in servers:
        name = person(unit["Id"])
        for family, key, divisor in (
            (memory, "MemoryCurrent", 1),
            (limit, "MemoryMax", 1),
            (cpu, "CPUUsageNSec", 10**9),
        ):
            if unit.get(key, "").isdigit() and int(unit[key]) < 2**63:
                family.add(int(unit[key]) / divisor, person=name)
    running.add(len(servers))
    connected.add(len([unit for unit in servers if person(unit["Id"]) in people]))
    return [running, connected, memory, limit, cpu]


def shown(text: str) -> list[dict[str, str]]:
    """The units that are at work, of what `systemctl show` prints: blocks of KEY=VALUE."""
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in text.strip().split("\n\n")]
    return [unit for unit in blocks if unit.get("ActiveState") in ("active", "activating")]


def person(unit: str) -> str:
    """Whose it is: `ada` of `jupyterlab@ada.service`."""
    match = re.fullmatch(r"[^@]+@(.+)\.service", unit)
    name = match[1] if match else unit
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), name)

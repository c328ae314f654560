"""The program: collect, part by part, and write one file."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from wheelhouse_monitoring import access_log, certificates, network, runs, small_files, textfile, units
from wheelhouse_monitoring.textfile import Family

SETTINGS = Path("/etc/wheelhouse/monitoring.json")
_MOST_BYTES = 4 * 1024 * 1024
_LINE = re.compile(r"(# (HELP|TYPE) )?wheelhouse_[a-z_]+.*")
Part = Callable[[], "Iterable[Family] | str"]


def main(arguments: list[str] | None = None) -> int:
    """Write the file; 1 if a part failed."""
    parser = argparse.ArgumentParser(
        prog="wheelhouse-collect",
        description="Write what Prometheus should know about this host into a file that prometheus-node-exporter reads:"
        " the index, requests, jobs, timers, certificates, the proxy, Jupyter servers.",
    )
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="file with the settings (default: %(default)s)")
    parser.add_argument("--print", action="store_true", dest="prints", help="print the metrics, and write no file")
    options = parser.parse_args(arguments)
    settings: dict[str, Any] = json.loads(options.settings.read_text(encoding="utf-8"))
    start = time.time()
    written, faults = collect(parts_of(settings, keeps=not options.prints))
    collected = Family("wheelhouse_collected_timestamp_seconds", "When these numbers were collected.").add(start)
    took = Family("wheelhouse_collect_seconds", "Time that it took.").add(time.time() - start)
    written += textfile.text([collected, took])
    if options.prints:
        print(written, end="")
    else:
        textfile.replace(Path(settings["textfile"]), written)
    for part, fault in faults.items():
        print(f"wheelhouse-collect: {part}: {fault}", file=sys.stderr)
    return 1 if faults else 0


def parts_of(settings: dict[str, Any], *, keeps: bool) -> dict[str, Part]:
    """What there is to collect on a host with these settings; with `keeps`, how far the log was read is kept."""
    parts: dict[str, Part] = {
        "jobs": lambda: runs.collect(Path(settings["runs"])),
        "timers": units.timers,
        "units": units.failed,
        "certificates": lambda: certificates.collect(settings["certificates"]),
        "proxy": lambda: network.proxy(Path(settings["proxy_environment"])),
    }
    if settings.get("index_url"):
        parts["index"] = lambda: network.index(settings["index_url"])
    if settings.get("container"):
        parts["program"] = lambda: program(settings["container"])
        parts["requests"] = lambda: requests(settings, keeps=keeps)
    if settings.get("jupyter"):
        parts["jupyter"] = units.jupyter
    return parts


def collect(parts: dict[str, Part]) -> tuple[str, dict[str, str]]:
    """What all parts say, and what went wrong in some."""
    success = Family("wheelhouse_collector_success", "1 if a part of the collector did its work.")
    written, faults = "", {}
    for name, part in parts.items():
        try:
            found = part()
            written += found if isinstance(found, str) else textfile.text(found)
        except Exception as error:  # whatever it is, the other parts go on
            faults[name] = f"{type(error).__name__}: {error}"[:500]
        success.add(float(name not in faults), part=name)
    return written + textfile.text([success]), faults


def program(container: str) -> str:
    """What the index's program counts; raises OSError, subprocess.SubprocessError, ValueError."""
    command = ["docker", "exec", container, "wheelhouse", "metrics"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=40, check=True).stdout
    # one odd line would have node-exporter pass on nothing of the file
    if len(said) > _MOST_BYTES or not all(_LINE.fullmatch(line) for line in said.splitlines()):
        raise ValueError("what `wheelhouse metrics` prints is not what it should be")
    return said


def requests(settings: dict[str, Any], *, keeps: bool) -> list[Family]:
    """What nginx's log says since the last look."""
    kept, accounts = Path(settings["state"]), None
    if settings.get("accounts"):
        accounts = access_log.account_names(small_files.read(Path(settings["accounts"]), _MOST_BYTES))
    try:
        state = access_log.State.of(json.loads(small_files.read(kept, _MOST_BYTES)))
    except (FileNotFoundError, ValueError):
        state = access_log.State()
    access_log.follow(Path(settings["access_log"]), state, accounts)
    if accounts is not None:
        state.people = {name: day for name, day in state.people.items() if name in accounts}
    if keeps:
        textfile.replace(kept, json.dumps(vars(state)), 0o600)
    return list(access_log.families(state))

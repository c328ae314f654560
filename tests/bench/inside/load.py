"""Run wrk on the index host, one job after the other. Only the standard library; Debian's Python runs it.

Reads jobs as JSON from standard input:

    {"shelf_link": path, if there is more than one shelf, "script": path of requests.lua,
     "jobs": [{"id", "url": scheme and address, "headers": path, "paths": path, "clients", "seconds",
               "shelf": what shelf_link is to point at, "unit": systemd unit of the server, "warm": bool}, ...]}

Prints one line of JSON for each, as it ends: {"id", "requests", "seconds", "bytes", "p50", "p99": milliseconds,
"failed": requests without a good answer, "cpu": seconds of processor time that the server's processes took}.
"""

import contextlib
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
REQUEST_TIMEOUT = 60
"""Seconds a slow server has for one answer."""


def processes_of(unit: str) -> list[int]:
    """The main process of a systemd unit and its children."""
    command = ["systemctl", "show", "--property=MainPID", "--value", unit]
    main = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    children = Path(f"/proc/{main}/task/{main}/children").read_text(encoding="ascii").split()
    return [int(main), *map(int, children)]


def cpu_time(unit: str) -> dict[int, float]:
    """Seconds, user and system, that each process of a unit has had, to the kernel's tick of 10 ms."""
    times = {}
    for process in processes_of(unit):
        with contextlib.suppress(FileNotFoundError):  # nginx has helpers that end by themselves
            line = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
            fields = line.rpartition(")")[2].split()
            times[process] = (int(fields[11]) + int(fields[12])) / TICKS
    return times


def warm(job: dict[str, Any]) -> None:
    """Ask for each path once, so that what a server caches is in its cache."""
    trust = ssl.create_default_context()
    headers = dict(line.split(": ", 1) for line in Path(job["headers"]).read_text(encoding="ascii").splitlines())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    for path in Path(job["paths"]).read_text(encoding="ascii").splitlines():
        with opener.open(urllib.request.Request(job["url"] + path, headers=headers), timeout=REQUEST_TIMEOUT) as answer:
            answer.read()


def run(job: dict[str, Any], script: str) -> dict[str, object]:
    """One run of wrk; its outcome."""
    threads = min(job["clients"], os.cpu_count() or 1)
    command = ["wrk", f"-t{threads}", f"-c{job['clients']}", f"-d{job['seconds']}s", f"--timeout={REQUEST_TIMEOUT}s"]
    before = cpu_time(job["unit"])
    limit = job["seconds"] + 2 * REQUEST_TIMEOUT
    try:
        ran = subprocess.run(
            [*command, "-s", script, job["url"], "--", job["headers"], job["paths"]],
            check=True,
            capture_output=True,
            text=True,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        # wrk ends by itself, whatever a server does, unless it cannot connect or this machine stands still
        for look in (
            ["ss", "-tnap"],
            ["ps", "-eo", "pid,stat,pcpu,wchan:30,args"],
            ["tail", "/var/log/nginx/error.log"],
        ):
            print(subprocess.run(look, capture_output=True, text=True, check=False).stdout, file=sys.stderr)
        raise
    outcome = json.loads(ran.stdout.splitlines()[-1])
    after = cpu_time(job["unit"])
    return {"id": job["id"], **outcome, "cpu": sum(after[process] - before.get(process, 0) for process in after)}


def main() -> None:
    """Run what standard input asks for."""
    order = json.load(sys.stdin)
    for job in order["jobs"]:
        if "shelf_link" in order and str((link := Path(order["shelf_link"])).readlink()) != job["shelf"]:
            new = link.with_name(link.name + ".new")
            new.symlink_to(job["shelf"])
            new.replace(link)
            time.sleep(0.1)
        if job["warm"]:
            warm(job)
        print(json.dumps(run(job, order["script"])), flush=True)


if __name__ == "__main__":
    main()

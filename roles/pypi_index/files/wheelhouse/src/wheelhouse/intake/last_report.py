"""What the last run of the intake reported, read back for a terminal: `wheelhouse report`.

Light to load, unlike `report`, which writes it.
"""

import json
from collections.abc import Iterator
from typing import Any

from wheelhouse.errors import NotFound
from wheelhouse.store.site import Site

DATA, LAST_RUN = "intake.json", "last-run.json"
_MARKS = {"block": "blocked", "warn": "noted"}


def read(site: Site) -> dict[str, Any]:
    """The report with how the last run went as `last_run`; `NotFound` while no run has come to its end."""
    try:
        found: dict[str, Any] = {"last_run": json.loads((site.reports / LAST_RUN).read_bytes())}
        if (site.reports / DATA).exists():
            found |= json.loads((site.reports / DATA).read_bytes())
    except FileNotFoundError:
        raise NotFound("No run of intake has come to its end yet.") from None
    return found


def lines(report: dict[str, Any]) -> Iterator[str]:
    """The same as text: the last run, each line of the list with what it comes to, and all findings."""
    last = report["last_run"]
    yield f"Last run {last['started']}: {last['outcome']}."
    yield from (f"  {problem}" for problem in last["problems"])
    for line in report.get("lines", ()):
        yield ""
        yield f"{line['line']}: {line['status']}"
        for name, why in line["releases"].items():
            release = report["releases"][name]
            yield f"  {name}  {release['licence'] or 'no licence'}  {why}"
            yield from (f"    {_said(finding)}" for finding in release["findings"])


def _said(finding: dict[str, Any]) -> str:
    granted = finding["exception"]
    until = f" (exception until {granted['until']}: {granted['reason']})" if granted else ""
    return f"{_MARKS.get(finding['verdict'], finding['verdict'])}: {finding['evidence']}{until}"

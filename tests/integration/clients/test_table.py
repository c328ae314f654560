"""Every tool installs a package of the company's and a public one, or publishes, with nothing on its command line that IT has set.

For everybody: whatever is in their passwords, whatever files they had before, whichever way leads through the proxy.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from cells import Cell, cells
from testinfra.host import Host
from tools import INTERNAL, PUBLIC
from work import Work


@pytest.mark.parametrize("cell", cells())
def test_cell(cell: Cell, at_work: Callable[[str], Work], index: Host, proxy: Host) -> None:
    work = at_work(cell.batch.mode)
    outcome = work.outcome(cell.batch)
    if cell.batch.tool.publishes:
        project = work.project(cell.batch)
        journal = index.check_output("docker exec wheelhouse-index wheelhouse journal --json").splitlines()
        events = [json.loads(line) for line in journal if f'"{project}"' in line]
        published = [event for event in events if event["event"] == "publish" and event["version"] == work.version]
        assert published, outcome.said
        assert {event["who"] for event in published} == {work.person(cell.batch)}
    elif cell.package == "internal":
        assert outcome.versions.get(INTERNAL) == work.version, outcome.said
    else:
        assert outcome.versions.get(PUBLIC), outcome.said
        if cell.batch.mode == "direct" and cell.batch.tool.shell != "docker":  # and under nobody else's name
            log = proxy.file("/var/log/squid/access.log").content_string
            assert f" EMEA\\\\{work.person(cell.batch)} " in log

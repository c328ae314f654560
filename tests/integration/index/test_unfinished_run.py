"""A run that was killed wrote settings and told nobody: the next one finds nothing to write, and tells the services all the same."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from company import eventually
from testinfra.host import Host


@pytest.mark.long
def test_services_are_told_what_a_killed_run_did_not_tell_them(index: Host, settings) -> None:
    readers = {
        "docker": "/etc/docker/daemon.json",
        "nginx": "/etc/nginx/conf.d/wheelhouse.conf",
    }

    def read_at(unit: str) -> float:
        since = index.check_output("systemctl show --value --property=StateChangeTimestamp --timestamp=us+utc %s", unit)
        return datetime.strptime(f"{since}+0000", "%a %Y-%m-%d %H:%M:%S.%f UTC%z").timestamp()

    written = {}
    for unit, file in readers.items():
        index.check_output("touch %s", file)
        written[unit] = float(index.check_output("stat --format %%.Z %s", file))
        assert read_at(unit) < written[unit]
    index.check_output("touch /srv/wheelhouse/intake/intake.json")
    changed = int(index.check_output("date +%s"))
    settings.play("site", "--limit", "index_hosts", "--tags", "index")
    assert {unit: read_at(unit) > written[unit] for unit in readers} == dict.fromkeys(readers, True)

    def brought_in_at() -> float:
        """When the last run of the intake that came to its end began; 0 while none has."""
        shown = index.run("cat /srv/wheelhouse/shelf/reports/last-run.json").stdout
        return datetime.fromisoformat(json.loads(shown)["started"]).timestamp() if shown else 0

    eventually(lambda: brought_in_at() >= changed, "the list is brought in", 120)

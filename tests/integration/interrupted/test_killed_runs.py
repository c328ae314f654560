"""A run that was killed leaves nothing that the next run cannot repair. The scenario goes on with a plain run and one that changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from datetime import datetime

import pytest
from company import INVENTORY, ROOT, eventually, site
from testinfra.host import Host

# Each run gets further than the one before, since it finds done what those did.
KILLED_AT_TASK = (9, 24, 40, 58, 76, 95)


@pytest.mark.parametrize("task", KILLED_AT_TASK)
def test_a_run_is_killed_while_it_works(task) -> None:
    """kill -9, to the whole group, in the middle of the task with this number."""
    process = subprocess.Popen(
        ["ansible-playbook", "-i", str(INVENTORY), "wheelhouse.onboarding.site"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    seen = 0
    output = []
    for line in process.stdout:
        output.append(line)
        seen += line.startswith(("TASK [", "RUNNING HANDLER ["))
        if seen == task:
            os.killpg(process.pid, signal.SIGKILL)
            break
    assert seen == task, "the run ended before it could be killed:\n" + "".join(output)[-4000:]
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL


def test_services_are_told_what_a_killed_run_did_not_tell_them(index: Host) -> None:
    """Settings that were written, and a run that ended before the handlers: the next run finds nothing to write."""
    readers = {
        "docker": "/etc/docker/daemon.json",
        "nginx": "/etc/nginx/conf.d/wheelhouse.conf",
    }

    def read_at(unit: str) -> float:
        since = index.check_output("systemctl show --value --property=StateChangeTimestamp --timestamp=us+utc %s", unit)
        return datetime.strptime(f"{since}+0000", "%a %Y-%m-%d %H:%M:%S.%f UTC%z").timestamp()

    written = {}
    for unit, settings in readers.items():
        index.check_output("touch %s", settings)
        written[unit] = float(index.check_output("stat --format %%.Z %s", settings))
        assert read_at(unit) < written[unit]
    index.check_output("touch /srv/wheelhouse/intake/intake.json")
    changed = int(index.check_output("date +%s"))
    site(playbook="index")
    assert {unit: read_at(unit) > written[unit] for unit in readers} == dict.fromkeys(readers, True)

    def brought_in_at() -> float:
        """When the last run of the intake that came to its end began; 0 while none has."""
        shown = index.run("cat /srv/wheelhouse/shelf/reports/last-run.json").stdout
        return datetime.fromisoformat(json.loads(shown)["started"]).timestamp() if shown else 0

    eventually(lambda: brought_in_at() >= changed, "the list is brought in", 120)

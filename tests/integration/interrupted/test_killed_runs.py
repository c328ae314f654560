"""A run that was killed leaves nothing that the next run cannot repair.

The office is set up on the same hosts next, and the first of its tests is a run that changes nothing.
"""

from __future__ import annotations

import os
import signal
import subprocess

import pytest
from adversaries import move_in
from company import INVENTORY, ROOT

# Each run gets further than the one before, since it finds done what those did.
KILLED_AT_TASK = (9, 24, 40, 58, 76, 95)


@pytest.mark.parametrize(
    "task", [pytest.param(task, marks=[pytest.mark.long] if task in (24, 40, 58) else []) for task in KILLED_AT_TASK]
)
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
    assert process.stdout
    for line in process.stdout:
        output.append(line)
        seen += line.startswith(("TASK [", "RUNNING HANDLER ["))
        if seen == task:
            os.killpg(process.pid, signal.SIGKILL)
            break
    assert seen == task, "the run ended before it could be killed:\n" + "".join(output)[-4000:]
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    # from here on, runs meet homes full of traps before they have given them anything
    if task == KILLED_AT_TASK[-2]:
        move_in()

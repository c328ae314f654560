"""A new JupyterLab that comes up by itself, but not as anybody's server, is not what people are left with."""

from __future__ import annotations

from pathlib import Path

import pytest
from colleagues import LIMITS, Team, settle
from company import ROOT

LOCK = ROOT / "roles" / "jupyter_host" / "files" / "requirements.txt"
IN_USE = "readlink /opt/wheelhouse/jupyter"
DROP_IN = "/etc/systemd/system/jupyterlab@.service.d/only-the-one-before.conf"


@pytest.mark.long
def test_what_nobody_can_run_is_taken_back(team: Team, tmp_path: Path) -> None:
    size, name, host = len(team.names), team.names[0], team.host
    before = host.check_output(IN_USE)
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"{LOCK.read_text()}# another build of the same\n")
    host.check_output(f"mkdir -p {DROP_IN.rpartition('/')[0]}")
    host.check_output(f"printf '[Service]\\nExecStartPre=/bin/sh -c \"[ $({IN_USE}) = {before} ]\"\\n' >{DROP_IN}")
    try:
        run = settle(size, LIMITS | {"__jupyter_host_lock": str(lock)}, check=False)
        assert run.rc != 0 and "The JupyterLab before this one is in use again." in run.output, run.output[-4000:]
        assert host.check_output(IN_USE) == before
        assert team.cells(name, "print(1)") == "1\n"
    finally:
        host.check_output(f"rm -r {DROP_IN.rpartition('/')[0]}; systemctl daemon-reload")
    settle(size, LIMITS)
    assert host.check_output(IN_USE) == before

"""The example of an inventory that is a program, used as docs/fleets.md says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "cp examples/inventory/cmdb.py examples/inventory/machines.csv inventories/acme/"


def test_ansible_reads_it(tmp_path: Path) -> None:
    assert COMMAND in (ROOT / "docs/fleets.md").read_text(encoding="utf-8")
    (tmp_path / "inventories/acme").mkdir(parents=True)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    subprocess.run(COMMAND, shell=True, cwd=tmp_path, check=True)
    program = tmp_path / "inventories/acme/cmdb.py"
    command: list[str | Path] = [Path(sys.executable).with_name("ansible-inventory"), "-i", program, "--list"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["workstations"]["hosts"] == ["ws-ada.acme.example", "ws-leo.acme.example"]
    assert found["canaries"]["hosts"] == ["ws-ada.acme.example"]
    assert found["_meta"]["hostvars"]["ws-ada.acme.example"] == {"ansible_host": "192.0.2.21"}
    assert "ws-old.acme.example" not in done.stdout and "ws-mia.acme.example" not in done.stdout

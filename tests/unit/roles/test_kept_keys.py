# Copyright (c) wheelhouse.onboarding contributors
# MIT License (see LICENSE)
"""A key for Jupyter that somebody brought stays where it cannot be read this time, and nobody gets anybody else's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICKmSW9vzRS9J2Oc3h7ORYkKO3qG3BSqbNM0IEcyMEm"
KEPT = "/etc/ssh/authorized_keys.d/"


def handed_out(place: Path, facts: dict, now: list[str]) -> dict[str, list[str]]:
    """The keys of each person after a run in which the workstation pc-17 had these facts."""
    people = ["ada", "mallory", "zoe"]
    hosts = {
        "all": {
            "children": {
                "workstations": {"hosts": {"pc-17": facts}},
                "jupyter_hosts": {
                    "hosts": {
                        "lab": {
                            "ansible_connection": "local",
                            "ansible_python_interpreter": sys.executable,
                            "jupyter_host_people": people,
                            "jupyter_host_ssh_public_keys": {},
                            "jupyter_host_ssh_forwarding": [],
                            "__jupyter_host_gone": [],
                            "__jupyter_host_keys_now": {"stdout_lines": now},
                        }
                    }
                },
            }
        }
    }
    template = ROOT / "roles/jupyter_host/templates/authorized_keys.yml.j2"
    task = {"ansible.builtin.copy": {"dest": str(place / "files.yml"), "content": "{{ lookup('template', wanted) }}"}}
    play = [{"hosts": "lab", "gather_facts": False, "vars": {"wanted": str(template)}, "tasks": [task]}]
    (place / "hosts.json").write_text(json.dumps(hosts))
    (place / "play.json").write_text(json.dumps(play))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.json", "play.json"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    files: dict[str, list[str]] = {}
    name = ""
    for line in (place / "files.yml").read_text().splitlines():
        if line.startswith("- path: "):
            name = line.rpartition("/")[2]
            files[name] = []
        elif "ssh-ed25519" in line:
            files[name].append(line[line.index("ssh-ed25519") :])
    return files


def test_who_was_skipped_keeps_the_key_of_before(tmp_path: Path) -> None:
    now = [f"{KEPT}{name}:{KEY}{letter} from-pc-17" for name, letter in (("mallory", "m"), ("zoe", "z"))]
    facts = {"wheelhouse_ssh_public_keys": {"ada": f"{KEY}A ada@pc-17"}, "wheelhouse_ssh_keys_unknown": ["mallory"]}
    assert handed_out(tmp_path, facts, now) == {
        "ada": [f"{KEY}A from-pc-17"],
        "mallory": [f"{KEY}m from-pc-17"],
        "zoe": [],  # who was asked, and has none any more
    }
